"""Checks zips before they are uploaded, whoever has made them.

    python3 tools/verify.py ZIP… [--python 3.13] [--arch arm64] [--allow PATTERN]… [--strict] [--all]

Several zips are checked together, as the layers and the function of one function. What is wrong is an error
if it does not work on Lambda; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools.build import checks, listing, options, problems
from tools.build.checks import ERROR, Upload
from tools.build.zips import Archive


def main() -> int:
    """Check the zips that are named; 1 if there is an error."""
    parser = argparse.ArgumentParser(prog="tools/verify.py", description="Check zips for Lambda.")
    parser.add_argument("zips", nargs="+", type=Path, metavar="ZIP")
    options.add(parser)
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--all", action="store_true", help="show all findings, not three of each kind")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(Archive(path)) for path in arguments.zips]
        upload = Upload(archives, options.target(arguments))
        findings = checks.check(upload, arguments.allow)
        shown = len(findings) if arguments.all else listing.SHOWN
        text = listing.findings_text(findings, sys.stdout, shown=shown, several=len(archives) > 1)
        print(f"{text}\n" if text else "", end="")
        print(listing.sizes_text(archives))
        print(f"checked for {upload.checked_for}")
    print(listing.counted(findings))
    return 1 if any(arguments.strict or one.severity == ERROR for one in findings) else 0


if __name__ == "__main__":
    sys.exit(problems.report("make verify-layer", main))
