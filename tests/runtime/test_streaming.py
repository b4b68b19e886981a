"""Streamed responses: the chunks that a generator yields, and its errors."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import sys
import textwrap
import time
import unittest
from http import HTTPStatus
from pathlib import Path

from lambda_runtime.streaming import PRELUDE_LIMIT_BYTES, encode_prelude

from tests.scripted_server import CLOSE, RESET, refusal
from tests.support import (
    PYPY,
    SMALL_NURSERY,
    FunctionTestCase,
    Outcome,
    Reply,
    accepted,
    event,
    joined,
    posts,
)
from tests.web import url_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.scripted_server import Request
    from tests.support import Function

BYTES = "application/octet-stream"
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
NULS = bytes(8)
TRAILERS_LIMIT_BYTES = 4096  # the limit of Go's net/http for all trailers together

# The event is the source of a function `generate` without arguments, or of any other callable of that name.
GENERATE = """
    import asyncio, collections.abc, contextvars, functools, json, os, signal, sys, time, types

    def handler(event, context):
        names = {**globals(), "context": context}
        exec(event, names)
        return names["generate"]()
"""
WRITERS = {"a generator": "def generate():", "an async generator": "async def generate():"}


def source(kind: str, body: str) -> str:
    """Return the source of a generator of this kind with this body."""
    return f"{WRITERS[kind]}\n{textwrap.indent(textwrap.dedent(body), '    ')}"


class StreamingTestCase(FunctionTestCase):
    def fail_midway(self, function: Function, value: object, sent: bytes) -> dict[str, Any]:
        """Invoke, expect an error after ``sent``, and return the payload that describes it."""
        result = function.invoke_streaming(json.dumps(value).encode())
        self.assertEqual(b"".join(result), sent)
        self.assertEqual(result.function_error, "Unhandled")
        self.assertTrailers(posts(function)[-1].trailers)
        payload: dict[str, Any] = json.loads(result.error_body.decode())
        return payload

    def assertTrailers(self, trailers: list[tuple[str, str]]) -> dict[str, Any]:
        """Expect an error in short trailers of one line each; return the payload that describes it."""
        self.assertEqual([name for name, _ in trailers], [ERROR_TYPE, ERROR_BODY])
        values = dict(trailers)
        self.assertRegex(values[ERROR_TYPE], r"\A(Function|Runtime)\.[A-Z][A-Za-z0-9_.]+\Z")
        self.assertRegex(values[ERROR_BODY], r"\A[A-Za-z0-9+/]+={0,2}\Z")
        self.assertLess(sum(len(f"{name}: {value}\r\n") for name, value in trailers), TRAILERS_LIMIT_BYTES)
        payload: dict[str, Any] = json.loads(base64.b64decode(values[ERROR_BODY]).decode())
        self.assertEqual(list(payload)[:4], ["errorMessage", "errorType", "requestId", "stackTrace"])
        return payload

    def assertStreamed(self, request: Request, *chunks: bytes) -> None:
        """Expect a complete response with these chunks and without an error."""
        self.assertTrue(request.whole)
        self.assertEqual(request.chunks, list(chunks))
        self.assertEqual(request.trailers, [])


class TheWire(StreamingTestCase):
    """The exact bytes that reach the Runtime API."""

    def play_events(self, generator: str, *events: Reply) -> list[Request]:
        """Handle each of ``events``; return the responses."""
        script = [reply for one in events for reply in (one, accepted())]
        outcome = self.play(*script, source=f"def handler(event, context):\n{generator}")
        self.assertEqual(outcome.calls[::2], ["next"] * (len(events) + 1), outcome.output)
        return outcome.requests[1::2]

    def test_the_request_headers_announce_chunks_and_trailers(self) -> None:
        (request,) = self.play_events("  yield b'one'\n  yield b'two'", event("r1"))
        lines = [line for line in request.head.decode().split("\r\n") if not line.startswith("User-Agent: ")]
        self.assertEqual(
            lines,
            [
                "POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1",
                f"Host: {request.headers['host']}",
                "Lambda-Runtime-Function-Response-Mode: streaming",
                "Transfer-Encoding: chunked",
                f"Trailer: {ERROR_TYPE}, {ERROR_BODY}",
                f"Content-Type: {BYTES}",
            ],
        )
        self.assertStreamed(request, b"one", b"two")

    def test_the_id_of_the_delivery_attempt_is_echoed_if_there_is_one(self) -> None:
        with_id = event("r1", b"{}", "Lambda-Runtime-Invocation-Id: attempt-9")
        requests = self.play_events("  yield 'x'", with_id, event("r2"))
        self.assertEqual(
            [request.headers.get("lambda-runtime-invocation-id") for request in requests], ["attempt-9", None]
        )

    def test_each_response_ends_its_connection(self) -> None:
        script = [event("r1"), accepted(), event("r2"), accepted()]
        outcome = self.play(*script, source="def handler(event, context): yield 'x'")
        self.assertEqual([request.connection for request in outcome.requests], [1, 1, 2, 2, 3])

    def test_a_prelude_comes_before_the_body_and_has_its_own_content_type(self) -> None:
        head = '{"statusCode": 404, "headers": {"a": "b"}}'
        (request,) = self.play_events(f"  yield {head}\n  yield 'body'", event())
        self.assertEqual(request.headers["content-type"], HTTP_RESPONSE)
        self.assertStreamed(request, head.encode() + NULS, b"body")

    def test_an_error_midway_is_in_the_trailers_after_the_last_chunk(self) -> None:
        (request,) = self.play_events("  yield 'sent'\n  raise ValueError('bad thing')", event())
        self.assertTrue(request.whole)
        self.assertEqual(request.chunks, [b"sent"])
        payload = self.assertTrailers(request.trailers)
        self.assertEqual(request.trailers[0], (ERROR_TYPE, "Function.ValueError"))
        self.assertEqual(payload["errorMessage"], "bad thing")
        self.assertEqual((payload["errorType"], payload["requestId"]), ("ValueError", "r1"))
        self.assertRegex(payload["stackTrace"][0], r'function.py", line 3, in handler\n    raise ValueError')

    def test_an_error_before_the_first_chunk_is_an_ordinary_one(self) -> None:
        for number, generator in enumerate(["  1 / 0\n  yield", "  yield object()"]):
            with self.subTest(generator):
                (request,) = self.play_events(generator, event(f"r{number}"))
                self.assertEqual(request.call, f"r{number}/error")
                self.assertNotIn("transfer-encoding", request.headers)
                self.assertNotIn("lambda-runtime-function-response-mode", request.headers)


class Chunks(StreamingTestCase):
    """With the emulator: the yielded values, and the response that the caller gets."""

    GOOD = {
        "nothing": ("if False: yield", b""),
        "bytes": ("yield b'\\x00\\xff'; yield b'b'", b"\x00\xffb"),
        "bytearray": ("yield bytearray(b'ab')", b"ab"),
        "memoryview": ("yield memoryview(b'abcdef')[1:5:2]", b"bd"),
        "memoryview of numbers": ("yield memoryview(b'abcd').cast('H')", b"abcd"),
        "a buffer that is used again": (
            "buffer = bytearray(b'ab'); yield buffer; buffer[:] = b'cd'; yield buffer",
            b"abcd",
        ),
        "str": ("yield 'h\u00e9\U0001f600'; yield 'x'", "h\u00e9\U0001f600x".encode()),
        "empty chunks": ("yield ''; yield 'a'; yield b''; yield bytearray(); yield 'b'; yield ''", b"ab"),
        "an empty chunk only": ("yield b''", b""),
        "a line": ("yield '0\\r\\n\\r\\n'; yield '\\r\\n'", b"0\r\n\r\n\r\n"),
        "a subclass": ("yield type('Text', (str,), {})('a'); yield type('Data', (bytes,), {})(b'b')", b"ab"),
        "long ones": ("yield b'a' * 65535; yield b'b' * 65536", b"a" * 65535 + b"b" * 65536),
    }

    def test_bytes_and_text_are_sent_unchanged(self) -> None:
        function = self.start(GENERATE)
        for name, (body, expected) in self.GOOD.items():
            for kind in WRITERS:
                with self.subTest(name, kind=kind):
                    self.assertEqual(self.streamed(function, source(kind, body)), expected)
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_a_prelude_without_a_body_is_a_response(self) -> None:
        function = self.start(GENERATE)
        for kind in WRITERS:
            response = self.streamed(function, source(kind, "yield {'statusCode': 204}"))
            self.assertEqual(response, b'{"statusCode": 204}' + NULS)

    # The value that is yielded first or second, and the expected message.
    BAD = {
        "None": ("None", "TypeError", "Expected a chunk of bytes or str, got NoneType"),
        "an int": ("7", "TypeError", "got int"),
        "a list": ("[b'x']", "TypeError", "got list"),
        "an iterator": ("iter('x')", "TypeError", "got (str_(ascii_)?iterator|sequenceiterator)"),
        "an instance": ("Strange()", "TypeError", "got Strange"),
        "a lone surrogate": ("'\\ud800'", "UnicodeEncodeError", "surrogates not allowed"),
    }
    BAD_FIRST = {
        "a head with other keys": ("{'a': 1}", "ValueError", "key 'a'.*statusCode.*yield json.dumps"),
        "a status that is text": (
            "{'statusCode': '200'}",
            "ValueError",
            "statusCode is '200', expected an int",
        ),
        "a head that is not json": ("{'headers': {'a': object()}}", "TypeError", "'a'.* is of type object"),
        "a head too long": ("{'headers': {'a': 'x' * 20000}}", "ValueError", "take 20\\d\\d\\d bytes"),
    }
    BAD_SECOND = {"a head that comes late": ("{}", "TypeError", "A dict was yielded after the first chunk")}

    def test_other_chunks_are_errors_raised_at_their_yield(self) -> None:
        function = self.start(joined(GENERATE, "class Strange: pass"))
        for kind in WRITERS:
            for name, (chunk, error_type, message) in {**self.BAD, **self.BAD_FIRST}.items():
                with self.subTest(name, kind=kind, place="first"):
                    payload = self.error(function, source(kind, f"yield {chunk}"))
                    self.assertDescribes(payload, error_type, message, line=2)
            for name, (chunk, error_type, message) in {**self.BAD, **self.BAD_SECOND}.items():
                with self.subTest(name, kind=kind, place="second"):
                    body = source(kind, f"yield 'sent'\nyield {chunk}")
                    payload = self.fail_midway(function, body, b"sent")
                    self.assertDescribes(payload, error_type, message, line=3)
        self.assertEqual(self.streamed(function, source("a generator", "yield 'x'")), b"x")
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def assertDescribes(self, payload: dict[str, Any], error_type: str, message: str, *, line: int) -> None:
        self.assertEqual(payload["errorType"], error_type)
        self.assertRegex(payload["errorMessage"], re.compile(message, re.DOTALL))
        self.assertEqual(len(payload["stackTrace"]), 1, payload)
        self.assertIn(f'"<string>", line {line}, in generate', payload["stackTrace"][0])


class Values(StreamingTestCase):
    """The return value of a generator."""

    RETURNING = "if True: return {'statusCode': 400}"
    MESSAGE = "The generator returned a value of type dict"

    def test_without_a_body_a_returned_value_is_an_error(self) -> None:
        function = self.start(GENERATE)
        payload = self.error(function, source("a generator", f"{self.RETURNING}\nyield 'sent'"))
        self.assertEqual(payload["errorType"], "TypeError")
        self.assertIn(f"{self.MESSAGE}, which nothing receives: yield it instead", payload["errorMessage"])
        self.assertNotIn("cause", payload)  # it would hold the value
        for chunk in ("{'statusCode': 200}", "''"):
            with self.subTest(chunk):
                body = source("a generator", f"yield {chunk}\n{self.RETURNING}")
                result = function.invoke_streaming(json.dumps(body).encode())
                b"".join(result)
                self.assertIn(self.MESSAGE.encode(), result.error_body)
        self.assertStillWorks(function)

    def test_after_body_chunks_a_returned_value_is_ignored_and_logged(self) -> None:
        function = self.start(GENERATE)
        for _ in range(2):
            body = source("a generator", f"yield 'sent'\n{self.RETURNING}")
            self.assertEqual(self.streamed(function, body), b"sent")
        self.assertEqual(function.log_text().count(f"LAMBDA_RUNTIME {self.MESSAGE} after its chunks"), 2)
        self.assertIn("[WARNING]", function.log_text())
        self.assertEqual(self.streamed(function, source("a generator", "yield 'fine'\nreturn None")), b"fine")
        self.assertEqual(
            self.streamed(function, source("a generator", "return (yield from iter('ab'))")), b"ab"
        )
        self.assertStillWorks(function)


class Order(StreamingTestCase):
    """The times at which chunks are sent."""

    def test_the_caller_receives_each_chunk_before_the_next_is_requested(self) -> None:
        function = self.start(GENERATE)
        for kind, wait in [
            ("a generator", "time.sleep(0.002)"),
            ("an async generator", "await asyncio.sleep(0.002)"),
        ]:
            with self.subTest(kind):
                folder = self.write({})
                body = f"""
                    for number in range(3):
                        yield str(number)
                        while not os.path.exists(f"{folder}/{{number}}"): {wait}
                """
                chunks = iter(function.invoke_streaming(json.dumps(source(kind, body)).encode()))
                for number in range(3):
                    self.assertEqual(next(chunks), str(number).encode())
                    Path(folder, str(number)).touch()
                self.assertEqual(list(chunks), [])

    def test_a_chunk_arrives_within_milliseconds(self) -> None:
        function = self.start(GENERATE)
        for kind, wait in [
            ("a generator", "time.sleep(0.005)"),
            ("an async generator", "await asyncio.sleep(0.005)"),
        ]:
            body = f"for _ in range(10):\n    yield '%.6f' % time.monotonic()\n    {wait}"
            result = function.invoke_streaming(json.dumps(source(kind, body)).encode())
            delays_s = [time.monotonic() - float(chunk) for chunk in result]
            # The shortest time, because a busy machine may delay any chunk.
            self.assertLess(min(delays_s), 0.1)


class ErrorsMidway(StreamingTestCase):
    """Exceptions of a generator after its first chunk."""

    RAISED = {
        "an exception": ("raise ValueError('bad')", "ValueError", "bad"),
        "an error of the interpreter's": ("[][1]", "IndexError", "list index out of range"),
        "KeyboardInterrupt": ("raise KeyboardInterrupt('stop')", "KeyboardInterrupt", "stop"),
        "GeneratorExit": ("raise GeneratorExit('out')", "GeneratorExit", "out"),
        "a base exception": ("raise BaseException('base')", "BaseException", "base"),
        "a signal handler's": (
            "signal.signal(signal.SIGALRM, lambda *_: {}['late'])\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
            "while True: time.sleep(0.001)",
            "KeyError",
            "late",
        ),
    }
    # These would end an iteration, so the interpreter replaces them by another error.
    TRANSLATED = {
        "a generator": [("StopIteration", "generator raised StopIteration")],
        "an async generator": [
            ("StopIteration", "async generator raised StopIteration"),
            ("StopAsyncIteration", "async generator raised StopAsyncIteration"),
        ],
    }

    def test_any_exception_is_reported_and_the_next_event_is_handled(self) -> None:
        function = self.start(GENERATE)
        for kind in WRITERS:
            for name, (body, error_type, message) in self.RAISED.items():
                with self.subTest(name, kind=kind):
                    payload = self.fail_midway(function, source(kind, f"yield 'sent'\n{body}"), b"sent")
                    self.assertEqual(payload["errorType"], error_type)
                    self.assertIn(message, payload["errorMessage"])
                    self.assertIn("in generate", payload["stackTrace"][0])
            for name, message in self.TRANSLATED[kind]:
                with self.subTest(name, kind=kind):
                    payload = self.fail_midway(function, source(kind, f"yield 'sent'\nraise {name}"), b"sent")
                    self.assertEqual(
                        (payload["errorType"], payload["errorMessage"]), ("RuntimeError", message)
                    )
            with self.subTest("and then", kind=kind):
                self.assertEqual(self.streamed(function, source(kind, "yield 'fine'")), b"fine")
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_a_signal_handler_that_raises_at_any_time_leaves_a_complete_response(self) -> None:
        function = self.start(
            """
            import gc, signal

            def late(number, frame): raise TimeoutError("late")

            signal.signal(signal.SIGALRM, late)

            def handler(event, context):
                # An import leaves a weak reference whose callback runs with the next garbage collection on
                # PyPy. Python ignores what is raised there, by a signal handler too.
                gc.collect()
                signal.setitimer(signal.ITIMER_REAL, event or 0)
                try:
                    for number in range(10**6 if event else 1): yield "%09d" % number
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            """
        )
        self.streamed(function, None)  # imports what an OSError cannot always interrupt
        for microseconds in (*range(50, 500, 10), *range(2_000, 20_000, 600)):
            with self.subTest(microseconds):
                result = function.invoke_streaming(json.dumps(microseconds / 1e6).encode())
                body = b"".join(result)
                self.assertIn(b"late", result.error_body or body)
                if result.error_body:  # otherwise it was raised before the first chunk
                    whole = b"".join(b"%09d" % number for number in range(len(body) // 9))
                    self.assertEqual(body, whole)
        self.assertStillWorks(function)

    def test_an_error_that_the_generator_swallows_is_still_reported(self) -> None:
        function = self.start(GENERATE)
        rest = {"returns": "pass", "goes on": "yield 'more'", "raises": "raise KeyError('other')"}
        for kind in WRITERS:
            for name, then in rest.items():
                with self.subTest(name, kind=kind):
                    body = f"yield 'sent'\ntry: yield 7\nexcept TypeError: {then}\nfinally: print('closed')"
                    payload = self.fail_midway(function, source(kind, body), b"sent")
                    self.assertEqual(payload["errorType"], "KeyError" if name == "raises" else "TypeError")
                    self.assertIn("in generate", payload["stackTrace"][0])
        self.assertEqual(self.streamed(function, source("a generator", "yield 'fine'")), b"fine")
        self.assertEqual(function.log_text().count("closed\n"), 6)
        self.assertStillWorks(function)

    LONG = {
        "a message": "raise ValueError('m' * 1_000_000)",
        "a message of control characters": "raise ValueError('\\x01' * 100_000)",
        "a message of lone surrogates": "raise ValueError('\\udc80' * 5_000)",
        "a name": "raise type('E' * 100_000, (Exception,), {})('m')",
        "a name that is no word": "raise type('E\\r\\n: ' * 1000, (Exception,), {})('m')",
        "a trace": "def deeper(depth): deeper(depth - 1) if depth else 1 / 0\ndeeper(100)",
        "lines": "raise ValueError('line\\r\\n' * 1000)",
        "notes and causes": "raise ValueError('x') from KeyError('y' * 10_000)",
        "of each something": (
            "def deeper(depth): deeper(depth - 1) if depth else fail()\n"
            "def fail(): raise type('\\x02' * 1000, (Exception,), {})('\\x01' * 5000)\n"
            "deeper(20)"
        ),
    }

    def test_an_error_of_any_length_fits_into_the_trailers(self) -> None:
        function = self.start(GENERATE)
        for name, body in self.LONG.items():
            with self.subTest(name):
                payload = self.fail_midway(function, source("a generator", f"yield 'sent'\n{body}"), b"sent")
                self.assertTrue(payload["errorMessage"])
                self.assertTrue(payload["errorType"])
        self.assertStillWorks(function)

    def test_an_error_that_fits_is_reported_in_full(self) -> None:
        function = self.start(GENERATE)
        body = "yield 'sent'\ntry: {}['a']\nexcept KeyError as error: raise ValueError('b' * 2000) from error"
        payload = self.fail_midway(function, source("a generator", body), b"sent")
        self.assertEqual(payload["errorMessage"], "b" * 2000)
        self.assertEqual(payload["cause"]["errorType"], "KeyError")

    def test_sys_exit_is_reported_before_the_process_exits_with_its_status(self) -> None:
        for kind in WRITERS:
            with self.subTest(kind):
                function = self.start(GENERATE)
                payload = self.fail_midway(function, source(kind, "yield 'sent'\nsys.exit(3)"), b"sent")
                self.assertEqual(payload["errorType"], "SystemExit")
                self.assertEqual(self.assertEnds(function), 3)

    def test_it_is_logged_like_other_errors(self) -> None:
        function = self.start(GENERATE)
        result = function.invoke_streaming(json.dumps(source("a generator", "yield 'x'\n1 / 0")).encode())
        self.assertEqual(b"".join(result), b"x")
        log = result.log.decode().replace("\r", "\n")
        self.assertIn(
            "[ERROR] ZeroDivisionError: division by zero\nTraceback (most recent call last):\n", log
        )


class Refusals(StreamingTestCase):
    """The server stops reading: it has replied before the end, or has closed the connection."""

    SOURCE = """
        import asyncio

        def handler(event, context):
            return {"sync": endless, "async": endless_async}.get(event, one)(context)

        def one(context):
            yield "fine"

        def endless(context):
            try:
                while True:
                    yield bytes(65536)
            finally:
                print(f"closed: {context.aws_request_id}")

        async def endless_async(context):
            try:
                while True:
                    yield bytes(65536)
            finally:
                await asyncio.sleep(0)
                print(f"closed: {context.aws_request_id}")
    """

    def play_endings(self, source: str, endings: list[Reply]) -> Outcome:
        """Send each of these early replies to a stream of each kind, then expect a complete stream."""
        script = []
        for number, ending in enumerate(endings):
            script += [event(f"s{number}", b'"sync"'), ending, event(f"a{number}", b'"async"'), ending]
        outcome = self.play(*script, event("last", b'"one"'), accepted(), source=source)
        ids = [f"{kind}{number}" for number in range(len(endings)) for kind in "sa"]
        calls = [call for one in [*ids, "last"] for call in ("next", f"{one}/response")]
        self.assertEqual(outcome.calls, [*calls, "next"], outcome.output)
        self.assertStreamed(outcome.requests[-2], b"fine")
        self.assertEqual(re.findall(r"closed: (\w+)", outcome.output), ids)
        return outcome

    def test_the_generator_is_closed_and_the_next_event_is_handled(self) -> None:
        endings = {
            "413, closed": Reply(refusal(413).data, CLOSE, early=True, after_bytes=100_000),
            "410, then it reads on": Reply(refusal(410).data, early=True, after_bytes=1, finish=True),
            "400, at once": Reply(refusal(400).data, CLOSE, early=True),
            "closed": Reply(b"", CLOSE, early=True, after_bytes=1),
            "reset": Reply(b"", RESET, early=True, after_bytes=1),
            "reset at once": Reply(b"", RESET, early=True),
        }
        outcome = self.play_endings(self.SOURCE, list(endings.values()))
        problems = re.findall(r"LAMBDA_RUNTIME POST \S*/(\w+)/response(.*)", outcome.output)
        self.assertEqual([one for one, _ in problems], [f"{kind}{n}" for n in range(6) for kind in "sa"])
        for (_, problem), status in zip(problems, ["413", "413", "410", "410", "400", "400"]):
            self.assertIn(f"returned {status} ", problem)
        for _, problem in problems[6:]:
            self.assertRegex(problem, "(broke|closed the connection).*continuing with the next invocation")

    def test_an_error_while_it_is_closed_is_logged_and_changes_nothing(self) -> None:
        for name, line, message in [
            ("raises", "raise OSError('while closing')", "OSError: while closing"),
            ("goes on", "yield 'more'", "ignored GeneratorExit"),
        ]:
            with self.subTest(name):
                source = textwrap.dedent(self.SOURCE).replace(
                    'print(f"closed: {context.aws_request_id}")',
                    f'print(f"closed: {{context.aws_request_id}}")\n        {line}',
                )
                outcome = self.play_endings(source, [Reply(refusal(413).data, CLOSE, early=True)])
                self.assertEqual(outcome.output.count(message), 2, outcome.output)

    def test_a_refusal_after_the_last_chunk_is_logged(self) -> None:
        script = [event("r1"), refusal(413), event("r2"), accepted()]
        outcome = self.play(*script, source="def handler(event, context): yield 'x'")
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
        self.assertRegex(outcome.output, "r1/response returned 413 .* 11 bytes had been sent")

    def test_a_fatal_status_ends_the_process(self) -> None:
        for status in (404, 500):
            with self.subTest(status):
                reply = Reply(refusal(status).data, CLOSE, early=True, after_bytes=1)
                outcome = self.play(event("s0", b'"sync"'), reply, source=self.SOURCE)
                self.assertEqual(outcome.calls, ["next", "s0/response"])
                self.assertEqual(outcome.status, 1)
                self.assertIn("closed: s0", outcome.output)
                self.assertRegex(outcome.errors, f"LAMBDA_RUNTIME POST .* returned {status}")


class SlowServers(StreamingTestCase):
    """A server that pauses reading while the stream exceeds the kernel's buffers."""

    CHUNKS = 64  # of 1 MB each
    PAUSE_S = 1.5

    def play_pause(self, kind: str) -> tuple[Request, dict[str, Any]]:
        """Return the request, and two lists of times: ``asked`` (chunks) and ``ticks`` (another task)."""
        body = f"""
            task = asyncio.ensure_future(tick()) if "async" in "{kind}" else None
            for _ in range({self.CHUNKS}):
                asked.append(time.monotonic())
                yield bytes(1_000_000)
            print(json.dumps({{"asked": asked, "ticks": ticks}}))
        """
        definitions = """
            import asyncio, json, time
            asked, ticks = [], []

            async def tick():
                while True:
                    ticks.append(time.monotonic())
                    await asyncio.sleep(0.005)
        """
        generator = source(kind, body).replace("generate()", "handler(event, context)")
        replies = [event(), Reply(accepted().data, read_after_s=self.PAUSE_S)]
        outcome = self.play(*replies, source=joined(definitions, generator))
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"], outcome.output)
        self.assertTrue(outcome.requests[1].whole)
        return outcome.requests[1], json.loads(outcome.output)

    def test_the_generator_waits_for_the_server_while_other_tasks_run(self) -> None:
        for kind in WRITERS:
            with self.subTest(kind):
                request, notes = self.play_pause(kind)
                self.assertEqual(len(notes["asked"]), self.CHUNKS)
                before = [one for one in notes["asked"] if one < request.read_began]
                self.assertLess(len(before), self.CHUNKS // 2)
                if kind == "an async generator":
                    meanwhile = [one for one in notes["ticks"] if before[-1] < one < request.read_began]
                    self.assertGreater(len(meanwhile), 3)


@unittest.skipUnless(os.path.exists("/proc/self/status"), "needs Linux's /proc")
class Memory(StreamingTestCase):
    def test_200_megabytes_need_no_more_memory_than_two(self) -> None:
        chunk_bytes = 100_000
        source = f"""
            import re

            def handler(event, context):
                if event is None:
                    with open("/proc/self/status") as status:
                        return int(re.search(r"VmHWM:\\s*(\\d+)", status.read()).group(1))
                return stream(event)

            def stream(megabytes):
                for number in range(megabytes * 1_000_000 // {chunk_bytes}):
                    yield number.to_bytes(4, "big") * {chunk_bytes // 4}
        """
        script = []
        for number, megabytes in enumerate([2, 200]):
            script += [event(f"s{number}", str(megabytes).encode()), accepted()]
            script += [event(f"m{number}", b"null"), accepted()]
        outcome = self.play(*script, source=source, environment=SMALL_NURSERY)
        responses = {request.call: request for request in outcome.requests}
        sizes = [responses[f"s{number}/response"].body_bytes for number in (0, 1)]
        self.assertEqual(sizes, [2_000_000, 200_000_000])
        peaks_kb = [int(responses[f"m{number}/response"].body) for number in (0, 1)]
        # PyPy's garbage collector starts later.
        self.assertLess(peaks_kb[1] - peaks_kb[0], 16_384 if PYPY else 2_048)


class AsyncGenerators(StreamingTestCase):
    def test_it_runs_in_one_task_from_its_beginning_to_its_end(self) -> None:
        function = self.start(GENERATE)
        body = """
            task, variable = asyncio.current_task(), contextvars.ContextVar("variable")
            token = variable.set("kept")
            try:
                yield "a"
                await asyncio.sleep(0)
                yield variable.get()
            finally:
                variable.reset(token)
                assert asyncio.current_task() is task
        """
        self.assertEqual(self.streamed(function, source("an async generator", body)), b"akept")
        self.fail_midway(function, source("an async generator", f"{textwrap.dedent(body)}yield 7"), b"akept")
        self.assertStillWorks(function)

    @unittest.skipIf(sys.version_info < (3, 11), "asyncio.timeout does not exist")
    def test_a_timeout_may_last_over_several_chunks(self) -> None:
        function = self.start(GENERATE)
        body = """
            async with asyncio.timeout(0.03):
                yield "a"
                await asyncio.sleep(0)
                yield "b"
                await asyncio.sleep(10)
        """
        payload = self.fail_midway(function, source("an async generator", body), b"ab")
        self.assertEqual(payload["errorType"], "TimeoutError")
        self.assertStillWorks(function)

    def test_a_signal_handler_that_raises_ends_the_generators_wait(self) -> None:
        function = self.start(GENERATE)
        body = """
            signal.signal(signal.SIGALRM, lambda *_: {}["late"])
            yield "sent"
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                await asyncio.sleep(10)
            finally:
                print("closed")
                await asyncio.sleep(0)
        """
        payload = self.fail_midway(function, source("an async generator", body), b"sent")
        self.assertEqual(payload["errorType"], "KeyError")
        self.assertEqual(self.streamed(function, source("an async generator", "yield 'fine'")), b"fine")
        self.assertEqual(function.log_text().count("closed\n"), 1)
        self.assertStillWorks(function)


class Prelude(unittest.TestCase):
    """The prelude as bytes."""

    GOOD = {
        "nothing": ({}, "{}"),
        "a status": ({"statusCode": 201}, '{"statusCode": 201}'),
        "a status by name": ({"statusCode": HTTPStatus.NOT_FOUND}, '{"statusCode": 404}'),
        "all": (
            {
                "statusCode": 599,
                "headers": {"a": "b"},
                "multiValueHeaders": {"c": ["d", "e"]},
                "cookies": ["f"],
            },
            '{"statusCode": 599, "headers": {"a": "b"}, "multiValueHeaders": {"c": ["d", "e"]}, '
            '"cookies": ["f"]}',
        ),
        "tuples": ({"cookies": ("a", "b")}, '{"cookies": ["a", "b"]}'),
        "empty ones": ({"headers": {}, "cookies": [], "multiValueHeaders": {"a": []}}, None),
        "a NUL": ({"headers": {"a": "\0"}}, '{"headers": {"a": "\\u0000"}}'),
        "no ASCII": ({"headers": {"a": "é"}}, '{"headers": {"a": "é"}}'),
        "as long as can be": ({"headers": {"a": "x" * (PRELUDE_LIMIT_BYTES - 30)}}, None),
    }
    BAD = {
        "another key": ({"statuscode": 1}, ValueError, "'statuscode'"),
        "a key that is no text": ({1: 1}, ValueError, "key 1"),
        "no status": ({"statusCode": None}, ValueError, "statusCode is None"),
        "a status too low": ({"statusCode": 99}, ValueError, "statusCode is 99"),
        "a status too high": ({"statusCode": 600}, ValueError, "statusCode is 600"),
        "a status that is text": ({"statusCode": "200"}, ValueError, "statusCode is '200'"),
        "a status that is a bool": ({"statusCode": True}, ValueError, "statusCode is True"),
        "headers that are a list": (
            {"headers": [("a", "b")]},
            TypeError,
            "headers is of type list, expected a dict",
        ),
        "a header that is a number": ({"headers": {"a": 1}}, TypeError, r"headers\['a'\] is of type int"),
        "a header that is bytes": ({"headers": {"a": b"x"}}, TypeError, r"headers\['a'\] is of type bytes"),
        "a header's name that cannot be one": ({"headers": {(): "a"}}, TypeError, "keys must be str"),
        "a header of two lines": (
            {"headers": {"a": "b\r\nc: d"}},
            ValueError,
            r"headers\['a'\] contains a line break",
        ),
        "a name of two lines": ({"headers": {"a\nb": "c"}}, ValueError, "line break"),
        "one cookie": ({"cookies": "a=b"}, TypeError, "cookies is of type str, expected a list"),
        "a cookie that is None": ({"cookies": ["a", None]}, TypeError, r"cookies\[1\] is of type NoneType"),
        "many headers that are a list": (
            {"multiValueHeaders": []},
            TypeError,
            "multiValueHeaders is of type list",
        ),
        "a header that is not many": (
            {"multiValueHeaders": {"a": "b"}},
            TypeError,
            r"multiValueHeaders\['a'\] is of type str, expected a list",
        ),
        "one byte too long": (
            {"headers": {"a": "x" * (PRELUDE_LIMIT_BYTES - 29)}},
            ValueError,
            "take 16385 bytes",
        ),
    }

    def test_a_prelude_is_json_and_eight_nuls(self) -> None:
        for name, (head, expected) in self.GOOD.items():
            with self.subTest(name):
                data = encode_prelude(head)  # type: ignore[arg-type]
                self.assertEqual(data.index(b"\0"), len(data) - 8)
                self.assertEqual(data[-8:], NULS)
                self.assertLessEqual(len(data), PRELUDE_LIMIT_BYTES)
                if expected is not None:
                    self.assertEqual(data[:-8].decode(), expected)

    def test_an_invalid_prelude_is_refused_with_the_reason(self) -> None:
        for name, (head, error, pattern) in self.BAD.items():
            with self.subTest(name), self.assertRaisesRegex(error, pattern):
                encode_prelude(head)  # type: ignore[arg-type]


class Forms(StreamingTestCase):
    """Which results are streamed."""

    PROXY = """
        class Proxy:
            def __init__(self, inner): self.inner = inner
            def __getattr__(self, name): return getattr(self.inner, name)
            @property
            def __class__(self): return self.inner.__class__  # as wrapt's proxies have it

        class Names:
            def __init__(self): vars(self).update(__await__=1, __next__=2, throw=3, __anext__=4, athrow=5)

        class Own(collections.abc.Generator):
            parts = ["b", "a"]
            def send(self, value):
                if not self.parts: raise StopIteration
                return self.parts.pop()
            def throw(self, *error): raise StopIteration

        class OwnAsync(collections.abc.AsyncGenerator):
            parts = ["b", "a"]
            async def asend(self, value):
                if not self.parts: raise StopAsyncIteration
                return self.parts.pop()
            async def athrow(self, *error): raise StopAsyncIteration
    """
    STREAMED = {
        "an expression": "generate = lambda: (part for part in 'ab')",
        "an async expression": (
            "async def f():\n  for part in 'ab': yield part\ngenerate = lambda: (part async for part in f())"
        ),
        "a partial": "def f(x, y): yield x; yield y\ngenerate = functools.partial(f, 'a', y='b')",
        "an instance": "class C:\n  def __call__(self): yield 'a'; yield 'b'\ngenerate = C()",
        "a method": "class C:\n  async def f(self): yield 'a'; yield 'b'\ngenerate = C().f",
        "a wrapper": "def f(): yield 'a'; yield 'b'\n@functools.wraps(f)\ndef generate(): return f()",
        "a coroutine's result": "def f(): yield 'a'; yield 'b'\nasync def generate(): return f()",
        "a coroutine's async result": "async def f(): yield 'a'; yield 'b'\nasync def generate(): return f()",
        "a proxy": "def f(): yield 'a'; yield 'b'\ndef generate(): return Proxy(f())",
        "a proxy of an async one": "async def f(): yield 'a'; yield 'b'\ndef generate(): return Proxy(f())",
        "a class of one's own": "generate = Own",
        "an async class of one's own": "generate = OwnAsync",
    }
    VALUES = {
        "an iterator": ("iter([1])", "list_iterator|listiterator|sequenceiterator"),
        "a map": ("map(str, [])", "map"),
        "a file": ("open(os.devnull)", "TextIOWrapper"),
        "inside a dict": ("{'a': (x for x in '')}", "generator"),
        "an async iterator": ("type('It', (), {'__anext__': None})()", "It"),
        "a class": ("Own", "ABCMeta"),
        "a class of awaitables": ("asyncio.Future", "type"),
        "attributes by such names": ("Names()", "Names"),
    }

    def test_generators_of_every_kind_are_streamed(self) -> None:
        function = self.start(joined(GENERATE, self.PROXY))
        for name, code in self.STREAMED.items():
            with self.subTest(name):
                self.assertEqual(self.streamed(function, code), b"ab")
                request = posts(function)[-1]
                self.assertEqual(request.header("Lambda-Runtime-Function-Response-Mode"), "streaming")
        self.assertStillWorks(function)

    def test_other_iterables_are_values(self) -> None:
        function = self.start(joined(GENERATE, self.PROXY))
        for name, (value, pattern) in self.VALUES.items():
            with self.subTest(name):
                payload = self.error(function, f"generate = lambda: {value}")
                self.assertEqual(payload["errorType"], "Runtime.MarshalError")
                self.assertRegex(payload["errorMessage"], f"Object of type ({pattern})")
        self.assertStillWorks(function)


@unittest.skipUnless(importlib.util.find_spec("uvloop"), "uvloop is not installed")
class OnUvloop(StreamingTestCase):
    """uvloop changes the mode of descriptors that it has watched."""

    LOOP = "import asyncio, uvloop\nasyncio.set_event_loop_policy(uvloop.EventLoopPolicy())"
    CHUNKS = """
        async def handler(event, context):
            context.after_response(print, "after", event)
            for _ in range(24):
                yield b"x" * 1_048_576
            if event == "fail":
                raise ValueError("midway")
        """
    APPLICATION = """
        from lambda_runtime import asgi

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(24):
                await send({"type": "http.response.body", "body": b"x" * 1_048_576, "more_body": True})
            await send({"type": "http.response.body"})

        handler = asgi.handler(app, lifespan="off")
        """

    def check(self, function: Function, event: object, size: int) -> None:
        for _ in range(3):
            payload = self.streamed(function, event)
            self.assertEqual(len(payload.rpartition(bytes(8))[2]), size)
        self.assertNotIn("LAMBDA_RUNTIME", function.log_text())
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_chunks_are_complete_and_the_connection_is_kept(self) -> None:
        function = self.start(joined(self.LOOP, self.CHUNKS))
        self.check(function, 1, 24 * 1_048_576)
        self.assertIn("after 1", function.log_text())

    def test_a_web_application_is_streamed(self) -> None:
        function = self.start(joined(self.LOOP, self.APPLICATION))
        self.check(function, url_event(), 24 * 1_048_576)

    def test_an_error_midway_and_a_refusal_are_handled(self) -> None:
        function = self.start(joined(self.LOOP, self.CHUNKS))
        for _ in range(2):
            result = function.invoke_streaming(b'"fail"')
            self.assertEqual(len(b"".join(result)), 24 * 1_048_576)
            self.assertIn(b"midway", result.error_body)
            refused = self.invoke(function, 1)  # too large for a caller that does not accept a stream
            self.assertIn(b"ResponseSizeTooLarge", refused.payload)
        self.assertStillWorks(function)


if __name__ == "__main__":
    unittest.main()
