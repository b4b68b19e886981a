"""The Runtime API: its paths, its headers, and how the runtime handles its statuses.

Statuses of a response or an error that was posted. The loop continues, unless the table says "exit":

    2xx             accepted
    400             the request id is unknown or stale, or the request was truncated; the caller has gone
    403             a second response; if the environment is stuck, `next` gets 403 too
    410             it arrived after the timeout, or belongs to another delivery attempt
    413             too large; the platform has failed the invocation itself, except for an error body on
                    managed instances (limit 1 MiB), which leaves the invocation open: post a smaller one
    431             the header block is too large: post again without the X-Ray cause
    404, 5xx        exit: a bug in this runtime, or the container cannot be recovered

Any status but 200 for `next` ends the process. Source: AWS's developer guide, "Using the Lambda runtime
API", and the server's code in aws-lambda-runtime-interface-emulator.
"""

from __future__ import annotations

import sys

from . import __version__, http1
from .connection import Connection
from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .diagnostics import Diagnostic
    from .logs import FunctionLog
    from .upload import Upload

    Fields = Sequence[tuple[str, str]]

_BASE = "/2018-06-01/runtime"
_USER_AGENT = f"custom-lambda-runtime-python/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"
_STREAMING = (
    ("Lambda-Runtime-Function-Response-Mode", "streaming"),
    ("Transfer-Encoding", "chunked"),
    ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"),
)
RESPONSE_LIMIT_BYTES = 6_291_556  # 6 MiB and 100 bytes
STREAM_LIMIT_BYTES = 209_715_200  # 200 MiB
# A server that refuses each response and sends the event again would keep the handler running. Lambda itself
# delivers an asynchronous event up to three times.
REFUSALS_LIMIT = 5


class Invocation:
    """One event to handle: what GET /runtime/invocation/next returned. None: the header was not sent."""

    __slots__ = (
        "client_context",
        "cognito_identity",
        "content_type",
        "deadline_ms",
        "event",
        "invocation_id",
        "invoked_function_arn",
        "request_id",
        "stream",
        "tenant_id",
        "trace_id",
    )

    def __init__(self, response: http1.Response) -> None:
        header = response.headers.get
        deadline = header("lambda-runtime-deadline-ms", "")
        self.request_id = header("lambda-runtime-aws-request-id", "")
        self.invocation_id = header("lambda-runtime-invocation-id")  # of this delivery attempt; echoed
        # Unix time, milliseconds
        self.deadline_ms = int(deadline) if deadline.isdecimal() and len(deadline) < 19 else 0
        self.invoked_function_arn = header("lambda-runtime-invoked-function-arn", "")
        self.trace_id = header("lambda-runtime-trace-id")
        self.client_context = header("lambda-runtime-client-context")  # JSON text
        self.cognito_identity = header("lambda-runtime-cognito-identity")  # JSON text
        self.tenant_id = header("lambda-runtime-aws-tenant-id")
        self.content_type = header("content-type", "application/json")
        self.event = response.body
        self.stream: Any = None  # a ResponseStream, once the response is being streamed


class LambdaRuntimeClient:
    """A client of the Runtime API. The names are those of AWS's runtime, because tools patch them."""

    def __init__(self, address: str, log: FunctionLog) -> None:
        self.invocation: Invocation | None = None  # the one that needs a response; None while idle
        self.before_next: Callable[[], None] | None = None  # called when an invocation is over
        self.look_up_s: float | None = None  # how often Python can call signal handlers while idle
        self.siblings = [self]  # the clients of this process, one for each invocation at a time
        self.connection = Connection(address)
        self.log = log
        self._refused = ("", 0)  # the path of the last response that was not accepted, and how often
        self._fields = http1.format_fields([("Host", address), ("User-Agent", _USER_AGENT)])
        self._next = http1.format_request("GET", f"{_BASE}/invocation/next", self._fields)

    def add_sibling(self) -> None:
        """Create a client for another invocation at the same time."""
        sibling = LambdaRuntimeClient(self.connection.address, self.log)
        sibling.before_next = self.before_next
        sibling.siblings = self.siblings
        self.siblings.append(sibling)

    def connect(self) -> None:
        """Connect before the function runs, because it may use up the descriptors that an error report needs.

        A failure is ignored here; the first request reports it.
        """
        try:
            self.connection.open()
        except RuntimeApiError:
            pass

    def wait_next_invocation(self) -> Invocation:
        """Get the next event, which also ends the previous invocation. Raises RuntimeApiError."""
        self.invocation = None
        if self.before_next is not None:
            self.before_next()
        response = self.connection.exchange(self._next, repeatable=True, look_up_s=self.look_up_s)
        if response.status != 200:
            raise RuntimeApiError(
                f"GET {_BASE}/invocation/next returned {response.status} "
                f"{_excerpt(response.body)}, expected 200"
            )
        invocation = Invocation(response)
        if not invocation.request_id:
            raise RuntimeApiError("An event has no Lambda-Runtime-Aws-Request-Id, so no response can be sent")
        self.invocation = invocation
        return invocation

    def post_invocation_result(
        self, invocation: Invocation, body: bytes, content_type: str = "application/json"
    ) -> bool:
        """Send ``body``, at most 6,291,556 bytes, as response. Returns whether Lambda accepted it.

        Raises RuntimeApiError.
        """
        return _is_success(self._post(invocation, "response", [("Content-Type", content_type)], body))

    def post_invocation_error(self, invocation: Invocation, diagnostic: Diagnostic) -> bool:
        """Send an error instead of a response, or as the end of a response that is being streamed.

        Returns whether Lambda accepted it. Raises RuntimeApiError.
        """
        if invocation.stream is not None:
            accepted: bool = invocation.stream.fail(diagnostic)
            return accepted
        body = diagnostic.payload(invocation.request_id)
        headers = _error_headers(diagnostic)
        xray = [("Lambda-Runtime-Function-XRay-Error-Cause", diagnostic.xray_cause())]
        status = self._post(invocation, "error", headers + xray, body)
        if status == 431:
            status = self._post(invocation, "error", headers, body)
        if status == 413:
            status = self._post(
                invocation, "error", headers, diagnostic.payload(invocation.request_id, 16_000)
            )
        return _is_success(status)

    def begin_response(self, invocation: Invocation, content_type: str) -> Upload:
        """Begin a streamed response, on a connection that ends with it."""
        from .upload import Upload  # late: few functions stream

        path, headers = _address(invocation, "response", _STREAMING)
        fields = http1.format_fields([*headers, ("Content-Type", content_type)])
        return Upload(self.connection, http1.format_request("POST", path, self._fields, fields))

    def finish_response(self, invocation: Invocation, upload: Upload) -> bool:
        """Send the rest of a streamed response; return whether Lambda accepted it. Raises RuntimeApiError."""
        path, _ = _address(invocation, "response", ())
        try:
            response = upload.finish()
        except RuntimeApiError as error:
            self._note_lost(path, error)
            return False
        self._check_status(path, response, upload.sent_bytes, streamed=True)
        return _is_success(response.status)

    def post_init_error(self, diagnostic: Diagnostic, error_type: str | None = None) -> None:
        """Report that the function cannot be initialized. The process must exit afterwards."""
        self._report(f"{_BASE}/init/error", diagnostic, error_type)

    def restore_next(self) -> None:
        """Let Lambda take the snapshot. Returns in the restored environment, perhaps days later."""
        path = f"{_BASE}/restore/next"
        response = self.connection.exchange(http1.format_request("GET", path, self._fields))
        self.connection.close()  # the connection does not survive the snapshot
        if response.status != 200:
            raise RuntimeApiError(
                f"GET {path} returned {response.status} {_excerpt(response.body)}, expected 200"
            )

    def post_restore_error(self, diagnostic: Diagnostic, error_type: str) -> None:
        """Report that a hook failed after the restore. The process must exit afterwards."""
        self._report(f"{_BASE}/restore/error", diagnostic, error_type)

    def _report(self, path: str, diagnostic: Diagnostic, error_type: str | None) -> None:
        """Post an error that belongs to no invocation. Failures are only logged."""
        body = diagnostic.payload("")
        headers = _error_headers(diagnostic, error_type)
        try:
            response = self.connection.exchange(self._format_post(path, headers, body), body)
        except RuntimeApiError as error:
            self.log.write_runtime_message(f"POST {path} failed. {error}")
            return
        if not _is_success(response.status):
            self.log.write_runtime_message(
                f"POST {path} returned {response.status} {_excerpt(response.body)}, expected 202"
            )

    def _post(self, invocation: Invocation, kind: str, headers: Fields, body: bytes) -> int:
        """Post to /invocation/{id}/{kind}, once. Returns the status, or 0 if it is unknown.

        If the connection breaks here, the loop continues: `next` ends the invocation if the response has
        arrived, returns the same event if it has not, and fails if the server is gone.
        """
        path, headers = _address(invocation, kind, headers)
        try:
            response = self.connection.exchange(self._format_post(path, headers, body), body)
        except RuntimeApiError as error:
            self.connection.close()
            self._note_lost(path, error)
            return 0
        if response.status != 202:
            self._check_status(path, response, len(body))
        return response.status

    def _note_lost(self, path: str, error: RuntimeApiError) -> None:
        self._note_refused(path, f"POST {path}: {error}")

    def _note_refused(self, path: str, message: str) -> None:
        """Log why a response was not accepted. Raises RuntimeApiError if that happens again and again."""
        refused, count = self._refused
        self._refused = (path, count + 1 if refused == path else 1)
        if self._refused[1] == REFUSALS_LIMIT:
            raise RuntimeApiError(f"{message}. The same event was sent {REFUSALS_LIMIT} times")
        self.log.write_runtime_message(f"{message}; continuing with the next invocation")

    def _check_status(
        self, path: str, response: http1.Response, size_bytes: int, *, streamed: bool = False
    ) -> None:
        """Handle a status as in the table at the top: log it, or raise RuntimeApiError."""
        status = response.status
        if _is_success(status):
            return
        message = f"POST {path} returned {status} {_excerpt(response.body)}, expected 202"
        if status == 404 or status >= 500:
            raise RuntimeApiError(message)
        if status == 413:
            if streamed:
                message += (
                    f": {size_bytes} bytes had been sent; the limit is {STREAM_LIMIT_BYTES}, or "
                    f"{RESPONSE_LIMIT_BYTES} if the caller does not accept a stream"
                )
            else:
                message += f": it has {size_bytes} bytes, the limit for a response is {RESPONSE_LIMIT_BYTES}"
            message += "; return less, or store it in S3 and return its key"
        self._note_refused(path, message)

    def _format_post(self, path: str, headers: Fields, body: bytes) -> bytes:
        fields = http1.format_fields([*headers, ("Content-Length", str(len(body)))])
        return http1.format_request("POST", path, self._fields, fields)


def _address(invocation: Invocation, kind: str, headers: Fields) -> tuple[str, Fields]:
    """The path to post to, and ``headers`` with the id of the delivery attempt, if there is one."""
    path = f"{_BASE}/invocation/{_path_segment(invocation.request_id)}/{kind}"
    if invocation.invocation_id is not None:
        headers = [*headers, ("Lambda-Runtime-Invocation-Id", invocation.invocation_id)]
    return path, headers


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _error_headers(diagnostic: Diagnostic, error_type: str | None = None) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Function-Error-Type", error_type or diagnostic.header_type),
    ]


def _path_segment(text: str) -> str:
    """Percent-encode what a path segment cannot hold (RFC 3986, 3.3); a request id is a UUID in practice."""
    if text.isascii() and text.replace("-", "").isalnum():
        return text
    unreserved = "-._~"
    return "".join(
        char
        if char.isascii() and (char.isalnum() or char in unreserved)
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in text
    )


def _excerpt(body: bytes) -> str:
    """The beginning of a response body, for a message: one line, printable."""
    return ascii(body[:300].decode("utf-8", "replace").strip())[1:-1] or "with an empty body"
