"""Wake the main thread for a signal that the system has given to another one.

Python runs signal handlers in the main thread only. The system prefers that thread, too, but not always:
while other threads start processes, one signal in five went elsewhere, and the main thread, which waits for
the next event, went on waiting. So the signal's number is also written to a pipe, and whoever reads it there
sends the signal to the main thread once more.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S = 0.005


def insist(number: int, handled: Sequence[object]) -> None:
    """Repeat signal ``number`` to the main thread, which calls this, until ``handled`` is not empty."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    other = _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    if other != -1:  # an event loop's, which does the same for itself
        _signal.set_wakeup_fd(other)
        os.close(reader)
        os.close(writer)
        return
    # A forked process would write to the same pipe.
    os.register_at_fork(after_in_child=lambda: _signal.set_wakeup_fd(-1))
    _thread.start_new_thread(_repeat, (number, handled, _thread.get_ident(), reader))


def _repeat(number: int, handled: Sequence[object], thread: int, reader: int) -> None:
    while number not in os.read(reader, 512):
        pass
    while not handled:
        _signal.pthread_kill(thread, number)
        time.sleep(PATIENCE_S)
