"""Builds and runs `make explore-lambda-environment` for real, and prints what a visitor finds.

Usage: python -m conformance.explore [-k WORD] [--verbose]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.explore.cases import ALL_CASES
from conformance.explore.engine import Engine, EngineError
from conformance.explore.laboratory import Case, Laboratory, NotHere
from conformance.servers import AWS_EMULATOR
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.explore", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print all output with a failure")
    options = parser.parse_args()
    cases = [one for one in ALL_CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.explore: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    if not AWS_EMULATOR.exists():
        print(
            f"conformance.explore: {AWS_EMULATOR} is missing; `make conformance` fetches it", file=sys.stderr
        )
        return 2
    try:
        with Engine() as engine, tempfile.TemporaryDirectory(prefix="explore-") as folder:
            laboratory = Laboratory(engine, Path(folder))
            laboratory.make_bases()
            for one in cases:
                listing.group(one.group)
                try_case(one, laboratory, listing)
    except EngineError as error:
        print(f"No container engine: {error}. The other cases are skipped.")
    return listing.end()


def try_case(one: Case, laboratory: Laboratory, listing: Listing) -> None:
    began = time.monotonic()
    try:
        observed = one.try_it(laboratory)
    except NotHere as reason:
        listing.skip(one.title, str(reason))
    except (Difference, subprocess.TimeoutExpired) as difference:
        listing.failure(one.title, str(difference), laboratory.log())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # What came out has not even the form that the case looks into.
        listing.failure(one.title, f"{type(error).__name__}: {error}", laboratory.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
