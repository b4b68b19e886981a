"""The end of the process, and of each invocation: nothing stays in buffers, `atexit` is heeded."""

from __future__ import annotations

import os
import sys

# Taken now, before the function is loaded: gevent puts others in their place, which wait for its hub.
from _thread import get_ident, start_new_thread
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["exit_status", "get_ident", "in_child", "serve_from_here", "sleep"]
__all__ += ["start_new_thread", "stop_child", "time_left"]

_process = os.getpid()  # the one that talks to the Runtime API

exiting = False  # whether the process is about to end, and runs what was registered with `atexit`
end_at: float | None = None  # after SIGTERM: when all must be done, by the monotonic clock


def serve_from_here() -> None:
    """Note that this process serves the function: a worker calls this after it was forked."""
    global _process
    _process = os.getpid()


def in_child() -> bool:
    """Whether the function forked this process: then only its parent may use the Runtime API."""
    return os.getpid() != _process


def stop_child() -> None:
    """Raise SystemExit in a process that the function forked: its own code has come to an end."""
    if os.getpid() != _process:
        raise SystemExit


def flush_output() -> None:
    """Leave nothing in buffers that the environment could be frozen with."""
    _flush(sys.stdout)
    _flush(sys.stderr)
    if sys.stdout is not sys.__stdout__:  # the function may write to either
        _flush(sys.__stdout__)
    if sys.stderr is not sys.__stderr__:
        _flush(sys.__stderr__)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except Exception:  # the function put something else there, or closed it
        pass


def time_left(at_most: float) -> float:
    """How many seconds there are for what may take ``at_most``: fewer once Lambda has sent SIGTERM."""
    return at_most if end_at is None else max(0.0, min(at_most, end_at - monotonic()))


def exit_status(error: BaseException) -> int:
    """The status a process ends with after ``error``, as `sys.exit` defines it."""
    if not issubclass(type(error), SystemExit):
        return 1
    code = getattr(error, "code", 1)
    if code is None:
        return 0
    return code if isinstance(code, int) else 1


def exit_now(status: int) -> NoReturn:
    """End the process now, after what was registered with `atexit`.

    Not by `sys.exit`, which waits for threads the function may have left behind: the environment would
    hang, and with it the invocation, until the timeout.
    """
    global exiting
    if exiting:
        sleep(60)  # while another thread does it
    exiting = True
    atexit = sys.modules.get("atexit")
    if atexit is not None:
        try:
            atexit._run_exitfuncs()
        except BaseException:  # the last of them, which Python has shown; since 3.10 it does only that
            pass
    flush_output()
    os._exit(status & 0xFF)
