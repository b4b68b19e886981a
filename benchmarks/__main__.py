"""Compares cold start, memory, response time and instructions with AWS's runtime, and prints a table.

Usage: python -m benchmarks [--runs N] [--invocations N] [--json]
Exit status 1 if a goal is missed, 2 if a runtime did not do what is measured.
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
    parser.add_argument("--runs", type=int, default=40, help="starts of each runtime and function (40)")
    parser.add_argument(
        "--invocations", type=int, default=1000, help="warm ones for each median, 100 or more (1000)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, nothing else")
    options = parser.parse_args()
    if options.runs < 1 or options.invocations < measure.PROCESSES * measure.BLOCK:
        parser.error(f"needs 1 run and {measure.PROCESSES * measure.BLOCK} invocations at least")
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
    """What is compared, and how busy the machine was before: times on a busy one are rough."""
    versions = f"awslambdaric {version('awslambdaric')} and this runtime on {interpreter()}"
    return f"{versions}; medians; load average {os.getloadavg()[0]:.1f}\n\n{Row.HEAD}"


def print_end(missed: list[Row]) -> None:
    if not measure.can_count():
        print("\nInstructions are not counted: that needs valgrind, which is not installed here.")
    print()
    print(f"{len(missed)} goals missed" if missed else "all goals met")


if __name__ == "__main__":
    sys.exit(main())
