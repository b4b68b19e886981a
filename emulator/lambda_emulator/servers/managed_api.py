"""Serve the Runtime API to an environment of managed instances, which handles many events at the same time.

Every open `next` is a free slot. What a runtime may call depends on the request id only; an invalid response
fails its own invocation and nothing else.
"""

from __future__ import annotations

import time
from collections import deque

from lambda_emulator.functions.invocation import FunctionResponse, Invocation, platform_error
from lambda_emulator.servers.http_server import Request, Response
from lambda_emulator.servers.json_replies import accepted, refusal
from lambda_emulator.servers.runtime_api import (
    READY,
    RESPONSE_CALLS,
    STARTED,
    RuntimeApi,
    event_reply,
    is_stale,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Deque

# The states of a request id: waiting for its response, or reading it. It is forgotten afterwards.
RUNNING = "running"
RESPONDING = "responding"
FAILING = "failing"  # an error is being read, also in the middle of a streamed response

# state → call → next state. Any other call is rejected like one for an unknown request id.
TRANSITIONS = {
    RUNNING: {"InvocationResponse": RESPONDING, "InvocationErrorResponse": FAILING},
    RESPONDING: {"InvocationErrorResponse": FAILING},
    FAILING: {},
}

# How many request ids the service remembers to answer their late responses with 410.
MOST_TIMED_OUT = 1000


class ManagedRuntimeApi(RuntimeApi):
    """The server for one process with many slots."""

    def __init__(self, *arguments: Any, on_room: Callable[[], None], **callbacks: Any) -> None:
        """``on_room`` is called when a slot becomes free."""
        self.waiting = 0  # how many calls of `next` wait for an event
        self._on_room = on_room
        self._offered: Deque[Invocation] = deque()
        self._running: dict[str, Invocation] = {}
        self._states: dict[str, str] = {}  # of those that are running
        self._timed_out: Deque[str] = deque(maxlen=MOST_TIMED_OUT)
        super().__init__(*arguments, **callbacks)

    def offer(self, invocation: Invocation) -> None:
        self._offered.append(invocation)
        self.changed.notify_all()

    def is_done(self, invocation: Invocation) -> bool:
        return invocation.responded.is_set()

    def expire(self, invocation: Invocation) -> None:
        """Forget an invocation that has timed out; its function continues."""
        if invocation in self._offered:
            self._offered.remove(invocation)
        elif self._forget(invocation):
            self._timed_out.append(invocation.request_id)

    def _next(self, request: Request) -> Response | None:
        """Handle ``GET /invocation/next``: wait for an event. The first call ends the init phase."""
        self._on_pause()
        with self.changed:
            if self.state != STARTED and self.state != READY:
                return self._move("Ready")
            self.state = READY
            self.waiting += 1
            self.changed.notify_all()
        self._on_room()  # without the lock: whoever looks for room holds the pool's, and waits for this one
        with self.changed:
            self.changed.wait_for(lambda: self._offered or self.abandoned)
            self.waiting -= 1
            if self.abandoned or request.client_has_left():
                self.changed.notify_all()  # the event is for another one
                return None
            invocation = self._offered.popleft()
            invocation.delivered = True
            self._running[invocation.request_id] = invocation
            self._states[invocation.request_id] = RUNNING
            return event_reply(invocation)

    def _init_error(self, call: str, *details: Any) -> Response | None:
        """Handle ``POST /init/error``; after the init phase, another worker is serving."""
        if self.state == READY:
            return accepted()
        return super()._init_error(call, *details)

    def _begin_response(self, request: Request, request_id: str, kind: str) -> Invocation | Response:
        with self.changed:
            invocation = self._running.get(request_id)
            if invocation is None and request_id in self._timed_out:
                self._timed_out.remove(request_id)  # the next response is to an unknown id
                return refusal(410, "InvokeTimeout", "Invoke timeout")
            if invocation is not None and is_stale(request, invocation):
                return refusal(410, "InvokeTimeout", "Invoke timeout")
            following = TRANSITIONS[self._states.get(request_id, FAILING)].get(RESPONSE_CALLS[kind])
            if invocation is None or following is None:
                return refusal(400, "InvalidRequestID", "Invalid request ID")
            self._states[request_id] = following
            return invocation

    def _finish_response(self, invocation: Invocation, response: FunctionResponse) -> Response:
        self._on_pause()
        with self.changed:
            if self.killed:
                return accepted()
            if not self._forget(invocation):
                late = invocation.request_id in self._timed_out
                if late:
                    self._timed_out.remove(invocation.request_id)
                return refusal(410, "InvokeTimeout", "Invoke timeout") if late else accepted()
            invocation.ended = time.monotonic()
            invocation.settle(response)
            self.changed.notify_all()
        return accepted()

    def _forget(self, invocation: Invocation) -> bool:
        """Return whether the invocation was running; it is not any more."""
        running = self._running.get(invocation.request_id) is invocation
        if running:
            del self._running[invocation.request_id], self._states[invocation.request_id]
        return running

    def _is_late(self, invocation: Invocation) -> bool:
        return self.closed or invocation.request_id in self._timed_out

    def _reject(self, invocation: Invocation, error_type: str, message: str, failure: str) -> Response:
        self._finish_response(invocation, platform_error(failure, message))
        return refusal(400, error_type, message)

    def _reject_large_error(self, invocation: Invocation) -> Response:
        """Let the runtime send a shorter error; the service's text names the limit of responses."""
        with self.changed:
            self._states[invocation.request_id] = RUNNING
        limit = self._configuration.max_response_bytes
        message = f"Exceeded maximum allowed payload size ({limit} bytes)."
        return refusal(413, "RequestEntityTooLarge", message, close=True)
