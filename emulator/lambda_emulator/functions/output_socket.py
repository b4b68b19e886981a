"""Receive the output of workers, each of which connects to a Unix socket.

On managed instances, its path is in ``_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET``. AWS's Python runtime
connects twice in every worker, for stdout and for stderr.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import tempfile
import threading

from lambda_emulator.functions.log import PIPE_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


SOCKET_LIMIT_BYTES = 262_144


class OutputSocket:
    """A socket that can be drained like a pipe: any thread passes all available output to ``sink``.

    ``sink`` receives whole lines, so that those of two workers do not mix.
    """

    available = hasattr(select, "epoll")  # Linux, as on Lambda; workers then write to the pipe

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._epoll = select.epoll()
        self._listener = socket.socket(socket.AF_UNIX)
        self._folder = tempfile.mkdtemp(prefix="lambda-output-")  # last, because nothing deletes it by itself
        self.path = os.path.join(self._folder, "socket")
        self._listener.bind(self.path)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._unfinished: dict[socket.socket, bytes] = {}  # the last line of each connection
        self._connections: dict[int, socket.socket] = {}
        self._epoll.register(self._listener, select.EPOLLIN)
        self.reader = self._epoll.fileno()  # readable when one of them is
        self._lock = threading.Lock()

    def drain(self) -> bool:
        """Pass on what has arrived; return True, because more workers may connect."""
        with self._lock:
            if not self._epoll.closed:
                self._accept()
                for descriptor, _ in self._epoll.poll(0):
                    if descriptor in self._connections:
                        self._read(self._connections[descriptor])
        return True

    def close(self) -> None:
        with self._lock:
            for connection in list(self._unfinished):
                self._end(connection)
            self._epoll.close()
            self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return  # no more, or it has ended already
            accepted.setblocking(False)
            self._unfinished[accepted] = b""
            self._connections[accepted.fileno()] = accepted
            self._epoll.register(accepted, select.EPOLLIN)

    def _read(self, connection: socket.socket) -> None:
        data = b""
        closed = False
        # A socket holds no more than that; the worker may go on writing.
        while not closed and len(data) < SOCKET_LIMIT_BYTES:
            try:
                piece = connection.recv(PIPE_LIMIT)
            except BlockingIOError:
                break
            except OSError:  # a reset
                piece = b""
            data += piece
            closed = not piece
        lines, end, rest = (self._unfinished[connection] + data).rpartition(b"\n")
        self._unfinished[connection] = rest
        if end:
            self._sink(lines + end)
        if closed:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        self._epoll.unregister(connection)
        del self._connections[connection.fileno()]
        connection.close()
        rest = self._unfinished.pop(connection)
        if rest:
            self._sink(rest + b"\n")
