"""The emulator's servers refuse what no client of the developer sends, and stay reachable."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import socket
import sys
import termios
import time
import unittest

from lambda_emulator.functions.log import Log
from lambda_emulator.servers.function_url import FunctionUrl
from lambda_emulator.servers.http_event import joined
from lambda_emulator.servers.http_server import CONNECTION_LIMIT, HttpServer, Request, Response, text_reply
from lambda_emulator.servers.invoke_api import InvokeApi
from lambda_emulator.terminal.terminal import Terminal

from tests.emulator.test_concurrency import no_threads
from tests.emulator.test_emulator import EmulatorTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INVOKE = "/2015-03-31/functions/hello/invocations"
RUNTIME = "while True:\n    r, event, headers = take(); respond(r, 'invoked')"
OURS, FOREIGN = "200 OK", "403 Forbidden"


def exchange(address: str, head: str, body: bytes = b"") -> str:
    """Send a request and return the status line and the body of the reply."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(f"{head}\r\n\r\n".encode("utf-8", "surrogateescape") + body)
        with client.makefile("rb") as stream:
            reply = b""
            with contextlib.suppress(ConnectionResetError):
                reply = stream.read()
    return reply.decode("utf-8", "replace")


class AWebPage(EmulatorTestCase):
    """Requests as browsers send them for pages of other sites."""

    def setUp(self) -> None:
        super().setUp()
        self.started = self.start(RUNTIME, name="hello")
        self.api = InvokeApi(self.started, allowed_hosts=["host.docker.internal"])
        self.addCleanup(self.api.close)
        self.page = FunctionUrl(self.started)
        self.addCleanup(self.page.close)

    def post(self, host: str, *headers: str, url: str = "") -> str:
        url = url or self.api.url
        address = url.partition("//")[2].strip("/")
        lines = [f"POST {INVOKE} HTTP/1.1", f"Host: {host.replace('PORT', address.rpartition(':')[2])}"]
        lines += [header.replace("ADDRESS", address) for header in headers]
        reply = exchange(address, "\r\n".join([*lines, "Connection: close", "Content-Length: 0"]))
        return reply.partition("\r\n")[0].partition(" ")[2]

    def test_that_reached_this_machine_by_its_own_name_is_refused(self) -> None:
        for url in (self.api.url, self.page.url):
            for host in (
                "evil.example",
                "evil.example:PORT",
                "localhost.evil.example",
                "10.0.0.1",
                "a b",
                "a:x",
            ):
                with self.subTest(host, url=url):
                    self.assertEqual(self.post(host, url=url), FOREIGN)
        self.assertEqual([("next", None)], self.statuses(self.started), "none reached the function")

    def test_names_of_this_machine_and_allowed_ones_are_accepted(self) -> None:
        for host in ("localhost", "LOCALHOST:PORT", "127.0.0.1:PORT", "[::1]:PORT", "host.docker.internal:1"):
            with self.subTest(host):
                self.assertEqual(self.post(host), OURS)

    def test_of_another_site_cannot_invoke_the_function(self) -> None:
        for headers in (
            ["Origin: http://evil.example"],
            ["Origin: null"],
            ["Origin: http://localhost:3000"],
            ["Sec-Fetch-Site: cross-site"],
            ["Sec-Fetch-Site: same-site"],
        ):
            with self.subTest(headers):
                self.assertEqual(self.post("127.0.0.1:PORT", *headers), FOREIGN)
        self.assertEqual([("next", None)], self.statuses(self.started), "none reached the function")

    def test_of_the_same_origin_and_clients_that_are_not_browsers_can(self) -> None:
        for headers in (
            ["Origin: http://ADDRESS", "Sec-Fetch-Site: same-origin"],
            ["Sec-Fetch-Site: none"],
            [],
        ):
            with self.subTest(headers):
                self.assertEqual(self.post("127.0.0.1:PORT", *headers), OURS)

    def test_learns_no_paths_from_the_start_page(self) -> None:
        address = self.api.url.partition("//")[2]
        reply = exchange(address, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close")
        self.assertIn("hello.handler", reply)
        self.assertNotIn(str(self.folder), reply)

    def test_the_refusal_says_what_to_do(self) -> None:
        address = self.api.url.partition("//")[2]
        reply = exchange(address, f"POST {INVOKE} HTTP/1.1\r\nHost: my.box:80")
        self.assertIn("the host 'my.box:80' is not allowed; if it is yours, use --allowed-host my.box", reply)

    def test_qualifiers_that_are_not_valid_are_refused(self) -> None:
        address = self.api.url.partition("//")[2]
        for qualifier in ("1%0d%0aX:%20y", "a%20b", "%00", "x" * 129):
            with self.subTest(qualifier):
                head = f"POST {INVOKE}?Qualifier={qualifier} HTTP/1.1\r\nHost: localhost\r\nConnection: close"
                reply = exchange(address, f"{head}\r\nContent-Length: 0")
                self.assertTrue(reply.startswith("HTTP/1.1 400 "), reply)
                self.assertIn("at 'qualifier'", reply)


class AServer(unittest.TestCase):
    """`HttpServer` with a client that does what it should not."""

    def open(self, status: int = 200) -> HttpServer:
        self.problems: list[str] = []
        self.requests: list[Request] = []

        def handle(request: Request) -> Response:
            self.requests.append(request)
            if request.path == "/header":
                return Response(200, headers=[("X-A", "b\r\nX-C: d")])
            if request.path == "/read":
                return text_reply(status, str(len(request.read())))
            return text_reply(status, "unread")

        server = HttpServer(handle, self.problems.append)
        self.addCleanup(server.close)
        return server

    def test_accepts_only_unambiguous_requests(self) -> None:
        server = self.open()
        host = "Host: localhost\r\n"
        for name, head in {
            "an empty coding before chunked, and a length": f"POST / HTTP/1.1\r\n{host}Transfer-Encoding:\r\n"
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "an empty coding": f"POST / HTTP/1.1\r\n{host}Transfer-Encoding:\r\nContent-Length: 3",
            "two codings": f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n"
            "Transfer-Encoding: identity",
            "two hosts": f"GET / HTTP/1.1\r\n{host}{host[:-2]}",
            "a control character in the method": f"G\x01T / HTTP/1.1\r\n{host[:-2]}",
            "a control character in the target": f"GET /\x01 HTTP/1.1\r\n{host[:-2]}",
            "one in the host of an absolute target": f"GET http://a\x7f/ HTTP/1.1\r\n{host[:-2]}",
        }.items():
            with self.subTest(name):
                self.assertTrue(exchange(server.address, head, b"abc").startswith("HTTP/1.1 400 "))
        self.assertEqual(self.requests, [])

    def test_sends_no_header_with_a_line_break(self) -> None:
        server = self.open()
        reply = exchange(server.address, "GET /header HTTP/1.1\r\nHost: localhost\r\nConnection: close")
        self.assertNotIn("X-C", reply)

    def test_does_not_keep_a_body_that_nobody_reads(self) -> None:
        server = self.open(404)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = 200 * 1024 * 1024
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as client:
            client.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
            piece, sent = bytes(1024 * 1024), 0
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while sent < size:
                    client.sendall(piece)
                    sent += len(piece)
        self.assertLess(sent, size, "the server closes the connection")
        if sys.platform == "linux":
            grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            self.assertLess(grown_kb, size // 1024 // 2)

    def test_stays_reachable_beside_many_idle_connections(self) -> None:
        server = self.open()
        host, _, port = server.address.rpartition(":")
        with contextlib.ExitStack() as stack:
            for _ in range(CONNECTION_LIMIT + 20):
                client = stack.enter_context(socket.create_connection((host, int(port)), 10))
                client.sendall(b"GET / HTTP/1.1\r\nHost: ")  # half a request
            reply = exchange(server.address, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close")
            self.assertTrue(reply.startswith("HTTP/1.1 200 "), reply)

    def test_refuses_a_connection_for_which_there_is_no_thread_and_accepts_the_next(self) -> None:
        server = self.open()
        host, _, port = server.address.rpartition(":")
        with no_threads(), socket.create_connection((host, int(port)), 10) as client:
            refusal = client.recv(1000)
        self.assertTrue(refusal.startswith(b"HTTP/1.1 503 "), refusal)
        reply = exchange(server.address, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close")
        self.assertTrue(reply.startswith("HTTP/1.1 200 "), reply)

    def test_ends_a_connection_that_sends_nothing(self) -> None:
        server = HttpServer(lambda request: text_reply(200, ""), print, idle_timeout_s=1)
        self.addCleanup(server.close)
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET")
            received = b""
            while True:
                data = client.recv(4096)
                if not data:
                    break
                received += data
        self.assertEqual(received.count(b"HTTP/1.1 200"), 1)

    def test_knows_at_once_whether_a_client_has_left_that_sends_no_other_request(self) -> None:
        requests: list[Request] = []

        def handle(request: Request) -> Response:
            requests.append(request)
            return text_reply(200, "")

        server = HttpServer(handle, print, idle_timeout_s=1)
        self.addCleanup(server.close)
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(4096)
            connection = requests[0].connection
            assert connection is not None
            while connection.gettimeout() is None:  # until it waits for the next request
                time.sleep(0.001)
            began = time.monotonic()
            self.assertFalse(requests[0].client_has_left())
            self.assertLess(time.monotonic() - began, 0.5)


@unittest.skipUnless(
    sys.platform == "linux" and os.getuid() == 0, "needs Linux, and root to become another user"
)
class AnotherUser(EmulatorTestCase):
    def test_cannot_take_events_from_the_runtime_api(self) -> None:
        function = self.start(
            "import socket\n"
            "address = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n"
            "def ask(user):\n"
            "    reader, writer = os.pipe()\n"
            "    if os.fork() == 0:\n"
            "        os.setuid(user)\n"
            "        with socket.create_connection((address[0], int(address[1]))) as client:\n"
            "            client.sendall(b'GET /nothing HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
            "            try:\n"
            "                os.write(writer, client.recv(12) or b'nothing')\n"
            "            except ConnectionResetError:\n"
            "                os.write(writer, b'nothing')\n"
            "        os._exit(0)\n"
            "    return os.read(reader, 100).decode()\n"
            "r, *_ = take(); respond(r, [ask(65534), ask(0)])"
        )
        self.assertEqual(["nothing", "HTTP/1.1 404"], json.loads(function.invoke().payload))


class ATerminal(unittest.TestCase):
    """What reaches a terminal cannot control it."""

    HOSTILE = "a\x1b]0;title\x07\x9bz\u202eb\x7f\tc"

    def shown(self, write: Callable[[Terminal], None], *, ansi: bool = False) -> str:
        ours, terminal = pty.openpty()
        self.addCleanup(os.close, ours)
        attributes = termios.tcgetattr(terminal)
        attributes[1] &= ~termios.OPOST  # no \r before \n
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        with open(terminal, "w", encoding="utf-8") as stream, with_variables(NO_COLOR="1"):
            Terminal.ansi = ansi
            try:
                write(Terminal(stream))
            finally:
                Terminal.ansi = False
            stream.flush()
            return os.read(ours, 4096).decode("utf-8", "replace")

    def test_shows_control_characters_of_texts_as_escapes(self) -> None:
        expected = "a\\x1b]0;title\\x07\\x9bz\\u202eb\\x7f\tc\n"
        text = self.HOSTILE
        for write in (
            lambda terminal: terminal.log(f"{text}\n".encode()),
            lambda terminal: terminal.warning(text),
            lambda terminal: terminal.error(text),
            lambda terminal: terminal.remark(text),
        ):
            self.assertEqual(self.shown(write), expected)
        self.assertEqual(self.shown(lambda terminal: terminal.remark(text), ansi=True), f"{text}\n")

    def test_shows_control_characters_of_responses_as_escapes(self) -> None:
        data = "a\x1b[2J\x9b\r\nb\rc\n".encode()
        expected = "a\\x1b[2J\\xc2\\x9b\r\nb\\rc\n"
        self.assertEqual(self.shown(lambda terminal: terminal.part(data)), expected)
        self.assertEqual(self.shown(lambda terminal: terminal.payload(data)), expected)
        self.assertEqual(self.shown(lambda terminal: terminal.part(data), ansi=True), data.decode())
        json_text = json.dumps(self.HOSTILE, ensure_ascii=False).encode()
        self.assertNotIn("\x9b", self.shown(lambda terminal: terminal.payload(json_text)))


@contextlib.contextmanager
def with_variables(**variables: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class LongInput(unittest.TestCase):
    """What clients and functions send takes time in proportion to its length."""

    def test_of_one_name_is_joined_at_once(self) -> None:
        began = time.process_time()
        self.assertEqual(len(joined([("a", "b")] * 500_000)["a"]), 999_999)
        self.assertLess(time.process_time() - began, 3)

    def test_in_a_line_without_an_end_is_joined_at_once(self) -> None:
        sizes: list[int] = []
        stream = Log(lambda lines, _: sizes.append(len(lines)), keep=False).stream()
        began = time.process_time()
        for _ in range(10_000):
            stream.write(b"x" * 4096)
        stream.close()
        self.assertLess(time.process_time() - began, 3)
        self.assertEqual(10_000 * 4096, sum(sizes) - len(sizes), "a line end for each piece")
        self.assertLess(max(sizes), 300_000)


if __name__ == "__main__":
    unittest.main()
