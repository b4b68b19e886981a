"""Find the interpreter that runs the function, and what belongs to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a virtual environment, the facts are those of the interpreter that it was created with.
_FACTS = """\
import _imp, json, os, sys, sysconfig
try:
    certificates = __import__("_ssl").get_default_verify_paths()[1]
except ImportError:
    certificates = ""
print(json.dumps([
    sys.executable,
    os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    sys.base_prefix,
    sorted({
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
    }),
    "%d.%d" % sys.version_info[:2],
    _imp.extension_suffixes(),
    certificates,
]))
"""
_PACKAGES = ("site-packages", "dist-packages")


class InterpreterError(Exception):
    """A program is not a working interpreter; the message says why."""


class Interpreter:
    """A Python on this machine."""

    def __init__(self, program: str, environment: Mapping[str, str] | None = None) -> None:
        """Ask ``program``; raise InterpreterError if it does not respond as a Python."""
        try:
            asked = subprocess.run(
                [program, "-I", "-c", _FACTS], capture_output=True, text=True, check=False, env=environment
            )
        except OSError as error:
            raise InterpreterError(error.strerror or str(error)) from error
        try:
            facts = json.loads(asked.stdout)
        except ValueError:
            raise InterpreterError(asked.stderr.strip() or "no output") from None
        # A version manager's shim needs variables that Lambda lacks, so this is the interpreter's own path.
        self.program: str = facts[0]
        self.base = Path(facts[1])
        self.prefix = Path(facts[2])
        self.standard_library = [Path(folder) for folder in facts[3]]
        self.version: str = facts[4]  # such as 3.13
        self.suffixes: list[str] = facts[5]  # of the extension modules that it can load
        self.certificates: str = facts[6]  # where its OpenSSL looks for them

    @property
    def package_folders(self) -> list[Path]:
        """The folders with installed packages inside the standard library."""
        found = [folder / name for folder in self.standard_library for name in _PACKAGES]
        return [folder for folder in found if folder.is_dir() and not folder.is_symlink()]

    def make_empty(self, folder: Path) -> Path:
        """Create a virtual environment without packages; return its interpreter.

        This hides site-packages and Debian's dist-packages, those of the user and of a surrounding virtual
        environment. The option -S would too, but takes `exit` away, and does not reach child processes.
        """
        command = [self.program, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise InterpreterError(f"it cannot create a virtual environment: {made.stderr.strip()}")
        return folder / "bin" / "python3"


def find_program(program: str | None) -> str | None:
    """Return the path of the named interpreter, by default this one; None if it does not exist."""
    return sys.executable if program is None else shutil.which(program)
