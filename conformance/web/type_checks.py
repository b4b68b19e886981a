"""Check with mypy and pyright the code that users copy (README, docs/, examples/) and typed/."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from conformance.expectations import Mismatch
from conformance.suite import MissingRequirement, Observation, Place, Suite

ROOT = Path(__file__).resolve().parent.parent.parent
TYPED = Path(__file__).resolve().parent / "typed"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
Collect = Callable[[Path], bool]  # writes modules to a folder; returns whether they have annotations
# Otherwise pyright's wrapper would look for a newer version.
PACKAGES = [str(ROOT / "runtime"), str(ROOT / "emulator")]
ENVIRONMENT = {**os.environ, "MYPYPATH": os.pathsep.join(PACKAGES), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


def add_cases(suite: Suite[Place]) -> None:
    group = "types"
    suite.add(group, "mypy accepts the README, docs and examples", lambda _: mypy(copied))
    suite.add(group, "pyright accepts the README, docs and examples", lambda _: pyright(copied))
    suite.add(group, "mypy, strict, accepts typed functions, not mistakes", lambda _: mypy(typed))
    suite.add(group, "pyright, strict, accepts typed functions, not mistakes", lambda _: pyright(typed))


def copied(folder: Path) -> bool:
    """Write the code that users copy to ``folder``, one module for each block; it has no annotations.

    A block that begins with a file's name is also a module of that name, which other blocks import.
    """
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]:
        text = page.read_text("utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            module = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
            (folder / f"{module}_line_{line}.py").write_text(block.group(1), "utf-8")
            named = re.match(r"# (?:\w+/)*(\w+\.py)\n", block.group(1))
            if named:
                (folder / named.group(1)).write_text(block.group(1), "utf-8")
    for example in ROOT.glob("examples/*.py"):
        shutil.copy(example, folder)
    return False


def typed(folder: Path) -> bool:
    for module in TYPED.glob("*.py"):
        shutil.copy(module, folder)
    return True


def mypy(collect: Collect) -> Observation:
    with tempfile.TemporaryDirectory() as name:
        strict = collect(Path(name))
        options = ["--strict"] if strict else ["--check-untyped-defs"]
        # Django has no annotations.
        options += ["--config-file=", "--cache-dir=/dev/null", "--disable-error-code=import-untyped"]
        return check("mypy", [*options, "."], name)


def pyright(collect: Collect) -> Observation:
    with tempfile.TemporaryDirectory() as name:
        settings = {
            "extraPaths": PACKAGES,
            "reportUnnecessaryTypeIgnoreComment": True,
            # Without django_functions.py, because Django has no annotations.
            "strict": ["frameworks.py", "function_tests.py"] if collect(Path(name)) else [],
        }
        Path(name, "pyrightconfig.json").write_text(json.dumps(settings))
        version = run("pyright", ["--version"], name)  # needs Node.js
        if version.returncode:
            raise MissingRequirement(f"pyright does not run here: {version.stdout.strip()[-300:]}")
        return check("pyright", ["--pythonpath", sys.executable], name)


def check(checker: str, options: list[str], folder: str) -> Observation:
    done = run(checker, options, folder)
    if done.returncode:
        raise Mismatch(done.stdout.replace(f"{folder}/", ""))
    return f"{len(list(Path(folder).glob('*.py')))} files"


def run(checker: str, options: list[str], folder: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", checker, *options]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
