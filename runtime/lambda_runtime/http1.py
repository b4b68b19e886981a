"""HTTP/1.1 as bytes: requests from values, responses from bytes (RFC 9112)."""

from __future__ import annotations

from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HEAD_BYTES = 1_114_112  # 1 MiB of context and trace headers, and room for the rest
MAX_CHUNK_LINE_BYTES = 4096
MAX_TRAILERS_BYTES = 4096
_HEX_DIGITS = b"0123456789abcdefABCDEF"


def format_request(method: str, target: str, *fields: str) -> bytes:
    """Build the request line and the header block, with the empty line that ends it (RFC 9112, 3 and 5).

    ``fields`` are results of `format_fields`. Raises ValueError if the request line contains a line break.
    """
    line = f"{method} {target} HTTP/1.1"
    _refuse_line_breaks(line)
    head = "".join((line, "\r\n", *fields, "\r\n"))
    try:
        return head.encode("utf-8", "surrogateescape")  # bytes that are not UTF-8 stay as received
    except UnicodeEncodeError:
        return head.encode("utf-8", "backslashreplace")


def format_fields(headers: Iterable[tuple[str, str]]) -> str:
    """Build header lines, each with its end (RFC 9112, 5).

    Raises ValueError if a name or a value contains a line break, which would begin another header.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    _refuse_line_breaks("".join(lines))
    return "\r\n".join([*lines, ""])


def _refuse_line_breaks(text: str) -> None:
    if "\n" in text or "\r" in text:
        raise ValueError(f"A line of a request contains a line break: {text!r}")


def format_chunk(data: bytes) -> bytes:
    """Frame ``data`` as one chunk: hex size, CRLF, data, CRLF (RFC 9112, 7.1).

    Empty data gives ``b""``, because an empty chunk would end the body.
    """
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def format_last_chunk(trailers: Iterable[tuple[str, str]]) -> bytes:
    """Build the end of a chunked body: the empty chunk, the trailer section, CRLF (RFC 9112, 7.1.2)."""
    return f"0\r\n{format_fields(trailers)}\r\n".encode()


class Response:
    """One response: a status, its headers, its whole body."""

    __slots__ = ("body", "headers", "keep_alive", "status")

    def __init__(self, status: int, headers: dict[str, str], keep_alive: bool) -> None:
        self.status = status
        self.headers = headers  # names in lower case; an empty value counts as no header
        self.keep_alive = keep_alive  # whether another request may follow on this connection
        self.body = b""


class ResponseReader:
    """Assemble one response from bytes that arrive in pieces of any size.

    `feed` returns None until the response is complete. The body's end follows RFC 9112, 6.3: no body with 204
    and 304, then chunked coding, then Content-Length, then the end of the connection.
    """

    _body: bytes | bytearray = b""  # of a chunked body, what has arrived
    _buffer: bytes | bytearray = b""  # what has arrived and is not parsed yet
    _chunked = False
    _length: int | None = None
    _response: Response | None = None  # set when status and headers are complete

    def feed(self, data: bytes) -> Response | None:
        """Add the next bytes of the connection. Returns the response when it is complete, else None.

        Raises RuntimeApiError if the bytes cannot be HTTP.
        """
        searched = 0
        if not self._buffer:
            self._buffer = data
        else:
            searched = max(0, len(self._buffer) - 3)  # no earlier byte can begin the end of the headers
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        while self._response is None:
            end = self._buffer.find(b"\r\n\r\n", searched)
            if end < 0:
                self._check_beginning()
                return None
            self._response = self._parse_head(bytes(self._buffer[:end]))
            self._buffer = self._buffer[end + 4 :]
            searched = 0
        if self._chunked:
            return self._read_chunks(self._response)
        if self._length is None or len(self._buffer) < self._length:
            return None
        return self._finish(self._response, self._length)

    def end(self) -> Response | None:
        """Note the end of the connection. Returns the response if its body ends there, else None."""
        if self._response is None or self._chunked or self._length is not None:
            return None
        return self._finish(self._response, len(self._buffer))

    @property
    def began(self) -> bool:
        """Whether any byte of the response has arrived."""
        return bool(self._buffer) or self._response is not None

    def _check_beginning(self) -> None:
        start = bytes(self._buffer[:5])
        if not b"HTTP/".startswith(start):
            raise RuntimeApiError(
                f"The Runtime API sent {bytes(self._buffer[:60])!r}, expected an HTTP/1.1 status line; "
                "check that AWS_LAMBDA_RUNTIME_API is the address of a Lambda Runtime API"
            )
        if len(self._buffer) > MAX_HEAD_BYTES:
            raise RuntimeApiError(f"The header block of a response is longer than {MAX_HEAD_BYTES} bytes")

    def _parse_head(self, head: bytes) -> Response | None:
        """Parse status and headers. Returns None for an interim response (1xx), which is skipped."""
        version, code = head[:9], head[9:12]
        if version not in (b"HTTP/1.1 ", b"HTTP/1.0 ") or not code.isdigit() or len(code) != 3:
            raise RuntimeApiError(f"The Runtime API sent {head[:80]!r}, expected an HTTP/1.1 status line")
        status = int(code)
        if status < 200:
            return None
        headers = _parse_fields(head.decode("utf-8", "surrogateescape"))
        self._decide_framing(status, headers)
        until_close = self._length is None and not self._chunked
        keep_alive = version == b"HTTP/1.1 " and not until_close
        if keep_alive and "connection" in headers:
            keep_alive = "close" not in headers["connection"].lower()
        return Response(status, headers, keep_alive)

    def _decide_framing(self, status: int, headers: dict[str, str]) -> None:
        length = headers.get("content-length")
        if status in (204, 304):
            self._length = 0
        elif "transfer-encoding" in headers:
            coding = headers["transfer-encoding"]
            if coding.lower() != "chunked":
                raise RuntimeApiError(f"A response has Transfer-Encoding {coding[:80]!r}, expected 'chunked'")
            self._chunked = True
        elif length is not None:
            if not (length.isdecimal() and length.isascii() and len(length) < 19):
                raise RuntimeApiError(
                    f"A response has Content-Length {length[:80]!r}, expected a decimal number"
                )
            self._length = int(length)

    def _read_chunks(self, response: Response) -> Response | None:
        """Move whole chunks to the body; return the response after the last one (RFC 9112, 7.1)."""
        buffer = self._buffer
        start = 0
        while True:
            line_end = buffer.find(b"\r\n", start)
            if line_end < 0:
                if len(buffer) - start > MAX_CHUNK_LINE_BYTES:
                    raise RuntimeApiError(
                        f"A chunk begins with {bytes(buffer[start : start + 40])!r}, expected a size"
                    )
                break
            size_text = bytes(buffer[start:line_end]).partition(b";")[0].strip(b" \t")
            if not size_text or size_text.strip(_HEX_DIGITS):
                raise RuntimeApiError(
                    f"A chunk has the size {size_text[:40]!r}, expected a hexadecimal number"
                )
            size = int(size_text, 16)
            data_end = line_end + 2 + size
            if size == 0:
                end = _end_of_trailers(buffer, line_end)
                if end < 0:
                    if len(buffer) - line_end > MAX_TRAILERS_BYTES:
                        raise RuntimeApiError(f"The trailers are longer than {MAX_TRAILERS_BYTES} bytes")
                    break
                if len(buffer) > end:  # as in `_finish`
                    response.keep_alive = False
                response.body = bytes(self._body)
                return response
            if len(buffer) < data_end + 2:
                break
            if buffer[data_end : data_end + 2] != b"\r\n":
                raise RuntimeApiError(f"A chunk of {size} bytes does not end where its size says")
            if not self._body:
                self._body = bytearray()
            self._body += buffer[line_end + 2 : data_end]
            start = data_end + 2
        if start:  # otherwise a long chunk would be copied for each piece that arrives
            self._buffer = buffer[start:]
        return None

    def _finish(self, response: Response, length: int) -> Response:
        """Add the body; unexpected bytes after it mean that the connection cannot be trusted any more."""
        buffer = self._buffer
        if len(buffer) > length:
            buffer = buffer[:length]
            response.keep_alive = False
        response.body = bytes(buffer)
        return response


def _parse_fields(head: str) -> dict[str, str]:
    """Parse the header lines below the status line. Names become lower case."""
    # A bare CR counts as a space, a bare LF as a line end (RFC 9112, 2.2); a folded line continues (5.2).
    text = head.replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", " ")
    _, *lines = text.split("\n")
    if lines and min(lines) < "!":  # a line begins with a blank
        _, *lines = text.replace("\n ", " ").replace("\n\t", " ").split("\n")
    headers: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}  # joined at the end, because joining two at a time is quadratic
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RuntimeApiError(f"A response holds the header line {line[:80]!r}, expected 'Name: value'")
        value = value.strip(" \t")
        if value:
            name = name.lower()
            if name in headers:
                repeated.setdefault(name, [headers[name]]).append(value)
            else:
                headers[name] = value
    if repeated:
        headers.update((name, ", ".join(values)) for name, values in repeated.items())
    return headers


def _end_of_trailers(buffer: bytes | bytearray, line_end: int) -> int:
    """Where the trailer section after the last chunk's size line ends; -1 if it has not arrived yet."""
    if buffer[line_end + 2 : line_end + 4] == b"\r\n":
        return line_end + 4
    end = buffer.find(b"\r\n\r\n", line_end)
    return end + 4 if end >= 0 else -1
