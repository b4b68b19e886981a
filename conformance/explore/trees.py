"""Root file systems that replace Lambda's and other base images."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from conformance.sandbox.machine import INTERPRETER, PREFIX, Machine

# Large files that functions do not need.
UNUSED = ("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "config-*", "site-packages")


def os_only(folder: Path) -> Path:
    """Create a root like provided.al2023: a C library, a shell, small programs, no Python."""
    return Machine(folder).root


def add_python(prefix: Path) -> None:
    """Copy this interpreter below ``prefix``."""
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(PREFIX / "bin" / INTERPRETER, prefix / "bin" / INTERPRETER)
    (prefix / "bin" / "python3").symlink_to(INTERPRETER)
    shutil.copytree(
        PREFIX / "lib" / INTERPRETER,
        prefix / "lib" / INTERPRETER,
        symlinks=True,
        ignore=shutil.ignore_patterns(*UNUSED),
    )
    for library in (PREFIX / "lib").glob("libpython*.so*"):
        shutil.copy(library, prefix / "lib", follow_symlinks=False)


def add_program(root: Path, program: Path, name: str) -> None:
    """Copy ``program`` to ``name`` below ``root``, and its shared libraries to their usual places."""
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    listing = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", listing):
        copy = root / library.lstrip("/")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, copy)
