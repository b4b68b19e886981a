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

    ``is_handled`` tells that. If another handler takes its place, that is left alone. What an event loop
    wants to be told of signals is passed on to it; of this one only the first, for it may come twice.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    loop = _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # the event loop's end, or -1
    os.register_at_fork(after_in_child=lambda: _lead_nowhere(writer))

    def repeat(thread: int) -> None:
        _pass_on(reader, number, loop)
        while not is_handled() and _signal.getsignal(number) == handler:
            _signal.pthread_kill(thread, number)
            sleep(PATIENCE_S)
        while True:
            _pass_on(reader, number, loop, repeated=True)

    start_new_thread(repeat, (get_ident(),))


def _pass_on(reader: int, number: int, loop: int, *, repeated: bool = False) -> None:
    """Read signals and tell the loop, until ``number`` is among them; that one not if it is ``repeated``."""
    found = False
    while not found:
        numbers = os.read(reader, 512)
        found = number in numbers
        others = bytes(one for one in numbers if one != number)
        told = others + bytes([number] if found and not repeated else [])
        if told and loop != -1:
            try:
                os.write(loop, told)
            except OSError:  # it is closed
                pass


def _lead_nowhere(descriptor: int) -> None:
    """In a forked process: what it writes there must not reach its parent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
