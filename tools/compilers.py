"""Finds what compiles for a version of Python, and fetches it if need be."""

from __future__ import annotations

from tools import pythons, uv
from tools.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.versions import PythonVersion


def compiler(named: str, version: PythonVersion, candidates: Sequence[str] = ()) -> str:
    """The interpreter that is ``named``, or else any of that version; raises Problem.

    ``candidates`` are tried first. Bytecode depends on the minor version alone, not on the machine.
    """
    if named:
        program = pythons.resolve(named)
        found = pythons.described(program)
        if found != f"cpython {version.number}":
            remedy = f"Name a python{version.number}, or none, and one is looked for."
            raise Problem(f"{named} is {found}: its bytecode is not for Python {version.number}.", remedy)
        return program
    try:
        return pythons.find(version, candidates)
    except Problem as missing:
        try:
            return pythons.find(version, uv.install_compiler(version))
        except Problem as problem:
            remedy = f"{missing.remedy} Or do without bytecode, and start slower: BYTECODE=none."
            raise Problem(f"{missing.found} {problem.found}", remedy) from None
