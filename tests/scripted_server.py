"""Runtime APIs for behaviour that a correct server never shows, and for exact records of a client's requests.

Both read requests with a minimal HTTP parser. `ScriptedServer` sends the next reply of a script to each; a
reply is bytes, so it can be invalid, incomplete, late, early or split into pieces. `RuntimeApiServer` asks a
function for the reply and serves many connections at once.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
        self.last_chunk = b""
        self.arrivals_ns: list[int] = []  # when each chunk was complete: Unix time in nanoseconds
        self.trailers: list[tuple[str, str]] = []
        self.whole = False  # whether the body was complete
        self.read_began = 0.0  # by the monotonic clock: when the server began to read the body
        request_line, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        self.method, self.path, self.version = request_line.split(" ")
        self.fields = [_field(line) for line in lines]
        self.headers = {name.lower(): value for name, value in self.fields}

    @property
    def call(self) -> str:
        """The short form: ``next``, ``r1/response``, ``init/error`` …"""
        words = self.path[len(BASE) :].split("/")
        return "/".join(words[1:] if words[0] == "invocation" else words)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


class Connection:
    """One connection of a client, from the server's side: reads requests, sends bytes."""

    def __init__(self, sock: socket.socket, number: int, timeout_s: float | None) -> None:
        """``number``: 1 for the first connection of the server, and so on."""
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self._socket = sock
        self._data = bytearray()  # received, but not part of a request yet

    def read_request(self) -> Request | None:
        """Read the headers of the next request; None if the client closed the connection instead."""
        while b"\r\n\r\n" not in self._data:
            if not self._receive():
                if self._data:
                    raise ValueError(f"the client closed the connection after {bytes(self._data[:200])!r}")
                return None
        return Request(self.number, self._take(self._data.index(b"\r\n\r\n") + 4)[:-4])

    def wait_for(self, size: int) -> None:
        """Wait until ``size`` bytes after the headers have arrived, without reading them."""
        while len(self._data) < size and self._receive():
            pass

    def read_body(self, request: Request) -> None:
        """Read the body of ``request``, or as much of it as the client sends."""
        request.read_began = time.monotonic()
        if "transfer-encoding" in request.headers:
            self._read_chunks(request)
            return
        length = int(request.headers.get("content-length", "0"))
        request.body = self._take(length)
        request.body_bytes = len(request.body)
        request.whole = request.body_bytes == length

    def _read_chunks(self, request: Request) -> None:
        """Read a chunked body (RFC 9112, 7.1); raise ValueError if it is invalid."""
        while True:
            size = int(self._line() or b"-1", 16)
            if size <= 0:
                break
            chunk = self._take(size)
            if len(chunk) < size:
                break
            request.arrivals_ns.append(time.time_ns())
            request.last_chunk = chunk
            request.body_bytes += size
            if request.body_bytes <= KEPT_BYTES:
                request.chunks.append(chunk)
            end = self._line()
            if end:
                raise ValueError(f"expected CRLF after a chunk of {size} bytes, found {end!r}")
        request.body = b"".join(request.chunks)
        line = self._line() if size == 0 else None
        while line:
            request.trailers.append(_field(line.decode("utf-8", "surrogateescape")))
            line = self._line()
        request.whole = line is not None

    def send(self, data: bytes, piece_bytes: int = 0) -> None:
        """Send ``data``, in pieces of ``piece_bytes`` if that is given."""
        for start in range(0, len(data), piece_bytes or len(data) or 1):
            self._socket.sendall(data[start : start + (piece_bytes or len(data))])
            if piece_bytes:
                time.sleep(0.0005)  # so that the pieces arrive as pieces

    def cork(self) -> None:
        """Let the system keep a small reply until `close`, so that the client receives both together."""
        if hasattr(socket, "TCP_CORK"):  # Linux
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)

    def close(self, how: str = CLOSE) -> None:
        """Close the connection; RESET discards what was not sent and lets the client see an error."""
        if how == RESET:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def wake(self) -> None:
        """End the connection while another thread reads from it: closing alone would not wake that thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client has gone

    def _line(self) -> bytes | None:
        """Return the next line without its CRLF; None if the connection ends first."""
        while b"\r\n" not in self._data:
            if not self._receive():
                return None
        return self._take(self._data.index(b"\r\n") + 2)[:-2]

    def _take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; fewer if the connection ends first."""
        self.wait_for(size)
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _receive(self) -> bool:
        """Receive available bytes; False at the end of the connection."""
        try:
            piece = self._socket.recv(262_144)
        except ConnectionResetError:
            return False
        self._data += piece
        return bool(piece)


class RuntimeApiServer:
    """A server that sends what ``respond`` returns for each request; each connection has its own thread.

    ``respond`` gets complete requests and may wait. It may return b"" to leave the client without a response,
    and None to close the connection.
    """

    def __init__(self, respond: Callable[[Request], bytes | None]) -> None:
        self._respond = respond
        self._connections: dict[int, Connection] = {}  # the open ones by number
        self._lock = threading.Lock()  # protects `_connections` and `_closed`
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._connections)

    def close(self) -> None:
        """Close the port and all connections. ``respond`` may still be waiting on other threads."""
        with self._lock:
            self._closed = True
            for connection in self._connections.values():
                connection.wake()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other platforms than Linux
        self._listener.close()

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if self._closed:
                    sock.close()
                    return
                connection = self._connections[number] = Connection(sock, number, None)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            request = connection.read_request()
            while request is not None:
                connection.read_body(request)
                reply = self._respond(request)
                if reply is None:
                    break
                connection.send(reply)
                request = connection.read_request()
        except (OSError, ValueError):
            pass  # the process was killed in the middle of something
        finally:
            with self._lock:
                del self._connections[connection.number]
            connection.close()


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
        self._connection: Connection | None = None
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
                self._send(reply)
            connection, request = self._read_request()
            connection.read_body(request)
        except _ClientGone:
            pass  # the test checks the received requests
        except Exception as problem:
            self.problem = problem
        finally:
            self._close(CLOSE)
            self._listener.close()

    def _send(self, reply: Reply) -> None:
        """Read the next request and send ``reply``."""
        connection, request = self._read_request()
        if reply.early:
            connection.wait_for(reply.after_bytes)
        else:
            time.sleep(reply.read_after_s)
            connection.read_body(request)
        time.sleep(reply.wait_s)
        if reply.then == CLOSE and not reply.early and not reply.piece_bytes:
            connection.cork()
        connection.send(reply.data, reply.piece_bytes)
        if reply.early and reply.finish:
            connection.read_body(request)
        if reply.then != KEEP:
            self._close(reply.then)

    def _read_request(self) -> tuple[Connection, Request]:
        """Read the next request's headers on the open connection or a new one."""
        while True:
            connection = self._connection or self._accept()
            request = connection.read_request()
            if request is not None:
                self.requests.append(request)
                return connection, request
            self._close(CLOSE)  # the client closed it between two requests

    def _accept(self) -> Connection:
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            gone = self._ended.is_set()
            try:
                sock, _ = self._listener.accept()
            except socket.timeout:
                if gone:
                    raise _ClientGone from None
                continue
            self._connections += 1
            self._connection = Connection(sock, self._connections, self._patience_s)
            return self._connection
        raise TimeoutError(f"the client opened no connection within {self._patience_s} s")

    def _close(self, how: str) -> None:
        if self._connection is not None:
            self._connection.close(how)
            self._connection = None


class _ClientGone(Exception):
    """The client has exited; it will send no more requests."""


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
        f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 20_000}",
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
