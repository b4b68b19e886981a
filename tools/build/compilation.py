"""Compile modules with an interpreter of the version that will run them.

The bytecode is unchecked (PEP 552), because Lambda's file system is read-only and unzipping may change
modification times. It contains the paths on Lambda, so it does not depend on the machine that built it.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tools.build import progress
from tools.build.errors import ToolError, raise_if_disk_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# -f replaces existing bytecode; -B keeps an interpreter that compiles its own library from writing more.
COMMAND = ("-s", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", "-d")
LINES_SHOWN = 5
MANY_MODULES = 500


def compile_folder(
    python: str,
    folder: Path,
    destination: str,
    *,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Compile the modules below ``folder``, which will be at ``destination``; return the failures.

    ``environment`` is added to this process's environment, from which Python's own variables are removed.
    Raise ToolError if ``python`` cannot compile at all.
    """
    progress.show(f"Compiling with {os.path.basename(python)}")
    modules = sum(1 for _ in folder.rglob("*.py"))
    # A worker takes about as long to start as it takes to compile a hundred modules.
    workers = ["-j", "0"] if modules > MANY_MODULES else []
    words = [os.path.abspath(python), *COMMAND, destination, *workers, os.path.abspath(folder)]
    try:
        process = subprocess.run(
            words,
            # Outside of the folder, whose modules may have the names of standard ones.
            cwd=os.sep,
            env={**_neutral_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise ToolError(
            f"{python} cannot be run: {error.strerror}.", "Use another interpreter: BYTECODE=python3.13."
        ) from None
    progress.clear()
    output = process.stdout.decode("utf-8", "replace")
    if process.returncode != 0:
        raise_if_disk_full(output)
    failed = [_reason(text, folder) for text in re.split(r"^\*\*\* ", output, flags=re.MULTILINE)[1:]]
    if process.returncode != 0 and not failed:
        lines = "\n".join(output.strip().splitlines()[-LINES_SHOWN:])
        remedy = "Use another interpreter: BYTECODE=python3.13."
        raise ToolError(f"{python} cannot compile (status {process.returncode}):\n{lines}", remedy)
    return failed


def _reason(text: str, folder: Path) -> str:
    """Return ``a.py (SyntaxError: …)`` from compileall's output: a path in quotes, then a traceback."""
    match = re.search(r"'(.+?)'", text)
    path = os.path.relpath(match.group(1), folder) if match else "a file"
    return f"{path} ({text.strip().splitlines()[-1].strip()})"


def _neutral_environment() -> dict[str, str]:
    """Return an environment for reproducible bytecode: before 3.11, it contains sets in hash order."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**variables, "PYTHONHASHSEED": "0"}
