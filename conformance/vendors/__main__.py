"""Tries vendors' tools on this runtime and prints what was observed.

Usage: python -m conformance.vendors [-k WORD] [--runtime bootstrap|awslambdaric] [--verbose]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conformance.vendors.case import AWS, OURS, Case, Runtime, Trial
from conformance.vendors.cases import ALL_CASES
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing


def main() -> int:
    options = parse_arguments()
    cases = [one for one in ALL_CASES if options.k in f"{one.package} {one.title}"]
    if not cases:
        print(f"conformance.vendors: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    for name in [name for name in os.environ if name.startswith(("AWS_", "DD_", "OTEL_", "SENTRY_"))]:
        del os.environ[name]  # whatever this computer is configured for
    runtime = AWS if options.runtime == AWS.name else OURS
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    for one in cases:
        listing.group(f"{one.package} {installed_version(one.package)}".rstrip())
        if runtime.is_aws and one.not_on_aws:
            listing.skip(one.title, one.not_on_aws)
        elif not installed_version(one.package):
            listing.failure(one.title, f"{one.package} is not installed for {sys.executable}", "")
        else:
            try_case(one, runtime, listing)
    return listing.end()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.vendors", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument(
        "--runtime",
        choices=(OURS.name, AWS.name),
        default=OURS.name,
        help="ours (the default), or AWS's, which tells what a case asks in vain",
    )
    parser.add_argument("--verbose", action="store_true", help="print the log with a failure")
    return parser.parse_args()


def try_case(one: Case, runtime: Runtime, listing: Listing) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vendors-") as folder:
        trial = Trial(runtime, Path(folder))
        try:
            observed = one.try_it(trial)
        except Difference as difference:
            listing.failure(one.title, str(difference), trial.log())
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # What came out has not even the form that the case looks into.
            listing.failure(one.title, f"{type(error).__name__}: {error}", trial.log())
        else:
            listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


def installed_version(package: str) -> str:
    """Its version; "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
