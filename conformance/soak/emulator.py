"""Soak the emulator: `lambda-emulator serve`, by its Invoke API and its function URL."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

from conformance.servers import ROOT, OurEmulator, Setup
from conformance.soak.mix import LARGE_BYTES, Broken, Invocation, invocation, trace_id
from conformance.soak.progress import Progress
from conformance.soak.runtime import FUNCTIONS, TRACE_ID_BYTES
from conformance.soak.usage import Growth

EMULATOR_GROWTH_LIMIT = 5_000_000
FUNCTION_GROWTH_LIMIT = 1_000_000
PATIENCE_S = 60
ENVIRONMENTS = 3  # a fixed number, so that the emulator's descriptors can be counted
INVOKE = "/2015-03-31/functions/function/invocations"


class Client:
    """A client with one connection to each of the two servers."""

    def __init__(self, running: OurEmulator) -> None:
        self.api = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S)
        self.url = http.client.HTTPConnection("127.0.0.1", running.url_port, timeout=PATIENCE_S)

    def invoke(self, one: Invocation) -> None:
        """Invoke the function, every other time by its URL; raise Broken if the response is wrong."""
        status, is_error, body = self.send(one)
        while status == 429:  # no environment has finished its invocation yet: it was not invoked
            time.sleep(0.01)
            status, is_error, body = self.send(one)
        if status != 200 or is_error != (one.kind == "error"):
            raise Broken(f"invocation {one.number} got status {status} with {body[:200]!r}")
        one.check(body)

    def send(self, one: Invocation) -> tuple[int, bool, bytes]:
        """Return the status, whether it is an error of the function, and the body."""
        trace = trace_id(one.number)
        if one.number % 2 == 1 and one.kind != "error":  # whose callers do not see the error
            self.url.request("GET", one.path)
            response = self.url.getresponse()
        else:
            self.api.request("POST", INVOKE, one.event(trace), {"X-Amzn-Trace-Id": trace})
            response = self.api.getresponse()
        is_error = response.getheader("X-Amz-Function-Error") is not None
        return response.status, is_error, response.read()

    def close(self) -> None:
        self.api.close()
        self.url.close()


def soak(count: int) -> list[str]:
    """Run ``count`` invocations, then some with much data. Return the figures; raise Broken."""
    setup = Setup(ROOT / "bootstrap", FUNCTIONS, "soaked.handler", 30)
    progress = Progress("emulator", count)
    with OurEmulator(setup, Path("/dev/null"), "--concurrency", str(ENVIRONMENTS)) as running:
        client = Client(running)
        try:
            fill_pool(running)
            for number in range(count):
                if number == count // 10:
                    growths = begin(running)
                client.invoke(invocation(number))
                progress.show(number)
            expected = (count - count // 10) * TRACE_ID_BYTES
            figures = [
                f"{count:,} invocations through the emulator, each answered once",
                growths[0].report(),
                growths[1].report(expected),
            ]
            for what, kind, times in (
                ("responses of 1 MB", "value", max(2, count // 200)),
                ("times 1 MB of output", "print", max(2, count // 1000)),
            ):
                for number in range(times):
                    if number == times // 2:
                        growths = begin(running)
                    client.invoke(Invocation(2 * number, kind, LARGE_BYTES))
                figures.append(f"{times:,} {what}, measured in the second half; {growths[0].report()}")
            return figures
        finally:
            progress.clear()
            client.close()


def fill_pool(running: OurEmulator) -> None:
    """Let the emulator start all environments: a client may be faster than the end of an invocation."""
    together = threading.Barrier(ENVIRONMENTS)

    def invoke() -> None:
        client = Client(running)
        together.wait(PATIENCE_S)
        client.invoke(Invocation(0, "wait", 0))
        client.close()

    threads = [threading.Thread(target=invoke) for _ in range(ENVIRONMENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def children(thread: Path) -> list[int]:
    """Return the processes that a thread has started, none if the thread has ended."""
    try:
        return [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def begin(running: OurEmulator) -> list[Growth]:
    """Begin to measure the emulator and the processes of the function."""
    assert running.process is not None
    pid = running.process.pid
    found = [child for thread in Path(f"/proc/{pid}/task").iterdir() for child in children(thread)]
    return [
        Growth("emulator", [pid], EMULATOR_GROWTH_LIMIT),
        Growth(f"function, {len(found)} processes", found, len(found) * FUNCTION_GROWTH_LIMIT),
    ]
