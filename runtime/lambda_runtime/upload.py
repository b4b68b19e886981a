"""Send a request while its body is being made: the other place that waits, when a response is streamed."""

from __future__ import annotations

import _socket

from .connection import has_input, is_of_a_signal_handler, receive
from .ending import stop_child
from .errors import ConnectionLost, RuntimeApiError
from .standard import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import http1
    from .connection import Connection


class Upload:
    """A request under way, on a connection that ends with it.

    ``wanted`` becomes False when the server has replied before the end, or is gone; what is added from then
    on is thrown away. Bytes that could not be sent yet are kept, so a signal handler that raises in the
    middle of a chunk leaves no gap: the chunk is completed before whatever comes next.
    """

    def __init__(self, connection: Connection, head: bytes) -> None:
        """Take ``connection``, put ``head`` in line. If that fails, nothing is wanted and `finish` raises."""
        self.wanted = True
        self.size_bytes = 0  # of the body, as far as it was added, with its framing
        # A number before a piece: so many of its bytes are sent.
        self._unsent: list[memoryview | int] = [memoryview(head)]
        self._problem: RuntimeApiError | None = None
        try:
            self._socket = connection.detach()
        except RuntimeApiError as problem:
            self._problem = problem
            self.wanted = False

    def add(self, *pieces: bytes) -> None:
        """Put the next bytes of the body in line."""
        self.size_bytes += sum(map(len, pieces))
        self._unsent += map(memoryview, pieces)

    def flush(self) -> None:
        """Send all that is in line, however long the server takes: that is the back-pressure."""
        while not self.flush_some():
            select = load("select")
            poll = select.poll()
            poll.register(self._socket.fileno(), select.POLLIN | select.POLLOUT)
            poll.poll()

    def flush_some(self) -> bool:
        """Send what the connection takes at once; False if more remains, for when `fileno` is ready."""
        if self.wanted and (not self._socket.is_ours() or has_input(self._socket)):
            self.wanted = False  # the function closed it; an early reply (RFC 9112, 9.3); or the end
        while self.wanted and self._unsent:
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
                self.wanted = False
        if not self.wanted:
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
