"""Shutdown: the function's SIGTERM handler is really called before Lambda ends the environment.

Lambda sends SIGTERM only to environments that have an extension, so one is registered, an internal one,
which wants no events: its `event/next` is asked once, without which the init phase would not end, and never
answered. Source: AWS's developer guide, "Using the Lambda Extensions API", and aws-lambda-go, sigterm.go.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os
import sys
import time

from . import ending, http1, wakeup
from .connection import Connection
from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, NoReturn

    from .logs import FunctionLog

_BASE = "/2020-01-01/extension"
_NAME = "custom-lambda-runtime-python"
# Lambda grants 500 ms if all extensions are internal, 300 ms otherwise, then it kills.
GRACE_S = 0.2  # for the handler, to answer
TOTAL_S = 0.28  # for that, and for what was registered with `atexit`
STATUS = 128 + _signal.SIGTERM

# The handlers of these only wake the loop, which then calls what `loop.add_signal_handler` was given.
_EVENT_LOOPS = ("asyncio", "uvloop")

_kept: list[Any] = []  # the connection on which `event/next` waits


def prepare(hook: Any, address: str, log: FunctionLog, *, busy: CodeType, alone: bool = True) -> None:
    """Make Lambda send SIGTERM; when it comes, call ``hook`` and end, `atexit` included, within 300 ms.

    ``busy``: the code that is running while there is an invocation. Then the hook may only have noted that
    the end is near, so the handler gets a moment to answer. ``alone``: whether no other worker of
    this environment does the same, for then it is enough that one has registered.
    """
    try:
        _register(address, alone=alone)
    except (RuntimeApiError, OSError) as error:
        log.write_runtime_message(f"The SIGTERM handler may never be called: {error}")
    process, thread = os.getpid(), _thread.get_ident()
    begun: list[bool] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # one that the function has forked
            hook(number, frame)
            return
        if begun or ending.leaving:  # it came twice: to the process, and to its group; or too late
            return
        begun.append(True)
        ending.end_at = time.monotonic() + TOTAL_S
        until = time.monotonic() + GRACE_S
        if not _is_running(busy, frame):
            _call_and_leave(hook, number, frame, log, until)
        try:
            hook(number, frame)  # what it raises comes out in the handler; sys.exit is a good way to end
        finally:
            _thread.start_new_thread(_leave_after, (busy, thread, until))

    _signal.signal(_signal.SIGTERM, terminate)
    wakeup.insist(_signal.SIGTERM, begun)


def _call_and_leave(
    hook: Any, number: int, frame: FrameType | None, log: FunctionLog, until: float
) -> NoReturn:
    """Call the hook while there is no invocation. What it raises, sys.exit included, gives the status."""
    status = STATUS
    try:
        hook(number, frame)
        if str(getattr(hook, "__module__", "")).startswith(_EVENT_LOOPS):
            from . import event_loop

            event_loop.let_run(until - time.monotonic())
    except BaseException as error:
        status = ending.exit_status(error)
        if not issubclass(type(error), SystemExit):
            from . import diagnostics

            log.write_error(diagnostics.describe(error))
    ending.leave(status)


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


def _is_running(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _leave_after(code: CodeType, thread: int, until: float) -> NoReturn:
    """Leave when ``thread`` no longer runs ``code``, or at ``until`` of the monotonic clock."""
    while time.monotonic() < until and _is_running(code, sys._current_frames().get(thread)):
        time.sleep(0.002)
    ending.leave(STATUS)
