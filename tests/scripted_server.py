"""A Runtime API that sends scripted replies, for behaviour that a correct server never shows.

It reads whole requests (with a minimal HTTP parser), sends the script's next reply to each, and records
everything. A reply is bytes, so it can be invalid, incomplete, late, early or split into pieces.
"""

from __future__ import annotations

import socket
import struct
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

BASE = "/2018-06-01/runtime/"
REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 404: "Not Found", 500: "Internal Server Error"}

# What to do with the connection after a reply.
KEEP = "keep"
CLOSE = "close"
RESET = "reset"

KEPT_BYTES = 8_000_000  # of a chunked body; the rest is read and discarded


class Reply:
    """What the server sends after reading a request, and what it does then.

    ``piece_bytes``: send in pieces of that size; ``wait_s``: wait before. ``early``: send after only
    ``after_bytes`` of the request's body (by default 0); the rest stays unread, or is read afterwards with
    ``finish``. ``read_after_s``: wait that long between reading the headers and the body.
    """

    def __init__(
        self,
        data: bytes = b"",
        then: str = KEEP,
        *,
        piece_bytes: int = 0,
        early: bool = False,
        after_bytes: int = 0,
        finish: bool = False,
        wait_s: float = 0,
        read_after_s: float = 0,
    ) -> None:
        self.data = data
        self.then = then
        self.piece_bytes = piece_bytes
        self.early = early
        self.after_bytes = after_bytes
        self.finish = finish
        self.wait_s = wait_s
        self.read_after_s = read_after_s


class Request:
    """One request as it was received.

    ``chunks`` are those of a chunked body, up to ``KEPT_BYTES``.
    """

    def __init__(self, connection: int, head: bytes) -> None:
        self.connection = connection  # 1 for the first connection, and so on
        self.head = head  # raw, without the empty line
        self.body = b""  # without the framing of chunks
        self.body_bytes = 0  # its length
        self.chunks: list[bytes] = []
        self.trailers: list[tuple[str, str]] = []
        self.whole = False  # whether the body was complete
        self.read_began = 0.0  # by the monotonic clock: when the server began to read the body
        request_line, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        self.method, self.path, self.version = request_line.split(" ")
        fields = [line.partition(": ") for line in lines]
        self.headers = {name.lower(): value for name, _, value in fields}

    @property
    def call(self) -> str:
        """The short form: ``next``, ``r1/response``, ``init/error`` …"""
        words = self.path[len(BASE) :].split("/")
        return "/".join(words[1:] if words[0] == "invocation" else words)


class ScriptedServer:
    """A server that sends ``replies`` to one client; its ``with`` block waits for the end of the script.

    After the last reply, it reads one more request and closes. ``problem`` explains why a script was not
    completed: the client sent an invalid request, or none.
    """

    def __init__(
        self, replies: Sequence[Reply], host: str = "127.0.0.1", *, patience_s: float = 20.0
    ) -> None:
        self.requests: list[Request] = []
        self.problem: Exception | None = None
        self._replies = list(replies)
        self._patience_s = patience_s
        self._ended = threading.Event()
        self._connections = 0
        self._connection: socket.socket | None = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        # Connections inherit it: with a small buffer, the kernel cannot absorb a large body.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._listener.bind((host, 0))
        self._listener.listen(8)
        self._listener.settimeout(0.02)
        port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._thread = threading.Thread(target=self._play, name="script", daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()  # the client has exited; all its data is already in our buffers
        self._thread.join()

    def _play(self) -> None:
        try:
            for reply in self._replies:
                self._answer(reply)
            self._read_body(*self._read_request())
        except _ClientGone:
            pass  # the test checks the received requests
        except Exception as problem:
            self.problem = problem
        finally:
            self._close(KEEP)
            self._listener.close()

    def _answer(self, reply: Reply) -> None:
        request, rest = self._read_request()
        if not reply.early:
            time.sleep(reply.read_after_s)
            self._read_body(request, rest)
        connection = self._connection
        assert connection is not None
        while reply.early and len(rest) < reply.after_bytes:
            rest += _receive(connection)
        time.sleep(reply.wait_s)
        size = reply.piece_bytes or len(reply.data) or 1
        for start in range(0, len(reply.data), size):
            connection.sendall(reply.data[start : start + size])
            if reply.piece_bytes:
                time.sleep(0.0005)  # so that the pieces arrive as pieces
        if reply.early and reply.finish:
            self._read_body(request, rest)
        if reply.then != KEEP:
            self._close(reply.then)

    def _read_request(self) -> tuple[Request, bytes]:
        """Read the next request's headers on the open connection or a new one; return extra bytes."""
        while True:
            connection = self._connection or self._accept()
            data = b""
            while b"\r\n\r\n" not in data:
                piece = _receive(connection)
                if not piece:
                    break
                data += piece
            if data:
                break
            self._close(KEEP)  # the client closed it between two requests
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError(f"the client closed the connection after {data[:200]!r}")
        request = Request(self._connections, head)
        self.requests.append(request)
        return request, rest

    def _read_body(self, request: Request, body: bytes) -> None:
        """Read the rest of the body, after ``body``."""
        assert self._connection is not None
        request.read_began = time.monotonic()
        if "transfer-encoding" in request.headers:
            self._read_chunks(request, body)
            return
        length = int(request.headers.get("content-length", "0"))
        parts = [body]
        missing = length - len(body)
        while missing > 0:
            # After an early reply, the next request may follow the body at once.
            piece = _receive(self._connection, missing)
            if not piece:
                break
            parts.append(piece)
            missing -= len(piece)
        request.whole = missing <= 0
        request.body = b"".join(parts)
        request.body_bytes = len(request.body)

    def _read_chunks(self, request: Request, data: bytes) -> None:
        """Read a chunked body (RFC 9112, 7.1); raise ValueError if it is invalid."""
        assert self._connection is not None
        source = _Input(self._connection, data)
        while True:
            size = int(source.line() or b"-1", 16)
            if size <= 0:
                break
            chunk = source.take(size)
            if len(chunk) < size:
                break
            request.body_bytes += size
            if request.body_bytes <= KEPT_BYTES:
                request.chunks.append(chunk)
            end = source.line()
            if end:
                raise ValueError(f"expected CRLF after a chunk of {size} bytes, found {end!r}")
        request.body = b"".join(request.chunks)
        line = source.line() if size == 0 else None
        while line:
            name, _, value = line.decode("ascii").partition(": ")
            request.trailers.append((name, value))
            line = source.line()
        request.whole = line is not None

    def _accept(self) -> socket.socket:
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            gone = self._ended.is_set()
            try:
                connection, _ = self._listener.accept()
            except socket.timeout:
                if gone:
                    raise _ClientGone from None
                continue
            connection.settimeout(self._patience_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections += 1
            self._connection = connection
            return connection
        raise TimeoutError(f"the client opened no connection within {self._patience_s} s")

    def _close(self, how: str) -> None:
        if self._connection is None:
            return
        if how == RESET:
            linger = struct.pack("ii", 1, 0)  # discard unsent data and send RST
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()
        self._connection = None


class _ClientGone(Exception):
    """The client has exited; it will send no more requests."""


class _Input:
    """A buffered reader of a connection."""

    def __init__(self, connection: socket.socket, data: bytes) -> None:
        """Start with ``data``, which has already been read."""
        self._connection = connection
        self._data = bytearray(data)

    def line(self) -> bytes | None:
        """Return the next line without its CRLF; None if the connection ends first."""
        while b"\r\n" not in self._data:
            if not self._fill():
                return None
        return self.take(self._data.index(b"\r\n") + 2)[:-2]

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; fewer if the connection ends first."""
        while len(self._data) < size and self._fill():
            pass
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _fill(self) -> bool:
        piece = _receive(self._connection)
        self._data += piece
        return bool(piece)


def _receive(connection: socket.socket, most: int = 262_144) -> bytes:
    """Receive available bytes; b"" at the end of the connection."""
    try:
        return connection.recv(min(most, 262_144))
    except ConnectionResetError:
        return b""


def reply_bytes(status: int, body: bytes = b"", *headers: str, length: bool = True) -> bytes:
    """Return a whole response, with the Content-Length of ``body`` unless ``length`` is False."""
    counted = [f"Content-Length: {len(body)}"] if length else []
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *headers, *counted, "", ""]
    return "\r\n".join(lines).encode() + body


def event_bytes(request_id: str = "r1", body: bytes = b"{}", *headers: str, length: bool = True) -> bytes:
    """Return a reply to `next` with the headers that Lambda always sends, after ``headers``."""
    fields = [
        *headers,
        "Content-Type: application/json",
        f"Lambda-Runtime-Aws-Request-Id: {request_id}",
        f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 3000}",
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:function",
    ]
    return reply_bytes(200, body, *fields, length=length)


def event(request_id: str = "r1", body: bytes = b"{}", *headers: str) -> Reply:
    """Return a reply to `next`: one event."""
    return Reply(event_bytes(request_id, body, *headers))


def accepted() -> Reply:
    """Return the reply to a valid response."""
    return Reply(reply_bytes(202, b'{"status":"OK"}\n', "Content-Type: application/json"))


def refusal(status: int, error_type: str = "Test", message: str = "a reason") -> Reply:
    """Return a reply in the format of the Runtime API's errors."""
    body = f'{{"errorMessage":"{message}","errorType":"{error_type}"}}\n'
    return Reply(reply_bytes(status, body.encode(), "Content-Type: application/json"))
