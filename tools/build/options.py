"""Read the target of a zip from the command line: its Python, architecture and glibc."""

from __future__ import annotations

import argparse
import re

from tools.build import pythons, versions
from tools.build.checks import Target
from tools.build.errors import ToolError
from tools.build.lambda_os import ARCHITECTURES, GLIBC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

PYTHON = "3.13"  # the defaults
ARCHITECTURE = "x86_64"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options that all tools share, which describe the target of a zip."""
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="X.Y",
        help=f"version of Python (default: that of the zips' interpreter, or else {PYTHON})",
    )
    parser.add_argument(
        "--version-of",
        default="",
        metavar="PROGRAM",
        help="use the version of this CPython if --python is missing",
    )
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        metavar="ARCH",
        help=f"x86_64 or arm64 (default: that of the zips' interpreter, or else {ARCHITECTURE})",
    )
    parser.add_argument("--glibc", default=GLIBC, metavar="X.Y", help=f"Lambda's glibc (default: {GLIBC})")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="PATTERN", help="report no findings about these files"
    )


def target(arguments: argparse.Namespace, compilers: Sequence[str] | None = None) -> Target:
    """Return the target that the options describe, with defaults for the rest; raise ToolError if invalid.

    ``compilers`` write the zip's bytecode. With several of them, the target has no particular version.
    """
    asked = [] if compilers is not None and len(arguments.python) > 1 else arguments.python
    version, default = _one("PYTHON_VERSION", asked), PYTHON
    if compilers and not version:
        compiled = {pythons.version_name(program) for program in compilers}
        version, default = compiled.pop() if len(compiled) == 1 else "", ""
    elif not version:
        version = pythons.version_name(arguments.version_of)
    architecture = _one("ARCH", arguments.arch)
    if architecture and architecture not in ARCHITECTURES:
        names = " or ".join(ARCHITECTURES)
        raise ToolError(f"{architecture!r} is not an architecture of Lambda.", f"Use ARCH={names}.")
    if not re.match(r"\d+\.\d+$", arguments.glibc):
        raise ToolError(f"{arguments.glibc!r} is not a glibc version.", "Use for example GLIBC=2.34.")
    python, default_python = (versions.parse(text) if text else None for text in (version, default))
    defaults = Target(default_python, ARCHITECTURES[ARCHITECTURE])
    return Target(python, ARCHITECTURES.get(architecture), arguments.glibc, defaults)


def definite_target(arguments: argparse.Namespace) -> tuple[Target, PythonVersion, Architecture]:
    """Return the target with its defaults applied, and its Python and architecture."""
    asked = target(arguments)
    python, architecture = asked.python, asked.architecture
    python, architecture = python or versions.parse(PYTHON), architecture or ARCHITECTURES[ARCHITECTURE]
    return Target(python, architecture, asked.glibc), python, architecture


def _one(variable: str, words: Sequence[str]) -> str:
    """Return the only word, or "" if there is none; raise ToolError for several."""
    if len(words) > 1:
        remedy = f"Use {variable}={words[0]}, and build one zip for each."
        raise ToolError(f"{variable} is {' and '.join(words)}, but a zip can have only one.", remedy)
    return words[0] if words else ""
