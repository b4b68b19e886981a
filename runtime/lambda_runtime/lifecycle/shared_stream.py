"""Standard streams that several threads and processes write to: whole lines in one piece."""

from __future__ import annotations

import os
import sys
from _thread import RLock
from io import StringIO

from .. import process_exit
from ..logs import UnbufferedStream, is_of_a_signal_handler
from ..stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_PART_CHARACTERS = 262_144  # of a line that has no end yet
writer: Callable[[], object] = process_exit.get_ident  # whose part of a line it is; `slots` replaces it
_streams: list[SharedStream] = []  # all that exist
_turn: Any = RLock()  # so that a signal handler can write, too


class SharedStream(UnbufferedStream):
    """Keeps a line without an end until the rest comes, for each writer."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._parts: dict[object, StringIO] = {}  # by writer
        self._lock = _pipe_lock(self.fileno())
        _streams.append(self)

    def write(self, text: str) -> int:
        """Write the lines that are complete."""
        end = text.rfind("\n") + 1
        with _turn:
            part = self._parts.pop(writer(), None)
            if part is None:
                part = StringIO()
            part.write(text[:end] if end else text)
            if end or part.tell() > LONGEST_PART_CHARACTERS:
                self._write_in_one_piece(part.getvalue())
                part = StringIO()
                part.write(text[end:] if end else "")
            if part.tell():
                self._parts[writer()] = part
        return len(text)

    def flush(self) -> None:
        """Write the part of a line that there is, unless it could mix with lines of other invocations."""
        if self._parts and (process_exit.exiting or not process_exit.is_shared):
            super().write(self._take_part(writer()))
        super().flush()

    def finish(self) -> None:
        """Write the parts of lines that an invocation and threads have left at their end.

        A later thread may have the same number as one that has ended.
        """
        if not self._parts:
            return
        with _turn:  # so that no thread begins with the number of one that has ended
            threads = sys._current_frames()
            ended = [one for one in self._parts if isinstance(one, int) and one not in threads]
            for one in (writer(), *ended):
                part = self._take_part(one)
                if part:
                    self._write_in_one_piece(f"{part}\n" if process_exit.is_shared else part)

    def _take_part(self, of: object) -> str:
        part = self._parts.pop(of, None)
        return "" if part is None else part.getvalue()

    def _write_in_one_piece(self, text: str) -> None:
        """Write ``text`` while no other thread writes, nor another worker if the file is a pipe."""
        with _turn:
            if self._lock is None:
                super().write(text)
                return
            try:
                self._lock(True)
                super().write(text)
                self._lock(False)
            except BaseException:  # a signal handler may raise at any point, also before or after a call
                self._lock(False)
                raise


def finish_lines() -> None:
    """Write what an invocation has left of lines without an end."""
    for stream in _streams:
        try:
            stream.finish()
        except (OSError, ValueError):  # the function has closed it
            pass


def _pipe_lock(descriptor: int) -> Callable[[bool], None] | None:
    """What locks and unlocks a pipe, or None if the file is not one.

    A pipe takes up to 4 KiB in one piece (pipe(7), PIPE_BUF). Of longer lines, it may take a part, then
    lines of other processes. A record lock on the pipe itself prevents that (fcntl(2); Linux locks any file),
    and ends with the process that holds it.
    """
    if not load_stdlib("stat").S_ISFIFO(os.fstat(descriptor).st_mode):
        return None
    fcntl = load_stdlib("fcntl")

    def lock(wanted: bool) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX if wanted else fcntl.LOCK_UN)
        except OSError as error:  # the function has closed it, or the system cannot lock it
            if is_of_a_signal_handler(error):
                raise

    return lock


def _renew_turn() -> None:
    """Another thread of the parent process may have had the turn when the function forked this process."""
    global _turn
    _turn = RLock()


os.register_at_fork(after_in_child=_renew_turn)
