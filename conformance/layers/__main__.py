"""Builds layers with the tools, tries them where there is no other Python, and prints what was observed.

Usage: python -m conformance.layers [-k WORD] [--verbose]

The interpreter that runs this is the one that is packed, with the limit on glibc raised to this computer's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.layers.cases import ALL_CASES
from conformance.layers.system import Skip
from conformance.layers.workshop import Case, Workshop
from conformance.sandbox import machine
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing
from tools.problems import Problem


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.layers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print the log with a failure")
    options = parser.parse_args()
    cases = [one for one in ALL_CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.layers: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    reason = machine.unavailable()
    if reason:
        print(f"No sandbox: {reason}. {len(cases)} cases are skipped.")
        return listing.end()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="layers-") as folder:
        workshop = Workshop(Path(folder))
        for one in cases:
            listing.group(one.group)
            try_case(one, workshop, listing)
    return listing.end()


def try_case(one: Case, workshop: Workshop, listing: Listing) -> None:
    began = time.monotonic()
    workshop.begin_case()
    try:
        observed = one.try_it(workshop)
    except Skip as reason:
        listing.skip(one.title, f"skipped: {reason}")
    except (Difference, Problem) as difference:
        listing.failure(one.title, str(difference), workshop.log())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # What came out has not even the form that the case looks into.
        listing.failure(one.title, f"{type(error).__name__}: {error}", workshop.log())
    except (OSError, subprocess.SubprocessError) as error:
        listing.failure(one.title, f"{type(error).__name__}: {error}", workshop.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
