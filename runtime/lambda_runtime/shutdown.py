"""Shutdown: the function's SIGTERM handler is really called before Lambda ends the environment.

Lambda sends SIGTERM only to environments that have an extension, so one is registered, an internal one,
which wants no events: its `event/next` is asked once, without which the init phase would not end, and never
answered. Source: AWS's developer guide, "Using the Lambda Extensions API", and aws-lambda-go, sigterm.go.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import time

from . import http1
from .connection import Connection
from .ending import leave
from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from .logs import FunctionLog

_BASE = "/2020-01-01/extension"
_NAME = "custom-lambda-runtime-python"
# Lambda grants 500 ms if all extensions are internal, 300 ms otherwise, then it kills.
GRACE_S = 0.2
STATUS = 128 + _signal.SIGTERM

_kept: list[Any] = []  # the connection on which `event/next` waits


def prepare(hook: Any, address: str, log: FunctionLog, *, busy: CodeType) -> None:
    """Make Lambda send SIGTERM; when it comes, call ``hook`` and end, `atexit` included, within 300 ms.

    ``busy``: the code that is running while there is an invocation. Then the hook may only have noted that
    the end is near, so the handler gets a moment to come to its own.
    """
    try:
        _register(address)
    except RuntimeApiError as error:
        log.write_runtime_message(f"The SIGTERM handler will not be called: {error}")
        return
    begun: list[bool] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        if begun:  # it came twice: to the process, and to its group
            return
        begun.append(True)
        hook(
            number, frame
        )  # what it raises comes out where the signal came in; sys.exit is a good way to end
        if _is_running(busy, frame):
            _thread.start_new_thread(_leave_soon, ())
            return
        if getattr(hook, "__module__", "").startswith("asyncio"):
            from . import event_loop

            event_loop.let_run(GRACE_S)  # the hook is a callback that `loop.add_signal_handler` was given
        leave(STATUS)

    _signal.signal(_signal.SIGTERM, terminate)


def _register(address: str) -> None:
    connection = Connection(address)
    body = b'{"events":[]}'
    headers = [("Host", address), ("Lambda-Extension-Name", _NAME)]
    length = ("Content-Length", str(len(body)))
    content_type = ("Content-Type", "application/json")
    path = f"{_BASE}/register"
    response = connection.exchange(http1.format_request("POST", path, [*headers, content_type, length]), body)
    identifier = response.headers.get("lambda-extension-identifier")
    if response.status != 200 or identifier is None:
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


def _leave_soon() -> None:
    time.sleep(GRACE_S)
    leave(STATUS)
