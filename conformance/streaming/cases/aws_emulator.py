"""AWS's emulator buffers streams; its server, which is Lambda's, must accept ours as valid."""

from __future__ import annotations

from conformance.expectations import Mismatch, expect, expect_in
from conformance.functions import faulty
from conformance.streaming.harness import Harness
from conformance.streaming.readers import invoke
from conformance.streaming.sink import Sink
from conformance.suite import Observation, case
from tests.scripted_server import Request

GROUP = "AWS's emulator"
TRAILERS_LIMIT_BYTES = 4096  # the buffer of Go's net/http for trailers


@case(GROUP, "streams of all kinds, errors midway and before, in one process")
def sequence(harness: Harness) -> Observation:
    ways = (None, "an exception", None, "a chain of 20 causes", None)
    with harness.aws("faulty.stream") as server:
        replies = [invoke(server.url, way) for way in ways]
    expect("statuses", [reply.status for reply in replies], [200] * len(ways))
    expect("one process", len({reply.body for reply in replies}), 1)
    return f"5 times {replies[0].body.decode()}"


@case(GROUP, "an error before the first chunk is an ordinary error")
def error_before(harness: Harness) -> Observation:
    with harness.aws("faulty.before") as server:
        failure = invoke(server.url, "an exception").json()
        expect_in("the next response", "process", invoke(server.url, None).body.decode())
    expect("members", list(failure), ["errorMessage", "errorType", "requestId", "stackTrace"])
    return f"{failure['errorType']}: {failure['errorMessage']}"


@case(GROUP, "its server accepts 4,096 bytes of trailers, but not one more")
def limit(harness: Harness) -> Observation:
    for size, taken in ((TRAILERS_LIMIT_BYTES, True), (TRAILERS_LIMIT_BYTES + 1, False)):
        with harness.aws("trailing", bootstrap=harness.bootstrap("trailing"), timeout_s=5) as server:
            reply = invoke(server.url, size)
            expect(f"{size} bytes are accepted", (reply.status, reply.body) == (200, b"body"), taken)
    return f"with {TRAILERS_LIMIT_BYTES + 1}: status {reply.status}, {reply.body[:60]!r}"


def trailers_bytes(request: Request) -> int:
    """The size of the trailer section with the empty line that ends it (RFC 9112, 7.1.2)."""
    return sum(len(f"{name}: {value}\r\n".encode()) for name, value in request.trailers) + len("\r\n")


@case(GROUP, "the trailers of any error stay below that")
def sizes(harness: Harness) -> Observation:
    with Sink("faulty.stream", harness.task_root) as sink:
        found = {way: trailers_bytes(sink.invoke(f'"{way}"'.encode())) for way in faulty.ERRORS}
    for way, size in found.items():
        if not 100 < size <= TRAILERS_LIMIT_BYTES:
            raise Mismatch(f"{way}: {size} bytes of trailers")
    longest = max(found, key=lambda way: found[way])
    return f"{len(found)} errors; at most {found[longest]:,} bytes, for {longest}"


@case(GROUP, "it accepts a stream with any of these errors, and the process continues")
def survival(harness: Harness) -> Observation:
    with harness.aws("faulty.stream") as server:
        bodies = {way: invoke(server.url, way).body for way in (*faulty.ERRORS, None)}
    process = bodies[None]
    for way, body in bodies.items():
        expect(str(way), body, process)
    return f"{len(faulty.ERRORS)} errors, {process.decode()}"
