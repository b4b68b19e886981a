"""Tries the runtime in all its homes, in sandboxes that resemble Lambda, and prints what was observed.

Usage: python -m conformance.sandbox [-k WORD] [--verbose]

Run by an interpreter that has awslambdaric, it also compares with AWS's runtime.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from conformance.sandbox import machine
from conformance.sandbox.cases import ALL_CASES
from conformance.sandbox.laboratory import Case, Laboratory, aws_runtime_is_missing
from conformance.sandbox.machine import Machine
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.sandbox", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print the log with a failure")
    options = parser.parse_args()
    cases = [one for one in ALL_CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.sandbox: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    reason = machine.unavailable()
    if reason:
        print(f"No sandbox: {reason}. {len(cases)} cases are skipped.")
        return listing.end()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    missing = aws_runtime_is_missing()
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        built = Machine(Path(folder, "machine"))
        for number, one in enumerate(cases):
            listing.group(one.group)
            if one.needs_aws and missing:
                listing.skip(one.title, f"not compared: {missing} not installed for {sys.executable}")
            else:
                try_case(one, Laboratory(built, Path(folder, str(number))), listing)
    return listing.end()


def try_case(one: Case, laboratory: Laboratory, listing: Listing) -> None:
    began = time.monotonic()
    try:
        observed = one.try_it(laboratory, one.home)
    except Difference as difference:
        listing.failure(one.title, str(difference), laboratory.log())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # What came out has not even the form that the case looks into.
        listing.failure(one.title, f"{type(error).__name__}: {error}", laboratory.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
