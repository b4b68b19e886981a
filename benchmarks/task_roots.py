"""Task roots: the files of functions with copies of the packages that they need, with or without bytecode."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.scenarios import Scenario

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"


class MissingPackage(Exception):
    """This environment does not have a package that a function needs."""


class TaskRoots:
    """The task roots in ``folder``, built when they are first needed. ``python`` compiles them."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python

    def plain(self, *packages: str) -> Path:
        """Return the folder without bytecode, as AWS advises to build zips."""
        root = self.path("plain", packages)
        if not root.exists():
            copy_packages(packages, root)
            copy_sources(FUNCTIONS, root)
        return root

    def compiled(self, *packages: str) -> Path:
        """Return the folder with bytecode."""
        root = self.path("compiled", packages)
        if not root.exists():
            shutil.copytree(self.plain(*packages), root)
            compile_folder(self.python, root)
        return root

    def bundled(self, scenario: Scenario) -> Path:
        """Return what `make dist-function BUNDLE=1` builds, unpacked."""
        root = self.path("bundled", scenario.packages)
        if not root.exists():
            archive = self.folder / "function.zip"
            tool = [sys.executable, str(ROOT / "tools" / "function.py"), str(self.plain(*scenario.packages))]
            options = ["--bytecode", self.python, "--output", str(archive)]
            bundle = ["--bundle", "--handler", scenario.handler]
            result = subprocess.run(
                [*tool, *options, *bundle], cwd=self.folder, capture_output=True, text=True
            )
            if result.returncode:
                sys.exit(f"benchmarks: tools/function.py failed:\n{result.stdout}{result.stderr}")
            with zipfile.ZipFile(archive) as file:
                file.extractall(root)
        return root

    def path(self, kind: str, packages: tuple[str, ...]) -> Path:
        return self.folder / "-".join([kind, *packages])


def copy_sources(source: Path, destination: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(source, destination, ignore=ignored, dirs_exist_ok=True)


def copy_packages(names: tuple[str, ...], destination: Path) -> None:
    """Copy installed distributions and those that they need, without bytecode and without scripts."""
    destination.mkdir(parents=True, exist_ok=True)
    for name in with_dependencies(names):
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = destination / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(os.fspath(file.locate()), target)


def with_dependencies(names: tuple[str, ...]) -> list[str]:
    """Return the names of the distributions, and of those that they need; raise MissingPackage."""
    found: dict[str, None] = {}
    remaining = list(names)
    while remaining:
        name = re.sub(r"[-_.]+", "-", remaining.pop(0)).lower()
        if name in found:
            continue
        found[name] = None
        try:
            requirements = map(Requirement, distribution(name).requires or ())
        except PackageNotFoundError:
            raise MissingPackage(name) from None
        for requirement in requirements:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                remaining.append(requirement.name)
    return list(found)


def compile_folder(python: str, folder: Path) -> None:
    """Compile to bytecode that does not depend on modification times, which a layer does not preserve.

    Some packages contain files that are not valid in this version; nothing imports them.
    """
    unchecked = ("-f", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash")
    subprocess.run([python, "-I", "-B", "-m", "compileall", *unchecked, "."], cwd=folder)
