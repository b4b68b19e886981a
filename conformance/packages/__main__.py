"""Builds the package, installs it, builds and runs the images of the recipes, and prints what was observed.

Usage: python -m conformance.packages [-k WORD] [--base debian=IMAGE|FOLDER]… [--verbose]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from conformance.explore.engine import Engine, EngineError
from conformance.packages import building, images
from conformance.packages.laboratory import CASES, ROOT, Case, Laboratory, NotHere
from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing

__all__ = ["building", "images"]  # imported for the cases in them
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", "layers", "__pycache__", ".*_cache")


def main() -> int:
    options = parse_arguments()
    cases = [one for one in CASES if options.k in f"{one.group} {one.title}"]
    if not cases:
        print(f"conformance.packages: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    listing = Listing([one.title for one in cases], verbose=options.verbose)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packages-")))
        shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
        engine, no_engine = None, ""
        try:
            engine = stack.enter_context(Engine())
        except EngineError as error:
            no_engine = f"no container engine: {error}"
        laboratory = Laboratory(folder, folder / "source", engine, no_engine, dict(options.base))
        for one in cases:
            listing.group(one.group)
            try_case(one, laboratory, listing)
    return listing.end()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.packages", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        type=lambda text: tuple(text.split("=", 1)),
        metavar="RECIPE=IMAGE|FOLDER",
        help="the base of a recipe: an image to pull, or a folder with a root file system",
    )
    parser.add_argument("--verbose", action="store_true", help="print all output with a failure")
    return parser.parse_args()


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
