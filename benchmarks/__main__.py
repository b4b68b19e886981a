"""Compare cold start, memory, response time and instructions with AWS's runtime, and print a table.

Usage: python -m benchmarks [--runs N] [--invocations N] [--json]
The exit status is 1 if a goal is missed, 2 if a runtime does not respond as expected.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Pair
from benchmarks.rows import Row, counted_rows, start_rows, warm_rows
from benchmarks.runtime_api import UnexpectedRequest
from benchmarks.runtimes import prepare
from benchmarks.scenarios import HELLO, JSON, LOGGING, ORDERS, PAGE_REQUEST


def main() -> int:
    options = parse_arguments()
    if not options.json:
        print(headline())
    rows = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        aws, ours, task_root = prepare(Path(folder))
        try:
            for row in measured((aws, ours), task_root, options.runs, options.invocations):
                rows.append(row)
                if not options.json:
                    print(row, flush=True)
        except UnexpectedRequest as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 2
    missed = [row for row in rows if not row.is_met]
    if options.json:
        print(json.dumps({"interpreter": interpreter(), "rows": [row.as_json() for row in rows]}, indent=2))
    else:
        print_end(missed)
    return 1 if missed else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--runs", type=int, default=40, help="starts of each runtime and function (default: 40)"
    )
    parser.add_argument(
        "--invocations",
        type=int,
        default=1000,
        help="warm invocations for each median, at least 100 (default: 1000)",
    )
    parser.add_argument("--json", action="store_true", help="print only the figures, as JSON")
    options = parser.parse_args()
    if options.runs < 1 or options.invocations < measure.PROCESSES * measure.BLOCK:
        parser.error(f"use at least 1 run and {measure.PROCESSES * measure.BLOCK} invocations")
    return options


def measured(pair: Pair, task_root: Path, runs: int, invocations: int) -> Iterator[Row]:
    for scenario in (HELLO, LOGGING, JSON):
        yield from start_rows(scenario, *measure.measure_starts(pair, scenario, task_root, runs))
    for scenario in (HELLO, PAGE_REQUEST, ORDERS, LOGGING, JSON):
        yield from warm_rows(scenario, *measure.measure_invocations(pair, scenario, task_root, invocations))
    if measure.can_count():
        for scenario in (HELLO, PAGE_REQUEST):
            counts = [measure.count_instructions(runtime, scenario, task_root) for runtime in pair]
            yield from counted_rows(scenario, *counts)


def interpreter() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def headline() -> str:
    """Return what is compared, and the machine's load, because times on a busy machine are imprecise."""
    versions = f"awslambdaric {version('awslambdaric')} and this runtime on {interpreter()}"
    return f"{versions}; medians; load average {os.getloadavg()[0]:.1f}\n\n{Row.HEAD}"


def print_end(missed: list[Row]) -> None:
    if not measure.can_count():
        print("\nInstructions are not counted, because valgrind is not installed.")
    print()
    print(f"{len(missed)} goals missed" if missed else "all goals met")


if __name__ == "__main__":
    sys.exit(main())
