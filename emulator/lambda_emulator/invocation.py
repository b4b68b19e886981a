"""The values that travel with one invocation: what is asked, what is answered, what is reported."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field

from lambda_emulator.response_stream import ResponseStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_emulator.http_server import Fields
    from lambda_emulator.log import Log

# How much of the log an invoker gets with X-Amz-Log-Type: Tail, bytes.
LOG_TAIL_BYTES = 4096


@dataclass
class Answer:
    """What the caller is to get: the function's own bytes, or a platform's error made on its behalf."""

    body: bytes
    content_type: str = "application/json"
    is_error: bool = False
    error_type: str = ""  # only the platform's logs show it
    response_mode: str = "buffered"
    trailers: Fields = field(default_factory=list)


@dataclass
class Report:
    """What the log says of an invocation in the end. Times are in milliseconds, memory in MB."""

    duration_ms: float
    init_ms: float | None  # only on the first invocation of an environment
    memory_mb: int
    max_memory_mb: int
    status: str = "success"  # or "error", "timeout"
    error_type: str = ""
    restore_ms: float | None = None  # in place of init_ms for SnapStart

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, the init phase included (so it is billed since August 2025)."""
        return math.ceil(self.duration_ms + (self.init_ms or 0) + self.billed_restore_ms)

    @property
    def billed_restore_ms(self) -> int:
        """All of it, for here it takes no time to load a snapshot, which would be free."""
        return math.ceil(self.restore_ms or 0)


@dataclass
class Result:
    """What an invoker learns: the Invoke API's response and, beyond it, the whole log and the report."""

    status: int  # 200, also for function errors; 202 for Event, 204 for DryRun
    request_id: str
    executed_version: str
    payload: bytes = b""
    function_error: str | None = None  # None or "Unhandled"
    content_type: str = "application/json"
    response_mode: str = "buffered"
    trailers: Fields = field(default_factory=list)
    log: bytes = b""  # from START (the init phase before it) to REPORT
    report: Report = field(default_factory=lambda: Report(0, None, 0, 0))

    @property
    def log_tail(self) -> bytes:
        return self.log[-LOG_TAIL_BYTES:]


class StreamingResult:
    """What the invoker of a streaming invocation learns, as it learns it.

    It is made when the answer has begun; iterate it for its parts, each as it arrives. It holds the
    function back while it is not read: iterate it to the end, or `close` it.
    """

    def __init__(
        self, status: int, executed_version: str, invocation: Invocation, log: Log, grace_s: float
    ) -> None:
        stream = invocation.stream
        assert stream is not None
        self.status = status
        self.request_id = invocation.request_id
        self.executed_version = executed_version
        self.content_type = stream.content_type  # empty if the answer failed before it began
        self.response_mode = stream.response_mode  # "streaming", "buffered", or empty like the former
        self._stream = stream
        self._parts = iter(stream)
        self._invocation = invocation
        self._log = log
        self._grace_s = grace_s

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """The client has gone away: nothing more is kept for it, while the function runs to its end."""
        self._stream.abandon()

    def __enter__(self) -> StreamingResult:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The following are known at the end of the stream; before, they say that all went well so far.

    @property
    def function_error(self) -> str | None:
        """None, or ``Unhandled``: the function failed, before the first part or after any of them."""
        answer = self._invocation.answer
        return "Unhandled" if answer is not None and answer.is_error else None

    @property
    def error_type(self) -> str:
        """E.g. ``Function.ValueError`` or ``Runtime.ExitError``; empty without an error."""
        answer = self._invocation.answer
        return answer.error_type if answer is not None else ""

    @property
    def error_body(self) -> bytes:
        """The JSON that describes the error; empty without one."""
        answer = self._invocation.answer
        return answer.body if answer is not None and answer.is_error else b""

    @property
    def trailers(self) -> Fields:
        """The HTTP trailers of the runtime's request as they came."""
        answer = self._invocation.answer
        return answer.trailers if answer is not None else []

    # These two wait, but not for long, until the runtime asks for the next event.

    @property
    def log(self) -> bytes:
        """From START (the init phase before it) to REPORT, or as much of it as there is by then."""
        self._invocation.finished.wait(self._grace_s)
        return self._invocation.log or self._log.since(self._invocation.log_start)

    @property
    def log_tail(self) -> bytes:
        return self.log[-LOG_TAIL_BYTES:]

    @property
    def report(self) -> Report:
        self._invocation.finished.wait(self._grace_s)
        return self._invocation.report


class Invocation:
    """One event on its way through the function.

    ``answered`` is set when the caller's answer is known, ``finished`` when the runtime has asked for
    the next event or is gone, and the log is complete: Lambda bills until then.
    """

    def __init__(
        self,
        event: bytes,
        *,
        arn: str,
        request_id: str | None = None,
        content_type: str = "application/json",
        trace_id: str | None = None,
        client_context: bytes | None = None,
        cognito_identity: str | None = None,
        tenant_id: str | None = None,
        invocation_id: str | None = None,
        streaming: bool = False,
        client_has_left: Callable[[], bool] = lambda: False,
    ) -> None:
        self.event = event
        self.arn = arn
        self.request_id = request_id or str(uuid.uuid4())
        self.content_type = content_type
        self.trace_id = new_trace_id() if trace_id is None else trace_id
        self.client_context = client_context
        self.cognito_identity = cognito_identity
        self.tenant_id = tenant_id
        self.invocation_id = invocation_id
        self._client_has_left = client_has_left
        self.deadline_ms = 0  # Unix time, milliseconds; known when the event is handed over
        self.stream = ResponseStream() if streaming else None  # for the body of an answer without error
        self.answer: Answer | None = None
        self.report = Report(0, None, 0, 0)  # true once it has finished, like `log`
        self.log = b""
        self.log_start = 0
        self.answered = threading.Event()
        self.finished = threading.Event()

    @property
    def unwanted(self) -> bool:
        """Whether the client has left before it got the answer."""
        return self.answer is None and self._client_has_left()

    def settle(self, answer: Answer) -> None:
        """Fix the answer; the first one counts. A streamed one is known when the stream ends."""
        if self.answer is None:
            self.answer = answer
            self.answered.set()
        if self.stream is not None:
            self.stream.end()


def new_trace_id() -> str:
    """A trace header that asks for no sampling: an epoch in hex, 96 random bits, a parent segment."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Parent={os.urandom(8).hex()};Sampled=0"


def platform_error(error_type: str, message: str) -> Answer:
    """An error in the words of the platform, for a function that could not speak for itself."""
    body = {"errorType": error_type, "errorMessage": message}
    return Answer(json.dumps(body, separators=(",", ":")).encode(), is_error=True, error_type=error_type)


def exit_reason(exit_status: int) -> str:
    """The words Lambda has for the end of a process, e.g. ``exit status 3`` or ``signal: killed``.

    Negative numbers are signals, as in :mod:`subprocess`. Any exit is an error, 0 included.
    """
    if exit_status == 0:
        return "Runtime exited without providing a reason"
    if exit_status > 0:
        return f"Runtime exited with error: exit status {exit_status}"
    name = signal.strsignal(-exit_status) or f"signal {-exit_status}"
    return f"Runtime exited with error: signal: {name.partition(':')[0].lower()}"
