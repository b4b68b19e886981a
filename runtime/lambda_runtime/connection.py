"""Exchange requests and responses with the Runtime API over a keep-alive connection.

This is where the runtime waits for events.
"""

from __future__ import annotations

import _socket  # `socket` imports enum and selectors, which take twice as long as the interpreter's own start
import sys

from . import http1, process_exit
from .errors import ConnectionLost, RuntimeApiError
from .process_exit import sleep, stop_child
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket
else:
    Socket = _socket.socket

CONNECT_TIMEOUT_S = 5
RECEIVE_BYTES = 65536
SOL_SOCKET = _socket.SOL_SOCKET
SO_COOKIE = 57  # a number that no other socket of this system has, since Linux 4.6 (asm-generic/socket.h)
# The struct that this option gives begins with the state; its counts of bytes are there since Linux 4.19
# (linux/tcp.h, struct tcp_info). The second one is followed by how many were sent again.
TCP_INFO = getattr(_socket, "TCP_INFO", -1)
TCP_INFO_BYTES = 216
ESTABLISHED = 1
RECEIVED, SENT = slice(128, 136), slice(200, 216)
LARGE_BYTES = 131_072  # for such a block, glibc's malloc maps new pages (mallopt(3), M_MMAP_THRESHOLD)
JOINED_BYTES = 65_536  # below this, head and body are sent as one piece
_kept_bytes = 0


class ApiSocket(Socket):
    """A connection to the Runtime API. The function may close it: `os.closerange` closes any descriptor.

    After that, another file of the function may have the same descriptor number.
    """

    __slots__ = ("_cookie", "received_bytes", "sent_bytes")

    def __init__(self, family: int) -> None:
        super().__init__(family, _socket.SOCK_STREAM)
        self.received_bytes = 0  # as the caller of `recv` counts them
        self.sent_bytes = 0
        self._cookie = b""
        try:
            self._cookie = self.getsockopt(SOL_SOCKET, SO_COOKIE, 8)
        except OSError:  # a system that has no cookies
            pass

    def is_ours(self) -> bool:
        """Whether the descriptor still belongs to this connection."""
        try:
            return self.getsockopt(SOL_SOCKET, SO_COOKIE, 8) == self._cookie
        except OSError as error:  # closed, or not a socket
            if is_of_a_signal_handler(error):
                raise
            return not self._cookie

    def can_send(self) -> bool:
        """Whether the connection is open and still ours, and all that has arrived was read."""
        return self._is_as_left() or (self.is_ours() and not has_input(self))

    def _is_as_left(self) -> bool:
        """Whether the system has received and sent the same bytes as we have, so that `can_send` is certain.

        This takes half the time of `is_ours` and `has_input`: one system call, and no exception.
        """
        if not self.received_bytes:  # a connection of the function may be as new
            return False
        try:
            info = self.getsockopt(_socket.IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
        except OSError as error:
            if is_of_a_signal_handler(error):
                raise
            return False
        return (
            info[RECEIVED] == self.received_bytes.to_bytes(8, "little")
            and info[SENT] == self.sent_bytes.to_bytes(16, "little")
            and info[0] == ESTABLISHED
        )

    def close(self) -> None:
        """Close the connection. If another file has its descriptor now, leave that file open."""
        if self.is_ours():
            super().close()
        else:
            self.detach()


class Connection:
    """Send one request at a time and wait for its response, over one connection that is kept open.

    A response may take hours, and the process may be frozen while it waits. So only connecting has a timeout.
    """

    def __init__(self, address: str) -> None:
        """``address`` is ``host:port``. The connection is opened when it is first needed."""
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
            raise RuntimeApiError(
                f"AWS_LAMBDA_RUNTIME_API is {address!r}, expected host:port such as 127.0.0.1:9001"
            )
        self.address = address
        self._host = host.strip("[]")
        self._port = int(port)
        self._socket: ApiSocket | None = None

    def exchange(
        self, head: bytes, body: bytes = b"", *, repeatable: bool = False, look_up_s: float | None = None
    ) -> http1.Response:
        """Send a request, wait for its response.

        ``look_up_s``: wake up at this interval while waiting, so that Python can call signal handlers.

        A request is repeated only if the server cannot have processed any of it, or if it is ``repeatable``
        and the connection had been idle. Raises ConnectionLost if it is unknown whether the request was
        processed; RuntimeApiError if it was not, or if the response is not HTTP; SystemExit in a process that
        the function forked, because it shares this connection with its parent.
        """
        stop_child()
        reused = self._is_open()
        if not reused:
            self.open()
        try:
            return self._send_and_receive(head, body, look_up_s)
        except ConnectionLost as error:
            if not reused or error.response_began or not repeatable:
                raise
        self.open()
        return self._send_and_receive(head, body, look_up_s)

    def detach(self) -> ApiSocket:
        """Hand over the socket for one exchange, which ends it. Raises the same errors as `exchange`."""
        stop_child()
        if not self._is_open():
            self.open()
        sock, self._socket = self._socket, None
        assert sock is not None
        return sock

    def close(self) -> None:
        """Close the connection. The next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def open(self) -> None:
        """Open the connection anew. Raises RuntimeApiError."""
        self.close()
        family = _socket.AF_INET6 if ":" in self._host else _socket.AF_INET
        sock = None
        try:
            sock = ApiSocket(family)
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.connect((self._host, self._port))
            sock.settimeout(None)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            if sock is not None:
                sock.close()
            if is_of_a_signal_handler(error):
                raise
            raise RuntimeApiError(
                f"Cannot connect to the Runtime API at {self.address} (AWS_LAMBDA_RUNTIME_API): {error}"
            ) from error
        self._socket = sock

    def _is_open(self) -> bool:
        """Whether the connection is open: the server has not closed it while it was idle.

        This is checked before sending, so a server that has closed it cannot have seen any of the request.
        """
        return self._socket is not None and self._socket.can_send()

    def _send_and_receive(self, head: bytes, body: bytes, look_up_s: float | None) -> http1.Response:
        assert self._socket is not None
        try:
            if len(body) < JOINED_BYTES:
                sent = self._send(self._socket, head + body)
            else:
                sent = self._send(self._socket, head) and self._send(self._socket, body)
            if look_up_s is not None:
                self._socket.settimeout(look_up_s)
            response = receive(self._socket)
            if look_up_s is not None:
                self._socket.settimeout(None)
        except BaseException:
            # A signal handler may have raised. The rest of this response must not be read as the next one.
            self.close()
            raise
        largest = len(body or response.body)
        if largest >= LARGE_BYTES:
            keep_freed_blocks(largest)
        if not (sent and response.keep_alive):
            self.close()
        return response

    def _send(self, sock: ApiSocket, data: bytes) -> bool:
        """Send all of ``data``. Returns False if the server responded, or hung up, before it had everything.

        An early response (413; RFC 9112, 9.3) must still be read, even after a failed send.
        """
        rest = memoryview(data)
        while rest:
            try:
                count = sock.send(rest, _socket.MSG_DONTWAIT)
                sock.sent_bytes += count
                rest = rest[count:]
            except BlockingIOError:
                wait_until_ready(sock)
                if has_input(sock):
                    return False
            except OSError as error:  # the server closed the connection, or the function did
                if is_of_a_signal_handler(error):
                    raise
                return False
        return True


def keep_freed_blocks(body_bytes: int) -> None:
    """Let malloc keep the memory of an event and its response, so that the next ones find it.

    Otherwise each large event gets new pages, and their page faults take longer than its decoding. When glibc
    has freed a mapped block, it uses the heap for blocks of up to this size, and keeps twice as much free for
    each thread that has had any. The block that is freed here is never used, so it takes no memory.
    """
    global _kept_bytes
    size_bytes = min(3 * body_bytes, 16_777_216)  # with twice the body, there were still page faults
    if size_bytes > _kept_bytes and not process_exit.is_shared:  # many threads would keep too much
        _kept_bytes = size_bytes
        if sys.implementation.name == "cpython":  # PyPy would fill the block
            try:
                bytes(size_bytes)
            except MemoryError:
                pass


def has_input(sock: Socket) -> bool:
    """Whether there is something to read: bytes, the end of the connection, an error."""
    try:
        sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except OSError as error:
        if is_of_a_signal_handler(error):
            raise
        return not isinstance(error, BlockingIOError)
    return True


def is_of_a_signal_handler(error: OSError) -> bool:
    """Whether a signal handler of the function raised ``error``, and not the system call it interrupted.

    Functions raise TimeoutError on SIGALRM to limit the duration of a call. Python runs their handler inside
    our call of `recv` or `send`, so its exception looks like an error of the connection to the ``except``
    around that call. The traceback tells them apart: a Python handler adds a frame below ours, a system call
    does not. So this works only in the function that catches the error around the call itself.
    """
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


def receive(sock: ApiSocket) -> http1.Response:
    """Wait for a response. Raises ConnectionLost; RuntimeApiError if it is not HTTP.

    A socket timeout does not end the wait, nor does a non-blocking descriptor, which uvloop leaves behind.
    """
    reader = http1.ResponseReader()
    while True:
        try:
            data = sock.recv(RECEIVE_BYTES)
        except OSError as error:
            if is_of_a_signal_handler(error):
                raise
            if isinstance(error, (BlockingIOError, _socket.timeout)) and sock.is_ours():
                sock.settimeout(sock.gettimeout())
                continue
            raise ConnectionLost(
                f"The connection to the Runtime API broke: {error}", response_began=reader.began
            ) from error
        sock.received_bytes += len(data)
        response = reader.feed(data) if data else reader.end()
        if response is not None:
            return response
        if not data:
            raise ConnectionLost(
                "The Runtime API closed the connection before its response was complete",
                response_began=reader.began,
            )


def wait_until_ready(sock: Socket) -> None:
    """Wait until more can be sent, or there is something to read."""
    try:
        select = load_stdlib("select")  # late: only a body that the socket's buffer cannot hold needs it
    except Exception:  # the function left no descriptor to load it with
        sleep(0.005)
        return
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN | select.POLLOUT)
    poll.poll()
