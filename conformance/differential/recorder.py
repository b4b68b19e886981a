"""A Runtime API server that follows a script and records every request, byte for byte."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple

from tests.scripted_server import Request, RuntimeApiServer

from . import case

HeaderList = List[Tuple[str, str]]

_REQUEST_ID = "4d17cb2e-0000-4000-8000-%012d"  # % the number of the event
_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:differential:live"
_EXTENSION_REGISTER = "/2020-01-01/extension/register"
_EXTENSION_NEXT = "/2020-01-01/extension/event/next"
_FOREVER_S = 60.0  # an ending that waits: longer than any run may take

# The responses of Lambda's own server, for each status that a post may get.
_RESPONSES = {
    200: "{}",
    202: '{"status":"OK"}\n',
    400: '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n',
    403: '{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}\n',
    404: "404 page not found\n",
    410: '{"errorMessage":"Invoke timeout","errorType":"InvokeTimeout"}\n',
    413: '{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).",'
    '"errorType":"RequestEntityTooLarge"}\n',
    500: '{"errorMessage":"Internal Server Error","errorType":"InternalServerError"}\n',
}


def request_id(number: int) -> str:
    """Return the request id of the event with this number, counted from 0."""
    return _REQUEST_ID % number


@dataclass(frozen=True)
class Received:
    """One request as received. ``phase`` is the number of events sent before it, see `_respond`."""

    phase: int
    connection: int
    method: str
    path: str
    headers: HeaderList
    body: bytes
    trailers: HeaderList

    def header(self, name: str) -> str | None:
        """Return the values of this header joined by ``, ``, or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class Recorder(RuntimeApiServer):
    """Serve one run of a program.

    ``on_next`` is called for each ``next``, before the response: the output until then belongs to earlier
    events. ``idle`` is set when all events are handled and all pollers wait.
    """

    def __init__(self, program: case.Program, on_next: Callable[[], None], idle: threading.Event) -> None:
        self.requests: List[Received] = []
        self._program = program
        self._on_next = on_next
        self._idle = idle
        self._handed_out = 0
        self._waiting = 0
        self._posts: Dict[str, int] = {}  # path -> number of posts so far
        self._script_lock = threading.Lock()
        self._stopped = threading.Event()
        super().__init__(self._respond)

    def close(self) -> None:
        """Close the port and all connections."""
        self._stopped.set()
        super().close()

    def _respond(self, request: Request) -> bytes | None:
        # An extension waits on a separate connection, which may be read only after `next`.
        phase = 0 if request.path == _EXTENSION_NEXT else self._handed_out
        return self._reply(
            Received(
                phase,
                request.connection,
                request.method,
                request.path,
                _readable(request.fields),
                request.body,
                _readable(request.trailers),
            )
        )

    def _reply(self, received: Received) -> bytes | None:
        """Record the request; return the bytes of the response, or None to close the connection."""
        endpoint = received.path.partition("/runtime/")[2]
        if endpoint == "invocation/next":
            return self._reply_to_next(received)
        with self._script_lock:
            self.requests.append(received)
        if received.path == _EXTENSION_REGISTER:
            return _response(200, '{"functionName":"differential"}', {"Lambda-Extension-Identifier": "x1"})
        if received.path == _EXTENSION_NEXT:
            self._stopped.wait(_FOREVER_S)
            return None
        status = self._status(endpoint)
        return _response(status, _RESPONSES[status])

    def _status(self, endpoint: str) -> int:
        """Return the scripted status of a post or of restore/next."""
        with self._script_lock:
            earlier = self._posts.get(endpoint, 0)
            self._posts[endpoint] = earlier + 1
        if not endpoint.startswith("invocation/"):
            usual = 200 if endpoint == "restore/next" else 202
            return self._program.statuses.get(endpoint, usual)
        about = endpoint.split("/")[1]
        for number, event in enumerate(self._program.events):
            if request_id(number) == about:
                return event.statuses[earlier] if earlier < len(event.statuses) else 202
        return 400  # an unknown id

    def _reply_to_next(self, received: Received) -> bytes | None:
        with self._script_lock:
            self._on_next()
            self.requests.append(received)
            number = self._handed_out
            if number < len(self._program.events):
                self._handed_out += 1
                return _event_response(number, self._program.events[number])
            self._waiting += 1
            if self._waiting >= self._program.pollers:
                self._idle.set()
        ending = self._program.ending
        if ending == case.FORBIDDEN:
            return _response(403, _RESPONSES[403])
        if ending == case.FAILURE:
            return _response(500, _RESPONSES[500])
        if ending == case.GARBAGE:
            return b"\x00\x01 this is not HTTP\r\n\r\n"
        if ending in (case.WAIT, case.SIGTERM):
            self._stopped.wait(_FOREVER_S)
        return None


def _readable(fields: HeaderList) -> HeaderList:
    """The fields with escapes for bytes that are not UTF-8."""
    return [
        (name, value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        for name, value in fields
    ]


def _event_response(number: int, event: case.Event) -> bytes:
    headers: Dict[str, str | None] = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": request_id(number),
        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30_000),
        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
    }
    headers.update(event.headers)
    present = {name: value for name, value in headers.items() if value is not None}
    return _message(200, event.body, present, chunked=event.chunked)


def _response(status: int, text: str, headers: Dict[str, str] | None = None) -> bytes:
    body = text.encode("ascii")
    return _message(status, body, {"Content-Type": _sniffed(text), **(headers or {})})


def _sniffed(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "application/json"


def _message(status: int, body: bytes, headers: Dict[str, str], *, chunked: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} Status"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"
    return head + (_in_chunks(body) if chunked else body)


def _in_chunks(body: bytes, size: int = 1000) -> bytes:
    """Encode the body in chunks (RFC 9112, 7.1) with extensions, which a client must ignore."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%X;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
