"""A version of Python as one asks for it: 3.13, 3.13.5, 3.13t."""

from __future__ import annotations

import re

from tools.build.problems import Problem

OLDEST = (3, 8)  # that the runtime supports


class PythonVersion:
    """A minor version of CPython, perhaps free-threaded, perhaps with its patch number."""

    __slots__ = ("free_threaded", "minor", "patch")

    def __init__(self, minor: int, patch: str = "", *, free_threaded: bool = False) -> None:
        self.minor = minor
        self.patch = patch  # "" for any
        self.free_threaded = free_threaded

    @property
    def number(self) -> str:
        """``3.13``: what decides about bytecode."""
        return f"3.{self.minor}"

    @property
    def name(self) -> str:
        """``3.13`` or ``3.13t``: what decides about extension modules, and is in the names of files."""
        return self.number + ("t" if self.free_threaded else "")

    @property
    def full(self) -> str:
        """As exactly as it was asked for, without the ``t``."""
        return f"{self.number}.{self.patch}" if self.patch else self.number

    @property
    def abi(self) -> str:
        """``cp313`` or ``cp313t``, as in the names of wheels."""
        return f"cp3{self.minor}" + ("t" if self.free_threaded else "")


def parse(text: str) -> PythonVersion:
    """The version that ``text`` asks for; raises Problem."""
    match = re.match(r"(?:python|cpython-)?3\.(\d+)(?:\.(\d+))?(t?)$", text.strip())
    if match is None:
        raise Problem(f"{text!r} is no version of Python.", "Say for example 3.13, 3.13.5 or 3.13t.")
    minor, patch, threads = match.groups()
    if (3, int(minor)) < OLDEST:
        raise Problem(f"Python 3.{minor} is too old: the runtime needs 3.8.", "Choose a newer one.")
    return PythonVersion(int(minor), patch or "", free_threaded=bool(threads))
