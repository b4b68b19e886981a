"""Run pytest in a folder as in an environment that has this package installed."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "testing.md"
FILE = re.compile(r"^```(?:python|toml)\n# (\S+\.(?:py|toml))\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_files() -> dict[str, str]:
    """Return the files of the page: the blocks that begin with a comment that names one."""
    return {path: source for path, source in FILE.findall(PAGE.read_text("utf-8"))}


def page_commands() -> dict[str, str]:
    """Return the commands of the page, and the last line that it shows after each, if any."""
    text = PAGE.read_text("utf-8")
    found = re.findall(r"^```\n\$ (.*)\n((?:[^`\n].*\n)*)```$", text, re.MULTILINE)
    return {command: output.rpartition("\n")[0].rpartition("\n")[2] for command, output in found}


class Project:
    """A user's repository, with Python packages on the path instead of installed ones."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder / "project"
        packages = folder / "packages"
        for name, source in files.items():
            self.write(name, source)
        metadata = packages / "sample-1.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(entry_points())
        path = (packages, ROOT / "emulator", ROOT / "runtime")
        hidden = ("AWS_", "PYTEST_", "PYTHON")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self._environment["PYTHONPATH"] = os.pathsep.join(map(str, path))

    def write(self, path: str, source: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source), "utf-8")

    def run(self, *words: str, cwd: str = ".") -> tuple[int, str]:
        """Run a module; return its exit status and output."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder / cwd,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def pytest(self, *words: str, cwd: str = ".") -> tuple[dict[str, int], str]:
        """Run pytest; return the number of tests for each outcome, and the output."""
        _, output = self.run("pytest", "-p", "no:cacheprovider", *words, cwd=cwd)
        summary = output.splitlines()[-1] if output else ""
        found = re.findall(r"(\d+) (passed|failed|errors?)", summary)
        return {outcome: int(number) for number, outcome in found}, output


def entry_points() -> str:
    """Return pyproject.toml's entry points of pytest in the format of an installed package."""
    tomllib = importlib.import_module("tomllib")  # which type checkers for Python 3.10 do not know
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [f"{name} = {module}" for name, module in project["entry-points"]["pytest11"].items()]
    return "\n".join(["[pytest11]", *lines, ""])
