"""boto3's `invoke_with_response_stream` reads a stream while it is produced, and reports how it ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from conformance.expectations import Mismatch, expect, expect_in
from conformance.functions import volume
from conformance.streaming.harness import Harness
from conformance.streaming.pace import Pace, finishes
from conformance.streaming.readers import Boto3Reader
from conformance.suite import Observation, case, try_again

GROUP = "boto3 and our emulator"
EVENT_STREAM = "application/vnd.amazon.eventstream"  # boto3 does not show the content type of frames


def paced(harness: Harness, handler: str) -> Observation:
    pace = Pace(harness.new_folder())
    with harness.ours(handler) as server, Boto3Reader(server.url, pace.order) as reader:
        observed = pace.read(reader)
        expect("InvokeComplete", reader.complete, {})
        expect("content type", reader.content_type, EVENT_STREAM)
    return observed


@case(GROUP, "each chunk of a generator arrives before the next is produced")
def generator(harness: Harness) -> Observation:
    return paced(harness, "paced.chunks")


@case(GROUP, "each chunk of an async generator arrives before the next is produced")
def asynchronous_generator(harness: Harness) -> Observation:
    return paced(harness, "paced.chunks_awaited")


@case(GROUP, "a prelude arrives as JSON and 8 NULs before the body")
def head(harness: Harness) -> Observation:
    with harness.ours("stream.page") as server, Boto3Reader(server.url, None) as reader:
        body = reader.read()
    before, nuls, after = body.partition(bytes(8))
    expect("NULs", nuls, bytes(8))
    expect("body", after, b"the body, \x00\xff")
    return before.decode()


@case(GROUP, "an error midway: the earlier chunks, then its type and details; the process continues")
def error_midway(harness: Harness) -> Observation:
    with harness.ours("faulty.stream", "--concurrency", "1") as server:
        with Boto3Reader(server.url, "an exception") as reader:
            process = reader.read()
            code, details = reader.error()
        expect("ErrorCode", code, "Function.ValueError")
        expect(
            "members of ErrorDetails",
            list(details),
            ["errorMessage", "errorType", "requestId", "stackTrace"],
        )
        expect("errorMessage", details["errorMessage"], "midway")
        expect_in("stackTrace", "raise_plainly", details["stackTrace"][-1])
        with Boto3Reader(server.url, None) as reader:
            expect("the next invocation's process", reader.read(), process)
            expect("the next InvokeComplete", reader.complete, {})
    return f"{process.decode()}, {code}: {details['errorMessage']}"


@case(GROUP, "an error before the first chunk: only the error")
def error_before(harness: Harness) -> Observation:
    with harness.ours("faulty.before") as server, Boto3Reader(server.url, "an exception") as reader:
        expect("chunks", list(reader.pieces()), [])
        code, details = reader.error()
    expect("errorType", details["errorType"], "ValueError")
    return f"{code}: {details['errorMessage']}"


@case(GROUP, "the completion contains the log on request")
@try_again
def log(harness: Harness) -> Observation:
    with harness.ours("faulty.stream") as server, Boto3Reader(server.url, None, "Tail") as reader:
        reader.read()
        text = reader.log()
    for part in ("START RequestId", "about to fail by None", "END RequestId", "REPORT RequestId"):
        expect_in("log", part, text)
    return f"{len(text.splitlines())} lines"


@case(GROUP, "sys.exit midway is reported; the next invocation gets a new process")
def exit_midway(harness: Harness) -> Observation:
    with harness.ours("faulty.stream") as server:
        with Boto3Reader(server.url, "sys.exit") as reader:
            process = reader.read()
            code, details = reader.error()
        expect("ErrorCode", code, "Function.SystemExit")
        with Boto3Reader(server.url, None) as reader:
            other = reader.read()
    expect("a new process", other != process, True)
    return str(details["errorMessage"])


@case(GROUP, "a process that ends midway is reported; the next invocation gets a new one")
def death_midway(harness: Harness) -> Observation:
    with harness.ours("faulty.stream") as server:
        with Boto3Reader(server.url, "os._exit") as reader:
            process = reader.read()
            code, details = reader.error()
        expect("ErrorCode", code, "Runtime.ExitError")
        with Boto3Reader(server.url, None) as reader:
            other = reader.read()
    expect("a new process", other != process, True)
    return str(details["errorMessage"])


@case(GROUP, "a timeout midway is reported; the next invocation gets a new process")
def timeout_midway(harness: Harness) -> Observation:
    with harness.ours("faulty.stream", timeout_s=5) as server:
        with Boto3Reader(server.url, "hanging") as reader:
            process = reader.read()
            code, details = reader.error()
        expect("ErrorCode", code, "Sandbox.Timedout")
        with Boto3Reader(server.url, None) as reader:
            other = reader.read()
    expect("a new process", other != process, True)
    return str(details["errorMessage"])


@case(GROUP, "a value is one chunk, an empty stream none")
def few_chunks(harness: Harness) -> Observation:
    with harness.ours("stream.double") as server, Boto3Reader(server.url, 21) as reader:
        expect("chunks", list(reader.pieces()), [b"42"])
    with harness.ours("stream.count") as server, Boto3Reader(server.url, 0) as reader:
        expect("chunks", list(reader.pieces()), [])
        expect("InvokeComplete", reader.complete, {})
    return "1 and 0"


@case(GROUP, "20 MB arrive completely")
def large(harness: Harness) -> Observation:
    with harness.ours("volume.stream") as server, Boto3Reader(server.url, 20) as reader:
        body = reader.read()
    expected = b"".join(volume.megabyte(number) for number in range(20))
    expect("equal", body.startswith(expected) and len(body) < len(expected) + 20, True)
    return f"{len(body):,} bytes"


@case(GROUP, "a reader that does not read holds the function back")
def back_pressure(harness: Harness) -> Observation:
    folder, chunks = harness.new_folder(), 1000
    order = {"folder": str(folder), "chunks": chunks}
    with harness.ours("paced.count_what_is_taken") as server, Boto3Reader(server.url, order) as reader:
        taken = wait_until_steady(folder / "taken")
        if taken > chunks // 2:
            raise Mismatch(f"{taken} of {chunks} chunks were produced although no reader read them")
        expect("size", len(reader.read()), chunks * 65_536)
    return f"{taken} of {chunks} chunks of 64 KiB fit between them"


def wait_until_steady(path: Path, steady_s: float = 0.5) -> int:
    """Return the number in a file once it no longer changes."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < steady_s:
        text = path.read_text() if path.exists() else ""
        if text.isdecimal() and int(text) != seen:
            seen, since = int(text), time.monotonic()
        time.sleep(0.02)
    return seen


@case(GROUP, "a reader that leaves: the function runs to its end, and the next invocation works")
def reader_leaves(harness: Harness) -> Observation:
    folder = harness.new_folder()
    with harness.ours("paced.finish") as server:
        with Boto3Reader(server.url, {"folder": str(folder), "chunks": 500}) as reader:
            next(reader.pieces())
        with Boto3Reader(server.url, {"folder": str(harness.new_folder()), "chunks": 1}) as reader:
            expect("the next response", len(reader.read()), 65_536)
        expect("the generator was closed", finishes(folder), True)
    return "its `finally` has run"


@case(GROUP, "AWS CLI reports that it has no command for it")
def aws_cli(harness: Harness) -> Observation:
    program = Path(sys.executable).parent / "aws"
    command = [str(program), "lambda", "invoke-with-response-stream", "--function-name", "function"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    expect("exit status", done.returncode != 0, True)
    expect_in("its complaint", "Invalid choice", done.stderr)
    return "Invalid choice: use `invoke`, which collects"
