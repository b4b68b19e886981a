"""Count instructions in user space with valgrind's callgrind. Runs differ by far less than one percent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import figures as quantities
from benchmarks.figures import Figures
from benchmarks.measure import invoke
from benchmarks.progress import show_progress
from benchmarks.runtime_api import UnexpectedRequest
from benchmarks.runtimes import Contestant, RuntimeProcess
from benchmarks.scenarios import Scenario

SETTLING = 9  # invocations after the first that fill caches and specialise code
COUNTED = 100
PROGRAMS = ("valgrind", "callgrind_control")


def can_count() -> bool:
    return all(map(shutil.which, PROGRAMS))


def count_all(figures: Figures, tasks: Sequence[tuple[Scenario, Contestant]]) -> None:
    """Count for several contestants at the same time, because the load does not change the figures."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        counts = threads.map(lambda task: count(*task), tasks)
        for (scenario, contestant), (cold, invocation) in zip(tasks, counts):
            show_progress(f"{scenario.name}, instructions, {contestant.name}")
            figures.add(scenario.name, quantities.COLD_INSTRUCTIONS, contestant.name, cold / 1e6)
            figures.add(scenario.name, quantities.INSTRUCTIONS, contestant.name, invocation / 1e3)


def count(scenario: Scenario, contestant: Contestant) -> tuple[int, float]:
    """Return the instructions of a cold start with its first invocation, and of one more invocation."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--callgrind-out-file={folder}/counts", f"--log-file={folder}/log"]
        wrapper = [*fixed_addresses(), "valgrind", "--tool=callgrind", *options]
        with RuntimeProcess(contestant, wrapper=wrapper) as process:
            first = instructions(process, scenario, 1, Path(folder))
            instructions(process, scenario, SETTLING, Path(folder))
            return first, instructions(process, scenario, COUNTED, Path(folder)) / COUNTED


def instructions(process: RuntimeProcess, scenario: Scenario, invocations: int, folder: Path) -> int:
    """Count since the last count until the process waits for the event after ``invocations``."""
    for _ in range(invocations):
        invoke(process, scenario)
    time.sleep(0.3)  # include the work between sending the request and waiting for the reply
    for old in folder.glob("counts.*"):
        old.unlink()
    subprocess.run(["callgrind_control", "--dump", str(process.pid())], capture_output=True, check=True)
    for file in folder.glob("counts.*"):
        counted = re.search(r"(?m)^summary: (\d+)", file.read_text())
        if counted is not None:
            return int(counted[1])
    raise UnexpectedRequest("callgrind_control wrote no counts")


def fixed_addresses() -> list[str]:
    """Return util-linux's setarch, if available: fixed addresses make hashes and counts reproducible."""
    return ["setarch", "-R"] if shutil.which("setarch") else []
