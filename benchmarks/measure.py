"""Take the samples, alternating the contestants."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import figures as quantities
from benchmarks.contestants import INTERPRETER, ISOLATED, JSON_ALONE
from benchmarks.cpu_limit import Limit
from benchmarks.figures import Figures, Quantity, percentile
from benchmarks.progress import show_progress
from benchmarks.runtime_api import ERROR_TARGET, Times, UnexpectedRequest
from benchmarks.runtimes import Contestant, Installation, RuntimeProcess, peak_memory_mb
from benchmarks.scenarios import Scenario, encode

INVOCATIONS_BEFORE_MEMORY = 100
MEMORY_RUNS = 5
WARM_UP = 50
PROCESSES = 4
BLOCK = 25  # invocations of one contestant before the next one's turn, so that all see the same load
PIECE_BYTES = 64 * 1024
PIECES = 1000
SMALL_BYTES = 10
SMALL_CHUNKS = 20_000

All = Sequence[Contestant]


def invoke(process: RuntimeProcess, scenario: Scenario) -> tuple[Times, float]:
    """Invoke once; return the times and when the response arrived; raise UnexpectedRequest if it is wrong."""
    times, response = process.api.invoke(scenario.event)
    body = response.body
    if (
        json.loads(body) != json.loads(scenario.event)
        if process.contestant.echoes
        else not scenario.check(body)
    ):
        found = f"{scenario.handler} responded with {response.body[:500]!r}, expected {scenario.response!r}"
        raise UnexpectedRequest(found)
    return times, response.arrived_s


def check_log(process: RuntimeProcess, scenario: Scenario, invocations: int) -> None:
    """Check that a function that logs did so in each invocation: dropping lines would look fast."""
    logged = process.logged().count(scenario.log_line) if scenario.log_line else invocations
    if logged != invocations and not process.contestant.echoes:
        raise UnexpectedRequest(f"{scenario.handler} logged {logged} lines, expected {invocations}")


def rotated(contestants: All, run: int) -> list[Contestant]:
    """Return the contestants in another order for each run, because each leaves something to the next one."""
    first = run % len(contestants)
    return [*contestants[first:], *contestants[:first]]


def starts(figures: Figures, contestants: All, scenario: Scenario, runs: int) -> None:
    """Measure cold starts (from just before fork and exec to the first response), then peak memory."""
    for run in range(runs):
        for contestant in rotated(contestants, run):
            show_progress(f"{scenario.name}, start {run + 1} of {runs}, {contestant.name}")
            process = RuntimeProcess(contestant)
            started_s = time.perf_counter()
            with process:
                times, arrived_s = invoke(process, scenario)
                figures.add(scenario.name, quantities.COLD, contestant.name, (arrived_s - started_s) * 1e3)
                figures.add(scenario.name, quantities.COLD_CPU, contestant.name, process.cpu_s() * 1e3)
                figures.add(scenario.name, quantities.FIRST, contestant.name, times.response_s * 1e3)
                if run < MEMORY_RUNS:
                    for _ in range(INVOCATIONS_BEFORE_MEMORY - 1):
                        invoke(process, scenario)
                    figures.add(scenario.name, quantities.MEMORY, contestant.name, process.peak_memory_mb())


def limited_starts(
    figures: Figures, contestants: All, scenario: Scenario, runs: int, limit: Limit, quantity: Quantity
) -> None:
    """Measure cold starts with a part of a CPU."""
    for run in range(runs):
        for contestant in rotated(contestants, run):
            show_progress(f"{scenario.name}, {quantity.name}, {run + 1} of {runs}, {contestant.name}")
            process = RuntimeProcess(contestant, limit=limit)
            started_s = time.perf_counter()
            with process:
                _, arrived_s = invoke(process, scenario)
            figures.add(scenario.name, quantity, contestant.name, (arrived_s - started_s) * 1e3)


def interpreter_starts(figures: Figures, installation: Installation, function: str, runs: int) -> None:
    """Measure the interpreter itself: from exec to its first statement, and its memory then."""
    for _ in range(runs):
        for name, flags in ((INTERPRETER, []), (ISOLATED, ["-I", "-S"])):
            python, *program = installation.program("interpreter")
            command = [python, *flags, *program]
            started_s = time.perf_counter()
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.read(1)
                elapsed_s = time.perf_counter() - started_s
                figures.add(function, quantities.COLD, name, elapsed_s * 1e3)
                figures.add(function, quantities.MEMORY, name, peak_memory_mb(process.pid))


def warm(figures: Figures, contestants: All, scenario: Scenario, invocations: int) -> None:
    """Measure warm invocations in several processes, because memory layout varies between processes."""
    for turn in range(PROCESSES):
        show_progress(f"{scenario.name}, warm invocations, {turn + 1} of {PROCESSES}")
        for name, samples_s in interleaved(contestants, scenario, invocations // PROCESSES).items():
            samples_us = [sample_s * 1e6 for sample_s in samples_s]
            figures.add(scenario.name, quantities.WARM, name, *samples_us)
            figures.add(scenario.name, quantities.WARM_99, name, percentile(samples_us, 99))


def interleaved(contestants: All, scenario: Scenario, invocations: int) -> dict[str, list[float]]:
    """Invoke running processes; one works while the others wait. Returns the seconds to each response."""
    samples: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    blocks = max(1, invocations // BLOCK)
    with ExitStack() as stack:
        processes = [stack.enter_context(RuntimeProcess(contestant)) for contestant in contestants]
        for process in processes:
            for _ in range(WARM_UP):
                invoke(process, scenario)
        for _ in range(blocks):
            for process in processes:
                for _ in range(BLOCK):
                    times, _ = invoke(process, scenario)
                    samples[process.contestant.name].append(times.response_s)
        for process in processes:
            check_log(process, scenario, WARM_UP + blocks * BLOCK)
    return samples


def large_events(figures: Figures, contestants: All, scenario: Scenario, repetitions: int) -> None:
    """Measure an event that the function returns; the contestants take turns with each."""
    with ExitStack() as stack:
        processes = [stack.enter_context(RuntimeProcess(contestant)) for contestant in contestants]
        for process in processes:
            invoke(process, scenario)
        for repetition in range(repetitions):
            show_progress(f"{scenario.name}, {repetition + 1} of {repetitions}")
            for process in processes:
                times, _ = invoke(process, scenario)
                name = process.contestant.name
                figures.add(scenario.name, quantities.LARGE, name, times.response_s * 1e3)


def json_alone(figures: Figures, installation: Installation, scenario: Scenario, repetitions: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(scenario.event)
        command = installation.program("json_alone", file.name, str(repetitions + 1))
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    times_ms = [time_s * 1e3 for time_s in json.loads(output)[1:]]
    figures.add(scenario.name, quantities.LARGE, JSON_ALONE, *times_ms)


def failures(figures: Figures, contestants: All, scenario: Scenario, invocations: int) -> None:
    """Measure invocations that fail: from the event to the error."""
    for _ in range(PROCESSES):
        for contestant in contestants:
            show_progress(f"failing invocation, {contestant.name}")
            with RuntimeProcess(contestant) as process:
                for count in range(invocations // PROCESSES):
                    times, response = process.api.invoke(scenario.event, ERROR_TARGET)
                    if json.loads(response.body)["errorType"] != "ValueError":
                        raise UnexpectedRequest(f"expected a ValueError, found {response.body[:500]!r}")
                    if count >= WARM_UP // 2:
                        figures.add(
                            scenario.name, quantities.FAILURE, contestant.name, times.response_s * 1e6
                        )


def restores(figures: Figures, contestants: All, runs: int) -> None:
    """Measure a restore of SnapStart: from the reply of `restore/next` to `next`."""
    for run in range(runs):
        for contestant in contestants:
            show_progress(f"restore {run + 1} of {runs}, {contestant.name}")
            settings = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
            with RuntimeProcess(contestant, variables=settings) as process:
                restored_ms = process.api.restore() * 1e3
                figures.add("hello", quantities.RESTORE, contestant.name, restored_ms)


def streams(figures: Figures, contestants: All, runs: int) -> None:
    """Measure streamed responses: the first chunk, large pieces, small chunks."""
    single = encode({"size": SMALL_BYTES, "count": 1})
    pieces = encode({"size": PIECE_BYTES, "count": PIECES})
    chunks = encode({"size": SMALL_BYTES, "count": SMALL_CHUNKS})
    for run in range(runs):
        for contestant in contestants:
            show_progress(f"streams, {run + 1} of {runs}, {contestant.name}")
            with RuntimeProcess(contestant) as process:
                firsts = [process.api.stream(single).first_chunk_s for _ in range(WARM_UP)]
                large = process.api.stream(pieces)
                small = process.api.stream(chunks)
                if (
                    large.received_bytes < PIECE_BYTES * PIECES
                    or small.received_bytes < SMALL_BYTES * SMALL_CHUNKS
                ):
                    raise UnexpectedRequest("the stream was too short")
                name = contestant.name
                figures.add("stream", quantities.FIRST_CHUNK, name, statistics.median(firsts) * 1e6)
                figures.add("stream", quantities.RATE, name, large.received_bytes / large.end_s / 1e6)
                cost_s = (small.end_s - small.first_chunk_s) / SMALL_CHUNKS
                figures.add("stream", quantities.SMALL_CHUNK, name, cost_s * 1e6)
