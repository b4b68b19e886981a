"""Versions of Python as users write them: 3.13, 3.13.5, 3.13t."""

from __future__ import annotations

import re

from tools.build.errors import ToolError

OLDEST = (3, 8)  # the oldest version that the runtime supports


class PythonVersion:
    """A minor version of CPython, optionally free-threaded, optionally with a patch number."""

    __slots__ = ("free_threaded", "minor", "patch")

    def __init__(self, minor: int, patch: str = "", *, free_threaded: bool = False) -> None:
        self.minor = minor
        self.patch = patch  # "" for any
        self.free_threaded = free_threaded

    @property
    def number(self) -> str:
        """``3.13``: the version of its bytecode."""
        return f"3.{self.minor}"

    @property
    def name(self) -> str:
        """``3.13`` or ``3.13t``: the version of its extension modules, as in file names."""
        return self.number + ("t" if self.free_threaded else "")

    @property
    def full(self) -> str:
        """``3.13`` or ``3.13.5``, as the user wrote it, without the ``t``."""
        return f"{self.number}.{self.patch}" if self.patch else self.number

    @property
    def abi(self) -> str:
        """``cp313`` or ``cp313t``, as in the names of wheels."""
        return f"cp3{self.minor}" + ("t" if self.free_threaded else "")


def parse(text: str) -> PythonVersion:
    """Parse a version; raise ToolError if it is invalid or too old."""
    match = re.match(r"(?:python|cpython-)?3\.(\d+)(?:\.(\d+))?(t?)$", text.strip())
    if match is None:
        raise ToolError(f"{text!r} is not a Python version.", "Use for example 3.13, 3.13.5 or 3.13t.")
    minor, patch, threads = match.groups()
    if (3, int(minor)) < OLDEST:
        raise ToolError(
            f"Python 3.{minor} is too old: the runtime needs 3.8 or newer.", "Use for example 3.13."
        )
    return PythonVersion(int(minor), patch or "", free_threaded=bool(threads))
