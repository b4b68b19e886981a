"""Write the stacks of all threads to stderr shortly before the deadline, to show where a function hangs.

LAMBDA_RUNTIME_DUMP_STACKS_MS enables this. `faulthandler` writes the stacks from a C thread, so they appear
even if the function holds the interpreter lock. It has one timer, which is set for the earliest deadline.
"""

from __future__ import annotations

import sys
import time

from ..process_exit import allocate_lock, get_ident, sleep
from ..stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime_api import Invocation

# How long an invocation runs before its stack is written, even with a closer deadline: most are over by then.
LEAST_MS = 50
# How long the C thread may need to write once the timer has fired.
WRITING_MS = 100


class StackDump:
    """A timer for the invocations of this process."""

    def __init__(self, before_deadline_ms: int, descriptor: int | None) -> None:
        """``descriptor``: where to write, None for stderr."""
        self._descriptor = descriptor
        self._before_deadline_ms = before_deadline_ms
        self._faulthandler = load_stdlib("faulthandler")
        self._due_ms: dict[int, float] = {}  # when to write, by the thread that handles the invocation
        self._lock = allocate_lock()
        self._is_set = False
        self._fires_ms = 0.0  # when the timer fires, or has fired
        self._written_ms = 0.0  # what was due until then has been written

    def begin(self, invocation: Invocation) -> None:
        """Take the deadline of an invocation into account, if it has one."""
        if invocation.deadline_ms:
            with self._lock:
                self._due_ms[get_ident()] = max(
                    invocation.deadline_ms - self._before_deadline_ms, time.time() * 1000 + LEAST_MS
                )
                self._set()

    def end(self) -> None:
        """Forget the invocation of this thread: it is over."""
        with self._lock:
            if self._due_ms.pop(get_ident(), None) is not None:
                self._set()

    def renew(self) -> None:
        """Set the timer for the next invocation if it has fired. Called from time to time."""
        with self._lock:
            if self._is_set and self._fires_ms <= time.time() * 1000:
                self._set()

    def _set(self) -> None:
        now_ms = time.time() * 1000
        if self._is_set:  # otherwise PyPy waits for ever
            if self._fires_ms <= now_ms:
                sleep(max(0, self._fires_ms + WRITING_MS - now_ms) / 1000)  # cancelling would prevent it
                self._written_ms = self._fires_ms
                now_ms = time.time() * 1000
            self._faulthandler.cancel_dump_traceback_later()
            self._is_set = False
        dues_ms = [due for due in self._due_ms.values() if due > self._written_ms]
        if not dues_ms:
            return
        wait_ms = max(min(dues_ms) - now_ms, 1)
        try:
            file = sys.__stderr__ if self._descriptor is None else self._descriptor
            self._faulthandler.dump_traceback_later(wait_ms / 1000, file=file)
            self._is_set = True
            self._fires_ms = now_ms + wait_ms
        except (OSError, ValueError, AttributeError, RuntimeError):  # stderr is closed, or not a file
            pass
        except OverflowError:  # a deadline in thousands of years
            pass
