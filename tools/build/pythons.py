"""Find interpreters on this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.build import versions
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
FOLDERS = [PYENV, UV, DEBIAN]  # of interpreters that are not on PATH
VERSIONED = [f"{name}3.{minor}" for minor in range(versions.OLDEST[1], 20) for name in ("python", "pypy")]
NAMES = ["python3", "pypy3", *VERSIONED, *(f"{name}t" for name in VERSIONED)]
IDENTIFY = (
    "import sys, sysconfig; i = sys.implementation; v = sys.version_info;"
    "t = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else '';"
    "print(i.name, '%d.%d' % v[:2] + t, '.'.join(map(str, v[:3])) + t)"
)
PATIENCE_S = 30


def find_all() -> list[tuple[str, str, str]]:
    """Return implementation, version and program of one interpreter per minor version, oldest first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders += [folder for pattern in FOLDERS for folder in sorted(glob.glob(pattern))]
    # Search every folder of PATH, because an older pypy3 may precede a newer one.
    paths = [os.path.join(folder, name) for folder in folders for name in NAMES]
    programs: dict[str, str] = {}
    for path in filter(os.path.isfile, paths):
        programs.setdefault(os.path.realpath(path), path)
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    with ThreadPoolExecutor() as starts:
        identities = starts.map(lambda program: _output(program, IDENTIFY), programs.values())
        for program, identity in zip(programs.values(), identities):
            kind, minor, version = identity.split() if identity else ("", "0.0", "")
            if tuple(map(int, minor.rstrip("t").split("."))) >= versions.OLDEST:
                found.setdefault((kind, minor), (kind, version, program))
    return [found[key] for key in sorted(found, key=_order)]


def _order(key: tuple[str, str]) -> tuple[str, list[int], str]:
    """Sort CPython before PyPy, and 3.9 before 3.10."""
    kind, minor = key
    return kind, [int(part) for part in minor.rstrip("t").split(".")], minor


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
        for folder in FOLDERS:
            yield from sorted(glob.glob(os.path.join(folder, name)))
