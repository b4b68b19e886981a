"""The values of one invocation: its event, its response and its report."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field

from lambda_emulator.servers.response_stream import ResponseStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lambda_emulator.functions.log import LogStream
    from lambda_emulator.servers.http_server import Fields

# How many bytes of the log X-Amz-Log-Type: Tail returns.
LOG_TAIL_BYTES = 4096

_PREFIX = re.compile("RequestId: [0-9a-f-]+ Error: ")  # of the platform's messages
_PLACE = re.compile(r'File "(.+?)",? [Ll]ine (\d+)')


@dataclass
class FunctionResponse:
    """The response for the caller: the function's own bytes, or an error that the platform created."""

    body: bytes
    content_type: str = "application/json"
    is_error: bool = False
    error_type: str = ""  # appears only in the platform's logs
    response_mode: str = "buffered"
    trailers: Fields = field(default_factory=list)

    def error_line(self) -> str:
        """Return type and message of the error, without further lines."""
        error = self._error()
        words = [error.get("errorType"), error.get("errorMessage")]
        text = ": ".join(word for word in words if isinstance(word, str) and word)
        return _PREFIX.sub("", text).strip().partition("\n")[0] or "the function failed"

    def error_place(self) -> str:
        """Return where the error was raised, such as ``app.py, line 7``; "" if it does not say."""
        error = self._error()
        traces = [error.get("stackTrace"), _object(error.get("cause")).get("stackTrace")]
        entries = next((trace for trace in traces if isinstance(trace, list) and trace), [""])
        found = _PLACE.search(str(entries[-1]))
        return f"{found[1]}, line {found[2]}" if found is not None else ""

    def _error(self) -> dict[str, Any]:
        try:
            return _object(json.loads(self.body))
        except (ValueError, RecursionError):
            return {}


@dataclass
class Report:
    """The figures in an invocation's REPORT line. Times are in milliseconds, memory in MB."""

    duration_ms: float
    init_ms: float | None  # only on the first invocation of an environment
    memory_mb: int
    max_memory_mb: int
    status: str = "success"  # or "error", "timeout"
    error_type: str = ""
    restore_ms: float | None = None  # in place of init_ms for SnapStart

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, including the init phase (which AWS bills since August 2025)."""
        return math.ceil(self.duration_ms + (self.init_ms or 0) + self.billed_restore_ms)

    @property
    def billed_restore_ms(self) -> int:
        """The whole restore phase: loading a snapshot is free on Lambda, and takes no time here."""
        return math.ceil(self.restore_ms or 0)


@dataclass
class Call:
    """What a caller sends to invoke the function. The bytes of ``event`` reach the function unchecked."""

    event: bytes = b"{}"
    invocation_type: str = "RequestResponse"  # or "Event", "DryRun"
    streaming: bool = False  # whether the caller receives the response while it is produced
    content_type: str = "application/json"
    client_context: bytes | None = None  # JSON text in UTF-8
    cognito_identity: str | None = None  # JSON
    tenant_id: str | None = None
    trace_id: str | None = None  # the whole header; None generates one, an empty string omits it
    request_id: str | None = None  # None generates one
    qualifier: str | None = None
    arn: str | None = None  # as the caller named the function; None is its own, with the qualifier
    # Once this returns True, the next event does not wait for this one.
    client_has_left: Callable[[], bool] = lambda: False


class Invocation:
    """One event and the state of its handling.

    ``responded`` is set when the response for the caller is known. ``finished`` is set when the runtime has
    requested the next event or exited, and the log is complete: Lambda bills until then.
    """

    def __init__(self, call: Call, arn: str) -> None:
        self.call = call
        self.arn = arn
        self.request_id = call.request_id or str(uuid.uuid4())
        self.trace_id = new_trace_id() if call.trace_id is None else call.trace_id
        self.invocation_id: str | None = None  # one for each delivery, if the emulator sends any
        self.deadline_ms = 0  # Unix time, milliseconds; known when the event is handed over
        self.delivered = False  # to a runtime with several slots
        self.cold_start = False  # whether an environment was started for it, or before it
        self.ended = 0.0  # when the runtime was ready for another event, by the monotonic clock
        self.stream = ResponseStream() if call.streaming else None  # for the body of a successful response
        self.response: FunctionResponse | None = None
        self.report = Report(0, None, 0, 0)  # valid once `finished` is set
        self._log: LogStream | None = None  # that of its environment
        self.log_start: int | None = None  # until its log is complete
        self._whole_log = b""
        self.responded = threading.Event()
        self.finished = threading.Event()

    @property
    def unwanted(self) -> bool:
        """Whether the caller left before it received the response. An ``Event`` has no caller that waits."""
        if self.response is not None or self.call.invocation_type == "Event":
            return False
        left = (self.stream is not None and self.stream.abandoned) or self.call.client_has_left()
        return left and self.response is None  # it may have received the response since

    @property
    def satisfied(self) -> bool:
        """Whether the caller waits for nothing any more, so the invocation will probably end soon."""
        return self.responded.is_set() or (self.stream is not None and self.stream.abandoned)

    @property
    def is_streaming(self) -> bool:
        """Whether the caller has the beginning of a stream."""
        return self.stream is not None and self.stream.opened and not self.responded.is_set()

    def wait_for_response(self) -> None:
        """Wait until the response is known or, if it is streamed, begins."""
        if self.stream is not None:
            self.stream.wait_for_begin()
        else:
            self.responded.wait()

    @property
    def log(self) -> bytes:
        """What was logged so far."""
        log, start = self._log, self.log_start
        so_far = b"" if log is None else log.since(start or 0)
        return self._whole_log or so_far  # last, because end_log() sets it before it resets the others

    def begin_log(self, log: LogStream, start: int) -> None:
        self.log_start, self._log = start, log

    def end_log(self) -> None:
        self._whole_log, self._log, self.log_start = self.log, None, None

    def settle(self, response: FunctionResponse) -> None:
        """Set the response, unless one is set already. A streamed one is set at the end of the stream."""
        if self.response is None:
            self.response = response
            self.responded.set()
        if self.stream is not None:
            self.stream.end()


class Result:
    """What the caller of an invocation receives: a view of the invocation, with its log and report.

    A buffered result is final. A streaming one is available as soon as the response begins: iterate it to
    receive each part when it arrives. While it is not read, the function is blocked, so iterate it to the
    end, or `close` it. Until then, the properties about errors describe a success.
    """

    def __init__(self, invocation: Invocation, executed_version: str, grace_s: float, status: int) -> None:
        self.status = status  # 200, also for function errors; 202 for Event, 204 for DryRun
        self.request_id = invocation.request_id
        self.executed_version = executed_version
        self._invocation = invocation
        self._grace_s = grace_s
        self._parts = iter(invocation.stream or ())

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Discard the remaining parts, as if the client had left; the function runs to its end."""
        if self._invocation.stream is not None:
            self._invocation.stream.abandon()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _response(self) -> FunctionResponse:
        return self._invocation.response or FunctionResponse(b"")

    @property
    def payload(self) -> bytes:
        """The body of a buffered response, or of the error."""
        return self._response.body

    @property
    def content_type(self) -> str:
        """The type of the body; empty if a streaming invocation failed before the response began."""
        return (self._invocation.stream or self._response).content_type

    @property
    def response_mode(self) -> str:
        """Either ``streaming`` or ``buffered``; empty in the same case."""
        return (self._invocation.stream or self._response).response_mode

    @property
    def cold_start(self) -> bool:
        """Whether the invocation was the first of its environment."""
        return self._invocation.cold_start

    @property
    def function_error(self) -> str | None:
        """None, or ``Unhandled`` if the function failed, before the first part or later."""
        return "Unhandled" if self._response.is_error else None

    @property
    def error_type(self) -> str:
        """For example ``Function.ValueError`` or ``Runtime.ExitError``; empty without an error."""
        return self._response.error_type

    @property
    def error_body(self) -> bytes:
        """The JSON that describes the error; empty without an error."""
        return self._response.body if self._response.is_error else b""

    def error_line(self) -> str:
        """Type and message of the error in one line; empty without an error."""
        return self._response.error_line() if self._response.is_error else ""

    @property
    def trailers(self) -> Fields:
        """The HTTP trailers of the runtime's request, unchanged."""
        return self._response.trailers

    # The following wait until the runtime requests the next event, at most for the grace period.

    def wait_for_end(self) -> None:
        self._invocation.finished.wait(self._grace_s)

    @property
    def log(self) -> bytes:
        """The log from START (or the init phase before it) to REPORT, or as much of it as is available."""
        self.wait_for_end()
        return self._invocation.log

    @property
    def log_tail(self) -> bytes:
        return self.log[-LOG_TAIL_BYTES:]

    @property
    def report(self) -> Report:
        self.wait_for_end()
        return self._invocation.report


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def new_trace_id() -> str:
    """Return a trace header without sampling: the time in hex, 96 random bits, a parent segment."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Parent={os.urandom(8).hex()};Sampled=0"


def platform_error(error_type: str, message: str) -> FunctionResponse:
    """Return the error that the platform reports for a function that could not report one itself."""
    body = {"errorType": error_type, "errorMessage": message}
    return FunctionResponse(
        json.dumps(body, separators=(",", ":")).encode(), is_error=True, error_type=error_type
    )


def exit_reason(exit_status: int) -> str:
    """Describe the end of a process as Lambda does, e.g. ``exit status 3`` or ``signal: killed``.

    Negative numbers are signals, as in :mod:`subprocess`. Any exit is an error, including 0.
    """
    if exit_status == 0:
        return "Runtime exited without providing a reason"
    if exit_status > 0:
        return f"Runtime exited with error: exit status {exit_status}"
    name = signal.strsignal(-exit_status) or f"signal {-exit_status}"
    return f"Runtime exited with error: signal: {name.partition(':')[0].lower()}"
