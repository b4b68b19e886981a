"""Connections that are closed, truncated, slow or faulty: the runtime still sends one response per event."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import threading
import unittest
from contextlib import suppress

from tests.scripted_server import CLOSE, RESET, Reply, event_bytes, refusal, reply_bytes
from tests.support import FunctionTestCase, Outcome, accepted, event

ACCEPTED = reply_bytes(202, b'{"status":"OK"}\n', "Content-Type: application/json")
RETURN_MUCH = "def handler(event, context): return b'x' * 20_000_000"


def connections(outcome: Outcome) -> list[int]:
    """Return the number of the connection of each request."""
    return [request.connection for request in outcome.requests]


class KeptConnections(FunctionTestCase):
    def test_one_connection_serves_all_invocations(self) -> None:
        replies = [reply for number in range(20) for reply in (event(f"r{number}"), accepted())]
        outcome = self.play(*replies)
        self.assertEqual(connections(outcome), [1] * 41)

    def test_the_connection_is_kept_after_a_large_result(self) -> None:
        source = "def handler(event, context): return b'x' * 5_000_000"
        outcome = self.play(event(), accepted(), event("r2"), accepted(), source=source)
        self.assertEqual(connections(outcome), [1] * 5)
        self.assertEqual(len(outcome.requests[1].body), 5_000_000)

    def test_connection_close_is_respected(self) -> None:
        for name in ("Connection: close", "connection: Close", "Connection: keep-alive, close"):
            with self.subTest(name):
                outcome = self.play(
                    Reply(event_bytes("r1", b"{}", name), CLOSE),
                    Reply(reply_bytes(202, b"", name), CLOSE),
                    event("r2"),
                    accepted(),
                )
                self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
                self.assertEqual(connections(outcome), [1, 2, 3, 3, 3])

    def test_http_1_0_ends_the_connection(self) -> None:
        old_event = event_bytes().replace(b"HTTP/1.1", b"HTTP/1.0")
        outcome = self.play(Reply(old_event, CLOSE), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        self.assertEqual(connections(outcome), [1, 2, 2])

    def test_a_body_that_ends_with_the_connection_is_understood(self) -> None:
        outcome = self.play(
            Reply(event_bytes("r1", b'"the whole"', length=False), CLOSE),
            Reply(reply_bytes(202, b"OK", length=False), CLOSE),
        )
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        self.assertEqual(outcome.requests[1].body, b'"the whole"')
        self.assertEqual(connections(outcome), [1, 2, 3])

    def test_unexpected_bytes_do_not_become_the_next_response(self) -> None:
        forged = event_bytes("forged")
        outcome = self.play(
            event("r1"),
            Reply(ACCEPTED + forged),
            event("r2"),
            Reply(ACCEPTED + b"\r\n"),
            event("r3"),
            accepted(),
        )
        self.assertEqual(
            outcome.calls, ["next", "r1/response", "next", "r2/response", "next", "r3/response", "next"]
        )
        self.assertEqual(connections(outcome), [1, 1, 2, 2, 3, 3, 3])

    def test_it_connects_to_a_host_name_and_to_an_ipv6_address(self) -> None:
        with self.subTest("name"):
            function = self.start()
            port = function.requests[0].header("Host").rpartition(":")[2]  # type: ignore[union-attr]
            self.assertTrue(port.isdecimal())
            outcome = self.play(event(), accepted(), host="localhost")
            self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        with self.subTest("IPv6"):
            if not _has_ipv6():
                self.skipTest("no IPv6 on this machine")
            outcome = self.play(event(), accepted(), host="::1")
            self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
            self.assertRegex(outcome.requests[0].headers["host"], r"\A\[::1\]:\d+\Z")


class ClosedWhileIdle(FunctionTestCase):
    """A server may close a keep-alive connection whenever it is idle.

    The functions take some time, so that the end of the connection has arrived when they return; a reset is
    sent after the event. For requests that are sent at the same time as the server closes, see CutReplies.
    """

    DURATIONS_S = ((CLOSE, 0.05), (RESET, 0.5))

    def test_before_the_response(self) -> None:
        for how, duration_s in self.DURATIONS_S:
            with self.subTest(how):
                source = f"import time\ndef handler(event, context): time.sleep({duration_s}); return event"
                outcome = self.play(
                    Reply(event_bytes(), how), accepted(), event("r2"), accepted(), source=source
                )
                self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
                self.assertEqual(connections(outcome), [1, 2, 2, 2, 2])

    def test_before_a_response_of_many_megabytes(self) -> None:
        for how, duration_s in self.DURATIONS_S:
            with self.subTest(how):
                source = f"""
                    import time
                    def handler(event, context):
                        time.sleep({duration_s})
                        return b"x" * 5_000_000
                """
                outcome = self.play(Reply(event_bytes(), how), accepted(), source=source)
                self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
                self.assertEqual(len(outcome.requests[1].body), 5_000_000)

    def test_before_an_error(self) -> None:
        source = "import time\ndef handler(event, context): time.sleep(0.05); raise ValueError"
        outcome = self.play(Reply(event_bytes(), CLOSE), accepted(), source=source)
        self.assertEqual(outcome.calls, ["next", "r1/error", "next"])

    def test_before_next(self) -> None:
        for how in (CLOSE, RESET):
            with self.subTest(how):
                outcome = self.play(event(), Reply(ACCEPTED, how), event("r2"), accepted())
                self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])

    def test_next_is_sent_again_if_the_connection_closes_after_it(self) -> None:
        # There was no response: the server closed the connection while our request was on its way. If
        # the server is gone, the new connection fails.
        for how in (CLOSE, RESET):
            with self.subTest(how):
                outcome = self.play(event(), accepted(), Reply(b"", how), event("r2"), accepted())
                self.assertEqual(
                    outcome.calls, ["next", "r1/response", "next", "next", "r2/response", "next"]
                )

    def test_requests_to_a_server_that_always_closes_are_not_repeated_forever(self) -> None:
        hang_up = Reply(b"", CLOSE)
        outcome = self.play(event(), accepted(), *[hang_up] * 5)
        self.assertLessEqual(outcome.calls.count("next"), 3)
        self.assertEqual(outcome.status, 1)
        self.assertEqual(outcome.errors.count("\n"), 1, outcome.errors)
        with self.subTest("from the start"):
            outcome = self.play(*[hang_up] * 5)
            self.assertLessEqual(outcome.calls.count("next"), 2)
            self.assertEqual(outcome.status, 1)


class CutReplies(FunctionTestCase):
    def test_a_response_with_a_truncated_reply_is_not_sent_again(self) -> None:
        rows = [
            ("nothing", b""),
            ("half a status line", ACCEPTED[:6]),
            ("half a head", ACCEPTED[:30]),
            ("all but the head's end", ACCEPTED[: ACCEPTED.index(b"\r\n\r\n") + 2]),
            ("half a body", ACCEPTED[:-3]),
            ("half a chunk", reply_bytes(202, b"5\r\nab", "Transfer-Encoding: chunked", length=False)),
            ("no last chunk", reply_bytes(202, b"2\r\nab\r\n", "Transfer-Encoding: chunked", length=False)),
        ]
        for kind, source in (("response", "pass"), ("error", "raise ValueError")):
            for name, data in rows:
                for how in (CLOSE, RESET):
                    with self.subTest(name, kind=kind, how=how):
                        outcome = self.play(
                            event("r1"),
                            Reply(data, how),
                            event("r2"),
                            accepted(),
                            source=f"def handler(event, context): {source}",
                        )
                        expected = ["next", f"r1/{kind}", "next", f"r2/{kind}", "next"]
                        self.assertEqual(outcome.calls, expected, outcome.errors)
                        self.assertRegex(outcome.output, rf"LAMBDA_RUNTIME POST \S+/r1/{kind}")

    def test_a_truncated_event_is_not_handled(self) -> None:
        whole = event_bytes("r1", b'{"a": "b"}')
        chunked = event_bytes("r1", b"5\r\n{}   \r\n", "Transfer-Encoding: chunked", length=False)
        for name, data in [
            ("half a head", whole[:50]),
            ("half a body", whole[:-3]),
            ("no last chunk", chunked),
            ("no end of the trailers", chunked + b"0\r\nTrailer: x\r\n"),
        ]:
            with self.subTest(name):
                outcome = self.play(Reply(data, CLOSE), source="def handler(event, context): print('called')")
                self.assertEqual(outcome.calls, ["next"])
                self.assertEqual(outcome.status, 1)
                self.assertNotIn("called", outcome.output)
                self.assertEqual(outcome.errors.count("\n"), 1, outcome.errors)


class EarlyReplies(FunctionTestCase):
    """A reply that arrives while the request is still being sent (RFC 9112, 9.3)."""

    def test_a_refusal_is_read_although_sending_fails(self) -> None:
        refused = refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size").data
        head, _, body = refused.partition(b"\r\n\r\n")
        closing = head + b"\r\nConnection: close\r\n\r\n" + body
        for wait_s in (0, 0.05):  # at once: the server closes during a `send`; later: between two
            with self.subTest(wait_s=wait_s):
                replies, calls = [], []
                for number in range(8):
                    replies += [event(f"r{number}"), Reply(closing, CLOSE, early=True, wait_s=wait_s)]
                    calls += ["next", f"r{number}/response"]
                outcome = self.play(*replies, source=RETURN_MUCH)
                self.assertEqual(outcome.calls, [*calls, "next"])
                self.assertEqual(connections(outcome), [number // 2 + 1 for number in range(17)])
                self.assertEqual(outcome.output.count("returned 413"), 8)

    def test_an_unreadable_refusal_does_not_cause_a_second_response(self) -> None:
        refused = refusal(413, "RequestEntityTooLarge").data
        for wait_s in (0, 0.05):
            with self.subTest(wait_s=wait_s):
                reply = Reply(refused, RESET, early=True, wait_s=wait_s)
                outcome = self.play(event(), reply, event("r2"), reply, source=RETURN_MUCH)
                self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])

    def test_a_refusal_that_keeps_the_connection_open_does_not_confuse_the_next_request(self) -> None:
        reply = Reply(refusal(413, "RequestEntityTooLarge").data, early=True, finish=True)
        outcome = self.play(event(), reply, event("r2"), reply, source=RETURN_MUCH)
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
        self.assertRegex(outcome.output, "LAMBDA_RUNTIME POST .*413")

    def test_a_server_that_closes_midway_gets_no_second_response(self) -> None:
        for how in (CLOSE, RESET):
            with self.subTest(how):
                reply = Reply(b"", how, early=True)
                outcome = self.play(event(), reply, event("r2"), reply, source=RETURN_MUCH)
                self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])

    def test_an_early_acceptance_is_an_acceptance(self) -> None:
        reply = Reply(ACCEPTED, early=True, finish=True)
        outcome = self.play(event(), reply, event("r2"), reply, source=RETURN_MUCH)
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])

    def test_a_slow_reader_receives_everything(self) -> None:
        source = "def handler(event, context): return b'x' * 5_000_000"
        outcome = self.play(event(), Reply(ACCEPTED, read_after_s=0.3), source=source)
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        self.assertEqual(outcome.requests[1].body, b"x" * 5_000_000)
        self.assertEqual(connections(outcome), [1] * 3)


class Pieces(FunctionTestCase):
    def test_replies_in_pieces_of_any_size_are_understood(self) -> None:
        body = json.dumps({"text": "é😀" * 5}, ensure_ascii=False).encode()
        pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
        chunks = b"".join(b"%x ;extension=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        chunked = chunks + b"0\r\nTrailer: x\r\n\r\n"
        events = [
            ("counted", event_bytes("r1", body)),
            ("chunked", event_bytes("r1", chunked, "Transfer-Encoding: chunked", length=False)),
            ("after 100 Continue", reply_bytes(100, length=False) + event_bytes("r1", body)),
        ]
        for name, data in events:
            for size in (1, 2, 3, 17):
                with self.subTest(name, piece_bytes=size):
                    outcome = self.play(
                        Reply(data, piece_bytes=size),
                        Reply(ACCEPTED, piece_bytes=size),
                        event("r2"),
                        accepted(),
                    )
                    self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
                    self.assertEqual(outcome.requests[1].body, body)
                    self.assertEqual(connections(outcome), [1] * 5)

    def test_a_reply_that_is_not_http_ends_the_process_with_one_clear_line(self) -> None:
        for name, data in [
            ("text", b"hello\r\n\r\n"),
            ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
            ("TLS", b"\x15\x03\x01\x00\x02\x02\x16"),
            ("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
            ("NULs", b"\0" * 100),
            ("no status", b"HTTP/1.1\r\n\r\n"),
            ("a wrong status", b"HTTP/1.1 2xx OK\r\n\r\n"),
            ("a header without a colon", b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
            ("a wrong length", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
            ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
            ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
            ("a wrong chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            ("terminal escapes", b"\x1b[31mred\r\n\r\n"),
        ]:
            with self.subTest(name):
                outcome = self.play(Reply(data))
                self.assertEqual(outcome.calls, ["next"])
                self.assertEqual(outcome.status, 1)
                self.assertEqual(outcome.errors.count("\n"), 1, outcome.errors)
                self.assertTrue(outcome.errors[:-1].isprintable(), outcome.errors)

    def test_garbage_as_reply_does_not_cause_a_second_response(self) -> None:
        outcome = self.play(event(), Reply(b"hello\r\n\r\n"), event("r2"), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
        self.assertEqual(connections(outcome), [1, 1, 2, 2, 2])
        self.assertIn("hello", outcome.output)


class Signals(FunctionTestCase):
    def test_a_signal_while_a_reply_is_awaited_does_not_disturb_it(self) -> None:
        # The reply to the first response is late; SIGALRM arrives before it.
        late = accepted()
        late.wait_s = 0.8
        outcome = self.play(
            event(),
            late,
            event("r2"),
            accepted(),
            source="""
                import signal
                rung = []
                signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
                def handler(event, context):
                    if not rung:
                        signal.setitimer(signal.ITIMER_REAL, 0.1)
                    return len(rung)
            """,
        )
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
        self.assertEqual([request.body for request in outcome.requests[1::2]], [b"0", b"1"])
        self.assertEqual(connections(outcome), [1] * 5)
        self.assertEqual(outcome.output, "")

    def test_a_stopped_function_continues_after_sigcont(self) -> None:
        # This is similar to freezing and thawing an environment.
        function = self.start()
        self.assertResponse(function, 1, 1)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGSTOP)
        os.kill(function.pid, signal.SIGCONT)
        self.assertResponse(function, 2, 2)
        self.assertOneResponseEach(function)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


class Echo:
    """A server for connections of the function: it sends as many bytes as each asks for with ``NUMBER.``."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.others: list[bytes] = []  # what else the connections have sent

    def __enter__(self) -> Echo:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                number, dot, rest = data.partition(b".")
                if not (dot and number.isdigit()) or rest:
                    self.others.append(data)
                    return
                connection.sendall(bytes(int(number)))


class Descriptors(FunctionTestCase):
    """Functions that change or close descriptors of the runtime."""

    HOSTILE = """
        import os, socket

        def unblock():
            for descriptor in range(3, 64):
                try:
                    os.set_blocking(descriptor, False)
                except OSError:
                    pass

        def close():
            os.closerange(3, 256)

        def replace(address=None):
            os.closerange(3, 256)
            replace.sockets = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(16)]

        def imitate():
            count = next(filter(None, map(received_bytes, range(3, 64))))
            replace()
            for connection in replace.sockets:
                connection.sendall(b"%d." % count)
                connection.recv(count, socket.MSG_WAITALL)

        def received_bytes(descriptor):
            try:
                with socket.socket(fileno=os.dup(descriptor)) as connection:
                    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
                    return int.from_bytes(info[128:136], "little")
            except OSError:
                return 0

        def handler(event, context):
            disturb = globals()[event["disturb"]]
            if event["then"] == "stream":
                return stream(disturb)
            disturb()
            return {"small": "small", "large": "x" * 5_000_000, "fail": None}[event["then"]] or 1 / 0

        def stream(disturb):
            yield "begin"
            disturb()
            yield b"x" * 5_000_000
        """
    LARGE = 5_000_000

    def test_they_may_be_set_to_another_mode(self) -> None:
        function = self.start(self.HOSTILE)
        for _ in range(3):
            for then, size in (("small", 7), ("large", self.LARGE + 2), ("stream", self.LARGE + 5)):
                with self.subTest(then):
                    event = {"disturb": "unblock", "then": then}
                    self.assertEqual(len(self.streamed(function, event)), size)
            with self.subTest("an error"):
                self.assertEqual(
                    self.error(function, {"disturb": "unblock", "then": "fail"})["errorType"],
                    "ZeroDivisionError",
                )
        self.assertNotIn("LAMBDA_RUNTIME", function.log_text())
        self.assertOneResponseEach(function)
        self.assertStillWorks(function)

    def test_a_stream_that_is_too_large_is_refused_in_any_mode(self) -> None:
        function = self.start(self.HOSTILE.replace("5_000_000", "10_000_000"))
        for _ in range(2):
            result = self.invoke(function, {"disturb": "unblock", "then": "stream"})
            self.assertEqual(
                json.loads(result.payload.decode())["errorType"], "Function.ResponseSizeTooLarge"
            )
        self.assertStillWorks(function)

    def test_they_may_be_closed(self) -> None:
        function = self.start(self.HOSTILE)
        for _ in range(3):
            for then, size in (("small", 7), ("large", self.LARGE + 2)):
                with self.subTest(then):
                    self.assertEqual(len(self.streamed(function, {"disturb": "close", "then": then})), size)
            with self.subTest("an error"):
                self.assertEqual(
                    self.error(function, {"disturb": "close", "then": "fail"})["errorType"],
                    "ZeroDivisionError",
                )
        self.assertStillWorks(function)
        self.assertNotIn("LAMBDA_RUNTIME", function.log_text())

    def test_during_a_stream_only_that_response_is_lost(self) -> None:
        function = self.start(self.HOSTILE)
        self.invoke(function, {"disturb": "close", "then": "stream"})
        self.assertResponse(function, {"disturb": "close", "then": "small"}, "small")

    @unittest.skipUnless(sys.platform == "linux", "needs the cookies of Linux's sockets")
    def test_a_connection_of_the_function_that_has_our_number_is_not_written_to(self) -> None:
        for disturb, then in itertools.product(("replace", "imitate"), ("small", "stream")):
            with self.subTest(disturb=disturb, then=then), Echo() as echo:
                function = self.start(self.HOSTILE.replace("PORT", str(echo.port)))
                result = self.invoke(function, {"disturb": disturb, "then": then})
                if then == "small":
                    self.assertIsNone(result.function_error, result.payload[:2000])
                self.assertResponse(function, {"disturb": "unblock", "then": "small"}, "small")
                self.assertEqual([], echo.others)


if __name__ == "__main__":
    unittest.main()
