"""Reads from the command line where a zip will work."""

from __future__ import annotations

import argparse
import re

from tools import versions
from tools.checks import Target
from tools.lambda_os import ARCHITECTURES, GLIBC
from tools.problems import Problem


def add(parser: argparse.ArgumentParser, *, python: str, architecture: str = "") -> None:
    """Add the options that say where a zip will work, which all tools have."""
    default = python or "what the zips hold"
    parser.add_argument(
        "--python", default=python, metavar="X.Y", help=f"version of Python; default: {default}"
    )
    default = architecture or "what the zips hold"
    parser.add_argument(
        "--arch", default=architecture, metavar="ARCH", help=f"x86_64 or arm64; default: {default}"
    )
    parser.add_argument("--glibc", default=GLIBC, metavar="X.Y", help=f"Lambda's glibc; default: {GLIBC}")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="PATTERN", help="say nothing about such files"
    )


def target(arguments: argparse.Namespace) -> Target:
    """Where a zip will work, as the options say; raises Problem."""
    if arguments.arch and arguments.arch not in ARCHITECTURES:
        names = " or ".join(ARCHITECTURES)
        raise Problem(f"Lambda has no architecture {arguments.arch!r}.", f"Say ARCH={names}.")
    if not re.match(r"\d+\.\d+$", arguments.glibc):
        raise Problem(f"{arguments.glibc!r} is no version of glibc.", "Say for example GLIBC=2.34.")
    python = versions.parse(arguments.python) if arguments.python else None
    return Target(python, ARCHITECTURES.get(arguments.arch), arguments.glibc)
