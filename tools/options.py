"""Reads from the command line where a zip will work."""

from __future__ import annotations

import argparse
import re

from tools import pythons, versions
from tools.checks import Target
from tools.lambda_os import ARCHITECTURES, GLIBC
from tools.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def add(parser: argparse.ArgumentParser, *, python: str, architecture: str = "") -> None:
    """Add the options that say where a zip will work, which all tools have; those are the defaults."""
    parser.set_defaults(default_python=python, default_architecture=architecture)
    default = python or "what the zips hold"
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="X.Y",
        help=f"version of Python; default: {default}",
    )
    parser.add_argument(
        "--version-of",
        default="",
        metavar="PROGRAM",
        help="without --python: the version of this Python, if it is a CPython",
    )
    default = architecture or "what the zips hold"
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        metavar="ARCH",
        help=f"x86_64 or arm64; default: {default}",
    )
    parser.add_argument("--glibc", default=GLIBC, metavar="X.Y", help=f"Lambda's glibc; default: {GLIBC}")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="PATTERN", help="say nothing about such files"
    )


def target(arguments: argparse.Namespace, *, several: bool = False) -> Target:
    """Where a zip will work, as the options say; raises Problem.

    With ``several`` it may be for more than one version of Python, and then for none in particular.
    """
    versions_asked = [] if several and len(arguments.python) > 1 else arguments.python
    version = _one("PYTHON_VERSION", versions_asked) or pythons.version_name(arguments.version_of)
    version = version or arguments.default_python
    architecture = _one("ARCH", arguments.arch) or arguments.default_architecture
    if architecture and architecture not in ARCHITECTURES:
        names = " or ".join(ARCHITECTURES)
        raise Problem(f"Lambda has no architecture {architecture!r}.", f"Say ARCH={names}.")
    if not re.match(r"\d+\.\d+$", arguments.glibc):
        raise Problem(f"{arguments.glibc!r} is no version of glibc.", "Say for example GLIBC=2.34.")
    python = versions.parse(version) if version else None
    return Target(python, ARCHITECTURES.get(architecture), arguments.glibc)


def _one(variable: str, words: Sequence[str]) -> str:
    """The word that was given, "" if none was; raises Problem for more, of which one would be lost."""
    if len(words) > 1:
        remedy = f"Say {variable}={words[0]}, and build one zip after the other."
        raise Problem(f"{variable} is {' and '.join(words)}, and a zip is for one of them.", remedy)
    return words[0] if words else ""
