"""Finds what compiles for a version of Python, and fetches it if need be."""

from __future__ import annotations

import re
import shutil

from tools.build import pythons, uv, versions
from tools.build.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.versions import PythonVersion

NOBODY = "none"  # a word that asks for no bytecode


def programs(words: Sequence[str]) -> list[str]:
    """The interpreters that the words mean, each as in ``program``; raises Problem."""
    return [program(word) for word in words if word != NOBODY]


def program(word: str) -> str:
    """The interpreter that ``word`` means: a path, a name on PATH, or a version; raises Problem."""
    found = shutil.which(word)
    if found is not None and pythons.described(found):
        return found
    if re.match(r"(?:python)?3\.\d+", word):
        return any_of(versions.parse(word))
    raise Problem(f"{word} is no Python on this machine.", "Name an interpreter, e.g. BYTECODE=python3.13.")


def compiler(named: str, version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """The interpreter that is ``named``, or else any of that version, as in ``any_of``; raises Problem."""
    if not named:
        return any_of(version, candidates)
    found = program(named)
    description = pythons.described(found)
    if description != f"cpython {version.number}":
        remedy = f"Name a python{version.number}, or none, and one is looked for."
        raise Problem(f"{named} is {description}: its bytecode is not for Python {version.number}.", remedy)
    return found


def any_of(version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """An interpreter of that version: a candidate, one of this machine, or one that is fetched now.

    Bytecode depends on the minor version alone, not on the machine. Raises Problem.
    """
    try:
        return pythons.find(version, candidates)
    except Problem as missing:
        try:
            return pythons.find(version, uv.install_compiler(version))
        except Problem as problem:
            remedy = f"{missing.remedy} Or do without bytecode, and start slower: BYTECODE={NOBODY}."
            raise Problem(f"{missing.found} {problem.found}", remedy) from None
