"""Soak the runtime: one process, in front of a Runtime API that counts and checks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from conformance.servers import ROOT
from conformance.soak.mix import Broken, Invocation, invocation, trace_id
from conformance.soak.progress import Progress
from conformance.soak.usage import Growth
from tests.scripted_server import Connection, Request, event_bytes, reply_bytes

FUNCTIONS = ROOT / "conformance" / "soak" / "functions"
PATIENCE_S = 60
GROWTH_LIMIT = 1_000_000
# glibc's setenv, which CPython calls since 3.9, keeps every different value that a variable had: this string
# with its name, and a node of a search tree.
TRACE_ID_BYTES = 0 if sys.version_info < (3, 9) else 144
ACCEPTED = reply_bytes(202, b'{"status":"OK"}\n', "Content-Type: application/json")


class RuntimeApi:
    """A Runtime API for one process that handles one event at a time."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connection: Connection | None = None
        self.count = 0  # of connections

    def receive(self) -> tuple[Connection, Request]:
        """Return the next request with its body."""
        while True:
            if self.connection is None:
                sock, _ = self.listener.accept()
                self.count += 1
                self.connection = Connection(sock, self.count, PATIENCE_S)
            request = self.connection.read_request()
            if request is not None:
                self.connection.read_body(request)
                return self.connection, request
            self.connection.close()  # after a stream, which has its own connection
            self.connection = None

    def expect(self, call: str) -> tuple[Connection, Request]:
        connection, request = self.receive()
        if request.call != call:
            raise Broken(f"expected {call}, found {request.call} with {request.body[:200]!r}")
        return connection, request

    def invoke(self, one: Invocation, trace: str) -> None:
        """Send an event; expect its response, and nothing else before the next `next`."""
        connection, _ = self.expect("next")
        name = f"r{one.number}"
        connection.send(event_bytes(name, one.event(trace), f"Lambda-Runtime-Trace-Id: {trace}"))
        connection, response = self.expect(f"{name}/{'error' if one.kind == 'error' else 'response'}")
        if not response.whole:
            raise Broken(f"the response to invocation {one.number} is incomplete")
        one.check(response.body)
        connection.send(ACCEPTED)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.listener.close()


def soak(count: int) -> list[str]:
    """Run ``count`` invocations with one trace id, and as many with one each.

    Return the figures; raise Broken.
    """
    api = RuntimeApi()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "soaked",
        "LAMBDA_TASK_ROOT": str(FUNCTIONS),
        "_HANDLER": "soaked.handler",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, str(ROOT / "bootstrap")]
    progress = Progress("runtime", 2 * count)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        figures = [f"{2 * count:,} invocations of the runtime, each answered once"]
        for first, traces, expected in (
            (0, "one trace id", 0),
            (count, "distinct trace ids", TRACE_ID_BYTES),
        ):
            for number in range(first, first + count):
                if number == first + count // 10:
                    growth = Growth(f"runtime, {traces}", [process.pid], GROWTH_LIMIT)
                api.invoke(invocation(number), trace_id(number if expected else 0))
                progress.show(number)
            figures.append(growth.report((count - count // 10) * expected))
        api.expect("next")  # not a second response
        return figures
    finally:
        progress.clear()
        process.kill()
        process.wait()
        api.close()
