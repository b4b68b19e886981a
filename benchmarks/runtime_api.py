"""The Runtime API for one process, as fast as Python allows, with the times at which requests arrived."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

TIMEOUT_S = 120  # generous, because a process whose instructions are counted is fifty times slower
PATIENCE_S = 2  # then look whether the process is still there
RECEIVE_BYTES = 1 << 18
CHUNK_BYTES = 32 * 1024
CHUNKED_FROM_BYTES = 2048  # Go, in which the real server is written, buffers this much to know the length
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

# The headers of a real invocation, in the canonical spelling of Go's net/http.
EVENT_HEAD = b"""HTTP/1.1 200 OK\r
Content-Type: application/json\r
Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r
Lambda-Runtime-Deadline-Ms: 4102444800000\r
Lambda-Runtime-Invocation-Id: 0b1d9bb5-6b8a-4a0b-8a0e-6a1f4a1e3c55\r
Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:hello\r
Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r
Date: Sun, 22 Nov 2026 12:00:00 GMT\r
"""
ACCEPTED = b"""HTTP/1.1 202 Accepted\r
Content-Type: application/json\r
Date: Sun, 22 Nov 2026 12:00:00 GMT\r
Content-Length: 16\r
\r
{"status":"OK"}
"""


class UnexpectedRequest(Exception):
    """The runtime did not do what a runtime does when all goes well."""


@dataclass(frozen=True)
class Request:
    """What arrived, and when its last byte was here: seconds of time.perf_counter()."""

    target: bytes  # method and path
    body: bytes
    connection: socket.socket
    arrived_s: float


@dataclass(frozen=True)
class Times:
    """Seconds from sending the event to the arrival of the answer, and to that of the following `next`."""

    response_s: float
    next_s: float


class RuntimeApi:
    """Serves one runtime process from the thread that measures: what is not asked for does not run."""

    def __init__(self, exit_status: Callable[[], int | None]) -> None:
        """``exit_status`` says how the process ended, None while it lives."""
        self.exit_status = exit_status
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self.waiting: Request | None = None  # the open `next`

    def close(self) -> None:
        for open_socket in (self.listener, *self.connections):
            open_socket.close()

    def wait_for_next(self) -> Request:
        if self.waiting is None:
            self.waiting = self.receive(b"GET /2018-06-01/runtime/invocation/next")
        return self.waiting

    def invoke(self, event: bytes) -> tuple[Times, Request]:
        """Hand out ``event``; return once the runtime has answered it and asks for another."""
        waiting, self.waiting = self.wait_for_next(), None
        message = event_message(event)
        sent_s = time.perf_counter()
        waiting.connection.sendall(message)
        answer = self.receive(
            b"POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response"
        )
        answer.connection.sendall(ACCEPTED)
        following = self.wait_for_next()
        return Times(answer.arrived_s - sent_s, following.arrived_s - sent_s), answer

    def receive(self, target: bytes) -> Request:
        """The next request, which must be ``target``."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while True:
            readable, _, _ = select.select([self.listener, *self.connections], (), (), PATIENCE_S)
            if not readable:
                self.check_patience(target, deadline_s)
            elif readable[0] is self.listener:
                self.accept()
            else:
                request = read_request(readable[0])
                if request is None:
                    self.connections.remove(readable[0])
                elif request.target == target:
                    return request
                else:
                    found = f"{request.target.decode()} with {request.body[:500]!r}"
                    raise UnexpectedRequest(f"expected {target.decode()}, found {found}")

    def check_patience(self, target: bytes, deadline_s: float) -> None:
        """Nothing came for a while: a reason to give up, or only a slow runtime?"""
        status = self.exit_status()
        if status is not None:
            raise UnexpectedRequest(
                f"expected {target.decode()}, but the runtime exited with status {status}"
            )
        if time.monotonic() > deadline_s:
            raise UnexpectedRequest(f"expected {target.decode()}, nothing came in {TIMEOUT_S} s")

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TIMEOUT_S)
        self.connections.append(connection)


def event_message(event: bytes) -> bytes:
    """The whole reply to `next`, to leave in one send."""
    if len(event) < CHUNKED_FROM_BYTES:
        return b"%sContent-Length: %d\r\n\r\n%s" % (EVENT_HEAD, len(event), event)
    pieces = [event[start : start + CHUNK_BYTES] for start in range(0, len(event), CHUNK_BYTES)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (EVENT_HEAD, chunks)


def read_request(connection: socket.socket) -> Request | None:
    """One request with a Content-Length or without a body; None when the other side has closed."""
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        return None
    while b"\r\n\r\n" not in data:
        data += receive_more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = CONTENT_LENGTH.search(head + b"\r\n")
    while length is not None and len(body) < int(length[1]):
        body += receive_more(connection)
    arrived_s = time.perf_counter()
    target = head.partition(b" HTTP/1.1\r\n")[0]
    return Request(target, body, connection, arrived_s)


def receive_more(connection: socket.socket) -> bytes:
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        raise UnexpectedRequest("the runtime closed the connection in the middle of a request")
    return data
