"""Send a request while its body is being made: the other place that waits, when a response is streamed."""

from __future__ import annotations

import _socket

from .connection import has_input, is_of_a_signal_handler, receive, wait_until_ready
from .errors import ConnectionLost, RuntimeApiError
from .process_exit import stop_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import http1
    from .connection import Connection


class Upload:
    """A request under way, on a connection that ends with it.

    ``accepts_more`` becomes False when the server replied before the end or closed the connection; data that
    is added after that is dropped. Bytes that could not be sent yet are kept, so a signal handler that raises
    in the middle of a chunk leaves no gap: the chunk is completed before the next one.
    """

    def __init__(self, connection: Connection, head: bytes) -> None:
        """Take ``connection``, put ``head`` in line. If that fails, nothing is wanted and `finish` raises."""
        self.accepts_more = True
        self.size_bytes = 0  # of the body, as far as it was added, with its framing
        # A number before a piece: so many of its bytes are sent.
        self._unsent: list[memoryview | int] = [memoryview(head)]
        self._problem: RuntimeApiError | None = None
        try:
            self._socket = connection.detach()
        except RuntimeApiError as problem:
            self._problem = problem
            self.accepts_more = False

    def add(self, *pieces: bytes) -> None:
        """Put the next bytes of the body in line."""
        self.size_bytes += sum(map(len, pieces))
        self._unsent += map(memoryview, pieces)

    def flush(self) -> None:
        """Send all that is in line, however long the server takes: that is the back-pressure."""
        while not self.flush_some():
            wait_until_ready(self._socket)

    def flush_some(self) -> bool:
        """Send what the connection takes at once; False if more remains, for when `fileno` is ready."""
        if self.accepts_more and (not self._socket.is_ours() or has_input(self._socket)):
            self.accepts_more = False  # the function closed it; an early reply (RFC 9112, 9.3); or the end
        while self.accepts_more and self._unsent:
            first = self._unsent[0]
            if isinstance(first, int):
                rest = self._unsent[1][first:]  # type: ignore[index] # never two numbers
                self._unsent[:2] = [rest] if rest else []
                continue
            try:
                # It is sent and noted in one instruction: no signal handler can raise in between.
                self._unsent[:0] = map(self._socket.send, (first,), (_socket.MSG_DONTWAIT,))
            except OSError as error:
                if is_of_a_signal_handler(error):
                    raise
                if isinstance(error, BlockingIOError):
                    return False
                self.accepts_more = False
        if not self.accepts_more:
            self._unsent.clear()
        return True

    def fileno(self) -> int:
        """What to wait for after `flush_some`: writable to go on, readable if the server has replied."""
        return self._socket.fileno()

    def finish(self) -> http1.Response:
        """Send what is left and wait for the reply. Raises RuntimeApiError; SystemExit in a forked child."""
        stop_child()
        if self._problem is not None:
            raise self._problem
        try:
            self.flush()
            if not self._socket.is_ours():
                raise ConnectionLost("The function closed the connection", reply_began=False)
            return receive(self._socket)
        finally:
            self._socket.close()
