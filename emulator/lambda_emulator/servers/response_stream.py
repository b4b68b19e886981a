"""Carry a streamed response from the runtime to its caller, with backpressure."""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Deque

# How many bytes may wait for the caller. Beyond that we stop reading from the runtime's connection, so the
# runtime's writes block as soon as the kernel's buffers are full.
CAPACITY = 64 * 1024


class ResponseStream:
    """A bounded queue of parts from one writer to one reader.

    The writer opens it, writes the parts and ends it; a failure may end it before it is opened. The reader
    waits until it is opened, iterates, and may abandon it: later parts are then dropped, because the
    function continues without its caller.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.response_mode = ""
        self._parts: Deque[bytes] = deque()
        self._waiting = 0  # bytes in ``_parts``
        self._ended = False
        self.opened = False
        self.abandoned = False
        self._changed = threading.Condition()

    # The runtime's side.

    def open(self, content_type: str, response_mode: str) -> None:
        """Begin the response: its headers have arrived."""
        with self._changed:
            self.content_type = content_type
            self.response_mode = response_mode
            self.opened = True
            self._changed.notify_all()

    def write(self, part: bytes) -> None:
        """Append a part; wait while the queue is full, drop the part if the stream ended or was abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < CAPACITY or self._ended or self.abandoned)
            if self._ended or self.abandoned or not part:
                return
            self._parts.append(part)
            self._waiting += len(part)
            self._changed.notify_all()

    def end(self) -> None:
        """End the stream after the parts that are in the queue."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # The caller's side.

    def wait_for_begin(self) -> None:
        """Wait until the response has begun, or has failed before its beginning."""
        with self._changed:
            self._changed.wait_for(lambda: self.opened or self._ended)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts as they arrive, until the stream ends or is abandoned."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._parts or self._ended or self.abandoned)
                if not self._parts:
                    return
                part = self._parts.popleft()
                self._waiting -= len(part)
                self._changed.notify_all()
            yield part

    def abandon(self) -> None:
        """Drop the parts from now on: the caller has left."""
        with self._changed:
            self.abandoned = True
            self._parts.clear()
            self._changed.notify_all()
