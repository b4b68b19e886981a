"""Find an interpreter that compiles for a version of Python; download it if necessary."""

from __future__ import annotations

import re
import shutil
import sys

from tools.build import pythons, uv, versions
from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.versions import PythonVersion

NONE = "none"  # requests a zip without bytecode


def programs(words: Sequence[str], pythons_asked: Sequence[str] = ()) -> list[str]:
    """Return the interpreter for each word, see ``program``; raise ToolError on failure.

    Without words, return one for each of the versions ``pythons_asked``, or else ``of_this_machine``.
    """
    if not words and not pythons_asked:
        return of_this_machine()
    found = [program(word) for word in words or pythons_asked if word != NONE]
    if found and len(pythons_asked) == 1:
        asked = versions.parse(pythons_asked[0]).number
        if f"cpython {asked}" not in map(pythons.described, found):
            remedy = f"Use BYTECODE=python{asked}, or leave BYTECODE out."
            raise ToolError(f"The bytecode of {' and '.join(words)} is not for Python {asked}.", remedy)
    return found


def of_this_machine() -> list[str]:
    """Return a CPython for each minor version on this machine, oldest first; this one for its own version.

    Free-threaded builds use the same bytecode as others of their version.
    """
    found: dict[str, str] = {}
    for kind, version, path in pythons.find_all():
        if kind == "cpython":
            found.setdefault(".".join(version.rstrip("t").split(".")[:2]), path)
    own = pythons.version_name(sys.executable).rstrip("t")
    if own:
        found[own] = sys.executable
    return [found[number] for number in sorted(found, key=lambda number: int(number.partition(".")[2]))]


def program(word: str) -> str:
    """Return the interpreter for a path, a name on PATH, or a version; raise ToolError on failure."""
    found = shutil.which(word)
    if found is not None and pythons.described(found):
        return found
    if re.match(r"(?:python)?3\.\d+", word):
        return any_of(versions.parse(word))
    raise ToolError(f"{word} is not a Python on this machine.", "Use for example BYTECODE=python3.13.")


def compiler(named: str, version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """Return the interpreter ``named``, or else any of that version, see ``any_of``; raise ToolError."""
    if not named:
        return any_of(version, candidates)
    found = program(named)
    description = pythons.described(found)
    if description != f"cpython {version.number}":
        remedy = (
            f"Use BYTECODE=python{version.number}, or leave BYTECODE out to have one found or downloaded."
        )
        raise ToolError(f"{named} is {description}: its bytecode is not for Python {version.number}.", remedy)
    return found


def any_of(version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """Return an interpreter of that version: a candidate, one of this machine, or a downloaded one.

    Bytecode depends only on the minor version, not on the machine. Raise ToolError if there is none.
    """
    try:
        return pythons.find(version, candidates)
    except ToolError as missing:
        try:
            return pythons.find(version, uv.install_compiler(version))
        except ToolError as error:
            remedy = f"{missing.remedy} Without bytecode (BYTECODE={NONE}), cold starts are slower."
            raise ToolError(f"{missing.found} {error.found}", remedy) from None
