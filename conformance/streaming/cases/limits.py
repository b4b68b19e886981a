"""What streaming takes: time until a chunk is there, and memory."""

from __future__ import annotations

import statistics
import time

from conformance.streaming.laboratory import Laboratory, Observation, case
from conformance.streaming.readers import Boto3Reader
from conformance.streaming.sink import Sink
from conformance.vendors.expectations import Difference, expect

GROUP = "Time and memory"
CHUNKS = 50
DELAY_MS = 5.0
SMALL_MB, LARGE_MB = 2, 200
MORE_KIB = 2048


def median_below(delays_ms: list[float]) -> Observation:
    expect("chunks", len(delays_ms), CHUNKS)
    median = statistics.median(delays_ms)
    if median > DELAY_MS:
        raise Difference(f"a chunk takes {median:.2f} ms, expected {DELAY_MS} ms at most")
    return f"{median:.2f} ms, median of {CHUNKS}; {min(delays_ms):.2f} to {max(delays_ms):.2f} ms"


@case(GROUP, "from the `yield` of a first chunk to the Runtime API: 5 ms at most")
def first_chunk(laboratory: Laboratory) -> Observation:
    with Sink("paced.stamps", laboratory.task_root) as sink:
        sink.invoke(b"1")  # imports what streaming needs
        arrivals = [sink.invoke(b"1").arrivals[0] for _ in range(CHUNKS)]
    return median_below([(arrived_ns - int(stamp)) / 1e6 for arrived_ns, stamp in arrivals])


@case(GROUP, "from the `yield` of a first chunk to boto3, through our emulator: 5 ms at most")
def first_chunk_in_boto3(laboratory: Laboratory) -> Observation:
    delays_ms = []
    with laboratory.ours("paced.stamps") as server:
        for _ in range(CHUNKS):
            with Boto3Reader(server.url, 1) as reader:
                line = next(reader.lines())
                delays_ms.append((time.time_ns() - int(line)) / 1e6)
                reader.read()
    return median_below(delays_ms)


def peak_kib(laboratory: Laboratory, handler: str, megabytes: int) -> int:
    with Sink(handler, laboratory.task_root, keep_chunks=False) as sink:
        stream = sink.invoke(str(megabytes).encode())
    last = stream.tail.splitlines(keepends=True)[-1]
    expect("size", stream.size_bytes, megabytes * 1_000_000 + len(last))
    return int(last)


def flat(laboratory: Laboratory, handler: str) -> Observation:
    small, large = peak_kib(laboratory, handler, SMALL_MB), peak_kib(laboratory, handler, LARGE_MB)
    if large - small > MORE_KIB:
        raise Difference(f"{LARGE_MB} MB take {large} KiB, {SMALL_MB} MB {small} KiB")
    return f"{SMALL_MB} MB: {small:,} KiB at most; {LARGE_MB} MB: {large - small:+,} KiB"


@case(GROUP, "200 MB take no more memory than 2 MB")
def memory(laboratory: Laboratory) -> Observation:
    return flat(laboratory, "volume.stream")


@case(GROUP, "200 MB of an asynchronous generator take no more memory than 2 MB")
def memory_awaited(laboratory: Laboratory) -> Observation:
    return flat(laboratory, "volume.stream_awaited")
