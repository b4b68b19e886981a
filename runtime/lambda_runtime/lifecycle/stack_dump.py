"""Write the stacks of all threads to stderr shortly before the deadline, to show where a function hangs.

LAMBDA_RUNTIME_DUMP_STACKS_MS enables this. `faulthandler` writes the stacks from a C thread, so they appear
even if the function holds the interpreter lock. It has one timer, which is set for the earliest deadline.
"""

from __future__ import annotations

import sys
import time

from ..process_exit import get_ident
from ..stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime_api import Invocation


class StackDump:
    """A timer for the invocations of this process."""

    def __init__(self, before_deadline_ms: int, descriptor: int | None) -> None:
        """``descriptor``: where to write, None for stderr."""
        self._descriptor = descriptor
        self._before_deadline_ms = before_deadline_ms
        self._faulthandler = load_stdlib("faulthandler")
        self._due_ms: dict[int, float] = {}  # when to write, by the thread that handles the invocation
        self._is_set = False

    def begin(self, invocation: Invocation) -> None:
        """Take the deadline of an invocation into account, if it has one."""
        if invocation.deadline_ms:
            self._due_ms[get_ident()] = max(
                invocation.deadline_ms - self._before_deadline_ms, time.time() * 1000 + 1
            )
            self._set()

    def end(self) -> None:
        """Forget the invocation of this thread: it is over."""
        if self._due_ms.pop(get_ident(), None) is not None:
            self._set()

    def _set(self) -> None:
        if self._is_set:  # otherwise PyPy waits for ever
            self._faulthandler.cancel_dump_traceback_later()
            self._is_set = False
        now_ms = time.time() * 1000
        waits_ms = [
            due - now_ms for due in list(self._due_ms.values()) if due > now_ms
        ]  # others were written
        if not waits_ms:
            return
        try:
            file = sys.__stderr__ if self._descriptor is None else self._descriptor
            self._faulthandler.dump_traceback_later(min(waits_ms) / 1000, file=file)
            self._is_set = True
        except (OSError, ValueError, AttributeError, RuntimeError):  # stderr is closed, or not a file
            pass
        except OverflowError:  # a deadline in thousands of years
            pass
