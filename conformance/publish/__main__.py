"""Publishes, deploys and invokes with AWS CLI and AWS SAM, in an account on this machine.

Usage: python -m conformance.publish [-k WORD] [--verbose]
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from conformance.publish.account import REGION, Account, copy_sources
from conformance.publish.cases import ALL_CASES, ROOT
from conformance.publish.laboratory import Case, Laboratory, NotHere
from conformance.sandbox import machine
from conformance.sandbox.machine import Machine
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.publish", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print all output with a failure")
    options = parser.parse_args()
    cases = [one for one in ALL_CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.publish: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    for name in [name for name in os.environ if name.startswith(("AWS_", "SAM_"))]:
        del os.environ[name]  # whatever this computer is configured for
    os.environ.update(MOTO_IAM_LOAD_MANAGED_POLICIES="true", AWS_DEFAULT_REGION=REGION)
    for logger in ("werkzeug", "moto"):  # of each request, of URLs in stacks, which moto does not know
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="moto")
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    no_sandbox = machine.unavailable()
    with tempfile.TemporaryDirectory(prefix="publish-") as name:
        folder = Path(name)
        sandbox = None if no_sandbox else Machine(folder / "machine")
        (folder / "functions").mkdir()
        source = copy_sources(ROOT, folder / "source")
        with Account(folder / "functions", sandbox) as account:
            laboratory = Laboratory(source, account, no_sandbox)
            for one in cases:
                listing.group(one.group)
                try_case(one, laboratory, listing)
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
