"""Compare this runtime with its floors and its rivals, and print a table.

Usage: python -m benchmarks [--runs N] [--invocations N] [--only SECTION …] [--no-instructions] [--json FILE]
The exit status is 1 if an aim is missed, 2 if a contestant does not respond as expected.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import instructions
from benchmarks.machine import interpreter, machine, packages
from benchmarks.measure import BLOCK, PROCESSES, WARM_UP
from benchmarks.progress import show_progress
from benchmarks.runtime_api import UnexpectedRequest
from benchmarks.runtimes import Installation
from benchmarks.suite import SECTIONS, Effort, Suite
from benchmarks.table import HEAD, Result, results
from benchmarks.task_roots import MissingPackage, TaskRoots

# What names a figure and a row in the JSON.
FIGURE_KEYS = ("function", "quantity", "contestant")
ROW_KEYS = ("function", "quantity", "ours", "floor", "rival")


def main() -> int:
    options = parse_arguments()
    place = machine()
    print(headline(place))
    counts = instructions.can_count() and not options.no_instructions
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        show_progress("preparing the runtimes")
        installation = Installation(Path(folder))
        roots = TaskRoots(Path(folder, "task-roots"), installation.python)
        suite = Suite(installation, roots, Effort(options.runs, options.invocations, counts))
        try:
            measure_sections(suite, options.only)
        except UnexpectedRequest as error:
            show_progress("")
            print(f"benchmarks: {error}", file=sys.stderr)
            return 2
    measured = list(results(suite.figures))
    if options.json:
        save(options.json, place, suite, measured, is_part=len(options.only) < len(SECTIONS))
    return print_end(measured, time.monotonic() - began_s, counted=counts, limit=suite.limit)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=11, help="starts of each contestant (default: 11)")
    parser.add_argument(
        "--invocations", type=int, default=1000, help="warm invocations of each contestant (default: 1000)"
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    parser.add_argument("--no-instructions", action="store_true", help="do not count instructions")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write the figures to FILE, where those that are not measured now stay",
    )
    options = parser.parse_args()
    minimum = PROCESSES * max(BLOCK, WARM_UP)
    if options.runs < 1 or options.invocations < minimum:
        parser.error(f"use at least 1 run and {minimum} invocations")
    return options


def measure_sections(suite: Suite, sections: list[str]) -> None:
    """Measure the sections, and print the rows of each when it is complete."""
    printed: set[Any] = set()
    for section in sections:
        try:
            suite.measure(section)
        except MissingPackage as error:
            show_progress("")
            print(f"\n{section}: skipped, because {error} is not installed for this Python")
            continue
        show_progress("")
        function = ""
        for result in results(suite.figures):
            if result.row not in printed:
                printed.add(result.row)
                if result.row.function != function:
                    function = result.row.function
                    print(f"\n{function}")
                print(f"  {result.line()}", flush=True)


def headline(place: dict[str, str | float]) -> str:
    """Return what is compared, and the machine's load, because times on a busy machine are imprecise."""
    versions = ", ".join(f"{name} {number}" for name, number in packages().items())
    return (
        f"{interpreter()} on {place['cpus']} CPUs of {place['cpu']}, {place['kernel']}; "
        f"load average {place['load']}\n{versions}\n"
        "Medians, with ± half of the interquartile range. Rival: AWS's runtime, unless another is named.\n\n"
        f"  {HEAD}"
    )


def save(
    path: Path, place: dict[str, str | float], suite: Suite, measured: list[Result], *, is_part: bool
) -> None:
    content: dict[str, Any] = {
        "python": interpreter(),
        "machine": place,
        "packages": packages(),
        "cpu limit": suite.limit,
        "figures": suite.figures.as_json(),
        "rows": [result.as_json() for result in measured],
    }
    earlier = json.loads(path.read_text(encoding="utf-8")) if is_part and path.exists() else {}
    if earlier.get("python") == content["python"]:
        content["cpu limit"] = content["cpu limit"] or earlier["cpu limit"]
        for name, keys in (("figures", FIGURE_KEYS), ("rows", ROW_KEYS)):
            content[name] = replaced(earlier[name], content[name], keys)
    path.parent.mkdir(parents=True, exist_ok=True)
    members = ",\n".join(f"{json.dumps(name)}: {one_per_line(value)}" for name, value in content.items())
    path.write_text(f"{{\n{members}\n}}\n", encoding="utf-8")


def replaced(
    earlier: list[dict[str, Any]], now: list[dict[str, Any]], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """Return ``earlier`` with the items of ``now`` in place of those with the same ``keys``."""
    return list({tuple(item[key] for key in keys): item for item in [*earlier, *now]}.values())


def one_per_line(value: object) -> str:
    """Encode JSON with a line for each item of a list, so that a change of the results can be read."""
    if isinstance(value, list):
        return "[\n{}\n]".format(",\n".join(json.dumps(item) for item in value))
    return json.dumps(value)


def print_end(measured: list[Result], elapsed_s: float, *, counted: bool, limit: str) -> int:
    """Print what was missed. Returns the exit status."""
    missed = [
        f"{result.row.function}: {result.title()}: {result.verdict_text(*verdict)}, found {verdict[1]:.3g}"
        for result in measured
        for verdict in result.verdicts()
        if not verdict[2]
    ]
    aims = sum(len(list(result.verdicts())) for result in measured)
    print()
    if not counted:
        print("Instructions are not counted: this needs valgrind, and not --no-instructions.")
    if limit:
        print(f"The CPU was limited with {limit}.")
    print(
        f"{elapsed_s / 60:.0f} minutes; {aims - len(missed)} of {aims} aims met", *missed, sep="\n  missed: "
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
