"""Shutdown: the function's SIGTERM handler is really called before Lambda ends the environment.

Lambda sends SIGTERM only to environments that have an extension, so one is registered, an internal one,
which wants no events: its `event/next` is asked once, without which the init phase would not end, and never
answered. Source: AWS's developer guide, "Using the Lambda Extensions API", and aws-lambda-go, sigterm.go.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
from time import monotonic

from . import ending, http1, wakeup
from .connection import Connection
from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

    from .environment import Settings
    from .logs import FunctionLog
    from .runtime_api import LambdaRuntimeClient

_BASE = "/2020-01-01/extension"
_NAME = "custom-lambda-runtime-python"
# Lambda grants 500 ms if all extensions are internal, 300 ms otherwise, then it kills.
GRACE_S = 0.2  # for the handler, to answer
LOOP_S = 0.1  # for what waits on an event loop, after the answer
TOTAL_S = 0.28  # for that, and for what was registered with `atexit`
STATUS = 128 + _signal.SIGTERM

# The handlers of these only wake the loop, which then calls what `loop.add_signal_handler` was given.
_EVENT_LOOPS = ("asyncio", "uvloop")
_RESUME = _signal.SIGURG  # nobody minds it

_kept: list[Any] = []  # the connection on which `event/next` waits


def prepare(hook: Any, settings: Settings, client: LambdaRuntimeClient, log: FunctionLog) -> None:
    """Make Lambda send SIGTERM; when it comes, call ``hook`` and end, `atexit` included, within 300 ms.

    If it comes during an invocation, the hook may only have noted that the end is near, so the handler gets
    a moment to answer. A handler that the function installs later takes the place of all this.
    """
    try:
        # With several workers it is enough that one of them has registered.
        _register(settings.runtime_api, alone=not settings.workers)
    except (RuntimeApiError, OSError) as error:
        log.write_runtime_message(f"The SIGTERM handler may never be called: {error}")
    termination = Termination(hook, client, log)
    _signal.signal(_signal.SIGTERM, termination.handle)
    wakeup.insist(_signal.SIGTERM, termination.handle, lambda: termination.begun)


class Termination:
    """The end of this process, which SIGTERM begins."""

    def __init__(self, hook: Any, client: LambdaRuntimeClient, log: FunctionLog) -> None:
        self.begun = False
        self._hook = hook
        self._client = client
        self._log = log
        self._process = os.getpid()
        self._thread = ending.get_ident()
        package = str(getattr(hook, "__module__", "")).partition(".")[0]
        self._event_loop = package if package in _EVENT_LOOPS else ""
        self._loop_was_running = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if os.getpid() != self._process:  # one that the function has forked
            self._hook(number, frame)
        elif not (self.begun or ending.leaving):  # it may come twice: to the process, and to its group
            self.begun = True
            ending.end_at = monotonic() + TOTAL_S
            if self._client.answering:
                self._call_and_go_on(number, frame)
            else:
                self._call_and_leave(number, frame)

    def _call_and_go_on(self, number: int, frame: FrameType | None) -> None:
        """Call the hook in the middle of an invocation, and leave when that is answered.

        What it raises comes out in the handler; sys.exit is a good way to end.
        """
        try:
            if self._event_loop:
                from . import event_loop

                self._loop_was_running = event_loop.is_running()
                _signal.signal(_RESUME, self._resume)
            self._hook(number, frame)
        finally:
            ending.start_new_thread(self._leave_when_answered, (monotonic() + GRACE_S,))

    def _call_and_leave(self, number: int, frame: FrameType | None) -> NoReturn:
        """Call the hook while there is no invocation. What it raises, sys.exit included, gives the status."""
        status = STATUS
        try:
            self._hook(number, frame)
            if self._event_loop:
                self._let_loop_run(GRACE_S)
        except BaseException as error:
            status = ending.exit_status(error)
            if not issubclass(type(error), SystemExit):
                from . import diagnostics

                self._log.write_error(diagnostics.describe(error))
        ending.leave(status)

    def _let_loop_run(self, at_most: float) -> None:
        """Let the event loop make the calls that it was given for this signal; takes seconds."""
        from . import event_loop

        # That of uvloop notices only signals that come while it runs.
        again = self._event_loop == "uvloop" and not self._loop_was_running
        event_loop.let_run(ending.time_left(at_most), signal=_signal.SIGTERM if again else None)

    def _leave_when_answered(self, until: float) -> NoReturn:
        """Leave, from another thread, when the invocation is answered, or at ``until``."""
        while self._client.answering and monotonic() < until:
            ending.sleep(0.002)
        if self._event_loop and not self._client.answering:
            _signal.pthread_kill(self._thread, _RESUME)  # the loop is that thread's
            ending.sleep(ending.time_left(LOOP_S))
        ending.leave(STATUS)

    def _resume(self, number: int, frame: FrameType | None) -> NoReturn:
        """The invocation is answered: what waits on the event loop gets its turn."""
        self._let_loop_run(LOOP_S)
        ending.leave(STATUS)


def _register(address: str, *, alone: bool) -> None:
    """Register the extension, and ask for its first event. Raises RuntimeApiError or OSError."""
    connection = Connection(address)
    body = b'{"events":[]}'
    headers = [("Host", address), ("Lambda-Extension-Name", _NAME)]
    length = ("Content-Length", str(len(body)))
    content_type = ("Content-Type", "application/json")
    path = f"{_BASE}/register"
    response = connection.exchange(http1.format_request("POST", path, [*headers, content_type, length]), body)
    identifier = response.headers.get("lambda-extension-identifier")
    if response.status != 200 or identifier is None:
        connection.close()
        if response.status == 403 and not alone:
            return  # the name is taken, or it is too late: another worker was first
        raise RuntimeApiError(
            f"POST {path} was answered {response.status} {response.body[:300]!r}, expected 200 and an "
            "identifier; Lambda sends SIGTERM only to who registers as an extension"
        )
    sock = connection.detach()
    _kept.append(sock)
    headers = [("Host", address), ("Lambda-Extension-Identifier", identifier)]
    sock.sendall(http1.format_request("GET", f"{_BASE}/event/next", headers))
