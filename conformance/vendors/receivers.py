"""Local receivers for data that vendors' packages send over the network."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATIENCE_S = 5.0


class XRayDaemon:
    """The receiver of X-Ray's SDK: datagrams of a JSON header, a line end and a JSON segment."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> XRayDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def segments(self, count: int) -> list[dict[str, Any]]:
        """Wait for ``count`` segments; return all that have arrived, fewer after the time limit."""
        found: list[dict[str, Any]] = []
        while True:
            self._socket.settimeout(PATIENCE_S if len(found) < count else 0.1)
            try:
                datagram = self._socket.recv(65_536)
            except socket.timeout:
                return found
            found.append(json.loads(datagram.partition(b"\n")[2]))


@dataclass
class Received:
    """One HTTP request."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: a function that ends closes its connections."""


class HttpSink:
    """An HTTP server that accepts and records every request."""

    def __init__(self, reply: bytes = b"{}") -> None:
        self.requests: list[Received] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self._body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                requests.append(Received(self.path, headers, body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_PUT = do_POST

            def _body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while True:
                    size = int(self.rfile.readline(), 16)
                    body += self.rfile.read(size)
                    self.rfile.readline()
                    if size == 0:
                        return body

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HttpSink:
        threading.Thread(target=self._server.serve_forever, name="sink", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, path: str) -> list[Received]:
        """Wait for requests whose path begins with ``path``; return them, or none after the time limit."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = [request for request in self.requests if request.path.startswith(path)]
            if found or time.monotonic() > end:
                return found
            time.sleep(0.02)
