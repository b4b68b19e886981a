"""Compare several invocations at once in one environment with AWS's runtime, and print a table.

Usage: python -m benchmarks.concurrency [--runs N] [--slots N] [--cpus N] [--seconds S] [--functions NAME …]
[--json]. The default is 16 slots on one CPU, because Lambda's default for Python is 16 for each vCPU.
The exit status is 1 if a goal is missed, 2 if a runtime does not respond as expected.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.concurrency.environments import Mode, SharedEnvironment
from benchmarks.concurrency.goals import (
    ALL_POLL,
    ALL_POLL_CPU,
    COLUMN_WIDTH,
    COLUMNS,
    FIRST_POLL,
    FIRST_POLL_CPU,
    GOALS,
    GROWTH_BY_COLLECTION,
    INVOCATION_CPU,
    MEMORY_AFTER_LOAD,
    MEMORY_AFTER_READING,
    MEMORY_IDLE,
    NAME_WIDTH,
    PRELOAD,
    RATE,
    Figures,
)
from benchmarks.machine import interpreter
from benchmarks.progress import show_progress
from benchmarks.runtime_api import UnexpectedRequest
from benchmarks.runtimes import Installation
from benchmarks.scenarios import GREETING, NAME, encode
from benchmarks.task_roots import TaskRoots

FUNCTIONS = {
    "hello": ("at_once.hello", "no imports"),
    "asyncio": ("with_asyncio.handler", "imports asyncio"),
    "big": ("big.handler", "boto3 with a client, numpy and about 30 MB of Python objects"),
    "sleep": ("at_once.sleep", "sleeps 50 ms"),
    "cpu": ("at_once.compute", "uses 5 ms of CPU"),
}
PACKAGES = ("boto3", "numpy")  # of the large function
THROUGHPUT_ONLY = ("sleep", "cpu")
SETTLE_S = 0.3  # from the last slot's first poll until the memory of an idle environment is read
EVENT = encode(NAME)


def main() -> int:
    options = parse_arguments()
    if not options.json:
        print(headline(options))
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        installation = Installation(Path(folder))
        packages = PACKAGES if "big" in options.functions else ()
        task_root = TaskRoots(Path(folder, "task-roots"), installation.python).compiled(*packages)
        ours = installation.ours
        modes = [Mode(COLUMNS[0], installation.aws), *(Mode(name, ours, name) for name in COLUMNS[1:])]
        comparison = Comparison(modes, task_root, options, figures)
        try:
            for function in options.functions:
                comparison.measure(function, options.runs)
                if not options.json:
                    heading = f"\n{function} ({FUNCTIONS[function][1]})"
                    print(heading, *figures.rows(function), sep="\n", flush=True)
        except UnexpectedRequest as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 2
    return print_end(figures, as_json=options.json)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.concurrency", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="starts of each mode with each function (default: 5)"
    )
    parser.add_argument(
        "--slots", type=int, default=16, help="invocations at once; the goals are for 16 (default: 16)"
    )
    parser.add_argument("--cpus", type=int, default=1, help="CPUs that an environment may use (default: 1)")
    parser.add_argument(
        "--seconds", type=float, default=2, help="how long each environment is under load (default: 2)"
    )
    parser.add_argument(
        "--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), help="default: all"
    )
    parser.add_argument("--json", action="store_true", help="print only the figures, as JSON")
    options = parser.parse_args()
    if min(options.runs, options.slots, options.cpus) < 1 or options.seconds <= 0:
        parser.error("use at least 1 run, 1 slot and 1 CPU, and a positive number of seconds")
    return options


class Comparison:
    """The measurements of all modes, alternating."""

    def __init__(
        self, modes: list[Mode], task_root: Path, options: argparse.Namespace, figures: Figures
    ) -> None:
        self.modes = modes
        self.task_root = task_root
        self.slots: int = options.slots
        self.cpus: int = options.cpus
        self.seconds: float = options.seconds
        self.figures = figures

    def measure(self, function: str, runs: int) -> None:
        for run in range(1, runs + 1):
            for mode in self.modes:
                show_progress(f"{function}, run {run} of {runs}, {mode.name}")
                if function in THROUGHPUT_ONLY:
                    self.measure_throughput(function, mode)
                else:
                    self.measure_start_and_load(function, mode)
                if function == "big" and mode.name == PRELOAD:
                    self.measure_collection(function, mode)
        show_progress("")

    def measure_start_and_load(self, function: str, mode: Mode) -> None:
        """Measure the start, then memory and CPU under load, then memory when all objects have been read."""
        add = partial(self.figures.add, function=function, mode=mode.name)
        with self.start(function, mode) as environment:
            add(FIRST_POLL, environment.api.wait_until_idle(1) - environment.started_s)
            add(FIRST_POLL_CPU, environment.cpu_s())
            add(ALL_POLL, environment.api.wait_until_idle(self.slots) - environment.started_s)
            add(ALL_POLL_CPU, environment.cpu_s())
            time.sleep(SETTLE_S)
            add(MEMORY_IDLE, environment.memory_mb())
            rate, cpu_s = self.load(environment)
            add(MEMORY_AFTER_LOAD, environment.memory_mb())
            if function == "big":
                self.invoke_each(environment, "read")
                add(MEMORY_AFTER_READING, environment.memory_mb())
            add(INVOCATION_CPU, cpu_s * 1e6)
            add(RATE, rate)

    def measure_throughput(self, function: str, mode: Mode) -> None:
        with self.start(function, mode) as environment:
            environment.api.wait_until_idle(self.slots)
            rate, _ = self.load(environment)
            self.figures.add(RATE, rate, function=function, mode=mode.name)

    def measure_collection(self, function: str, mode: Mode) -> None:
        """Measure what a garbage collection in each worker does to memory that the workers share."""
        with self.start(function, mode) as environment:
            environment.api.wait_until_idle(self.slots)
            time.sleep(SETTLE_S)
            before_mb = environment.memory_mb()
            self.invoke_each(environment, "collect")
            growth = environment.memory_mb() / before_mb - 1
            self.figures.add(GROWTH_BY_COLLECTION, growth * 100, function=function, mode=mode.name)

    def start(self, function: str, mode: Mode) -> SharedEnvironment:
        return SharedEnvironment(mode, FUNCTIONS[function][0], self.task_root, self.slots, self.cpus)

    def load(self, environment: SharedEnvironment) -> tuple[float, float]:
        """Keep all slots busy. Returns the invocations per second, and the CPU seconds of one."""
        check(environment, environment.api.invoke_each(EVENT))  # imports what the first invocation needs
        cpu_s = environment.cpu_s()
        rate, bodies = environment.api.invoke_for(EVENT, self.seconds)
        cpu_s = environment.cpu_s() - cpu_s
        check(environment, bodies)
        return rate, cpu_s / len(bodies)

    def invoke_each(self, environment: SharedEnvironment, action: str) -> None:
        """Invoke the large function in each slot."""
        check(environment, environment.api.invoke_each(encode({**NAME, "do": action})))


def check(environment: SharedEnvironment, bodies: list[bytes]) -> None:
    """Raise UnexpectedRequest if a response is wrong."""
    for body in set(bodies):
        if json.loads(body) != GREETING:
            raise UnexpectedRequest(
                f"{environment.command} responded with {body[:500]!r}, expected {GREETING!r}; "
                f"its log ends: {environment.logged()}"
            )


def headline(options: argparse.Namespace) -> str:
    """Return what is compared, and the machine's load, because times on a busy machine are imprecise."""
    versions = f"awslambdaric {version('awslambdaric')} and this runtime on {interpreter()}"
    cpus = min(options.cpus, len(os.sched_getaffinity(0)))
    conditions = (
        f"{options.slots} slots on {cpus} CPU{'s' if cpus > 1 else ''}; "
        f"medians of {options.runs}; load average {os.getloadavg()[0]:.1f}"
    )
    columns = "".join(f"{name:>{COLUMN_WIDTH}}" for name in COLUMNS)
    return f"{versions}\n{conditions}\n\n{'':{NAME_WIDTH}}{columns}"


def print_end(figures: Figures, *, as_json: bool) -> int:
    """Print the goals that were measured, or all figures as JSON. Returns the exit status."""
    values = [(goal, value) for goal in GOALS if (value := goal.value(figures)) is not None]
    missed = [goal for goal, value in values if not goal.is_met(value)]
    if as_json:
        goals = [goal.as_json(value) for goal, value in values]
        print(json.dumps({"interpreter": interpreter(), "rows": figures.as_json(), "goals": goals}, indent=2))
    else:
        print(
            f"\n{'ratio to AWS, unless another base is named':{NAME_WIDTH}}{'ratio':>{COLUMN_WIDTH}}   goal"
        )
        for goal, value in values:
            print(goal.line(value))
        print()
        print(f"{len(missed)} goals missed" if missed else "all goals met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
