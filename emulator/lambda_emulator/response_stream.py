"""Carry a streamed response from the runtime to its caller, no faster than the caller reads."""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Deque

# So many bytes may wait for the caller. Beyond that nothing is read from the runtime's connection,
# whose writes then block once the kernel's buffers are full, too.
CAPACITY = 64 * 1024


class ResponseStream:
    """A bounded queue of parts between one writer and one reader.

    The writer opens it with the head of the answer, writes, and ends it; a failure may end it without a
    head. The reader waits for the head, iterates, and may abandon it: then what is written is dropped,
    for the function runs to its end although nobody listens.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.response_mode = ""
        self._parts: Deque[bytes] = deque()
        self._waiting = 0  # bytes in ``_parts``
        self._opened = False
        self._ended = False
        self._abandoned = False
        self._changed = threading.Condition()

    # The runtime's side.

    def open(self, content_type: str, response_mode: str) -> None:
        """The head of the answer is there."""
        with self._changed:
            self.content_type = content_type
            self.response_mode = response_mode
            self._opened = True
            self._changed.notify_all()

    def write(self, part: bytes) -> None:
        """Append a part; waits while too much is waiting already, unless nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < CAPACITY or self._ended or self._abandoned)
            if self._ended or self._abandoned or not part:
                return
            self._parts.append(part)
            self._waiting += len(part)
            self._changed.notify_all()

    def end(self) -> None:
        """No more parts will come; the reader still gets those that wait."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # The caller's side.

    def wait_for_head(self) -> None:
        """Wait until the answer has begun, or has failed before it could."""
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._ended)

    def __iter__(self) -> Iterator[bytes]:
        """The parts as they come, until the end or until the stream is abandoned."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._parts or self._ended or self._abandoned)
                if not self._parts:
                    return
                part = self._parts.popleft()
                self._waiting -= len(part)
                self._changed.notify_all()
            yield part

    def abandon(self) -> None:
        """The caller has gone away."""
        with self._changed:
            self._abandoned = True
            self._parts.clear()
            self._changed.notify_all()
