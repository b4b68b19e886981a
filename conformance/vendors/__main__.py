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

from conformance.vendors.case import AWS, OURS, Case, Difference, Runtime, Trial, shorten
from conformance.vendors.cases import ALL_CASES

GREEN, RED, PLAIN = "\033[32m", "\033[31m", "\033[0m"


def main() -> int:
    options = parse_arguments()
    cases = [one for one in ALL_CASES if options.k in f"{one.package} {one.title}"]
    if not cases:
        print(f"conformance.vendors: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    for name in [name for name in os.environ if name.startswith(("AWS_", "DD_", "OTEL_", "SENTRY_"))]:
        del os.environ[name]  # whatever this computer is configured for
    runtime = AWS if options.runtime == AWS.name else OURS
    width = max(len(one.title) for one in cases) + 2
    passed = failed = 0
    package = ""
    for one in cases:
        if one.package != package:
            package = one.package
            print(f"{package} {installed_version(package)}", flush=True)
        if runtime.is_aws and one.not_on_aws:
            print(f"  {'-':8}{one.title:{width}}{one.not_on_aws}", flush=True)
            continue
        observed, problem, log = try_case(one, runtime)
        passed += not problem
        failed += bool(problem)
        row = f"  {mark('FAILED' if problem else 'ok')}{one.title:{width}}{observed}"
        print(row.rstrip(), flush=True)
        if problem:
            print(f"          {problem}", flush=True)
            if options.verbose:
                print("\n".join(f"          | {line}" for line in log.splitlines()[-60:]), flush=True)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


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


def try_case(one: Case, runtime: Runtime) -> tuple[str, str, str]:
    """What was observed, what was wrong ("" if nothing), and the function's log."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vendors-") as folder:
        trial = Trial(runtime, Path(folder))
        try:
            observed = one.try_it(trial)
        except Difference as difference:
            return "", str(difference), trial.log()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # What came out has not even the form that the case looks into.
            return "", f"{type(error).__name__}: {error}", trial.log()
    return f"{shorten(observed, 80)}  ({time.monotonic() - began:.1f} s)", "", ""


def mark(word: str) -> str:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    colour = GREEN if word == "ok" else RED
    return f"{colour}{word}{PLAIN}{' ' * (8 - len(word))}" if coloured else f"{word:8}"


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
