"""The emulator's streamed responses, from a runtime of a few lines to a caller in Python."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from unittest import mock

from lambda_emulator.functions import pool
from lambda_emulator.functions.function import Function, Result, Throttled
from lambda_emulator.functions.invocation import Call, FunctionResponse, Invocation
from lambda_emulator.servers.invoke_api import InvokeApi
from lambda_emulator.terminal.terminal import Terminal

from tests.emulator.test_emulator import PRELUDE, REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, PYPY, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lambda_emulator.servers.runtime_api import Recorded

# Continues the client of test_emulator. `wait_for` lets a test decide when the runtime continues.
STREAMING = """
import base64, socket

MODE = "Lambda-Runtime-Function-Response-Mode: streaming"
TRAILER = "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"

class Stream:
    def __init__(self, request_id, *headers, content_type="text/x"):
        host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
        self.socket = socket.create_connection((host, int(port)))
        path = f"/2018-06-01/runtime/invocation/{request_id}/response"
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}"]
        lines += [*(headers or (MODE, TRAILER)), "Transfer-Encoding: chunked", "", ""]
        self.socket.sendall("\\r\\n".join(lines).encode())

    def write(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.socket.sendall(b"%x\\r\\n%b\\r\\n" % (len(data), data))

    def end(self, error=None):
        trailers = ""
        if error is not None:
            body = base64.b64encode(json.dumps(error).encode()).decode()
            trailers += f"Lambda-Runtime-Function-Error-Type: Function.{error['errorType']}\\r\\n"
            trailers += f"Lambda-Runtime-Function-Error-Body: {body}\\r\\n"
        self.socket.sendall(f"0\\r\\n{trailers}\\r\\n".encode())
        return self.status()

    def status(self):
        status = int(self.socket.recv(12).split()[1])
        self.socket.close()
        return status

def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.002)
"""


class StreamingTestCase(EmulatorTestCase):
    """A test of functions whose runtime streams."""

    def function(self, runtime: str, **options: Any) -> Function:
        return super().function(STREAMING + textwrap.dedent(runtime), **options)

    def let(self, name: str) -> None:
        """Let the runtime continue, which waits for ``name``."""
        (self.folder / name).touch()

    def posted(self, function: Function) -> Recorded:
        """Return the runtime's only POST request."""
        (request,) = [request for request in function.requests if request.method == "POST"]
        return request

    def assertEndsWith(self, result: Result, error_type: str, message: str) -> list[bytes]:
        """Expect that the stream ends with this error; return its parts."""
        parts = list(result)
        self.assertEqual(("Unhandled", error_type), (result.function_error, result.error_type))
        self.assertIn(message, json.loads(result.error_body)["errorMessage"])
        return parts


class AStreamingInvocation(StreamingTestCase):
    def test_delivers_each_part_before_the_next_is_produced(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            for n in range(3):
                stream.write(f"part {n}")
                wait_for(str(n))
            print("reply", stream.end())
            take()
            """
        )
        result = function.invoke_streaming(request_id="r-1")
        self.assertEqual((200, "r-1", "$LATEST"), (result.status, result.request_id, result.executed_version))
        self.assertEqual(("text/x", "streaming"), (result.content_type, result.response_mode))
        for number, part in enumerate(result):
            self.assertEqual(f"part {number}".encode(), part)
            self.let(str(number))
        self.assertEqual(2, number)
        self.assertEqual((None, "", b"", []), self.error(result))
        self.assertRegex(result.log.decode(), r"^START .*\nreply 202\nEND .*\nREPORT .*\t\n$")
        self.assertGreater(result.report.duration_ms, 0)
        self.assertEqual(result.log, result.log_tail)

    def error(self, result: Result) -> tuple[object, ...]:
        return result.function_error, result.error_type, result.error_body, result.trailers

    def test_blocks_the_function_while_the_caller_does_not_read(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            count = os.open("count", os.O_CREAT | os.O_WRONLY)
            for n in range(300):
                stream.write(bytes(100_000))
                os.pwrite(count, b"%03d" % n, 0)
            stream.end(); take()
            """,
            timeout_s=60,
        )
        result = function.invoke_streaming()
        self.assertLess(self.settled(self.folder / "count"), 250)
        self.assertEqual(30_000_000, sum(len(part) for part in result))
        self.assertIsNone(result.function_error)

    def settled(self, file: Path) -> int:
        """Return the number in the file once it no longer changes."""
        self.wait_until(lambda: file.exists() and file.read_text() != "")
        before, now = "", file.read_text()
        while now != before:
            before = now
            time.sleep(0.1)
            now = file.read_text()
        return int(now)

    def test_continues_after_the_caller_has_closed_it(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            for n in range(100):
                stream.write(bytes(100_000))
            print("reply", stream.end())
            take()
            """,
            timeout_s=60,
        )
        with function.invoke_streaming() as result:
            next(iter(result))
        self.assertEqual([], list(result))
        self.assertIn(b"\nreply 202\nEND ", result.log)
        response = self.posted(function)
        self.assertEqual((10_000_000, 65_536), (response.body_size, len(response.body)))

    def test_ends_with_the_error_in_the_trailers(self) -> None:
        error = {"errorType": "Midway", "errorMessage": "no more"}
        cases = [("as documented", "MODE, TRAILER"), ("as AWS's library for Go does it", "TRAILER")]
        for name, headers in cases:
            with self.subTest(name):
                function = self.start(
                    f"r, *_ = take()\ns = Stream(r, {headers}); s.write('so far')\ns.end({error})\ntake()"
                )
                result = function.invoke_streaming()
                self.assertEqual([b"so far"], self.assertEndsWith(result, "Function.Midway", "no more"))
                self.assertEqual(error, json.loads(result.error_body))
                self.assertEqual(2, len(result.trailers))
                self.assertEqual("success", result.report.status)

    def test_ignores_trailers_that_are_not_declared(self) -> None:
        error = {"errorType": "Midway"}
        function = self.start(f"r, *_ = take(); s = Stream(r, MODE); s.write('all'); s.end({error}); take()")
        result = function.invoke_streaming()
        self.assertEqual(([b"all"], None), (list(result), result.function_error))

    def test_can_be_empty(self) -> None:
        result = self.start("r, *_ = take(); Stream(r).end(); take()").invoke_streaming()
        self.assertEqual(([], None, "text/x"), (list(result), result.function_error, result.content_type))

    def test_delivers_a_buffered_response_as_one_part(self) -> None:
        function = self.start("r, *_ = take(); respond(r, 'x' * 1_000_000); take()")
        result = function.invoke_streaming()
        self.assertEqual([b"x" * 1_000_000], list(result))
        self.assertEqual("buffered", result.response_mode)
        self.assertEqual((None, "", b"", []), self.error(result))
        self.assertEqual(1_000_000, self.posted(function).body_size)

    def test_limits_a_buffered_response_like_any_other(self) -> None:
        function = self.start("r, *_ = take(); respond(r, 'x' * 1001); take()", max_response_bytes=1000)
        parts = self.assertEndsWith(
            function.invoke_streaming(), "Function.ResponseSizeTooLarge", "1000 bytes"
        )
        self.assertEqual([], parts)

    def test_ends_for_the_caller_before_a_slow_runtime_requests_the_next_event(self) -> None:
        function = self.start(
            "r, *_ = take(); s = Stream(r); s.write('all'); s.end(); time.sleep(30)",
            response_grace_s=0.1,
            timeout_s=60,
        )
        result = function.invoke_streaming()
        self.assertEqual([b"all"], list(result))
        self.assertEqual(f"START RequestId: {result.request_id} Version: $LATEST\n", result.log.decode())

    def test_of_a_function_that_fails_has_no_part(self) -> None:
        error = {"errorType": "E", "errorMessage": "m"}
        function = self.start(
            f"r, *_ = take(); body = json.dumps({error})\n"
            f"call('POST', f'invocation/{{r}}/error', body, Function_Error_Type='Function.E'); take()"
        )
        result = function.invoke_streaming()
        self.assertEqual([], self.assertEndsWith(result, "Function.E", "m"))
        self.assertEqual(("", ""), (result.content_type, result.response_mode))

    def test_of_type_dry_run_does_not_call_the_function(self) -> None:
        function = self.start("take()")
        result = function.invoke_streaming(invocation_type="DryRun")
        self.assertEqual((204, []), (result.status, list(result)))
        self.assertEqual([("next", None)], self.statuses(function))

    def test_passes_the_same_details_to_the_runtime_as_a_buffered_one(self) -> None:
        function = self.start(
            "r, _, headers = take(); respond(r, headers['Lambda-Runtime-Trace-Id']); take()"
        )
        self.assertEqual([b"Root=1-2-3"], list(function.invoke_streaming(trace_id="Root=1-2-3")))

    def test_is_rejected_after_the_function_has_been_stopped(self) -> None:
        function = self.start(
            "r, *_ = take(); s = Stream(r); s.write('so far'); time.sleep(60)", timeout_s=60
        )
        running = function.invoke_streaming()
        self.assertEqual(b"so far", next(iter(running)))
        function.close()
        self.assertEqual([], self.assertEndsWith(running, "Runtime.ExitError", "signal: killed"))
        self.assertEndsWith(function.invoke_streaming(), "Sandbox.Failure", "stopped")


class AClientThatLeaves(StreamingTestCase):
    """Its function continues, as on Lambda, and the next client does not wait for it."""

    RUNTIME = """
    while True:
        r, event, _ = take()
        if event == '"stream"':
            stream = Stream(r)
            stream.write("so far")
            wait_for("finish")
            for n in range(100):
                stream.write(bytes(100_000))
            print("streamed", stream.end())
        elif event == '"wait"':
            print("waiting")
            wait_for("finish")
            print("waited", respond(r, 1)[0])
        else:
            respond(r, event)
    """

    def setUp(self) -> None:
        super().setUp()
        self.shown: list[dict[str, Any]] = []
        self.started = self.start(self.RUNTIME, timeout_s=60, request_log=self.shown.append)
        self.api = InvokeApi(self.started)
        self.addCleanup(self.api.close)

    def leave(self, event: bytes, operation: str, then: Callable[[], None] = lambda: None) -> None:
        """Invoke, and leave while the function is running; call ``then`` just before."""
        host, port = self.api.url[len("http://") :].split(":")
        began = self.started.log_text().count("START ")
        with socket.create_connection((host, int(port)), 10) as client:
            head = f"POST {operation} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(event)}\r\n\r\n"
            client.sendall(head.encode() + event)
            if event == b'"stream"':
                client.recv(12)
            self.wait_for_log(self.started, "START ", began + 1)
            then()

    def assertNextIsServed(self, restarts: int) -> None:
        result = self.started.invoke(b"2")
        self.assertSucceeds(result, 2)
        self.assertEqual(restarts, self.started.restarts)
        self.assertEqual(restarts, self.started.log_text().count(" has left. The function continues"))

    def test_does_not_stop_a_silent_stream_and_the_next_invocation_runs(self) -> None:
        self.leave(b'"stream"', "/2021-11-15/functions/function/response-streaming-invocations")
        self.assertNextIsServed(1)
        self.assertNextIsServed(1)  # in the same environment
        self.let("finish")
        self.wait_for_log(self.started, "streamed 202\n")
        self.wait_for_log(self.started, "REPORT ", 3)
        self.assertNextIsServed(1)
        self.wait_until(lambda: self.shown != [])
        self.assertEqual((200, "the client has left"), (self.shown[0]["status"], self.shown[0]["note"]))

    def test_just_after_its_next_request_is_noticed(self) -> None:
        def ask() -> None:
            thread.start()
            time.sleep(0.2)

        thread = threading.Thread(target=lambda: results.append(self.started.invoke(b"2")))
        results: list[Result] = []
        with mock.patch.object(pool, "PATIENCE_AT_LIMIT_S", 20):
            self.leave(b'"stream"', "/2021-11-15/functions/function/response-streaming-invocations", ask)
            thread.join()
        self.assertEqual([b"2"], [result.payload for result in results])
        self.let("finish")

    def test_does_not_leave_while_the_stream_goes_on(self) -> None:
        refusals: list[float] = []

        def ask() -> None:
            began = time.monotonic()
            self.assertRaises(Throttled, self.started.invoke, b"2")
            refusals.append(time.monotonic() - began)

        self.leave(b'"stream"', "/2021-11-15/functions/function/response-streaming-invocations", ask)
        self.assertLess(refusals[0], 10)
        self.let("finish")

    def test_does_not_stop_its_invocation_and_the_next_one_runs(self) -> None:
        self.leave(b'"wait"', "/2015-03-31/functions/function/invocations")
        self.assertNextIsServed(1)
        self.let("finish")
        self.wait_for_log(self.started, "waited 202\n")

    def test_changes_nothing_without_a_next_invocation(self) -> None:
        self.leave(b'"wait"', "/2015-03-31/functions/function/invocations")
        time.sleep(0.3)
        self.let("finish")
        self.wait_for_log(self.started, "REPORT ")
        self.assertNextIsServed(0)

    def test_near_the_end_of_its_invocation_the_next_one_waits_for_the_end(self) -> None:
        self.leave(b'"wait"', "/2015-03-31/functions/function/invocations")
        finish = threading.Timer(0.2, self.let, ["finish"])
        finish.start()
        self.addCleanup(finish.join)
        with mock.patch.object(pool, "PATIENCE_S", 10):
            self.assertNextIsServed(0)

    def test_is_not_looked_for_after_an_asynchronous_event(self) -> None:
        self.started.invoke(b'"wait"', invocation_type="Event", client_has_left=lambda: True)
        self.wait_for_log(self.started, "waiting\n")
        self.assertRaises(Throttled, self.started.invoke, b"2")
        self.let("finish")

    def test_while_its_response_arrives_is_not_missed(self) -> None:
        def has_left() -> bool:
            invocation.settle(FunctionResponse(b"1"))
            return True

        invocation = Invocation(Call(client_has_left=has_left), "arn")
        self.assertFalse(invocation.unwanted)

    def test_repeatedly_leaves_as_many_processes_as_may_be_in_service(self) -> None:
        for number in range(1, 4):
            self.leave(b'"wait"', "/2015-03-31/functions/function/invocations")
            self.assertNextIsServed(number)
        self.wait_for_log(self.started, "signal: killed", 2)
        self.let("finish")
        self.wait_for_log(self.started, "waited 202\n", 1)

    def test_leaves_no_processes_behind_when_the_function_is_closed(self) -> None:
        self.leave(b'"wait"', "/2015-03-31/functions/function/invocations")
        first = self.started.pid
        self.assertNextIsServed(1)
        self.started.close()
        assert first is not None
        with self.assertRaises(ProcessLookupError):
            os.kill(first, 0)


class AStreamThatBreaksOff(StreamingTestCase):
    def test_with_the_process_is_an_exit_error(self) -> None:
        function = self.start("r, *_ = take(); s = Stream(r); s.write('so far'); os._exit(3)")
        parts = self.assertEndsWith(function.invoke_streaming(), "Runtime.ExitError", "exit status 3")
        self.assertEqual([b"so far"], parts)

    def test_while_the_runtime_lives_is_a_truncated_response(self) -> None:
        function = self.start(
            "r, *_ = take()\n"
            "s = Stream(r); s.write('so far'); s.socket.sendall(b'5\\r\\n12'); s.socket.shutdown(1)\n"
            "print(s.status(), call('GET', 'invocation/next')[0])"
        )
        result = function.invoke_streaming()
        parts = self.assertEndsWith(result, "Runtime.TruncatedResponse", "truncated")
        self.assertEqual(b"so far12", b"".join(parts))
        self.assertIn(b"400 403\n", result.log)

    def test_by_a_reset_is_a_truncated_response(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            stream.write("so far")
            wait_for("seen")
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
            stream.socket.close()
            while True:
                call("GET", "invocation/next")
                time.sleep(0.01)
            """,
            timeout_s=60,
        )
        result = function.invoke_streaming()
        self.assertEqual(b"so far", next(iter(result)))
        self.let("seen")
        self.assertEqual([], self.assertEndsWith(result, "Runtime.TruncatedResponse", "truncated"))

    def test_at_the_timeout_is_a_timeout_error(self) -> None:
        function = self.start("r, *_ = take(); Stream(r).write('so far'); time.sleep(60)", timeout_s=0.2)
        parts = self.assertEndsWith(function.invoke_streaming(), "Sandbox.Timedout", "after 0.20 seconds")
        self.assertIn(parts, ([b"so far"], []))  # on a slow machine

    def test_because_it_is_not_read_in_time_is_a_timeout_error(self) -> None:
        runtime = "r, *_ = take(); s = Stream(r)\nwhile True: s.write(bytes(100_000))"
        result = self.start(runtime, timeout_s=0.2).invoke_streaming()
        self.assertGreater(len(result.log), 0)  # which waits
        self.assertEndsWith(result, "Sandbox.Timedout", "after 0.20 seconds")

    def test_at_the_limit_is_too_large(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            try:
                while True:
                    stream.write(bytes(999))
            except OSError:
                print("reply", stream.status())
            r, *_ = take(); respond(r, 1); take()
            """,
            max_stream_bytes=100_000,
            timeout_s=60,
        )
        message = "maximum allowed payload size (100000 bytes)"
        result = function.invoke_streaming()
        parts = self.assertEndsWith(result, "Function.ResponseSizeTooLarge", message)
        self.assertEqual(100_000, sum(map(len, parts)))
        self.assertIn(b"reply 413\n", result.log)
        self.assertEqual(b"1", function.invoke().payload)
        self.assertEqual(0, function.restarts)

    def test_after_a_rejection_need_not_be_completed(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream("other")
            try:
                while True:
                    stream.write(bytes(10_000))
            except OSError:
                respond(r, stream.status())
            take()
            """,
            timeout_s=60,
        )
        self.assertEqual(b"400", function.invoke().payload)
        refused = [request for request in function.requests if "other" in request.path]
        self.assertEqual([(400, 65_536)], [(request.status, len(request.body)) for request in refused])

    def test_is_not_changed_by_a_second_response(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            stream.write("one ")
            wait_for("arrived")
            print(call("POST", f"invocation/{r}/error", "{}")[:2])
            stream.write("two")
            stream.end(); take()
            """
        )
        result = function.invoke_streaming()
        parts = iter(result)
        self.assertEqual(b"one ", next(parts))
        self.let("arrived")
        self.assertEqual((b"two", None), (b"".join(parts), result.function_error))
        self.assertIn("from InvocationResponse to InvocationErrorResponse failed", result.log.decode())


class TheCommandLine(StreamingTestCase):
    PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"

    def run_once(self, runtime: str) -> subprocess.Popen[bytes]:
        script = self.folder / "runtime_script.py"
        script.write_text(PRELUDE + STREAMING + textwrap.dedent(runtime))
        process = subprocess.Popen(
            emulator(
                "run",
                "--handler=hello.handler",
                *(f"--task-root={self.folder}", f"--runtime={sys.executable} -ISu {script}"),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_prints_parts_as_they_arrive_and_the_prelude_to_the_log(self) -> None:
        with self.run_once(
            f"""
            r, *_ = take()
            stream = Stream(r, content_type={self.PRELUDE_TYPE!r})
            stream.write(b'{{"statusCode": 201, "headers": {{"x-a": "b"}}}}' + bytes(8) + b"one ")
            wait_for("seen")
            stream.write("two"); stream.end(); take()
            """
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            self.assertEqual(b"one ", os.read(process.stdout.fileno(), 100))
            self.let("seen")
            self.assertEqual(b"two", process.stdout.read())
            log = process.stderr.read().decode()
        self.assertRegex(
            log, r"^START .*\nHTTP 201\nx-a: b\ncontent-type: application/octet-stream\n\nEND .*\n"
        )
        self.assertEqual(0, process.returncode)

    def test_fails_with_the_reason_when_a_stream_fails(self) -> None:
        cases = [
            (
                "s = Stream(r); s.write('so far'); s.end({'errorType': 'E'})",
                (
                    b"so far",
                    'The function failed midway (Unhandled). Its caller receives:\n{"errorType": "E"}\n',
                ),
            ),
            (
                f"s = Stream(r, content_type={self.PRELUDE_TYPE!r}); s.write('{{}}'); s.end()",
                (b"", "The response is not a valid HTTP response: the stream ended after 2 bytes"),
            ),
        ]
        for statements, (output, complaint) in cases:
            with self.subTest(complaint):
                process = self.run_once(f"r, *_ = take(); {statements}; take()")
                printed, log = process.communicate(timeout=20)
                self.assertEqual((1, output), (process.returncode, printed))
                self.assertIn(complaint, log.decode())

    def test_does_not_mix_log_and_response_lines_on_a_terminal(self) -> None:
        screen = io.TextIOWrapper(io.BytesIO())
        screen.isatty = lambda: True  # type: ignore[method-assign]
        with mock.patch.dict(os.environ, {"NO_COLOR": "1"}):
            log, output = Terminal(screen), Terminal(screen)
        log.message("before")
        output.part(b"one ")
        output.part(b"two")
        log.log(b"between\n")
        output.part(b"three")
        output.end_parts()
        output.end_parts()
        log.message("after")
        screen.seek(0)
        self.assertEqual("before\none two\nbetween\nthree\nafter\n", screen.read())

    def test_does_not_mix_them_if_two_threads_write(self) -> None:
        screen = io.TextIOWrapper(io.BytesIO())
        screen.isatty = lambda: True  # type: ignore[method-assign]
        log, output = Terminal(screen), Terminal(screen)
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-4 if PYPY else 1e-6)
        ended = threading.Event()

        def write_log() -> None:
            while not ended.is_set():
                log.message("LOG")

        writer = threading.Thread(target=write_log)
        writer.start()
        for _ in range(20_000):
            output.part(b"p")
        ended.set()
        writer.join()
        screen.seek(0)
        lines = screen.read().splitlines()
        self.assertEqual([], [line for line in lines if line != "LOG" and set(line) != {"p"}])

    def test_prints_deeply_nested_json_unchanged(self) -> None:
        screen = io.TextIOWrapper(io.BytesIO())
        screen.isatty = lambda: True  # type: ignore[method-assign]
        nested = "[" * 100_000 + "]" * 100_000
        Terminal(screen).payload(nested.encode())
        screen.seek(0)
        self.assertEqual(nested + "\n", screen.read())

    def test_colours_the_platforms_lines(self) -> None:
        screen = io.TextIOWrapper(io.BytesIO())
        screen.isatty = lambda: True  # type: ignore[method-assign]
        with mock.patch.dict(os.environ, {"NO_COLOR": ""}):
            terminal = Terminal(screen)
        dim, red, yellow = 2, 31, 33
        cases = [
            ("START RequestId: 1", dim),
            ("RequestId: 1 Error: Runtime exited", red),
            ('{"time":"now","type":"platform.start","record":{}}', dim),
            ('{"time":"now","type":"platform.runtimeDone","record":{}}', red),
            ('{"time":"now","type":"emulator.error","record":{}}', red),
            ('{"time":"now","type":"emulator.warning","record":{}}', yellow),
            ('{"time": "now", "type": "platform.start"}', None),
            ('{"timestamp":"now","type":"platform.start"}', None),
        ]
        for line, _ in cases:
            terminal.log(line.encode() + b"\n")
        screen.seek(0)
        shown = [line if colour is None else f"\x1b[{colour}m{line}\x1b[0m" for line, colour in cases]
        self.assertEqual(shown, screen.read().splitlines())


class Bandwidth(StreamingTestCase):
    def test_is_limited_after_6_mib(self) -> None:
        function = self.start(
            """
            r, *_ = take()
            stream = Stream(r)
            stream.write(bytes(6 * 1024 * 1024)); stream.write(bytes(200_000))
            stream.end(); take()
            """,
            bandwidth=1_000_000,
            timeout_s=60,
        )
        began = time.monotonic()
        size = sum(len(part) for part in function.invoke_streaming())
        self.assertEqual(6 * 1024 * 1024 + 200_000, size)
        self.assertTrue(0.2 <= time.monotonic() - began < 6)
