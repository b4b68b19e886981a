"""Handle asynchronous events: queue them, retry those that fail, keep those that fail for good.

AWS's developer guide describes the retries under "How Lambda handles errors and retries with asynchronous
invocation", and the records of failed events under "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from dataclasses import dataclass, field

from lambda_emulator.functions.platform_log import timestamp
from lambda_emulator.functions.pool import Stopped, Throttled
from lambda_emulator.servers.http_server import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.functions.invocation import Call, Invocation

# After an error or a timeout, an event is tried again after `retry_delay_s`, then after twice that time.
MOST_RETRIES = 2
# After a throttle, or if the system cannot start what it needs, it is tried again after one second, then
# after twice the last time; at most for six hours.
LONGEST_BACK_OFF_S = 300.0
LONGEST_AGE_S = 6 * 3600.0

# Why an event is given up, as the records call it.
RETRIES_EXHAUSTED = "RetriesExhausted"
TOO_OLD = "EventAgeExceeded"


@dataclass
class QueuedEvent:
    """An event and what has become of it so far. Its call has the request id of all tries."""

    call: Call
    queued: float = field(default_factory=time.monotonic)
    tries: int = 0
    errors: int = 0
    back_off_s: float = 0.5
    last: Invocation | None = None  # the last one that reached the function


class EventQueue:
    """The asynchronous events of one function, tried by a thread when they are due.

    ``begin``: start an invocation, and pass it to the second argument at its end; may raise Throttled, or
    OSError or RuntimeError if the system has no more descriptors or threads.
    ``log``: write a line about the event with this request id.
    """

    def __init__(
        self,
        configuration: Configuration,
        begin: Callable[[Call, Callable[[Invocation], None]], None],
        log: Callable[[str, str], None],
    ) -> None:
        self._configuration = configuration
        self._begin = begin
        self._log = log
        self._due: list[tuple[float, int, QueuedEvent]] = []  # a heap: when, in the order of arrival
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, call: Call) -> None:
        self._schedule(QueuedEvent(call), 0)

    def close(self) -> None:
        """Forget the events that wait."""
        with self._changed:
            self._closed = True
            waiting = len(self._due)
            self._changed.notify_all()
        if waiting:
            self._log(f"asynchronous events that waited for another try and are lost: {waiting}", "")

    def _schedule(self, event: QueuedEvent, delay_s: float) -> None:
        with self._changed:
            if self._closed:
                return
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="events", daemon=True)
                thread.start()  # may raise RuntimeError; then the event is not accepted
                self._thread = thread
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), event))
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    wait_s = self._due[0][0] - time.monotonic() if self._due else threading.TIMEOUT_MAX
                    self._changed.wait(wait_s)
                if self._closed:
                    return
                event = heapq.heappop(self._due)[2]
            self._try(event)

    def _try(self, event: QueuedEvent) -> None:
        event.tries += 1
        try:
            self._begin(event.call, lambda invocation: self._finish(event, invocation))
        except Throttled:
            self._back_off(event)
        except Stopped:
            pass
        except Exception as error:  # this thread must not end: it handles all later events
            text = f"the asynchronous event is tried again: {describe(error)}"
            self._log(text, event.call.request_id or "")
            self._back_off(event)

    def _back_off(self, event: QueuedEvent) -> None:
        event.back_off_s = min(2 * event.back_off_s, LONGEST_BACK_OFF_S)
        self._retry(event, event.back_off_s)

    def _finish(self, event: QueuedEvent, invocation: Invocation) -> None:
        event.last = invocation
        if self._closed or invocation.response is None or not invocation.response.is_error:
            return
        event.errors += 1
        if event.errors > MOST_RETRIES:
            self._give_up(event, RETRIES_EXHAUSTED)
        else:
            delay_s = self._configuration.retry_delay_s * event.errors
            text = f"the asynchronous event failed; it is tried again in {delay_s:g} s"
            self._log(text, event.call.request_id or "")
            self._retry(event, delay_s)

    def _retry(self, event: QueuedEvent, delay_s: float) -> None:
        if time.monotonic() + delay_s - event.queued > LONGEST_AGE_S:
            self._give_up(event, TOO_OLD)
        else:
            self._schedule(event, delay_s)

    def _give_up(self, event: QueuedEvent, condition: str) -> None:
        path = self._configuration.dead_letter
        request_id = event.call.request_id or ""
        if not path:
            text = (
                f"the event is dropped after {event.tries} tries ({condition}); --dead-letter FILE keeps it"
            )
            self._log(text, request_id)
            return
        record = json.dumps(failure_record(event, condition, self._configuration.version))
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(record + "\n")
        except OSError as error:
            self._log(f"the event is dropped, because {path} cannot be written: {error.strerror}", request_id)


def failure_record(event: QueuedEvent, condition: str, version: str) -> dict[str, Any]:
    """Return what Lambda sends to the destination for failed events."""
    call, last = event.call, event.last
    record = {
        "version": "1.0",
        "timestamp": timestamp(),
        "requestContext": {
            "requestId": call.request_id,
            "functionArn": call.arn if call.qualifier else f"{call.arn}:{version}",
            "condition": condition,
            "approximateInvokeCount": event.tries,
        },
        "requestPayload": _value(call.event),
    }
    if last is not None and last.response is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": version,
            "functionError": "Unhandled",
        }
        record["responsePayload"] = _value(last.response.body)
    return record


def _value(body: bytes) -> Any:
    """Return JSON as a value, anything else as text."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
