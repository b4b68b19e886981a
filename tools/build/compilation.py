"""Adds bytecode beside modules, by the interpreter that will use it or one of its version.

Unchecked, because neither /opt nor /var/task can be written, and what is unzipped need not keep its time
(PEP 552); with paths as they are on Lambda, which do not depend on where it was built.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tools.build.problems import Problem, refuse_full_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# -f, or bytecode that is there stays; -B, or an interpreter that compiles itself leaves its own.
COMMAND = ("-s", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", "-d")
LINES_SHOWN = 5


def compile_folder(
    python: str,
    folder: Path,
    destination: str,
    *,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Compile the modules below ``folder``, which will be at ``destination``; which cannot be, and why.

    ``environment`` comes on top of this process's, whose settings for Python do not count. Raises Problem
    if ``python`` cannot compile at all.
    """
    words = [os.path.abspath(python), *COMMAND, destination, os.path.abspath(folder)]
    try:
        process = subprocess.run(
            words,
            # Not within the folder, whose modules may have the names of standard ones.
            cwd=os.sep,
            env={**_neutral_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise Problem(f"{python} cannot be run: {error.strerror}.", "Name another interpreter.") from None
    output = process.stdout.decode("utf-8", "replace")
    if process.returncode != 0:
        refuse_full_disk(output)
    failed = [_reason(text, folder) for text in re.split(r"^\*\*\* ", output, flags=re.MULTILINE)[1:]]
    if process.returncode != 0 and not failed:
        lines = "\n".join(output.strip().splitlines()[-LINES_SHOWN:])
        raise Problem(f"{python} cannot compile (status {process.returncode}):\n{lines}", "Name another one.")
    return failed


def _reason(text: str, folder: Path) -> str:
    """``a.py (SyntaxError: …)`` for what compileall prints: a path in quotes, then a traceback."""
    match = re.search(r"'(.+?)'", text)
    path = os.path.relpath(match.group(1), folder) if match else "a file"
    return f"{path} ({text.strip().splitlines()[-1].strip()})"


def _neutral_environment() -> dict[str, str]:
    """Without what would change the bytes; sets of constants are in the order of their hashes before 3.11."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**variables, "PYTHONHASHSEED": "0"}
