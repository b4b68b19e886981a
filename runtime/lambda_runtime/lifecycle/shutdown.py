"""Shutdown: call the function's SIGTERM handler before Lambda ends the environment.

Lambda sends SIGTERM only to environments that have an extension. So an internal extension is registered that
subscribes to no events. It sends `event/next` once, because the init phase would not end otherwise; that
request never gets a response. Source: AWS's developer guide, "Using the Lambda Extensions API", and
aws-lambda-go, sigterm.go.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
from time import monotonic

from .. import diagnostics, http1, process_exit
from ..errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ..connection import Connection
    from ..logs import FunctionLog
    from ..runtime_api import LambdaRuntimeClient
    from .workers import Worker

_BASE = "/2020-01-01/extension"
_NAME = "custom-lambda-runtime-python"
# Lambda kills the process 500 ms after SIGTERM if all extensions are internal, else after 300 ms.
GRACE_S = 0.2  # for the handler to respond or, while idle, for the event loop's tasks
LOOP_S = 0.1  # for the event loop's tasks after the response
TOTAL_S = 0.28  # for both, and for the functions registered with `atexit`
STATUS: int = 128 + _signal.SIGTERM

# The system may deliver the signal to another thread, but Python calls signal handlers only in the main
# thread, which waits for the next event. So the main thread wakes up at this interval.
LOOK_UP_S = 0.05

# Their signal handlers do nothing: the loop itself calls the callback of `loop.add_signal_handler`.
_EVENT_LOOPS = ("asyncio", "uvloop")

_kept: list[Any] = []  # the connection on which `event/next` waits


def prepare(hook: Any, client: LambdaRuntimeClient, log: FunctionLog, worker: Worker | None) -> None:
    """Make Lambda send SIGTERM. On SIGTERM, call ``hook`` and the `atexit` functions, and exit within 300 ms.

    During an invocation, the handler has a short time to respond after the call of the hook. A SIGTERM
    handler that the function installs later replaces this one. Of several workers, the first one registers,
    and the parent waits for the extension's events, because a worker may be replaced.
    """
    try:
        if worker is None:
            _kept.append(wait_for_event(_register(client.connection), client.connection))
        elif worker.is_first:
            worker.extension_id = _register(client.connection)
    except (RuntimeApiError, OSError) as error:
        log.write_runtime_message(f"The SIGTERM handler may never be called: {error}")
    termination = Termination(hook, client, log)
    client.before_next = termination.exit_if_begun
    client.look_up_s = LOOK_UP_S
    _signal.signal(_signal.SIGTERM, termination.handle)


class Termination:
    """The end of this process, which SIGTERM begins."""

    def __init__(self, hook: Any, client: LambdaRuntimeClient, log: FunctionLog) -> None:
        self._hook = hook
        self._client = client
        self._log = log
        package = str(getattr(hook, "__module__", "")).partition(".")[0]
        self._event_loop = package if package in _EVENT_LOOPS else ""
        self._loop_missed_signal = False
        self._in_hook = False  # whether other threads must wait for the hook

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM; Python calls this in the main thread."""
        if process_exit.in_child():
            self._hook(number, frame)
            return
        if process_exit.end_at is not None or process_exit.exiting:
            return  # the signal may arrive twice: sent to the process and to its group
        self._in_hook = process_exit.is_shared
        process_exit.end_at = monotonic() + TOTAL_S
        if self._event_loop:
            from .. import event_loop

            # uvloop notices only signals that arrive while its loop is running.
            self._loop_missed_signal = self._event_loop == "uvloop" and not event_loop.is_running()
            if not self._loop_missed_signal:
                _signal.signal(number, _signal.SIG_IGN)  # otherwise the loop would call its callbacks again
        try:
            process_exit.start_new_thread(self._exit_in_time, ())
        except RuntimeError:
            pass  # no thread can be started; the main thread usually exits in time
        if process_exit.is_shared:
            self._call_while_shared(number, frame)
        elif self._is_busy():
            # The hook may return, and the invocation continues, or raise an exception in the handler.
            self._hook(number, frame)
        else:
            process_exit.exit_now(self._call_while_idle(number, frame))

    def _call_while_shared(self, number: int, frame: FrameType | None) -> None:
        """Call the hook. Its exception, even SystemExit, does not end the invocations in progress.

        They run in other threads, which end the process: see `exit_if_begun` and `_exit_in_time`.
        """
        try:
            self._hook(number, frame)
        except BaseException as error:
            if not isinstance(error, SystemExit):
                self._log.write_error(diagnostics.describe(error))
        finally:
            self._in_hook = False

    def _is_busy(self) -> bool:
        """Whether an invocation has no response yet."""
        return any(client.invocation is not None for client in self._client.siblings)

    def _call_while_idle(self, number: int, frame: FrameType | None) -> int:
        """Call the hook. Returns the exit status: that of the hook's exception, if it raises one."""
        try:
            self._hook(number, frame)
            self._drain_loop(GRACE_S)
        except BaseException as error:
            if not isinstance(error, SystemExit):
                self._log.write_error(diagnostics.describe(error))
            return process_exit.exit_status(error)
        return STATUS

    def exit_if_begun(self) -> None:
        """Exit if SIGTERM arrived during the invocation that has just ended."""
        if process_exit.end_at is not None:
            while self._is_busy() or self._in_hook:  # the last invocation ends the process
                process_exit.sleep(0.002)
            self._drain_loop(LOOP_S)
            process_exit.exit_now(STATUS)

    def _exit_in_time(self) -> None:
        """Exit from another thread, in case the main thread does not exit in time."""
        process_exit.sleep(GRACE_S if self._is_busy() or not process_exit.is_shared else LOOP_S)
        if not self._is_busy():
            process_exit.sleep(process_exit.time_left(LOOP_S))
        process_exit.exit_now(STATUS)

    def _drain_loop(self, seconds: float) -> None:
        """Run the event loop, so that it calls its callbacks for this signal and finishes its tasks."""
        if self._event_loop:
            from .. import event_loop

            signal = _signal.SIGTERM if self._loop_missed_signal else None
            event_loop.drain(process_exit.time_left(seconds), signal)


def _register(connection: Connection) -> str:
    """Register the extension and return its identifier. Raises RuntimeApiError."""
    body = b'{"events":[]}'
    headers = [
        ("Host", connection.address),
        ("Lambda-Extension-Name", _NAME),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    ]
    path = f"{_BASE}/register"
    response = connection.exchange(http1.format_request("POST", path, http1.format_fields(headers)), body)
    identifier = response.headers.get("lambda-extension-identifier")
    if response.status != 200 or identifier is None:
        connection.close()
        raise RuntimeApiError(
            f"POST {path} returned {response.status} {response.body[:300]!r}, expected 200 and an "
            "identifier; Lambda sends SIGTERM only to environments with an extension"
        )
    return identifier


def wait_for_event(identifier: str, connection: Connection) -> Any:
    """Ask for the extension's first event, which never comes. Returns the socket, which must stay open.

    Raises RuntimeApiError or OSError.
    """
    connection.open()
    sock = connection.detach()
    headers = [("Host", connection.address), ("Lambda-Extension-Identifier", identifier)]
    sock.sendall(http1.format_request("GET", f"{_BASE}/event/next", http1.format_fields(headers)))
    return sock
