"""A Runtime API for one process that streams: takes what comes, keeps only times and sizes."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType

from conformance.expectations import Difference
from conformance.servers import ROOT

PATIENCE_S = 30
KEPT_BYTES = 4096  # of a response, from its end


@dataclass
class Stream:
    """What came of one event. ``arrivals``: of each chunk the Unix time in nanoseconds, and the data."""

    arrivals: list[tuple[int, bytes]] = field(default_factory=list)
    size_bytes: int = 0
    tail: bytes = b""
    trailers: bytes = b""  # with the empty line that ends them


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """The process was killed in the middle of something."""


class Sink:
    """The server and the process; ``with`` ends both."""

    def __init__(self, handler: str, task_root: Path, *, keep_chunks: bool = True) -> None:
        self._events: queue.Queue[bytes] = queue.Queue()
        self._streams: queue.Queue[Stream] = queue.Queue()
        self._keep_chunks = keep_chunks
        self._server = _Server(("127.0.0.1", 0), self._handler_class())
        Thread(target=self._server.serve_forever, daemon=True).start()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
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
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: bytes) -> Stream:
        """Hand out an event; its answer, when that is complete. Raises Difference if none comes."""
        self._events.put(event)
        try:
            return self._streams.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Difference(f"no answer within {PATIENCE_S} s") from None

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(200, sink._events.get())

            def do_POST(self) -> None:
                if self.headers["Transfer-Encoding"] != "chunked":
                    self.rfile.read(int(self.headers["Content-Length"]))
                    self._reply(202, b"")
                    sink._streams.put(Stream())
                    return
                stream = Stream()
                while True:
                    size = int(self.rfile.readline(), 16)
                    if size == 0:
                        break
                    data = self.rfile.read(size)
                    if sink._keep_chunks:
                        stream.arrivals.append((time.time_ns(), data))
                    stream.size_bytes += size
                    stream.tail = (stream.tail + data)[-KEPT_BYTES:]
                    self.rfile.readline()
                for line in iter(self.rfile.readline, b"\r\n"):
                    stream.trailers += line
                stream.trailers += b"\r\n"
                self._reply(202, b"")
                sink._streams.put(stream)

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "4d17cb2e-0000-4000-8000-000000000000")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler
