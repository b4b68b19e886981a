"""A fast Runtime API, for one process or for several slots, that records when requests arrive.

All benchmarks use this server. A time begins just before it sends an event and ends when it has received the
last byte of the request that follows. It contains the system calls of the server and the loopback device, but
not the preparation of replies. Lambda's own network, sandbox and telemetry are not measured.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

TIMEOUT_S = 120  # generous, because a process whose instructions are counted is fifty times slower
PATIENCE_S = 2  # how often to check that the process is still running
RECEIVE_BYTES = 1 << 18
CHUNK_BYTES = 32 * 1024
CHUNKED_FROM_BYTES = 2048  # the real server is written in Go, which buffers this much to find out the length
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
REQUEST_ID = b"8476a536-e9f4-11e8-9739-2dfe598c3fcd"
DEADLINE_MS = b"4102444800000"
NEXT_TARGET = b"GET /2018-06-01/runtime/invocation/next"
RESTORE_TARGET = b"GET /2018-06-01/runtime/restore/next"
RESPONSE_TARGET = b"POST /2018-06-01/runtime/invocation/%s/response" % REQUEST_ID
ERROR_TARGET = b"POST /2018-06-01/runtime/invocation/%s/error" % REQUEST_ID
END_OF_STREAM = b"\r\n0\r\n\r\n"
REGISTER_TARGET = (
    b"POST /2020-01-01/extension/register"  # for SIGTERM, which lifespan and shutdown hooks need
)
EXTENSION_EVENT_TARGET = b"GET /2020-01-01/extension/event/next"
REGISTERED = b"""HTTP/1.1 200 OK\r
Content-Type: application/json\r
Date: Sun, 22 Nov 2026 12:00:00 GMT\r
Lambda-Extension-Identifier: 0b1d9bb5-6b8a-4a0b-8a0e-6a1f4a1e3c56\r
Content-Length: 76\r
\r
{"functionName":"hello","functionVersion":"$LATEST","handler":"hello.hello"}"""
RESTORED = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
ACCEPTED = b"""HTTP/1.1 202 Accepted\r
Content-Type: application/json\r
Date: Sun, 22 Nov 2026 12:00:00 GMT\r
Content-Length: 16\r
\r
{"status":"OK"}
"""


class UnexpectedRequest(Exception):
    """The runtime did not behave as in a successful invocation."""


@dataclass(frozen=True)
class Request:
    """A request, and when its last byte arrived: seconds of time.perf_counter()."""

    target: bytes  # method and path
    body: bytes
    connection: socket.socket
    arrived_s: float


@dataclass(frozen=True)
class Times:
    """Seconds from sending the event to the response, and to the following `next`."""

    response_s: float
    next_s: float


@dataclass(frozen=True)
class StreamTimes:
    """Seconds from sending the event to the first and the last byte of a streamed response, and its size."""

    first_chunk_s: float
    end_s: float
    received_bytes: int  # with the frames of the chunks


class RuntimeApi:
    """A server for one runtime process on the measuring thread, so that no other code runs then."""

    def __init__(self, exit_status: Callable[[], int | None]) -> None:
        """Start listening; ``exit_status`` returns the process's exit status, None while it is running."""
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
            self.waiting = self.receive(NEXT_TARGET)
        return self.waiting

    def invoke(self, event: bytes, target: bytes = RESPONSE_TARGET) -> tuple[Times, Request]:
        """Send ``event``; return when the runtime has posted to ``target`` and requests the next one."""
        sent_s = self.send(event)
        response = self.receive(target)
        response.connection.sendall(ACCEPTED)
        following = self.wait_for_next()
        return Times(response.arrived_s - sent_s, following.arrived_s - sent_s), response

    def send(self, event: bytes) -> float:
        """Reply to `next` with ``event``. Returns the time just before."""
        waiting, self.waiting = self.wait_for_next(), None
        message = event_message(event)
        sent_s = time.perf_counter()
        waiting.connection.sendall(message)
        return sent_s

    def stream(self, event: bytes) -> StreamTimes:
        """Send ``event``; return when the stream has ended and the runtime requests the next event."""
        sent_s = self.send(event)
        connection = self.wait_readable(RESPONSE_TARGET)
        data = connection.recv(RECEIVE_BYTES)
        while b"\r\n\r\n" not in data[:-4]:
            data += receive_more(connection)
        first_chunk_s = time.perf_counter() - sent_s
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(RESPONSE_TARGET) or b"transfer-encoding: chunked" not in head.lower():
            raise UnexpectedRequest(f"expected a streamed response, found {head.decode()}")
        received, tail = len(body), body[-len(END_OF_STREAM) :]
        buffer = bytearray(RECEIVE_BYTES)
        while tail != END_OF_STREAM:
            count = connection.recv_into(buffer)
            if not count:
                raise UnexpectedRequest("the runtime closed the connection during a stream")
            received += count
            tail = (tail + buffer[max(0, count - len(END_OF_STREAM)) : count])[-len(END_OF_STREAM) :]
        end_s = time.perf_counter() - sent_s
        connection.sendall(ACCEPTED)
        self.wait_for_next()
        return StreamTimes(first_chunk_s, end_s, received)

    def restore(self) -> float:
        """Reply to `restore/next`. Returns the seconds until the runtime requests an event."""
        waiting = self.receive(RESTORE_TARGET)
        sent_s = time.perf_counter()
        waiting.connection.sendall(RESTORED)
        return self.wait_for_next().arrived_s - sent_s

    def receive(self, target: bytes) -> Request:
        """Receive the next request, which must be ``target``."""
        while True:
            connection = self.wait_readable(target)
            request = read_request(connection)
            if request is None:
                self.connections.remove(connection)
            elif request.target == target:
                return request
            elif request.target == REGISTER_TARGET:
                connection.sendall(REGISTERED)
            elif request.target == EXTENSION_EVENT_TARGET:
                continue  # no event comes
            else:
                found = f"{request.target.decode()} with {request.body[:500]!r}"
                raise UnexpectedRequest(f"expected {target.decode()}, found {found}")

    def wait_readable(self, target: bytes) -> socket.socket:
        """Return a connection on which a request for ``target`` may have arrived."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while True:
            readable, _, _ = select.select([self.listener, *self.connections], (), (), PATIENCE_S)
            if not readable:
                self.check_patience(target, deadline_s)
            elif readable[0] is self.listener:
                self.accept()
            else:
                connection: socket.socket = readable[0]
                return connection

    def check_patience(self, target: bytes, deadline_s: float) -> None:
        """After a wait without a request, raise UnexpectedRequest if the runtime exited or is too slow."""
        status = self.exit_status()
        if status is not None:
            raise UnexpectedRequest(
                f"expected {target.decode()}, but the runtime exited with status {status}"
            )
        if time.monotonic() > deadline_s:
            raise UnexpectedRequest(
                f"expected {target.decode()}, but no request arrived within {TIMEOUT_S} s"
            )

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TIMEOUT_S)
        self.connections.append(connection)


class SharedRuntimeApi(RuntimeApi):
    """A server for all slots of an environment, on the measuring thread as well."""

    def __init__(self, exit_status: Callable[[], int | None]) -> None:
        super().__init__(exit_status)
        self.idle: list[Request] = []  # the open calls of `next`
        self.responses: list[Request] = []
        self.expected: set[bytes] = set()  # the targets of the responses that are missing
        self.count = 0  # of all events
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.by_descriptor: dict[int, socket.socket] = {}

    def close(self) -> None:
        super().close()
        self.poll.close()

    def wait_until_idle(self, count: int) -> float:
        """Wait until ``count`` slots have asked for an event. Returns when the last of them did."""
        while len(self.idle) < count:
            self.receive_some()
        return self.idle[count - 1].arrived_s

    def invoke_each(self, event: bytes) -> list[bytes]:
        """Send ``event`` once to each idle slot. Returns the responses when all are idle again."""
        count = len(self.idle)
        self.responses.clear()
        self.send_to_idle(event)
        self.wait_until_idle(count)
        return [response.body for response in self.responses]

    def invoke_for(self, event: bytes, seconds: float) -> tuple[float, list[bytes]]:
        """Keep all idle slots busy. Returns the responses per second, and all of them with the last ones."""
        count = len(self.idle)
        self.responses.clear()
        began_s = time.perf_counter()
        until_s = began_s + seconds
        while time.perf_counter() < until_s:
            self.send_to_idle(event)
            self.receive_some()
        self.wait_until_idle(count)
        in_time = sum(response.arrived_s < until_s for response in self.responses)
        return in_time / seconds, [response.body for response in self.responses]

    def send_to_idle(self, event: bytes) -> None:
        deadline_ms = b"%d" % ((time.time() + TIMEOUT_S) * 1000)
        head = EVENT_HEAD.replace(DEADLINE_MS, deadline_ms)
        for request in self.idle:
            self.count += 1
            request_id = b"%s%012x" % (REQUEST_ID[:-12], self.count)
            self.expected.add(RESPONSE_TARGET.replace(REQUEST_ID, request_id))
            request.connection.sendall(event_message(event, head.replace(REQUEST_ID, request_id)))
        self.idle.clear()

    def receive_some(self) -> None:
        """Wait for requests, and handle those that have arrived."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while True:
            ready = self.poll.poll(PATIENCE_S)
            if ready:
                break
            self.check_patience(NEXT_TARGET, deadline_s)
        for descriptor, _ in ready:
            if descriptor == self.listener.fileno():
                self.accept()
                connection = self.connections[-1]
                self.by_descriptor[connection.fileno()] = connection
                self.poll.register(connection, select.EPOLLIN)
            else:
                self.handle(self.by_descriptor[descriptor])

    def handle(self, connection: socket.socket) -> None:
        """Handle the request on ``connection``, or that the runtime has closed it."""
        request = read_request(connection)
        if request is None:
            del self.by_descriptor[connection.fileno()]
            self.connections.remove(connection)
            connection.close()
        elif request.target == NEXT_TARGET:
            self.idle.append(request)
        elif request.target in self.expected:
            self.expected.remove(request.target)
            connection.sendall(ACCEPTED)
            self.responses.append(request)
        else:
            raise UnexpectedRequest(
                f"expected {NEXT_TARGET.decode()} or a response that is missing, found "
                f"{request.target.decode()} with {request.body[:500]!r}"
            )


def event_message(event: bytes, head: bytes = EVENT_HEAD) -> bytes:
    """Return the whole reply to `next`, to be sent at once."""
    if len(event) < CHUNKED_FROM_BYTES:
        return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(event), event)
    pieces = [event[start : start + CHUNK_BYTES] for start in range(0, len(event), CHUNK_BYTES)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (head, chunks)


def read_request(connection: socket.socket) -> Request | None:
    """Read a request with a Content-Length or without a body; None if the runtime closed the connection."""
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        return None
    while b"\r\n\r\n" not in data:
        data += receive_more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = CONTENT_LENGTH.search(head + b"\r\n")
    if length is not None and len(body) < int(length[1]):
        whole = receive_rest(connection, body, int(length[1]))
        arrived_s = time.perf_counter()
        body = bytes(whole)
    else:
        arrived_s = time.perf_counter()
    target = head.partition(b" HTTP/1.1\r\n")[0]
    return Request(target, body, connection, arrived_s)


def receive_rest(connection: socket.socket, begin: bytes, length: int) -> bytearray:
    """Return ``begin`` with what follows, ``length`` bytes, without a copy of what has arrived."""
    body = bytearray(length)
    body[: len(begin)] = begin
    view, count = memoryview(body), len(begin)
    while count < length:
        received = connection.recv_into(view[count:])
        if not received:
            raise UnexpectedRequest("the runtime closed the connection during a request")
        count += received
    return body


def receive_more(connection: socket.socket) -> bytes:
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        raise UnexpectedRequest("the runtime closed the connection during a request")
    return data
