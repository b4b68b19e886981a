"""Send a request while its body is being produced. During a stream, this is where the runtime waits."""

from __future__ import annotations

import _socket

from .connection import is_of_a_signal_handler, receive, wait_until_ready
from .errors import ConnectionLost, RuntimeApiError
from .process_exit import stop_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import http1
    from .connection import Connection


PIECES_AT_ONCE = 16  # a chunk has three; Linux refuses more than 1,024 (IOV_MAX)


class Upload:
    """A request that is being sent, on a connection that ends with it.

    ``accepts_more`` becomes False when the server responded early or closed the connection. Data that is
    added after that is dropped. Bytes that could not be sent yet are kept, so a signal handler that raises
    in the middle of a chunk leaves no gap: the chunk is completed before the next one.
    """

    def __init__(self, connection: Connection, head: bytes) -> None:
        """Take ``connection`` and queue ``head``. If that fails, `finish` raises and nothing is accepted."""
        self.accepts_more = True
        # Pieces; an int before them is the number of their bytes that have been sent.
        self._unsent: list[Any] = [head]
        self._problem: RuntimeApiError | None = None
        try:
            self._socket = connection.detach()
            self._body_begins = self._socket.sent_bytes + len(head)
        except RuntimeApiError as problem:
            self._problem = problem
            self.accepts_more = False

    def add(self, *pieces: bytes) -> None:
        """Queue the next bytes of the body."""
        self._unsent += pieces

    def flush(self) -> None:
        """Send everything that is queued. A slow server blocks the caller: that is the back-pressure."""
        while not self.flush_some():
            wait_until_ready(self._socket)

    def flush_some(self) -> bool:
        """Send what the connection takes now. Returns False if more remains, for when `fileno` is ready."""
        if self.accepts_more and not self._socket.can_send():
            self.accepts_more = False  # closed by the function, an early response (RFC 9112, 9.3), or the end
        unsent = self._unsent
        while self.accepts_more and unsent:
            if not isinstance(unsent[0], int):
                try:
                    # Python runs signal handlers between bytecodes. If one raised between `send` and the
                    # storing of its result, the same bytes would be sent twice: a test saw that in 39 of 60
                    # streams. Assigning the slice from map() sends and stores the count within one bytecode.
                    if len(unsent) > 1:  # the pieces of a chunk, as one packet and without a copy
                        several = unsent[:PIECES_AT_ONCE]
                        unsent[:0] = map(self._socket.sendmsg, (several,), ((),), (_socket.MSG_DONTWAIT,))
                    else:
                        unsent[:0] = map(self._socket.send, (unsent[0],), (_socket.MSG_DONTWAIT,))
                except OSError as error:
                    if is_of_a_signal_handler(error):
                        raise
                    if isinstance(error, BlockingIOError):
                        return False
                    self.accepts_more = False
                    break
            sent = rest = unsent[0]
            end = 1
            while end < len(unsent) and rest >= len(unsent[end]):
                rest -= len(unsent[end])
                end += 1
            if rest:  # this piece has been sent in part
                unsent[: end + 1] = [memoryview(unsent[end])[rest:]]
            else:
                del unsent[:end]
            self._socket.sent_bytes += sent
        if not self.accepts_more:
            self._unsent.clear()
        return True

    @property
    def sent_bytes(self) -> int:
        """How many bytes of the body have been sent, with its framing."""
        return self._socket.sent_bytes - self._body_begins

    def fileno(self) -> int:
        """The descriptor to wait for: writable to send more, readable if the server has responded."""
        return self._socket.fileno()

    def finish(self) -> http1.Response:
        """Send the rest and wait for the response. Raises RuntimeApiError; SystemExit in a forked child."""
        stop_child()
        if self._problem is not None:
            raise self._problem
        try:
            self.flush()
            if not self._socket.is_ours():
                raise ConnectionLost("The function closed the connection", response_began=False)
            return receive(self._socket)
        finally:
            self._socket.close()
