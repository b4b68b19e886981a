"""Reads streams as they are produced, ends environments, and prints what was observed.

Usage: python -m conformance.streaming [-k WORD] [--verbose]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from conformance.servers import AWS_EMULATOR, ServerError
from conformance.streaming.cases import ALL_CASES
from conformance.streaming.laboratory import Case, Laboratory, NotHere
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.streaming", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print the server's log with a failure")
    options = parser.parse_args()
    cases = [one for one in ALL_CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.streaming: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    if not AWS_EMULATOR.exists():
        print(
            f"conformance.streaming: {AWS_EMULATOR} is missing; `make conformance` fetches it",
            file=sys.stderr,
        )
        return 2
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    with tempfile.TemporaryDirectory(prefix="streaming-") as folder:
        laboratory = Laboratory(Path(folder))
        for one in cases:
            listing.group(one.group)
            try_case(one, laboratory, listing)
    return listing.end()


def try_case(one: Case, laboratory: Laboratory, listing: Listing) -> None:
    laboratory.forget()
    began = time.monotonic()
    try:
        observed = one.try_it(laboratory)
    except NotHere as reason:
        listing.skip(one.title, str(reason))
    except (Difference, ServerError) as difference:
        listing.failure(one.title, str(difference), laboratory.log())
    except Exception as error:
        # What came out has not even the form that the case looks into, or the client gave up.
        listing.failure(one.title, f"{type(error).__name__}: {error}", laboratory.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    # Asked to end, we end as after Ctrl-C: with every server stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
