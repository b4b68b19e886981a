"""AWS's emulator of managed instances reads trailers, and streams of two workers at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from conformance.expectations import Mismatch, expect, expect_in
from conformance.functions import faulty
from conformance.streaming.harness import Harness
from conformance.streaming.readers import Reply, invoke
from conformance.suite import Observation, case

GROUP = "AWS's emulator of managed instances"
MODE = "Lambda-Runtime-Function-Response-Mode"
PATIENCE_S = 20


@case(GROUP, "a stream arrives, with its content type and its mode")
def whole(harness: Harness) -> Observation:
    with harness.aws_managed("stream.page") as server:
        reply = invoke(server.url, None)
    expect("body", reply.body[-20:], bytes(8) + b"the body, \x00\xff")
    expect("mode", reply.headers[MODE], "streaming")
    return reply.headers["Content-Type"]


@case(GROUP, "an error midway replaces the streamed chunks, with its type")
def error_midway(harness: Harness) -> Observation:
    with harness.aws_managed("faulty.stream") as server:
        reply = invoke(server.url, "an exception")
    expect("members", list(reply.json()), ["errorMessage", "errorType", "requestId", "stackTrace"])
    expect("Error-Type", reply.headers["Error-Type"], "Function.ValueError")
    return f"{reply.headers['Error-Type']}: {reply.json()['errorMessage']}"


@case(GROUP, "every error is read from the trailers, perhaps shortened, and the workers continue")
def any_error(harness: Harness) -> Observation:
    with harness.aws_managed("faulty.stream") as server:
        replies = {way: invoke(server.url, way) for way in faulty.ERRORS}
        processes = {invoke(server.url, None).body for _ in range(8)}
    for way, reply in replies.items():
        expect_in(f"{way}: Error-Type", "Function.", reply.headers["Error-Type"])
        expect_in(f"{way}: members", "errorType", str(list(reply.json())))
    expect("at most two processes", len(processes) <= 2, True)
    longest = max(len(reply.body) for reply in replies.values())
    return f"{len(replies)} errors, the longest body {longest:,} bytes"


@case(GROUP, "two streams at the same time, by two workers")
def two_at_once(harness: Harness) -> Observation:
    folder = harness.new_folder()
    folder.chmod(0o777)

    def stream(other: int) -> Reply:
        return invoke(server.url, {"mine": 1 - other, "other": other})

    with harness.aws_managed("overlapping.stream") as server, ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(stream, (0, 1)))
    expect("bodies", sorted(reply.body for reply in replies), [b"0 has met 1", b"1 has met 0"])
    return "both streamed at the same time"


@case(GROUP, "a stream that is too large for it is refused, and the workers continue")
def too_large(harness: Harness) -> Observation:
    with harness.aws_managed("stream.megabytes") as server:
        refused = invoke(server.url, 7)
        expect("errorType", refused.json()["errorType"], "Function.ResponseSizeTooLarge")
        for _ in range(4):
            expect("the next responses", len(invoke(server.url, 2).body), 2_000_000)
    return refused.body.decode()


@case(GROUP, "sys.exit midway is reported, and the worker is replaced")
def exit_midway(harness: Harness) -> Observation:
    with harness.aws_managed("faulty.stream") as server:
        before = {invoke(server.url, None).body for _ in range(8)}
        reply = invoke(server.url, "sys.exit")
        expect("Error-Type", reply.headers["Error-Type"], "Function.SystemExit")
        deadline = time.monotonic() + PATIENCE_S
        while (other := invoke(server.url, None).body) in before:
            if time.monotonic() > deadline:
                raise Mismatch(f"no new process within {PATIENCE_S} s")
    expect_in("a new process", "process ", other.decode())
    return str(reply.json()["errorMessage"])
