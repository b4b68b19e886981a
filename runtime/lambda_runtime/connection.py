"""The one place that waits: a keep-alive connection to the Runtime API."""

from __future__ import annotations

import _socket  # `socket` adds enum and selectors, twice the start of the interpreter itself

from . import http1
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
JOINED_BYTES = 65536  # below this, head and body are sent as one piece


class ApiSocket(Socket):
    """A connection to the Runtime API. The function may close it: `os.closerange` takes any descriptor.

    By then the number of its descriptor may belong to another file of the function.
    """

    __slots__ = ("_cookie",)

    def __init__(self, family: int) -> None:
        super().__init__(family, _socket.SOCK_STREAM)
        self._cookie = b""
        try:
            self._cookie = self.getsockopt(SOL_SOCKET, SO_COOKIE, 8)
        except OSError:  # a system that has no cookies
            pass

    def is_ours(self) -> bool:
        """Whether the descriptor still is this connection."""
        try:
            return self.getsockopt(SOL_SOCKET, SO_COOKIE, 8) == self._cookie
        except OSError as error:  # closed, or not a socket
            if is_of_a_signal_handler(error):
                raise
            return not self._cookie

    def close(self) -> None:
        """Close the connection; if the descriptor is another file now, leave that open."""
        if self.is_ours():
            super().close()
        else:
            self.detach()


class Connection:
    """Exchange one request for one response at a time, over one connection that is kept while it lasts.

    A response may take hours, and the process may be frozen meanwhile, so nothing here has a timeout
    but connecting.
    """

    def __init__(self, address: str) -> None:
        """``address`` is ``host:port``; the connection is opened when it is first needed."""
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

        While waiting, Python can call signal handlers every ``look_up_s`` seconds, if given.

        A request is sent a second time only when nothing of it can have been processed, or when it is
        ``repeatable`` and the connection had been idle. ConnectionLost: nobody can tell whether the
        request was processed. RuntimeApiError: it was not, or what came back is not HTTP. SystemExit in a
        process that the function forked: it shares this connection with its parent.
        """
        stop_child()
        reused = self._is_open()
        if not reused:
            self.open()
        try:
            return self._send_and_receive(head, body, look_up_s)
        except ConnectionLost as error:
            if not reused or error.reply_began or not repeatable:
                raise
        self.open()
        return self._send_and_receive(head, body, look_up_s)

    def detach(self) -> ApiSocket:
        """The connection itself, opened if need be, for one exchange that ends it. Raises as `exchange`."""
        stop_child()
        if not self._is_open():
            self.open()
        sock, self._socket = self._socket, None
        assert sock is not None
        return sock

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def open(self) -> None:
        """Open the connection anew. Raises RuntimeApiError."""
        self.close()
        family = _socket.AF_INET6 if ":" in self._host else _socket.AF_INET
        sock = ApiSocket(family)
        try:
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.connect((self._host, self._port))
            sock.settimeout(None)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            if is_of_a_signal_handler(error):
                raise
            raise RuntimeApiError(
                f"Cannot connect to the Runtime API at {self.address} (AWS_LAMBDA_RUNTIME_API): {error}"
            ) from error
        self._socket = sock

    def _is_open(self) -> bool:
        """Whether there is a connection that the server has not closed while it was idle.

        Looking before sending is what makes it certain that the server saw nothing of a request.
        """
        return self._socket is not None and self._socket.is_ours() and not has_input(self._socket)

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
            # Also when a signal handler raised: the rest of this reply must not meet the next request.
            self.close()
            raise
        if not (sent and response.keep_alive):
            self.close()
        return response

    def _send(self, sock: Socket, data: bytes) -> bool:
        """Send all of ``data``; False if the server replied, or hung up, before it had everything.

        A reply that comes early (413, RFC 9112, 9.3) is still to be read, also after a failed send.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[sock.send(rest, _socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                wait_until_ready(sock)
                if has_input(sock):
                    return False
            except OSError as error:  # the server closed the connection, or the function did
                if is_of_a_signal_handler(error):
                    raise
                return False
        return True


def has_input(sock: Socket) -> bool:
    """Whether there is something to read: bytes, an end, an error."""
    try:
        sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except OSError as error:
        if is_of_a_signal_handler(error):
            raise
        return not isinstance(error, BlockingIOError)
    return True


def is_of_a_signal_handler(error: OSError) -> bool:
    """Whether a signal handler has raised it, such as TimeoutError, and not the call that it came in on.

    To be asked where it is caught: the handler has a frame of its own, a call of the system has none.
    """
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


def receive(sock: Socket) -> http1.Response:
    """Wait for a response. Raises ConnectionLost; RuntimeApiError if it is not HTTP.

    Neither a timeout of the socket nor another mode of its descriptor, as uvloop leaves it, ends the wait.
    """
    reader = http1.ResponseReader()
    while True:
        try:
            data = sock.recv(RECEIVE_BYTES)
        except OSError as error:
            if is_of_a_signal_handler(error):
                raise
            if isinstance(error, (BlockingIOError, _socket.timeout)):
                sock.settimeout(sock.gettimeout())
                continue
            raise ConnectionLost(
                f"The connection to the Runtime API broke: {error}", reply_began=reader.began
            ) from error
        response = reader.feed(data) if data else reader.end()
        if response is not None:
            return response
        if not data:
            raise ConnectionLost(
                "The Runtime API closed the connection before its reply was complete",
                reply_began=reader.began,
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
