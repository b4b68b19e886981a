"""Exit the process: call the functions registered with `atexit`, then flush the output."""

from __future__ import annotations

import os
import sys

# Imported before the function is loaded, because gevent replaces them by versions that wait for its hub.
from _thread import allocate_lock, get_ident, start_new_thread
from os import getpid
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["allocate_lock", "exit_status", "get_ident", "in_child", "serve_from_here", "sleep"]
__all__ += ["start_new_thread", "stop_child", "time_left"]

_process = getpid()  # the process that uses the Runtime API

is_shared = False  # whether the process serves several invocations at once
exiting = False  # whether the process is ending, and `atexit` functions are running
_exit_turn = allocate_lock()  # held by the thread that ends the process
end_at: float | None = None  # after SIGTERM: when the process must have exited, by the monotonic clock


def serve_from_here() -> None:
    """Note that this process serves the function: a worker calls this after it was forked."""
    global _process
    _process = getpid()


def in_child() -> bool:
    """Whether the function forked this process: then only its parent may use the Runtime API."""
    return getpid() != _process


def stop_child() -> None:
    """Raise SystemExit in a process that the function forked: the code that it should run has ended."""
    if getpid() != _process:
        raise SystemExit


def flush_output() -> None:
    """Flush the standard streams, because the environment may be frozen now."""
    for name, original_name in (("stdout", "__stdout__"), ("stderr", "__stderr__")):
        stream, original = getattr(sys, name, None), getattr(sys, original_name, None)
        _flush(stream)
        if original is not stream:  # the function may write to either
            _flush(original)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except Exception:  # the function closed or replaced it
        pass


def time_left(at_most: float) -> float:
    """The seconds that a step may take: ``at_most``, or fewer after SIGTERM."""
    return at_most if end_at is None else max(0.0, min(at_most, end_at - monotonic()))


def exit_status(error: BaseException) -> int:
    """The exit status after ``error``, as `sys.exit` defines it."""
    if not issubclass(type(error), SystemExit):
        return 1
    code = SystemExit.__dict__["code"].__get__(error)  # the class may override the attribute
    if code is None:
        return 0
    return code if issubclass(type(code), int) else 1


def exit_now(status: int) -> NoReturn:
    """End the process now, after calling the functions registered with `atexit`.

    `sys.exit` would wait for threads that the function left running, and the invocation would time out.
    """
    global exiting
    if not _exit_turn.acquire(False):
        sleep(60)  # another thread is ending the process
    exiting = True
    atexit = sys.modules.get("atexit")
    if atexit is not None:
        try:
            atexit._run_exitfuncs()
        except BaseException:  # Python has printed it; before 3.10 it also raises the last one
            pass
    flush_output()
    os._exit(status & 0xFF)
