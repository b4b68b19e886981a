"""Write the stacks of all threads to stderr shortly before the deadline, to show where the function hangs.

LAMBDA_RUNTIME_DUMP_STACKS_MS enables this. `faulthandler` writes the stacks from a C thread, so they appear
even if the function holds the interpreter lock.
"""

from __future__ import annotations

import sys
import time

from ..stdlib_import import load_stdlib


class StackDump:
    """A timer that is set for each invocation."""

    def __init__(self, before_deadline_ms: int) -> None:
        self._before_deadline_ms = before_deadline_ms
        self._faulthandler = load_stdlib("faulthandler")
        self._is_set = False

    def begin(self, deadline_ms: int) -> None:
        """Set the timer. ``deadline_ms`` is Unix time in milliseconds, 0 if unknown."""
        if not deadline_ms:
            return
        left_s = deadline_ms / 1000 - time.time() - self._before_deadline_ms / 1000
        try:
            self._faulthandler.dump_traceback_later(max(left_s, 0.001), file=sys.__stderr__)
            self._is_set = True
        except (OSError, ValueError, AttributeError, RuntimeError):  # stderr is closed, or not a file
            pass
        except OverflowError:  # a deadline in thousands of years
            pass

    def end(self) -> None:
        """Cancel the timer: the invocation ended in time."""
        if self._is_set:  # otherwise PyPy waits forever
            self._faulthandler.cancel_dump_traceback_later()
            self._is_set = False
