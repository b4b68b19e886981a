"""Serve HTTP/1.1 (RFC 9112) on one address, with a thread for each connection.

It is small on purpose: it strictly parses the requests of runtimes, AWS CLI, boto3 and curl, and leaves every
decision to one function from :class:`Request` to :class:`Response`. ``http.server`` would parse headers
as mail, lose trailers and write a reply in several packets.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import socket
import threading
import time
import traceback
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedReader
    from typing import Any, List, Optional, Tuple

    Fields = List[Tuple[str, str]]
    Handle = Callable[["Request"], Optional["Response"]]

# Limit of the request line and headers in bytes. Lambda's own server uses net/http, which has this limit.
HEAD_LIMIT = 1024 * 1024 + 4096

# Limit of the trailers in bytes: net/http reads them into one buffer.
TRAILERS_LIMIT = 4096

READ_SIZE = 64 * 1024
CHUNK_SIZE = 32 * 1024

# How many seconds a connection stays half open after an early reply, so that the client reads the reply
# before the reset arrives. net/http uses the same value.
LINGER_S = 0.5

# How many bytes of a body that nobody asked for are discarded before the connection is closed. AWS's SDKs
# expect a reply to a body that is somewhat too large after they have sent it.
SKIP_LIMIT = 64 * 1024 * 1024

# How many connections a server keeps. A further one replaces the one that has been idle for longest.
CONNECTION_LIMIT = 256

# How many seconds a client may leave between two requests, and between two pieces of a request.
IDLE_TIMEOUT_S = 120
BODY_TIMEOUT_S = 60

# RFC 9110, 5.6.2 and 5.5: a token; a value without control characters except tab.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
# An absolute request target, as sent to proxies. Servers must accept it, and it overrides Host (RFC 9112,
# 3.2.2).
_ABSOLUTE = re.compile("(?i:https?)://(?:[^/?@]*@)?(?P<host>[^/?@]+)(?P<rest>.*)")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r\n")


class BadRequest(Exception):
    """The request is not valid HTTP; the connection ends after a reply with ``status``."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class TruncatedBody(Exception):
    """The connection ended, was idle for too long, or sent a malformed chunk before the end of the body."""


class BodyTooLarge(Exception):
    """The body exceeds the reader's limit; the rest of it was left unread."""


class CutShort(Exception):
    """The parts of a response end prematurely; raised to break the connection, so that the client notices."""


class Request:
    """One request; its headers have been read, its body is read on demand."""

    def __init__(
        self, stream: BufferedReader, method: str, target: str, version: str, headers: Fields
    ) -> None:
        self.began = time.monotonic()
        self.method = method
        self.target = target
        path, _, self.query = target.partition("?")
        self.path = unquote(path)
        self.version = version
        self.client = ""  # the client's address
        self.connection: socket.socket | None = None
        # Not a method: invocations keep it, and the request knows its invocation. Such a circle stays in
        # memory, with the response, until Python looks for it.
        self.client_has_left: Callable[[], bool] = lambda: False
        self.headers = headers  # as sent, with order, case and repetitions
        self.trailers: Fields = []  # known once the body has been read
        self.truncated = False
        self.before_body: Callable[[], None] | None = None
        self.about: dict[str, Any] = {}  # what the handler found out, for the log of requests
        self._stream = stream
        self.chunked, self._length = _framing(self)  # chunked: of unknown length
        self.unread = self.chunked or self._length > 0  # whether parts of the body may be unread

    def header(self, name: str) -> str:
        """Return the first value of a header, or ``""``: Lambda treats an empty header as absent."""
        return find(self.headers, name)

    def read(self, limit: int | None = None) -> bytes:
        """Read the whole body; raise BodyTooLarge as soon as it is known to exceed ``limit`` bytes."""
        if limit is not None and self._length > limit:
            raise BodyTooLarge
        parts, size = [], 0
        for part in self.parts():
            size += len(part)
            if limit is not None and size > limit:
                raise BodyTooLarge
            parts.append(part)
        return b"".join(parts)

    def parts(self) -> Iterator[bytes]:
        """Yield the body piece by piece as it arrives; raise TruncatedBody if it is incomplete."""
        assert self.connection is not None
        try:
            if self.before_body is not None:
                self.before_body()
            self.connection.settimeout(BODY_TIMEOUT_S)
            yield from self._read_chunks() if self.chunked else self._read_counted(self._length)
        except (TruncatedBody, OSError) as problem:
            self.truncated = True
            self.unread = False
            raise TruncatedBody from problem
        finally:
            self.connection.settimeout(None)
        self.unread = False

    def _read_counted(self, length: int) -> Iterator[bytes]:
        while length:
            data = self._stream.read1(min(length, READ_SIZE))
            if not data:
                raise TruncatedBody
            length -= len(data)
            yield data

    def _read_chunks(self) -> Iterator[bytes]:
        """Decode a chunked body (RFC 9112, 7.1) and store its trailer section in ``trailers``."""
        while True:
            size = _SIZE.fullmatch(self._stream.readline(1024))
            if size is None:
                raise TruncatedBody
            length = int(size.group(1), 16)
            if length == 0:
                break
            yield from self._read_counted(length)
            if self._stream.read(2) != b"\r\n":
                raise TruncatedBody
        try:
            self.trailers = _read_fields(self._stream, TRAILERS_LIMIT)
        except BadRequest as problem:
            raise TruncatedBody from problem


def _is_closed(connection: socket.socket) -> bool:
    """Return whether the client has closed the connection, or its side of it.

    Both look the same, so continue to send until that fails.
    """
    try:
        # With a timeout, which the thread of the connection may set now, recv() waits in spite of the flag.
        # So use another object without one; socket.dup() would copy it.
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            return not twin.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)  # those say nothing about the client


@dataclass
class Response:
    """One reply. This class and the server add the framing, so ``headers`` must not contain it.

    ``chunked``: send the body in chunks, as net/http does with a long one. ``close``: end the connection.
    ``keep_alive``: tell an HTTP/1.0 client that the connection stays open, which is HTTP/1.1's default.
    ``parts`` replace ``body``: each is sent at once as a separate chunk. If they raise CutShort, the
    connection ends without a last chunk. ``done`` is called after the last part: all were sent, the client
    has left, or no body was due. ``note``: an explanation for the log. ``sent``: how many bytes of the body
    were sent. ``phrase``: replaces the usual reason phrase of the status.
    """

    status: int
    body: bytes = b""
    headers: Fields = field(default_factory=list)
    chunked: bool = False
    close: bool = False
    keep_alive: bool = False
    parts: Iterable[bytes] | None = None
    done: Callable[[], None] = lambda: None
    note: str = ""
    sent: int = 0
    phrase: str = ""

    def has_body(self, method: str) -> bool:
        """Return whether the reply to a request with ``method`` has a body (RFC 9110, 6.4.1)."""
        return method != "HEAD" and self.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

    def head(self, *framing: str) -> bytes:
        """Encode the status line and the headers. Raises ValueError if a header is not valid."""
        lines = [f"HTTP/1.1 {self.status} {self.phrase or _phrase(self.status)}"]
        for name, value in self.headers:
            line = f"{name}: {value}"
            if "\n" in line or "\r" in line or "\0" in line:  # it would begin another header
                raise ValueError(f"the header {line[:200]!r} contains a control character")
            lines.append(line)
        if not find(self.headers, "Date"):
            lines.append(time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
        lines += framing
        if self.close:
            lines.append("Connection: close")
        elif self.keep_alive:
            lines.append("Connection: keep-alive")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")

    def encode(self, method: str = "GET") -> bytes:
        """Encode headers and body together, so that one packet carries both if they fit."""
        if not self.has_body(method):
            return self.head(*self._length_unsent())
        if self.chunked:
            pieces = (self.body[start : start + CHUNK_SIZE] for start in range(0, len(self.body), CHUNK_SIZE))
            return b"".join([self.head(CHUNKED), *map(encode_chunk, pieces), LAST_CHUNK])
        return self.head(f"Content-Length: {len(self.body)}") + self.body

    def _length_unsent(self) -> list[str]:
        """Return the Content-Length that GET would have, for HEAD (RFC 9110, 8.6); unknown with ``parts``."""
        known = self.has_body("GET") and self.parts is None and not find(self.headers, "Content-Length")
        return [f"Content-Length: {len(self.body)}"] if known else []


CHUNKED = "Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"


def encode_chunk(data: bytes) -> bytes:
    """Frame ``data``, which is not empty, as one chunk (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class HttpServer:
    """An HTTP server that listens as soon as it is created; ``handle`` runs on the connection's thread.

    ``handle`` returns None to drop the connection without a reply. If it raises an exception, the client
    receives 500, and ``on_error`` is called with a line that explains it. ``on_reply`` is called with each
    request (None if it was not valid HTTP) and its reply after the reply was sent, or sending it failed.
    ``check`` returns why a request is refused with 403, "" if it is not; ``accepts`` returns whether a
    connection is served at all. One that sends no complete request for ``idle_timeout_s`` ends.
    """

    def __init__(
        self,
        handle: Handle,
        on_error: Callable[[str], None],
        host: str = "127.0.0.1",
        port: int = 0,
        on_reply: Callable[[Request | None, Response], None] = lambda request, response: None,
        check: Callable[[Fields], str] = lambda headers: "",
        idle_timeout_s: float | None = IDLE_TIMEOUT_S,
        accepts: Callable[[socket.socket], bool] = lambda connection: True,
    ) -> None:
        socket.getaddrinfo(host, port)  # raises a clear error for a bad name; create_server() does not
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._handle = handle
        self._on_error = on_error
        self._on_reply = on_reply
        self._check = check
        self._accepts = accepts
        self._closed = False
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._idle: dict[threading.Thread, None] = {}  # those that wait for a request, longest first
        self._idle_timeout_s = idle_timeout_s
        self._acceptor = threading.Thread(target=self._accept, name=f"accept:{self.port}", daemon=True)
        try:
            self._acceptor.start()
        except RuntimeError:  # the system has no more threads
            self._listener.close()
            raise

    @property
    def address(self) -> str:
        """``host:port``"""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        """Stop listening and end every connection, even during a reply."""
        with self._lock:
            self._closed = True
            connections = list(self._connections.values())
        # Linux wakes a blocked accept() at shutdown, BSD and macOS at close.
        _shut_down(self._listener)
        self._listener.close()
        for connection in connections:
            _shut_down(connection)
        self._acceptor.join(1)
        self.wait_for_connections(1)

    def drop_other_connections(self) -> None:
        """End every connection except the one that the calling thread serves."""
        with self._lock:
            others = dict(self._connections)
        others.pop(threading.current_thread(), None)
        for connection in others.values():
            _shut_down(connection)

    def wait_for_connections(self, timeout_s: float) -> None:
        """Wait until the clients' connections have ended, so that all their requests have been handled."""
        deadline = time.monotonic() + timeout_s
        if not self._closed:
            self._accept_all(timeout_s)
        with self._lock:
            threads = list(self._connections)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0, deadline - time.monotonic()))

    def _accept_all(self, timeout_s: float) -> None:
        """Wait until queued connections are accepted, by opening one more: they are accepted in order."""
        try:
            with socket.create_connection((self.host, self.port), timeout_s) as last:
                last.shutdown(socket.SHUT_WR)
                last.recv(1)  # the end of the connection: it has been accepted
        except OSError:
            pass  # timed out

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(0.01)  # for example, no file descriptor is left; the next call may succeed
                continue
            thread = threading.Thread(
                target=self._serve_connection, args=(connection, address[0]), daemon=True
            )
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                if len(self._connections) >= CONNECTION_LIMIT and not self._drop_idle():
                    self._refuse(connection, f"{CONNECTION_LIMIT} connections are busy; try again later")
                    continue
                self._connections[thread], self._idle[thread] = connection, None
                try:
                    thread.start()
                except RuntimeError:  # the system has no more threads
                    self._forget(thread)
                    self._refuse(connection, "no thread can be started for this connection; try again later")

    def _drop_idle(self) -> bool:
        """End the connection that has been idle for longest; return whether there was one."""
        for thread in self._idle:
            _shut_down(self._connections[thread])
            self._forget(thread)
            return True
        return False

    def _forget(self, thread: threading.Thread) -> None:
        self._connections.pop(thread, None)
        self._idle.pop(thread, None)

    def _refuse(self, connection: socket.socket, reason: str) -> None:
        with connection:
            try:
                connection.sendall(text_reply(503, reason, close=True).encode())
                connection.recv(READ_SIZE, socket.MSG_DONTWAIT)  # unread data would reset the connection
            except OSError:
                pass  # the client has left

    def _serve_connection(self, connection: socket.socket, client: str) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                if not self._accepts(connection):
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while self._serve_request(connection, stream, client):
                    pass
        except OSError:
            pass  # the client has left
        finally:
            with self._lock:
                self._forget(threading.current_thread())

    def _serve_request(self, connection: socket.socket, stream: BufferedReader, client: str) -> bool:
        """Read one request and reply to it; return whether the connection can carry another."""
        thread = threading.current_thread()
        request: Request | None = None
        with self._lock:
            if thread not in self._connections:
                return False  # another connection has taken the place of this one
            self._idle.pop(thread, None)
            self._idle[thread] = None  # last: the youngest
        try:
            connection.settimeout(self._idle_timeout_s)
            request = _read_request(stream)
            connection.settimeout(None)
            with self._lock:
                if thread not in self._connections:
                    return False
                del self._idle[thread]
            problem = "" if request is None else self._check(request.headers)
            if problem:
                raise BadRequest(403, problem)
        except BadRequest as problem:
            text = f"{problem.status} {_phrase(problem.status)}: {problem}"
            refusal = text_reply(problem.status, text, close=True)
            refusal.note, refusal.sent = str(problem), len(refusal.body)
            connection.sendall(refusal.encode())
            self._on_reply(request, refusal)
            return False
        if request is None:
            return False
        request.client, request.connection = client, connection
        request.client_has_left = functools.partial(_is_closed, connection)
        if request.header("Expect").lower() == "100-continue":  # curl, for bodies above 1 MB
            request.before_body = lambda: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            response = self._handle(request)
        except Exception as error:
            self._report(request, error)
            response = text_reply(500, "Internal Server Error", close=True)
        if response is None:
            return False
        if request.unread and not response.close:
            _skip_body(request)
            response.close |= request.unread
        response.keep_alive = request.version == "HTTP/1.0"
        response.close |= request.truncated or not _is_persistent(request)
        complete = False
        try:
            _send(connection, request, response)
            complete = True
        except CutShort:
            response.note = "cut short"
        except OSError:
            response.note = "the client has left"
            raise
        except Exception as error:  # too late to change the status
            response.note = "cut short"
            self._report(request, error)
        finally:
            self._on_reply(request, response)
        if request.unread:
            connection.shutdown(socket.SHUT_WR)
            time.sleep(LINGER_S)
        return complete and not response.close

    def _report(self, request: Request, error: Exception) -> None:
        what = f"{request.method} {request.target[:200]}"
        self._on_error(f"the emulator could not respond to {what}: {describe(error)}")


def text_reply(status: int, text: str, *, close: bool = False) -> Response:
    return Response(status, text.encode(), [("Content-Type", "text/plain; charset=utf-8")], close=close)


def describe(error: Exception) -> str:
    """Describe an unexpected exception and where it was raised, to report a bug in the emulator."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}, line {where.lineno})"


def is_field(name: str, value: str) -> bool:
    """Return whether name and value are a valid header."""
    try:
        return bool(_TOKEN.fullmatch(name.encode("ascii")) and _VALUE.fullmatch(value.encode("utf-8")))
    except UnicodeEncodeError:
        return False


def find(fields: Fields, name: str) -> str:
    """Return the first value of the field ``name``, ignoring case, or ``""``."""
    wanted = name.lower()
    return next((value for field_name, value in fields if field_name.lower() == wanted), "")


def _send(connection: socket.socket, request: Request, response: Response) -> None:
    """Send the reply; raise CutShort if its parts do."""
    try:
        if response.parts is not None and response.has_body(request.method):
            _send_parts(connection, request, response, response.parts)
        else:
            connection.sendall(response.encode(request.method))
            response.sent = len(response.body) if response.has_body(request.method) else 0
    finally:
        response.done()


def _send_parts(
    connection: socket.socket, request: Request, response: Response, parts: Iterable[bytes]
) -> None:
    chunked = request.version != "HTTP/1.0"  # which marks the end of a body of unknown length by closing
    response.close |= not chunked
    connection.sendall(response.head(*([CHUNKED] if chunked else [])))
    for part in parts:
        if part:
            connection.sendall(encode_chunk(part) if chunked else part)
            response.sent += len(part)
    if chunked:
        connection.sendall(LAST_CHUNK)


def _skip_body(request: Request) -> None:
    """Discard the rest of the body, up to a limit."""
    size = 0
    try:
        for part in request.parts():
            size += len(part)
            if size > SKIP_LIMIT:
                return
    except TruncatedBody:
        pass  # the request has the attribute `truncated`


def _read_request(stream: BufferedReader) -> Request | None:
    """Read a request line and headers; return None if the client closed the connection between requests."""
    line = stream.readline(HEAD_LIMIT)
    if line == b"\r\n":  # old clients send an extra one after a body (RFC 9112, 2.2)
        line = stream.readline(HEAD_LIMIT)
    if not line:
        return None
    words = line[:-2].split(b" ")
    if not line.endswith(b"\r\n") or len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequest(400, "malformed request line")
    if not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise BadRequest(400, "malformed method or target")
    headers = _read_fields(stream, HEAD_LIMIT - len(line))
    method, target, version = (word.decode("utf-8", "surrogateescape") for word in words)
    hosts = [value for name, value in headers if name.lower() == "host"]
    if len(hosts) > 1 or (version == "HTTP/1.1" and not any(hosts)):
        raise BadRequest(400, "expected one Host header")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        host, target = absolute["host"], absolute["rest"]
        target = target if target.startswith("/") else f"/{target}"
        headers = [(name, host if name.lower() == "host" else value) for name, value in headers]
    elif not target.startswith("/"):  # `OPTIONS *` asks about a whole server, of which we have nothing to say
        raise BadRequest(400, "the target is not a path")
    return Request(stream, method, target, version, headers)


def _read_fields(stream: BufferedReader, limit: int) -> Fields:
    """Read a header or trailer section and its final empty line. Lambda treats values as UTF-8."""
    fields: Fields = []
    while True:
        line = stream.readline(limit + 1)
        limit -= len(line)
        if limit < 0:
            raise BadRequest(431, "headers too large")
        if line == b"\r\n":
            return fields
        name, colon, value = line[:-2].partition(b":")
        value = value.strip(b" \t")
        if not line.endswith(b"\r\n") or not colon:
            raise BadRequest(400, "malformed header")
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadRequest(400, "invalid header name or value")
        fields.append((name.decode("ascii"), value.decode("utf-8", "surrogateescape")))


def _is_persistent(request: Request) -> bool:
    """Return whether the client may send more requests on its connection (RFC 9112, 9.3)."""
    values = ",".join(value for name, value in request.headers if name.lower() == "connection")
    options = {option.strip().lower() for option in values.split(",")}
    return "close" not in options and (request.version != "HTTP/1.0" or "keep-alive" in options)


def _framing(request: Request) -> tuple[bool, int]:
    """Return how the body is delimited (RFC 9112, 6.3): whether it is chunked, and its Content-Length."""
    codings = [value.lower() for name, value in request.headers if name.lower() == "transfer-encoding"]
    lengths = {value for name, value in request.headers if name.lower() == "content-length"}
    if codings and (codings != ["chunked"] or lengths):
        raise BadRequest(400, "unsupported transfer encoding")
    if len(lengths) > 1 or not all(re.fullmatch("[0-9]{1,18}", length) for length in lengths):
        raise BadRequest(400, "bad Content-Length")
    return bool(codings), int(lengths.pop()) if lengths else 0


def _phrase(status: int) -> str:
    """Return the reason phrase, "" if unknown: functions may respond with any status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # already disconnected
