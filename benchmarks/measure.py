"""Take the samples (starts, memory, invocations, instructions), alternating AWS's runtime and ours."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.runtime_api import Times, UnexpectedRequest
from benchmarks.runtimes import Runtime, RuntimeProcess
from benchmarks.scenarios import Scenario

INVOCATIONS_BEFORE_MEMORY = 100
WARM_UP = 50
PROCESSES = 4
BLOCK = 25  # invocations of one runtime before the other's turn, so that both see the same load
COUNTED_INVOCATIONS = 100

Pair = tuple[Runtime, Runtime]


@dataclass
class Samples:
    """The measurements of one runtime in one scenario."""

    cold_s: list[float] = field(default_factory=list)
    peak_memory_kb: list[float] = field(default_factory=list)
    response_s: list[float] = field(default_factory=list)
    next_s: list[float] = field(default_factory=list)


def invoke(process: RuntimeProcess, scenario: Scenario) -> tuple[Times, float]:
    """Invoke once; return the times and when the response arrived; raise UnexpectedRequest if it is wrong."""
    times, response = process.api.invoke(scenario.event)
    if json.loads(response.body) != scenario.response:
        raise UnexpectedRequest(
            f"{scenario.handler} responded with {response.body[:500]!r}, expected {scenario.response!r}"
        )
    return times, response.arrived_s


def check_log(process: RuntimeProcess, scenario: Scenario, invocations: int) -> None:
    """Check that a function that logs did so in each invocation: dropping lines would look fast."""
    logged = process.logged()
    if scenario.log_line and logged.count(scenario.log_line) != invocations:
        raise UnexpectedRequest(
            f"{scenario.handler} logged {logged.count(scenario.log_line)} lines, expected {invocations}"
        )


def measure_starts(pair: Pair, scenario: Scenario, task_root: Path, runs: int) -> tuple[Samples, Samples]:
    """Measure cold starts (from just before fork and exec to the first response), then peak memory."""
    both = Samples(), Samples()
    for _ in range(runs):
        for runtime, samples in zip(pair, both):
            process = RuntimeProcess(runtime, scenario.handler, task_root)
            started_s = time.perf_counter()
            with process:
                _, arrived_s = invoke(process, scenario)
                samples.cold_s.append(arrived_s - started_s)
                for _ in range(INVOCATIONS_BEFORE_MEMORY - 1):
                    invoke(process, scenario)
                samples.peak_memory_kb.append(process.peak_memory_kb())
    return both


def measure_invocations(
    pair: Pair, scenario: Scenario, task_root: Path, invocations: int
) -> tuple[Samples, Samples]:
    """Measure warm invocations in several processes, because memory layout varies between processes."""
    both = Samples(), Samples()
    for _ in range(PROCESSES):
        measure_process_pair(pair, scenario, task_root, invocations // PROCESSES, both)
    return both


def measure_process_pair(
    pair: Pair, scenario: Scenario, task_root: Path, invocations: int, both: tuple[Samples, Samples]
) -> None:
    """Measure two running processes; one works while the other waits."""
    aws, ours = (RuntimeProcess(runtime, scenario.handler, task_root) for runtime in pair)
    with aws, ours:
        for process in (aws, ours):
            for _ in range(WARM_UP):
                invoke(process, scenario)
        for _ in range(invocations // BLOCK):
            for process, samples in zip((aws, ours), both):
                for _ in range(BLOCK):
                    times, _ = invoke(process, scenario)
                    samples.response_s.append(times.response_s)
                    samples.next_s.append(times.next_s)
        for process in (aws, ours):
            check_log(process, scenario, WARM_UP + invocations // BLOCK * BLOCK)


def count_instructions(runtime: Runtime, scenario: Scenario, task_root: Path) -> tuple[int, float]:
    """Count the instructions of a cold start with its first invocation, and of one more invocation.

    valgrind's callgrind counts them in user space. Runs differ by far less than one percent.
    """
    first = instructions(runtime, scenario, task_root, 1)
    # The first few invocations fill caches and specialise code.
    few = instructions(runtime, scenario, task_root, 10)
    many = instructions(runtime, scenario, task_root, 10 + COUNTED_INVOCATIONS)
    return first, (many - few) / COUNTED_INVOCATIONS


def can_count() -> bool:
    return shutil.which("valgrind") is not None


def instructions(runtime: Runtime, scenario: Scenario, task_root: Path, invocations: int) -> int:
    """Count from the start of the process until it waits for the event after ``invocations``."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        wrapper = ["valgrind", "--tool=callgrind", f"--log-file={log}", "--callgrind-out-file=/dev/null"]
        with RuntimeProcess(runtime, scenario.handler, task_root, fixed_addresses() + wrapper) as process:
            for _ in range(invocations):
                invoke(process, scenario)
            time.sleep(0.3)  # include the work between sending the request and waiting for the reply
        collected = re.search(r"Collected : (\d+)", log.read_text())
        if collected is None:
            raise UnexpectedRequest(f"valgrind reported no instructions: {log.read_text()[-500:]}")
        return int(collected[1])


def fixed_addresses() -> list[str]:
    """Return util-linux's setarch, if available: fixed addresses make hashes and counts reproducible."""
    return ["setarch", "-R"] if shutil.which("setarch") else []
