"""What a test receives from an invocation: the response, the error, the log and the report."""

from __future__ import annotations

import json
from email.message import Message

from lambda_emulator.servers.http_response import (
    INTEGRATION_TYPE,
    InvalidResponse,
    Prelude,
    read_envelope,
    read_prelude,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.invocation import Report, Result

BAD_GATEWAY = Prelude(502, [("content-type", "text/plain")])

EXCERPT = 300  # bytes of a body, where it is described

__unittest = True  # unittest leaves the functions of this module out of its tracebacks


class FunctionFailed(AssertionError):
    """The function failed, or could not be loaded; the message has the error and the log."""


class Outcome:
    """What an invocation left behind.

    ``chunks``: the parts of the body in the order of their arrival, until an error; a returned value is one.
    ``error``: the JSON object that describes the error, with AWS's members such as ``errorType`` and
    ``errorMessage``; None without an error. ``log``: from START to REPORT.
    """

    def __init__(self, handler: str, result: Result) -> None:
        self.handler = handler
        self.chunks = list(result)
        self.streamed = result.response_mode == "streaming"
        self.content_type = result.content_type
        self.request_id = result.request_id
        self.log = result.log.decode("utf-8", "replace")
        self.report: Report = result.report
        self.error: dict[str, Any] | None = json.loads(result.error_body) if result.function_error else None

    @property
    def body(self) -> bytes:
        """All chunks."""
        return b"".join(self.chunks)

    @property
    def duration_ms(self) -> float:
        """The time of the invocation, without the init phase."""
        return self.report.duration_ms

    def failure(self, what: str) -> FunctionFailed:
        """Return the exception that says ``what`` happened, with the log."""
        return FunctionFailed(explain(f"{self.handler} {what}", self.log))

    def summary(self) -> str:
        """Return the error, or the beginning of the body."""
        return summary(self.error) if self.error is not None else repr(self.body[:EXCERPT])


class Response(Outcome):
    """The response to an invocation."""

    @property
    def payload(self) -> Any:
        """The value that the handler returned, after its way through JSON.

        ``bytes`` if the handler streamed, or returned ``bytes`` that are not JSON. Raise FunctionFailed if
        the function failed.
        """
        __tracebackhide__ = True  # pytest leaves this function out of its tracebacks
        if self.error is not None:
            raise self.failure(f"failed: {self.summary()}")
        try:
            return self.body if self.streamed else json.loads(self.body)
        except ValueError:
            return self.body

    def __repr__(self) -> str:
        return f"<Response of {self.handler}: {self.summary()}>"


class HttpResponse(Outcome):
    """The response to an HTTP request, as the client receives it.

    If the function failed before the response began, that is 502; if it failed later, the part before.
    """

    def __init__(self, handler: str, result: Result, *, multi_value: bool) -> None:
        """``multi_value``: whether the source of the event reads ``multiValueHeaders`` in an envelope."""
        __tracebackhide__ = True
        super().__init__(handler, result)
        try:
            prelude, self.chunks = self._read(multi_value)
        except InvalidResponse as problem:
            if self.error is None:
                raise self.failure(f"did not return a valid HTTP response: {problem}") from None
            prelude, self.chunks = BAD_GATEWAY, [b"Internal Server Error"]
        self.status = prelude.status
        self.headers = Message()  # names without regard to case; `get_all` returns repeated ones
        for name, value in prelude.headers:
            self.headers[name] = value

    def _read(self, multi_value: bool) -> tuple[Prelude, list[bytes]]:
        """Return status and headers, and the parts of the body."""
        if self.content_type == INTEGRATION_TYPE:
            parts = iter(self.chunks)
            prelude, beginning = read_prelude(parts)
            return prelude, [part for part in (beginning, *parts) if part]
        if self.error is not None and not self.chunks:
            raise InvalidResponse("there is none")
        if self.streamed:
            return Prelude(200, [("content-type", self.content_type)]), self.chunks
        prelude, body = read_envelope(self.body, multi_value=multi_value)
        return prelude, [body]

    @property
    def text(self) -> str:
        """The body, decoded with the charset of its content type, or as UTF-8."""
        return self.body.decode(self.headers.get_content_charset("utf-8"), "replace")

    def json(self) -> Any:
        """Return the body's value; raise FunctionFailed if it is not JSON."""
        __tracebackhide__ = True
        try:
            return json.loads(self.text)
        except ValueError:
            raise self.failure(f"did not return JSON, but HTTP {self.status}: {self.summary()}") from None

    def __repr__(self) -> str:
        return f"<HTTP {self.status} from {self.handler}: {self.summary()}>"


def summary(error: dict[str, Any]) -> str:
    """Return ``Type: message``."""
    return f"{error.get('errorType', '')}: {error.get('errorMessage', '')}"


def explain(what: str, log: str) -> str:
    """Return the message of an exception, with the log; on Lambda, a carriage return is a line end in it."""
    log = log.replace("\r", "\n").strip()
    return f"{what}\n\n{log}" if log else what
