"""Serve the Runtime API to one execution environment, and enforce the order of its calls.

`managed_api` does so for many invocations at the same time.

Statuses and bodies are those of Lambda's own server, which AWS publishes in the Runtime Interface Emulator.
AWS's developer guide describes the calls under "Using the Lambda runtime API".
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from dataclasses import dataclass, field

from lambda_emulator.functions import extensions
from lambda_emulator.functions.extensions import Extensions
from lambda_emulator.functions.invocation import FunctionResponse, Invocation, platform_error
from lambda_emulator.servers.guard import Hosts, is_from_this_user
from lambda_emulator.servers.http_server import (
    BodyTooLarge,
    HttpServer,
    Request,
    Response,
    TruncatedBody,
    find,
)
from lambda_emulator.servers.json_replies import accepted, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.servers.http_server import Fields
    from lambda_emulator.servers.response_stream import ResponseStream

# The states of a runtime, as the server's error messages name them.
STARTED = "Started"
INIT_ERROR = "InitError"
RESTORING = "Restoring"
RESTORE_ERROR = "RestoreError"
READY = "Ready"  # waiting in `next`
RUNNING = "Running"  # has received an event
RESPONSE = "InvocationResponse"  # its response is being read
ERROR = "InvocationErrorResponse"
RESPONSE_SENT = "RuntimeResponseSentState"

# The transitions: state → call → next state. A call that is not listed is rejected with 403 and changes
# nothing. A runtime in a state without transitions is stuck: it can only exit.
#
#   Started ──next──▶ Ready ──event──▶ Running ──response──▶ InvocationResponse ──▶ ResponseSent
#      │                ▲                 └─────error──────▶ InvocationErrorResponse ──▶   │
#      └─init/error     └──────────────────────────next────────────────────────────────────┘
TRANSITIONS = {
    STARTED: {"Ready": READY, "InitError": INIT_ERROR, "RestoreReady": RESTORING},
    RESTORING: {"Ready": READY, "InitError": RESTORE_ERROR, "RestoreError": RESTORE_ERROR},
    READY: {"Ready": READY},
    # `next` without a response returns the same event again.
    RUNNING: {"Ready": RUNNING, "InvocationResponse": RESPONSE, "InvocationErrorResponse": ERROR},
    # The server leaves these states when it has read a valid response; otherwise the runtime is stuck.
    RESPONSE: {},
    ERROR: {},
    RESPONSE_SENT: {"Ready": READY},
    INIT_ERROR: {},
    RESTORE_ERROR: {},
}

# The calls that respond to an invocation, by the last part of their path.
RESPONSE_CALLS = {"response": "InvocationResponse", "error": "InvocationErrorResponse"}

# Why the platform fails an invocation for an invalid response.
INVALID_MODE = "Runtime.InvalidResponseModeHeader"
TRUNCATED = "Runtime.TruncatedResponse"

# Bytes of a streamed response: how many pass before `bandwidth` applies, and how many `Recorded` keeps.
BURST = 6 * 1024 * 1024
RECORDED_LIMIT = 64 * 1024

# How many bytes of a rejected body net/http reads before it closes the connection.
READ_AFTER_REFUSAL = 256 * 1024

# net/http sends a body that fits its buffer with Content-Length, a longer one in chunks.
LONGEST_COUNTED_BODY = 2048

_BASE = "/2018-06-01/runtime"
_RESPONSE_PATH = re.compile(_BASE + "/invocation/([^/]*)/(response|error)")

_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"


@dataclass
class Recorded:
    """One request of the runtime as it was received, and the status of the reply.

    ``status`` is None while the request waits (`next`) or if it received no reply. For a response that was
    streamed to its caller, ``body`` is only the beginning.
    """

    method: str
    path: str
    headers: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    status: int | None = None
    body_size: int = 0  # bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header, ignoring case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class RuntimeApi:
    """The server behind AWS_LAMBDA_RUNTIME_API for one process; a new process gets a new one.

    ``changed`` protects the mutable attributes and is notified of their changes.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        record: Callable[[Recorded], None],
        on_pause: Callable[[], None],
        on_restore: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.changed = threading.Condition()
        self.state = STARTED
        self.invocation: Invocation | None = None
        self.init_error: FunctionResponse | None = None
        self.abandoned = False  # the process has exited; its last requests are still read
        self.closed = False  # responses are no longer accepted
        self.killed = False  # for its memory: what the process sent last does not count
        self.extensions = Extensions(configuration)
        self._record = record
        self._on_pause = on_pause
        self._on_restore = on_restore
        self._configuration = configuration
        self._truncated = False  # whether a streamed response was incomplete, so that the runtime is stuck
        self._server = HttpServer(
            self._handle,
            on_error,
            check=Hosts("127.0.0.1").problem,
            idle_timeout_s=None,
            accepts=(lambda _: True) if configuration.other_users else is_from_this_user,
        )
        self.address = self._server.address

    @property
    def ready(self) -> bool:
        """Whether the init phase is over: the runtime and every extension wait for an event."""
        return self.state == READY and self.extensions.ready

    # How the environment hands over an event. Call these with ``changed`` held.

    def offer(self, invocation: Invocation) -> None:
        """Give the runtime its next event."""
        self.invocation = invocation
        self.changed.notify_all()

    def is_done(self, invocation: Invocation) -> bool:
        """Return whether the runtime has responded and called `next`."""
        return self.invocation is not invocation

    def expire(self, invocation: Invocation) -> None:
        """Reject a response from now on: it is too late."""
        self.closed = True

    def settle(self, timeout_s: float) -> None:
        """Handle the last requests of a process that has exited."""
        with self.changed:
            self.abandoned = True
            self.changed.notify_all()
        self._server.wait_for_connections(timeout_s)

    def hang_up(self) -> None:
        """Send no more events and accept no more responses: a waiting `next` loses its connection."""
        with self.changed:
            self.abandoned = self.closed = True
            self.changed.notify_all()

    def close(self) -> None:
        self.hang_up()
        self._server.close()

    def _handle(self, request: Request) -> Response | None:
        record = Recorded(request.method, request.target, request.headers)
        self._record(record)
        try:
            response = self._route(request, record)
        except BodyTooLarge:
            limit = self._configuration.max_error_bytes
            reason = f"Exceeded maximum allowed payload size ({limit} bytes)."
            response = refusal(413, "RequestEntityTooLarge", reason, close=True)
        if response is not None:
            if request.unread and not response.close:
                response.close = not _skim(request, record, most=READ_AFTER_REFUSAL)
            record.status = response.status
        return response

    def _route(self, request: Request, record: Recorded) -> Response | None:
        call = (request.method, request.path)
        if call == ("GET", _BASE + "/invocation/next"):
            return self._next(request)
        if call == ("POST", _BASE + "/init/error"):
            return self._init_error("InitError", request, record)
        if self._configuration.snap_start and call == ("GET", _BASE + "/restore/next"):
            return self._restore_next()
        if self._configuration.snap_start and call == ("POST", _BASE + "/restore/error"):
            return self._init_error("RestoreError", request, record)
        if call == ("POST", extensions.REGISTER):
            return self._register_extension(request, record)
        if call == ("GET", extensions.NEXT):
            return self._next_of_extension(request)
        named = _RESPONSE_PATH.fullmatch(request.path)
        if named is not None and request.method == "POST":
            request_id, kind = named.groups()
            invocation = self._begin_response(request, request_id, kind)
            if isinstance(invocation, Response):
                return invocation
            if kind == "response":
                return self._response(request, record, invocation)
            return self._error(request, record, invocation)
        return Response(404, b"404 page not found\n", [("Content-Type", "text/plain; charset=utf-8")])

    # The calls of the Runtime API.

    def _next(self, request: Request) -> Response | None:
        """Handle ``GET /invocation/next``: finish the previous invocation, wait for the next event."""
        self._on_pause()
        with self.changed:
            if self._configuration.snap_start and self.state == STARTED:
                self._on_restore()  # without `restore/next`, because there are no hooks
            responded = self.state == RESPONSE_SENT
            denied = self._move("Ready")
            if denied is not None:
                return denied
            if responded and self.invocation is not None:
                self.invocation.ended = time.monotonic()
                self.invocation = None
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.abandoned or (self.invocation is not None and not self.closed))
            if self.abandoned or self.invocation is None:
                return None
            self.state = RUNNING
            return event_reply(self.invocation)

    def _response(self, request: Request, record: Recorded, invocation: Invocation) -> Response:
        """Handle ``POST /invocation/{id}/response``: the function's result, buffered or streamed."""
        mode = request.header("Lambda-Runtime-Function-Response-Mode")
        if mode not in ("", "streaming"):
            return self._reject(
                invocation, "InvalidFunctionResponseMode", "Invalid function response mode", INVALID_MODE
            )
        if invocation.stream is not None and (mode or request.chunked):
            return self._stream(request, record, invocation, invocation.stream)
        limit = self._configuration.max_response_bytes
        try:
            if self._configuration.early_413:
                _read(request, record, limit)
            else:
                _skim(request, record, keep=limit)
        except BodyTooLarge:
            return self._too_large(invocation, limit, close=True)
        if request.truncated:
            return self._reject_truncated(invocation)
        if record.body_size > limit:
            return self._too_large(invocation, limit, close=False)
        response = FunctionResponse(record.body, _content_type(request), response_mode=mode or "buffered")
        response.trailers = record.trailers
        if mode == "streaming":
            _apply_error_trailers(response, request)
        if invocation.stream is not None:
            invocation.stream.open(response.content_type, "buffered")
            invocation.stream.write(response.body)
        return self._finish_response(invocation, response)

    def _stream(
        self, request: Request, record: Recorded, invocation: Invocation, stream: ResponseStream
    ) -> Response:
        """Pass a response to a streaming caller as it arrives.

        A chunked request is streamed even if no header asks for it, as on the service.
        """
        response = FunctionResponse(b"", _content_type(request), response_mode="streaming")
        stream.open(response.content_type, response.response_mode)
        limit = self._configuration.max_stream_bytes
        try:
            for part in request.parts():
                passed = part[: limit - record.body_size]
                record.body += passed[: RECORDED_LIMIT - min(record.body_size, RECORDED_LIMIT)]
                record.body_size += len(part)
                self._throttle(record.body_size, len(part))
                stream.write(passed)
                if self._is_late(invocation):
                    return refusal(410, "InvokeTimeout", "Invoke timeout", close=True)
                if record.body_size > limit:
                    return self._too_large(invocation, limit, close=True)
        except TruncatedBody:
            # If the process is about to exit, that explains the failure better: see `_move`.
            self._truncated = True
            return self._reject_truncated(invocation)
        response.trailers = record.trailers = request.trailers
        _apply_error_trailers(response, request)
        return self._finish_response(invocation, response)

    def _throttle(self, size: int, part_size: int) -> None:
        """After the burst, sleep as long as a part takes at the given bandwidth."""
        if self._configuration.bandwidth is not None and size > BURST:
            time.sleep(min(part_size, size - BURST) / self._configuration.bandwidth)

    def _error(self, request: Request, record: Recorded, invocation: Invocation) -> Response | None:
        """Handle ``POST /invocation/{id}/error``: the function's exception; the body is not validated."""
        try:
            complete = _read(request, record, self._configuration.max_error_bytes)
        except BodyTooLarge:
            return self._reject_large_error(invocation)
        if not complete:
            return None  # like Lambda's server: no reply, and the runtime is stuck
        error_type = request.header(_ERROR_TYPE)
        content_type = request.header("Content-Type") or "application/json"
        response = FunctionResponse(record.body, content_type, is_error=True, error_type=error_type)
        return self._finish_response(invocation, response)

    def _init_error(self, call: str, request: Request, record: Recorded) -> Response | None:
        """Handle ``POST /init/error`` and ``/restore/error``: the function cannot be initialized."""
        with self.changed:
            denied = self._move(call)
        if denied is not None:
            return denied
        if not _read(request, record, self._configuration.max_error_bytes):
            return None
        self._on_pause()
        with self.changed:
            self.init_error = FunctionResponse(
                record.body, is_error=True, error_type=request.header(_ERROR_TYPE)
            )
            self.changed.notify_all()
        return accepted()

    def _restore_next(self) -> Response:
        """Handle ``GET /restore/next``: the emulator pretends to take a snapshot and to restore it.

        No connection survives a snapshot, except this one, which carries the reply.
        """
        self._on_pause()
        with self.changed:
            denied = self._move("RestoreReady")
            if denied is not None:
                return denied
            self._on_restore()
            self.changed.notify_all()
        self._server.drop_other_connections()
        return Response(200, close=True)

    def _register_extension(self, request: Request, record: Recorded) -> Response | None:
        """Handle ``POST /extension/register``: from now on, SIGTERM announces the environment's end."""
        if not _read(request, record, self._configuration.max_error_bytes):
            return None
        with self.changed:
            closed = self.state not in (STARTED, RESTORING)
            return self.extensions.register(request, record.body, closed=closed)

    def _next_of_extension(self, request: Request) -> Response | None:
        """Handle ``GET /extension/event/next``: wait for the end of the process."""
        with self.changed:
            denied = self.extensions.next(request)
            self.changed.notify_all()
            if denied is None:
                self.changed.wait_for(lambda: self.abandoned)
            return denied

    # Helpers of these calls.

    def _move(self, call: str) -> Response | None:
        """Make the transition for ``call``; return None, or a refusal if it is not allowed now."""
        following = TRANSITIONS[self.state].get(call)
        if following is None:
            if self._truncated and self.invocation is not None:
                self.invocation.settle(platform_error(TRUNCATED, "Response truncated"))
            message = (
                f"State transition from {self.state} to {call} failed for runtime."
                " Error: State transition is not allowed"
            )
            return refusal(403, "InvalidStateTransition", message)
        self.state = following
        return None

    def _begin_response(self, request: Request, request_id: str, kind: str) -> Invocation | Response:
        """Return the invocation if the runtime may respond to it now, otherwise a refusal."""
        with self.changed:
            invocation = self.invocation
            if invocation is None or request_id != invocation.request_id:
                return refusal(400, "InvalidRequestID", "Invalid request ID")
            if is_stale(request, invocation) or self.closed:
                return refusal(410, "InvokeTimeout", "Invoke timeout")
            return self._move(RESPONSE_CALLS[kind]) or invocation

    def _finish_response(self, invocation: Invocation, response: FunctionResponse) -> Response:
        self._on_pause()  # log all output that was written before the response
        with self.changed:
            self.state = RESPONSE_SENT
            if not self.closed and not self.killed:
                invocation.settle(response)
            self.changed.notify_all()
        return accepted()

    def _is_late(self, invocation: Invocation) -> bool:
        return self.closed

    def _reject(self, invocation: Invocation, error_type: str, message: str, failure: str) -> Response:
        """Reject an invalid response with 400: the runtime is stuck.

        ``failure`` is the error type of the invocation, on managed instances, which are not stuck.
        """
        return refusal(400, error_type, message)

    def _reject_truncated(self, invocation: Invocation) -> Response:
        return self._reject(
            invocation, "TruncatedHTTPRequest", "HTTP request detected as truncated", TRUNCATED
        )

    def _reject_large_error(self, invocation: Invocation) -> Response | None:
        return None  # like an incomplete one

    def _too_large(self, invocation: Invocation, limit: int, *, close: bool) -> Response:
        """Fail the invocation on the platform's behalf; the runtime cannot respond any more."""
        message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
        self._finish_response(invocation, platform_error("Function.ResponseSizeTooLarge", message))
        reason = f"Exceeded maximum allowed payload size ({limit} bytes)."
        return refusal(413, "RequestEntityTooLarge", reason, close=close)


def is_stale(request: Request, invocation: Invocation) -> bool:
    """Return whether a response is to an earlier delivery of the event."""
    echoed = request.header("Lambda-Runtime-Invocation-Id")
    return bool(echoed and invocation.invocation_id and echoed != invocation.invocation_id)


def event_reply(invocation: Invocation) -> Response:
    """Return the reply to `next`, without the headers that would be empty."""
    call = invocation.call
    headers = [
        ("Content-Type", call.content_type),
        ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
        ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
        ("Lambda-Runtime-Invoked-Function-Arn", invocation.arn),
        ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ("Lambda-Runtime-Client-Context", (call.client_context or b"").decode("utf-8", "surrogateescape")),
        ("Lambda-Runtime-Cognito-Identity", call.cognito_identity),
        ("Lambda-Runtime-Aws-Tenant-Id", call.tenant_id),
        ("Lambda-Runtime-Invocation-Id", invocation.invocation_id),
    ]
    present = [(name, value) for name, value in headers if value]
    return Response(200, call.event, present, chunked=len(call.event) > LONGEST_COUNTED_BODY)


def _apply_error_trailers(response: FunctionResponse, request: Request) -> None:
    """Turn a streamed response into an error if its trailers report a failure.

    Like Lambda's server, consider only the trailers that the header ``Trailer`` declared.
    """
    declared = {
        name.strip().lower()
        for header, names in request.headers
        if header.lower() == "trailer"
        for name in names.split(",")
    }
    trailers = [(name, value) for name, value in request.trailers if name.lower() in declared]
    error_type = find(trailers, _ERROR_TYPE)
    error_body = find(trailers, _ERROR_BODY)
    if not error_type and not error_body:
        return
    try:
        response.body = base64.b64decode(error_body, validate=True)
    except binascii.Error:
        response.body = b""
    response.is_error = True
    response.error_type = error_type
    response.content_type = "application/json"


def _read(request: Request, record: Recorded, limit: int) -> bool:
    """Read the whole body; return False if it is incomplete, raise BodyTooLarge beyond the limit."""
    try:
        record.body = request.read(limit)
    except TruncatedBody:
        return False
    record.body_size = len(record.body)
    record.trailers = request.trailers
    return True


def _skim(request: Request, record: Recorded, keep: int = RECORDED_LIMIT, most: int | None = None) -> bool:
    """Read a body but keep only its beginning; return False if it exceeds ``most`` bytes."""
    kept = []
    try:
        for part in request.parts():
            kept.append(part[: max(0, keep - record.body_size)])
            record.body_size += len(part)
            if most is not None and record.body_size > most:
                return False
    except TruncatedBody:
        pass  # the request has the attribute `truncated`
    finally:
        record.body = b"".join(kept)
        record.trailers = request.trailers
    return True


def _content_type(request: Request) -> str:
    return request.header("Content-Type") or "application/octet-stream"
