"""Find interpreters on this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.build.versions import PythonVersion

DESCRIBE = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
FREE_THREADED = "import sys; print('t' if 't' in sys.abiflags else '')"
PYENV = os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions", "*", "bin")
UV_DATA = os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))
UV = os.path.join(os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(UV_DATA, "uv", "python")), "*", "bin")
DEBIAN = str(Path(__file__).resolve().parent.parent.parent / ".pythons" / "*" / "usr" / "bin")
PATIENCE_S = 30


def find(version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """Return a CPython of that minor version, trying ``candidates`` first; raise ToolError otherwise."""
    for program in (*candidates, sys.executable, *_installed(version)):
        if program and described(program) == f"cpython {version.number}":
            return program
    remedy = f"Install python{version.number}, or set BYTECODE=/path/to/python{version.number}."
    raise ToolError(f"Python {version.number} is not installed on this machine.", remedy)


def described(program: str) -> str:
    """Return for example ``cpython 3.13``; "" if the program does not run."""
    return _output(program, DESCRIBE)


def version_name(program: str) -> str:
    """Return ``3.13`` or ``3.13t``; "" if the program is not a CPython."""
    implementation, _, number = described(program).partition(" ") if program else ("", "", "")
    return number + _output(program, FREE_THREADED) if implementation == "cpython" else ""


def _output(program: str, code: str) -> str:
    """Return what ``program`` prints for ``code``; "" if it does not run."""
    try:
        process = subprocess.run(
            [program, "-I", "-S", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # for example a program for another machine, or a shim without its interpreter
    return process.stdout.decode("utf-8", "replace").strip()


def _installed(version: PythonVersion) -> Iterator[str]:
    """Yield interpreters on PATH, and those of pyenv, uv and `tools/debian_pythons.sh`."""
    for name in (f"python{version.number}", f"python{version.number}t", "python3"):
        program = shutil.which(name)
        if program is not None:
            yield program
        for folder in (PYENV, UV, DEBIAN):
            yield from sorted(glob.glob(os.path.join(folder, name)))
