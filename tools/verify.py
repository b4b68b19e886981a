"""Checks zips before they are uploaded, whoever has made them.

    python3 tools/verify.py ZIP… [--python 3.13] [--arch arm64] [--allow PATTERN]… [--strict] [--all]

Several zips are checked together, as the layers and the function of one function. What is wrong is an error
if it does not work on Lambda; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools import checks, listing, problems, versions
from tools.checks import ERROR, Target, Upload
from tools.lambda_os import ARCHITECTURES, GLIBC
from tools.problems import Problem
from tools.zips import Archive


def main() -> int:
    """Check the zips that are named; 1 if there is an error."""
    parser = argparse.ArgumentParser(prog="tools/verify.py", description="Check zips for Lambda.")
    parser.add_argument("zips", nargs="+", type=Path, metavar="ZIP")
    add_target(parser, python="")
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--all", action="store_true", help="show all findings, not three of each kind")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(Archive(path)) for path in options.zips]
        findings = checks.check(Upload(archives, target(options)), options.allow)
        text = listing.findings_text(
            findings, sys.stdout, shown=len(findings) if options.all else listing.SHOWN
        )
        print(f"{text}\n" if text else "", end="")
        print(listing.sizes_text(archives))
    print(listing.counted(findings))
    return 1 if any(options.strict or one.severity == ERROR for one in findings) else 0


def add_target(parser: argparse.ArgumentParser, *, python: str, architecture: str = "") -> None:
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


def target(options: argparse.Namespace) -> Target:
    """Where a zip will work, as the options say; raises Problem."""
    if options.arch and options.arch not in ARCHITECTURES:
        names = " or ".join(ARCHITECTURES)
        raise Problem(f"Lambda has no architecture {options.arch!r}.", f"Say ARCH={names}.")
    if not re.match(r"\d+\.\d+$", options.glibc):
        raise Problem(f"{options.glibc!r} is no version of glibc.", "Say for example GLIBC=2.34.")
    python = versions.parse(options.python) if options.python else None
    return Target(python, ARCHITECTURES.get(options.arch), options.glibc)


if __name__ == "__main__":
    sys.exit(problems.report("make verify-layer", main))
