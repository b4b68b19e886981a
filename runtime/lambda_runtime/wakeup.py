"""Wake the main thread for a signal that the system has given to another one.

Python runs signal handlers in the main thread only. The system prefers that thread, too, but not always:
while other threads start processes, one signal in five went elsewhere, and the main thread, which waits for
the next event, went on waiting. So the signal's number is also written to a pipe, and whoever reads it there
sends the signal to the main thread once more.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

from .ending import get_ident, sleep, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PATIENCE_S = 0.005


def insist(number: int, handler: Callable[..., Any], is_handled: Callable[[], bool]) -> None:
    """Repeat signal ``number`` to the main thread, which calls this, until ``handler`` has begun.

    ``is_handled`` tells that. If another handler takes its place, that is left alone.
    """
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
    start_new_thread(_repeat, (number, handler, is_handled, get_ident(), reader))


def _repeat(
    number: int, handler: Callable[..., Any], is_handled: Callable[[], bool], thread: int, reader: int
) -> None:
    while number not in os.read(reader, 512):
        pass
    while not is_handled() and _signal.getsignal(number) == handler:
        _signal.pthread_kill(thread, number)
        sleep(PATIENCE_S)
