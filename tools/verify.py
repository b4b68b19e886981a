"""Check zips for use on Lambda before you upload them, whichever tool built them.

    python3 tools/verify.py ZIP… [--python 3.13] [--arch arm64] [--allow PATTERN]… [--strict] [--all]

Several zips are checked together, as a function and its layers. An error means that something does not work
on Lambda; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import checks, errors, listing, options, progress
from tools.build.checks import ERROR, Upload
from tools.build.zips import Archive


def main() -> int:
    """Check the zips; return 1 if there is an error."""
    parser = argparse.ArgumentParser(prog="tools/verify.py", description="Check zips for Lambda.")
    parser.add_argument("zips", nargs="+", type=Path, metavar="ZIP", help="a layer's or a function's zip")
    options.add(parser)
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    parser.add_argument("--all", action="store_true", help="show all findings instead of three of each kind")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        archives = [stack.enter_context(Archive(path)) for path in arguments.zips]
        upload = Upload(archives, options.target(arguments))
        progress.show("Checking")
        findings = checks.check(upload, arguments.allow)
        progress.clear()
        shown = len(findings) if arguments.all else listing.SHOWN
        text = listing.findings_text(findings, sys.stdout, shown=shown, several=len(archives) > 1)
        print(f"{text}\n" if text else "", end="")
        print(listing.sizes_text(archives))
        print(f"checked for {upload.checked_for}")
    print(listing.counted(findings))
    return 1 if any(arguments.strict or one.severity == ERROR for one in findings) else 0


if __name__ == "__main__":
    sys.exit(errors.run("make verify-layer", main))
