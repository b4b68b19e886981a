"""Finds interpreters on this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.build.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.build.versions import PythonVersion

DESCRIBE = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
HAS_THREADS = "import sys; print('t' if 't' in sys.abiflags else '')"  # which are free
PYENV = os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions", "*", "bin")
UV_DATA = os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))
UV = os.path.join(os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(UV_DATA, "uv", "python")), "*", "bin")
DEBIAN = str(Path(__file__).resolve().parent.parent.parent / ".pythons" / "*" / "usr" / "bin")
PATIENCE_S = 30


def find(version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """A CPython of that minor version, whose bytecode is therefore right; raises Problem.

    ``candidates`` are tried first.
    """
    for program in (*candidates, sys.executable, *_installed(version)):
        if program and described(program) == f"cpython {version.number}":
            return program
    remedy = f"Install python{version.number}, or name one: BYTECODE=/path/to/python{version.number}."
    raise Problem(f"There is no Python {version.number} on this machine to compile with.", remedy)


def described(program: str) -> str:
    """``cpython 3.13``; "" if it does not run."""
    return _answer(program, DESCRIBE)


def version_name(program: str) -> str:
    """``3.13`` or ``3.13t``; "" if it is no CPython."""
    implementation, _, number = described(program).partition(" ") if program else ("", "", "")
    return number + _answer(program, HAS_THREADS) if implementation == "cpython" else ""


def _answer(program: str, question: str) -> str:
    """What ``program`` prints; "" if it does not run."""
    try:
        process = subprocess.run(
            [program, "-I", "-S", "-c", question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # for another machine, for example, or a shim without its interpreter
    return process.stdout.decode("utf-8", "replace").strip()


def _installed(version: PythonVersion) -> Iterator[str]:
    """On PATH, and where pyenv, uv and `tools/debian_pythons.sh` put them."""
    for name in (f"python{version.number}", f"python{version.number}t", "python3"):
        program = shutil.which(name)
        if program is not None:
            yield program
        for folder in (PYENV, UV, DEBIAN):
            yield from sorted(glob.glob(os.path.join(folder, name)))
