"""One process of the runtime with a Runtime API that returns the requests it has received."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from conformance.expectations import Mismatch
from conformance.servers import ROOT
from tests.scripted_server import Request, RuntimeApiServer, accepted, event_bytes

PATIENCE_S = 30


class Sink:
    """The server and the process; ``with`` ends both."""

    def __init__(self, handler: str, task_root: Path) -> None:
        self._events: queue.Queue[bytes] = queue.Queue()
        self._requests: queue.Queue[Request] = queue.Queue()
        self._server = RuntimeApiServer(self._respond)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self._server.address,
            "LAMBDA_TASK_ROOT": str(task_root),
            "PATH": os.environ.get("PATH", os.defpath),
            "_HANDLER": handler,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "bootstrap")],
            cwd=task_root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._server.close()

    def invoke(self, event: bytes) -> Request:
        """Send an event; return the request with the response once it is complete, else raise Mismatch."""
        self._events.put(event)
        try:
            return self._requests.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Mismatch(f"no response within {PATIENCE_S} s") from None

    def _respond(self, request: Request) -> bytes:
        if request.method == "GET":
            return event_bytes(body=self._events.get())
        self._requests.put(request)
        return accepted().data
