"""The emulator alone: its callers' view, the rules for runtimes, and its clean-up.

The runtimes here are short scripts, because most of them must misbehave.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import gc
import http.client
import io
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from lambda_emulator.__main__ import default_url_port
from lambda_emulator.functions.function import Function, Result
from lambda_emulator.functions.invocation import Call, Invocation
from lambda_emulator.functions.memory import process_tree
from lambda_emulator.servers.function_url import FunctionUrl
from lambda_emulator.servers.http_server import HttpServer, Request, Response
from lambda_emulator.servers.invoke_api import InvokeApi

from tests.support import EMULATOR_ENVIRONMENT, PATIENCE_S, PYPY, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# The beginning of every runtime here: a client of the Runtime API.
PRELUDE = """
import http.client, json, os, signal, subprocess, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def call(method, path, body=None, **headers):
    names = {"Lambda-Runtime-" + name.replace("_", "-"): value for name, value in headers.items()}
    api.request(method, "/2018-06-01/runtime/" + path, body, names)
    reply = api.getresponse()
    return reply.status, reply.read().decode(), reply.headers

def take():
    status, event, headers = call("GET", "invocation/next")
    return headers["Lambda-Runtime-Aws-Request-Id"], event, headers

def respond(request_id, value, **headers):
    body = value.encode() if isinstance(value, str) else value
    if not isinstance(body, bytes):
        body = json.dumps(value).encode()
    return call("POST", f"invocation/{request_id}/response", body, **headers)

def raw(text):
    api.sock.sendall(text.encode("latin-1"))
    reply = http.client.HTTPResponse(api.sock)
    reply.begin()
    status, body = reply.status, reply.read().decode()
    api.close()
    return status, body
"""

ECHO = """
while True:
    request_id, event, headers = take()
    respond(request_id, event)
"""

# Responds with the value of the Python expression in the event.
CALCULATOR = """
while True:
    request_id, event, headers = take()
    respond(request_id, eval(json.loads(event)))
"""


class EmulatorTestCase(unittest.TestCase):
    """A test of functions whose runtime is a short script."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def function(self, runtime: str, **options: Any) -> Function:
        """Return a function that is not yet started."""
        script = self.folder / "runtime_script.py"
        script.write_text(PRELUDE + textwrap.dedent(runtime))
        options.setdefault("command", [sys.executable, "-ISu", script])
        options.setdefault("timeout_s", PATIENCE_S)
        return Function("hello.handler", self.folder, **options)

    def start(self, runtime: str, **options: Any) -> Function:
        function = self.function(runtime, **options)
        self.addCleanup(function.close)
        function.start()
        return function

    def statuses(self, function: Function) -> list[tuple[str, int | None]]:
        """Return the last part of each path that the runtime called, with the reply's status."""
        return [(request.path.rpartition("/")[2], request.status) for request in function.requests]

    def assertFunctionError(self, result: Result, error_type: str, message: str = "") -> None:
        """Expect an error that contains ``message``, in which ``ID`` stands for the request id."""
        self.assertEqual((200, "Unhandled"), (result.status, result.function_error), result.payload)
        error = json.loads(result.payload)
        self.assertEqual(error_type, error["errorType"])
        self.assertIn(message.replace("ID", result.request_id), error["errorMessage"])

    def assertSucceeds(self, result: Result, value: object) -> None:
        self.assertIsNone(result.function_error, result.payload)
        self.assertEqual(value, json.loads(result.payload))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, "the condition did not become true")
            time.sleep(0.002)

    def wait_for_log(self, function: Function, text: str, times: int = 1) -> None:
        """Wait until the log contains the text that often."""
        self.wait_until(lambda: function.log_text().count(text) >= times)

    def holds(self, path: Path) -> bool:
        """Return whether a process holds a lock on the file."""
        with open(path, "wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


class AnInvocation(EmulatorTestCase):
    def test_carries_the_event_to_the_runtime_and_the_response_to_the_caller(self) -> None:
        result = self.start(ECHO, version="7").invoke(b'{"name": "w\xc3\xb6rld"}')
        self.assertEqual((200, None, "7"), (result.status, result.function_error, result.executed_version))
        self.assertEqual(b'{"name": "w\xc3\xb6rld"}', result.payload)

    def test_passes_all_details_of_the_call_to_the_runtime(self) -> None:
        function = self.start(
            "r, event, headers = take()\n"
            "utf_8 = lambda text: text.encode('latin-1').decode()\n"
            "respond(r, [[name.lower(), utf_8(value)] for name, value in headers.items()])\n"
            "take()",
            timeout_s=60,
        )
        before_ms = time.time() * 1000
        result = function.invoke(
            b"<xml/>",
            request_id="r-1",
            qualifier="prod",
            content_type="text/xml",
            trace_id="Root=1-2-3;Sampled=1",
            client_context='{"custom": "é"}'.encode(),
            cognito_identity='{"cognitoIdentityId": "i"}',
            tenant_id="blue",
        )
        headers = dict(json.loads(result.payload))
        deadline_ms = int(headers.pop("lambda-runtime-deadline-ms"))
        self.assertAlmostEqual(before_ms + 60_000, deadline_ms, delta=5000)
        self.assertRegex(headers.pop("lambda-runtime-invocation-id"), "^[0-9a-f-]{36}$")
        self.assertRegex(headers.pop("date"), "^[A-Z].* GMT$")
        expected = {
            "content-type": "text/xml",
            "content-length": "6",
            "lambda-runtime-aws-request-id": "r-1",
            "lambda-runtime-invoked-function-arn": function.arn() + ":prod",
            "lambda-runtime-trace-id": "Root=1-2-3;Sampled=1",
            "lambda-runtime-client-context": '{"custom": "é"}',
            "lambda-runtime-cognito-identity": '{"cognitoIdentityId": "i"}',
            "lambda-runtime-aws-tenant-id": "blue",
        }
        self.assertEqual(expected, headers)

    def test_omits_empty_headers(self) -> None:
        function = self.start(
            "r, event, headers = take(); respond(r, list(headers.items())); take()", invocation_ids=False
        )
        headers = dict(json.loads(function.invoke().payload))
        trace_id = headers.pop("Lambda-Runtime-Trace-Id")
        self.assertRegex(trace_id, "^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$")
        self.assertEqual(
            {"Content-Type", "Content-Length", "Date"}
            | {
                f"Lambda-Runtime-{name}" for name in ("Aws-Request-Id", "Deadline-Ms", "Invoked-Function-Arn")
            },
            set(headers),
        )

    def test_sends_a_long_event_in_chunks(self) -> None:
        function = self.start(
            "r, event, headers = take(); respond(r, [len(event), headers['Transfer-Encoding']]); take()"
        )
        self.assertSucceeds(function.invoke(b"x" * 100_000), [100_000, "chunked"])

    def test_ends_when_the_runtime_requests_the_next_event(self) -> None:
        function = self.start("r, *_ = take(); respond(r, 1); time.sleep(1.1); print('cleaned up'); take()")
        began = time.monotonic()
        result = function.invoke()
        self.assertGreater(time.monotonic() - began, 1.1)
        self.assertIn(b"cleaned up\nEND ", result.log)
        self.assertGreater(result.report.duration_ms, 1100)

    def test_returns_the_response_before_a_slow_runtime_requests_the_next_event(self) -> None:
        function = self.start(
            "r, *_ = take(); respond(r, 1); time.sleep(30)", response_grace_s=0.1, timeout_s=60
        )
        began = time.monotonic()
        self.assertSucceeds(function.invoke(), 1)
        self.assertLess(time.monotonic() - began, 5)

    def test_of_type_event_returns_immediately(self) -> None:
        function = self.start(
            "while True:\n"
            "  r, event, _ = take()\n"
            "  while not os.path.exists('go'): time.sleep(0.002)\n"
            "  respond(r, event)"
        )
        result = function.invoke(b'"later"', invocation_type="Event")
        self.assertNotIn("response", [call for call, _ in self.statuses(function)])
        (self.folder / "go").touch()
        self.assertEqual((202, b""), (result.status, result.payload))
        self.wait_for_log(function, "REPORT ")
        self.assertIn(b'"later"', [request.body for request in function.requests])

    def test_of_type_dry_run_does_not_call_the_function(self) -> None:
        function = self.start(ECHO)
        self.assertEqual(204, function.invoke(invocation_type="DryRun").status)
        self.assertEqual([("next", None)], self.statuses(function))


class TheLog(EmulatorTestCase):
    def test_of_an_invocation_runs_from_start_to_report(self) -> None:
        function = self.start("while True:\n  r, *_ = take(); print('hi'); respond(r, 1)", memory_mb=256)
        first, second = function.invoke(), function.invoke()
        line = (
            r"START RequestId: ID Version: \$LATEST\nhi\nEND RequestId: ID\nREPORT RequestId: ID\t"
            r"Duration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\t"
        )
        for result, end in ((first, r"Init Duration: \d+\.\d\d ms\t\n"), (second, r"\n")):
            self.assertRegex(result.log.decode(), "^" + line.replace("ID", result.request_id) + end + "$")
        self.assertEqual(function.log_text().encode(), first.log + second.log)

    def test_reports_measured_figures(self) -> None:
        function = self.start(
            "time.sleep(0.2)\n"
            "r, *_ = take(); block = bytearray(100_000_000); time.sleep(0.1); respond(r, 1); take()",
            timeout_s=30,
        )
        report = function.invoke().report
        self.assertTrue(100 <= report.duration_ms < 30_000, report)
        self.assertTrue(report.init_ms is not None and 200 <= report.init_ms < 30_000, report)
        self.assertTrue(100 <= report.max_memory_mb < 400, report)
        self.assertLess(report.duration_ms + (report.init_ms or 0), report.billed_ms + 1)

    @unittest.skipIf(sys.implementation.name == "pypy", "its processes share less")
    def test_reports_what_processes_share_once(self) -> None:
        function = self.start(
            "block = bytearray(100_000_000)\n"
            "children = []\n"
            "for _ in range(4):\n"
            "    child = os.fork()\n"
            "    if child == 0: time.sleep(60)\n"
            "    children.append(child)\n"
            "r, event, _ = take(); respond(r, 1)\n"
            "r, event, _ = take(); [os.kill(child, 9) for child in children]; [os.wait() for _ in children]\n"
            "respond(r, 1); take()",
            timeout_s=60,
        )
        for _ in range(2):  # the maximum does not fall
            self.assertTrue(100 <= function.invoke().report.max_memory_mb < 200)

    @unittest.skipUnless(sys.platform == "linux", "needs /proc")
    def test_measures_a_process_whose_threads_come_and_go(self) -> None:
        function = self.start(
            "import threading\n"
            "take()\n"
            "while True:\n"
            "    threads = [threading.Thread(target=time.sleep, args=(0.0005,)) for _ in range(8)]\n"
            "    [one.start() for one in threads]; [one.join() for one in threads]",
            timeout_s=60,
        )
        assert function.pid is not None
        function.call(Call(invocation_type="Event"))
        self.wait_until(lambda: function.status().busy == 1)
        self.assertEqual({(function.pid,)}, {tuple(process_tree(function.pid)) for _ in range(1000)})

    def test_contains_all_output_from_before_the_request_for_the_next_event(self) -> None:
        function = self.start(
            "for n in range(5):\n"
            "    r, *_ = take()\n"
            "    os.write(1 + n % 2, b'x' * 200_000)\n"
            "    respond(r, 1)\n"
            "    os.write(1, b'last %d' % n)\n"
            "take()",
            log=lambda lines, _: time.sleep(0.01),  # a slow listener delays the log
        )
        for number in range(5):
            self.assertIn(b"x" * 200_000 + b"last %d\nEND " % number, function.invoke().log)

    def test_tail_contains_the_last_4_kb(self) -> None:
        result = self.start("r, *_ = take(); print('x' * 9000); respond(r, 1); take()").invoke()
        self.assertEqual(4096, len(result.log_tail))
        self.assertTrue(result.log.endswith(result.log_tail))

    def test_of_the_init_phase_precedes_the_first_invocation(self) -> None:
        result = self.start("print('starting')\n" + ECHO).invoke()
        self.assertTrue(result.log.startswith(b"starting\nSTART "))

    def test_reaches_the_listener_when_it_is_written(self) -> None:
        heard: list[bytes] = []
        script = "r, *_ = take(); print('hi'); respond(r, 1); take()"
        function = self.start(script, log=lambda lines, _: heard.append(lines))
        self.assertEqual(function.invoke().log, b"".join(heard))

    def test_contains_the_messages_of_telemetry_frames(self) -> None:
        function = self.start(
            "fd = int(os.environ.pop('_LAMBDA_TELEMETRY_LOG_FD'))\n"
            "r, *_ = take()\n"
            "import struct\n"
            "frame = lambda kind, text: struct.pack('>IIQ', kind, len(text), 42) + text\n"
            "os.write(fd, frame(0xA55A0017, b'bad') + frame(0xA55A000F, b'go')[:17])\n"
            "time.sleep(0.05)\n"
            "os.write(fd, frame(0xA55A000F, b'go')[17:])\n"
            "respond(r, 1); take()",
            telemetry=True,
        )
        result = function.invoke()
        self.assertEqual([(0xA55A0017, 42, b"bad"), (0xA55A000F, 42, b"go")], function.frames)
        self.assertIn(b"\nbad\ngo\nEND ", result.log)

    def test_a_listener_that_fails_is_reported_once_and_holds_up_no_invocation(self) -> None:
        function = self.start(ECHO, log=lambda lines: None)  # it is called with two arguments
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            for _ in range(2):
                self.assertEqual(function.invoke(b"1").payload, b"1")
        self.assertEqual(errors.getvalue().count("Traceback"), 1)
        errors.close()
        function = self.start(ECHO, log=lambda lines: None)
        with contextlib.redirect_stderr(errors):  # which cannot be written either
            self.assertEqual(function.invoke(b"1").payload, b"1")
        self.assertIn("START", function.log_text())


class TheLogInJson(EmulatorTestCase):
    """The platform's lines are objects as well, like CloudWatch's at the system log level INFO."""

    TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

    def function(self, runtime: str, **options: Any) -> Function:
        return super().function(runtime, environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"}, **options)

    def objects(self, log: bytes | str) -> list[tuple[str, dict[str, Any]]]:
        """Return type and record of each line, without the durations, which vary."""
        found = []
        for line in log.splitlines():
            entry = json.loads(line)
            self.assertEqual(["time", "type", "record"], list(entry))
            self.assertRegex(entry["time"], f"^{self.TIME}$")
            metrics = entry["record"].get("metrics", {})
            for name in [name for name in metrics if name.endswith("Ms")]:
                self.assertGreaterEqual(metrics.pop(name), 0)
            found.append((entry["type"], entry["record"]))
        return found

    def report(self, result: Result, **members: str) -> tuple[str, dict[str, Any]]:
        metrics = {"memorySizeMB": 128, "maxMemoryUsedMB": result.report.max_memory_mb}
        record = {"requestId": result.request_id, "metrics": metrics, "status": "success", **members}
        return ("platform.report", record)

    def begin(self, function: Function, result: Result) -> tuple[str, dict[str, Any]]:
        record = {"requestId": result.request_id, "functionArn": function.arn(), "version": "$LATEST"}
        return ("platform.start", record)

    def test_describes_an_invocation(self) -> None:
        function = self.start("while True:\n  r, *_ = take(); print('hi'); respond(r, 1)")
        for result, init in ((function.invoke(), True), (function.invoke(), False)):
            first, text, last = result.log.decode().splitlines()
            self.assertEqual("hi", text)
            metrics = json.loads(last)["record"]["metrics"]
            self.assertEqual(init, "initDurationMs" in metrics)
            self.assertEqual(round(result.report.duration_ms, 3), metrics["durationMs"])
            self.assertEqual(result.report.billed_ms, metrics["billedDurationMs"])
            expected = [self.begin(function, result), self.report(result)]
            self.assertEqual(expected, self.objects(f"{first}\n{last}"))

    def test_describes_failures(self) -> None:
        function = self.start(
            "r, event, _ = take(); os._exit(3) if event == '1' else time.sleep(60)", timeout_s=2
        )
        for event, failure in (
            (b"1", {"status": "error", "errorType": "Runtime.ExitError"}),
            (b"2", {"status": "timeout"}),
        ):
            with self.subTest(event):
                result = function.invoke(event)
                done = {"requestId": result.request_id, "metrics": {}, **failure}
                expected = [self.begin(function, result), ("platform.runtimeDone", done)]
                self.assertEqual([*expected, self.report(result, **failure)], self.objects(result.log))

    def test_describes_an_init_phase_that_fails(self) -> None:
        function = self.start("sys.exit(3)")
        failure = {"status": "error", "errorType": "Runtime.ExitError"}
        record = {"initializationType": "on-demand", "phase": "init", "metrics": {}, **failure}
        self.assertEqual([("platform.initReport", record)], self.objects(function.log_text()))

    def test_describes_a_restore(self) -> None:
        result = self.start(ECHO, initialization_type="snap-start", name="hello").invoke()
        done = {"metrics": {}, "status": "success"}
        names = {"functionName": "hello", "functionVersion": "$LATEST"}
        expected = [
            ("platform.initReport", {"initializationType": "snap-start", "phase": "init", **done}),
            ("platform.restoreStart", {"runtimeVersion": "provided:al2023", **names}),
            ("platform.restoreReport", done),
        ]
        lines = result.log.decode().splitlines()
        self.assertEqual(expected, self.objects("\n".join(lines[:3])))
        self.assertLessEqual(
            {"restoreDurationMs", "billedRestoreDurationMs"}, set(json.loads(lines[-1])["record"]["metrics"])
        )

    def test_contains_messages_of_the_emulator_as_objects(self) -> None:
        function = self.start("while True:\n  r, *_ = take(); respond(r, '<html>')", reload=True)
        url = FunctionUrl(function, invoke_mode="BUFFERED")
        self.addCleanup(url.close)
        (self.folder / "hello.py").touch()
        connection = http.client.HTTPConnection(url.url[len("http://") : -1], timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        request_id = connection.getresponse().headers["x-amzn-RequestId"]
        self.wait_for_log(function, "platform.report")
        said = [one for one in self.objects(function.log_text()) if one[0].startswith("emulator.")]
        warning = {"message": "hello.py changed; reloading"}
        self.assertIn(("emulator.warning", warning), said)
        ((_, error),) = [one for one in said if one[0] == "emulator.error"]
        self.assertEqual(request_id, error["requestId"])
        self.assertTrue(
            error["message"].startswith("the function URL responded with 502, because it is not JSON")
        )

    def test_is_text_with_other_formats(self) -> None:
        for log_format in ("Text", "xml", "", None):
            with self.subTest(log_format):
                function = super().function(ECHO, environment={"AWS_LAMBDA_LOG_FORMAT": log_format})
                with function:
                    self.assertTrue(function.invoke().log.startswith(b"START "))


class AFailure(EmulatorTestCase):
    def test_of_the_emulator_itself_does_not_block_callers(self) -> None:
        function = self.start(ECHO, timeout_s=math.inf)  # no deadline
        results: list[Result] = []
        waiting = threading.Thread(target=lambda: results.append(function.invoke()), daemon=True)
        waiting.start()
        waiting.join(10)
        self.assertEqual(1, len(results))
        reason = "the emulator has failed: OverflowError: "
        self.assertFunctionError(results[0], "Sandbox.Failure", f"RequestId: ID Error: {reason}")
        self.assertIn(f"RequestId: {results[0].request_id} Error: {reason}", function.log_text())

    def test_of_the_process_has_lambdas_error_type_and_message(self) -> None:
        cases = [
            ("os._exit(3)", "Runtime exited with error: exit status 3", 3),
            ("os._exit(0)", "Runtime exited without providing a reason", 0),
            ("os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed", -9),
            (
                "os.kill(os.getpid(), signal.SIGSEGV)",
                "Runtime exited with error: signal: segmentation fault",
                -11,
            ),
        ]
        function = self.start("request_id, event, headers = take(); eval(json.loads(event))")
        for number, (end, reason, status) in enumerate(cases):
            with self.subTest(end):
                result = function.invoke(json.dumps(end).encode())
                self.assertFunctionError(result, "Runtime.ExitError", f"RequestId: ID Error: {reason}")
                self.assertEqual(status, function.exit_status)
                self.assertEqual(number, function.restarts)
                self.assertIn(f"Error: {reason}\nRuntime.ExitError\nEND ", result.log.decode())
                self.assertIn(b"\tStatus: error\tError Type: Runtime.ExitError\t\n", result.log)

    def test_of_the_process_after_the_response_keeps_the_response(self) -> None:
        function = self.start("r, *_ = take(); respond(r, 'kept'); os._exit(1)")
        self.assertEqual(b"kept", function.invoke().payload)
        self.assertEqual(b"kept", function.invoke().payload)
        self.assertEqual((1, 1), (function.restarts, function.exit_status))

    def test_of_the_process_between_two_invocations_belongs_to_the_second(self) -> None:
        function = self.start(
            "import threading\n"
            "r, event, _ = take(); respond(r, event)\n"
            "threading.Timer(1.5, os._exit, [4]).start()\n"
            "take()"
        )
        self.assertSucceeds(function.invoke(b"1"), 1)
        while function.exit_status is None:
            time.sleep(0.01)
        self.assertFunctionError(function.invoke(b"2"), "Runtime.ExitError", "exit status 4")
        self.assertSucceeds(function.invoke(b"3"), 3)

    def test_to_initialize_fails_the_next_invocation_and_the_following_one_gets_a_new_environment(
        self,
    ) -> None:
        function = self.start(
            "if not os.path.exists('mended'):\n"
            "    body = json.dumps({'errorType': 'Broken', 'errorMessage': 'no database'})\n"
            "    print('oh')\n"
            "    status = call('POST', 'init/error', body, Function_Error_Type='Runtime.Broken')\n"
            "    sys.exit(1)\n" + ECHO
        )
        result = function.invoke()
        self.assertFunctionError(result, "Broken", "no database")
        self.assertTrue(result.log.startswith(b"oh\nINIT_REPORT Init Duration: "), result.log)
        self.assertEqual((0, 1), (function.restarts, function.exit_status))
        (self.folder / "mended").touch()
        self.assertSucceeds(function.invoke(b"1"), 1)
        self.assertEqual(1, function.restarts)

    def test_to_initialize_without_a_report_is_an_exit_error(self) -> None:
        self.assertFunctionError(self.start("sys.exit(3)").invoke(), "Runtime.ExitError", "exit status 3")

    def test_to_find_the_program_is_an_invalid_entrypoint(self) -> None:
        function = self.start("", command=["/var/task/no-such-bootstrap"])
        self.assertFunctionError(function.invoke(), "Runtime.InvalidEntrypoint", "no such file or directory")

    def test_to_finish_in_time_kills_the_whole_process_group(self) -> None:
        lock = self.folder / "lock"
        function = self.start(
            "r, event, _ = take()\n"
            "if event == '1':\n"
            "    import fcntl\n"
            "    fcntl.flock(os.open('lock', os.O_CREAT), fcntl.LOCK_EX)\n"
            "    os.fork()\n"
            "    os.write(1, b'asleep\\n')\n"
            "    time.sleep(60)\n"
            "respond(r, event); take()",
            timeout_s=1,
        )
        result = function.invoke(b"1")
        self.assertFunctionError(
            result, "Sandbox.Timedout", "RequestId: ID Error: Task timed out after 1.00 seconds"
        )
        line = (
            rf"\n\S+Z {result.request_id} Task timed out after 1\.00 seconds\n\nEND .*\tStatus: timeout\t\n"
        )
        self.assertRegex(result.log.decode(), "(?s)asleep" + line)
        self.assertFalse(self.holds(lock))
        self.assertEqual(-9, function.exit_status)
        self.assertEqual(0, function.restarts, "only the next invocation needs a new environment")
        result = function.invoke(b"2")
        self.assertSucceeds(result, 2)
        self.assertIsNotNone(result.report.init_ms)
        self.assertEqual(1, function.restarts)

    def test_to_initialize_in_time_is_retried_within_the_invocations_timeout(self) -> None:
        function = self.start("time.sleep(30)", init_timeout_s=0.1, timeout_s=0.2)
        result = function.invoke()
        self.assertFunctionError(result, "Sandbox.Timedout", "Task timed out after 0.20 seconds")
        self.assertEqual(1, function.restarts)

    def test_leaves_no_processes_behind_when_the_function_is_closed(self) -> None:
        lock = self.folder / "lock"
        function = self.start(
            "import fcntl\n"
            "fcntl.flock(os.open('lock', os.O_CREAT), fcntl.LOCK_EX)\n"
            "r, *_ = take()\n"
            "os.fork(); time.sleep(60)",
            timeout_s=60,
        )
        self.assertTrue(self.holds(lock))
        results: list[Result] = []
        thread = threading.Thread(target=lambda: results.append(function.invoke()))
        thread.start()
        self.wait_for_log(function, "START ")
        function.close()
        thread.join(5)
        results.append(function.invoke())
        deadline = time.monotonic() + 5  # killed immediately, but the kernel may need some time to clean up
        while self.holds(lock) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(self.holds(lock))
        self.assertFunctionError(results[0], "Runtime.ExitError")
        self.assertFunctionError(results[1], "Sandbox.Failure", "stopped")
        self.assertEqual(0, function.restarts)


class ARuntime(EmulatorTestCase):
    """The order of calls that is allowed, and how other calls are rejected."""

    def test_that_calls_next_again_without_responding_gets_the_same_event(self) -> None:
        function = self.start("a, *_ = take(); b, event, _ = take(); respond(b, [a == b, event]); take()")
        self.assertSucceeds(function.invoke(b"7"), [True, "7"])

    def test_cannot_respond_twice(self) -> None:
        function = self.start(
            "r, *_ = take(); respond(r, 'first')\n"
            "print(respond(r, 'second')[:2], call('POST', f'invocation/{r}/error', '{}')[:2])\n"
            "take()"
        )
        result = function.invoke()
        self.assertEqual(b"first", result.payload)
        refusal = (
            '{"errorMessage":"State transition from RuntimeResponseSentState to %s failed for runtime.'
            ' Error: State transition is not allowed","errorType":"InvalidStateTransition"}\\n'
        )
        for call in ("InvocationResponse", "InvocationErrorResponse"):
            self.assertIn(f"(403, '{refusal % call}')", result.log.decode())

    def test_cannot_respond_to_an_unknown_request(self) -> None:
        function = self.start("r, *_ = take(); respond(r, respond('other', 1)[:2]); take()")
        refusal = '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'
        self.assertSucceeds(function.invoke(), [400, refusal])

    def test_cannot_respond_before_it_has_an_event(self) -> None:
        function = self.start("status = respond('r', 1)[0]\nr, *_ = take(); respond(r, status); take()")
        self.assertSucceeds(function.invoke(), 400)

    def test_cannot_report_an_init_error_after_the_init_phase(self) -> None:
        function = self.start("r, *_ = take(); respond(r, call('POST', 'init/error', '{}')[:2]); take()")
        status, body = json.loads(function.invoke().payload)
        self.assertEqual(403, status)
        self.assertIn("from Running to InitError", body)

    def test_that_failed_to_initialize_gets_no_event(self) -> None:
        function = self.start(
            'call(\'POST\', \'init/error\', \'{"errorType": "E", "errorMessage": "m"}\')\n'
            "print(call('POST', 'init/error', '{}')[:2], call('GET', 'invocation/next')[:2])"
        )
        self.assertFunctionError(function.invoke(), "E", "m")
        self.assertEqual([("error", 202), ("error", 403), ("next", 403)], self.statuses(function))
        self.assertIn("from InitError to InitError failed", function.log_text())
        self.assertIn("from InitError to Ready failed", function.log_text())

    def test_is_stuck_after_an_unknown_response_mode(self) -> None:
        function = self.start(
            "r, *_ = take()\n"
            "print(respond(r, 1, Function_Response_Mode='Streaming')[:2])\n"
            "print(call('GET', 'invocation/next')[:2])"
        )
        result = function.invoke()
        self.assertFunctionError(result, "Runtime.ExitError")
        self.assertIn('(400, \'{"errorMessage":"Invalid function response mode"', result.log.decode())
        self.assertIn("from InvocationResponse to Ready failed", result.log.decode())

    def test_is_stuck_after_an_incomplete_body(self) -> None:
        for framing in ("Content-Length: 10\r\n\r\n12", "Transfer-Encoding: chunked\r\n\r\n5\r\n12"):
            with self.subTest(framing):
                function = self.start(
                    "import socket\n"
                    "r, *_ = take()\n"
                    "head = f'POST /2018-06-01/runtime/invocation/{r}/response HTTP/1.1\\r\\n'\n"
                    "head += 'Host: localhost\\r\\n'\n"
                    f"api.sock.sendall((head + {framing!r}).encode())\n"
                    "api.sock.shutdown(socket.SHUT_WR)\n"
                    "reply = api.sock.recv(1000).decode(); api.close()\n"
                    "print(reply, call('GET', 'invocation/next')[0])"
                )
                result = function.invoke()
                self.assertFunctionError(result, "Runtime.ExitError")
                self.assertIn("TruncatedHTTPRequest", result.log.decode())
                self.assertEqual([("next", 200), ("response", 400), ("next", 403)], self.statuses(function))

    def test_can_only_respond_to_the_current_delivery_of_an_event(self) -> None:
        function = self.start(
            "r, *_, headers = take()\n"
            "stale = respond(r, 1, Invocation_Id='other')\n"
            "respond(r, stale[:2], Invocation_Id=headers['Lambda-Runtime-Invocation-Id'])\n"
            "take()"
        )
        refusal = '{"errorMessage":"Invoke timeout","errorType":"InvokeTimeout"}\n'
        self.assertSucceeds(function.invoke(), [410, refusal])

    def test_gets_404_on_other_paths(self) -> None:
        function = self.start(
            "r, *_ = take(); respond(r, [call('GET', 'x')[:2], call('POST', 'restore/error')[:2]]); take()"
        )
        self.assertSucceeds(function.invoke(), [[404, "404 page not found\n"]] * 2)

    def test_can_send_up_to_6_mb(self) -> None:
        self.check_413(early=False)

    def test_is_interrupted_during_an_oversized_response_on_managed_instances(self) -> None:
        self.check_413(early=True)

    def check_413(self, *, early: bool) -> None:
        function = self.start(
            "r, *_ = take()\n"
            "def chunks(size):\n"
            "    yield b'x' * size\n"
            "for body in (b'x' * 1001, chunks(1001)):\n"
            "    status, reply, headers = call('POST', f'invocation/{r}/response', body)\n"
            "    print(status, reply, headers['Connection'], respond(r, 1)[0])\n"
            "    r, *_ = take()\n"
            "respond(r, b'x' * 1000); take()",
            max_response_bytes=1000,
            early_413=early,
        )
        message = "Response payload size exceeded maximum allowed payload size (1000 bytes)."
        refusal = (
            '413 {"errorMessage":"Exceeded maximum allowed payload size (1000 bytes).",'
            f'"errorType":"RequestEntityTooLarge"}}\n {"close" if early else None} 403\n'
        )
        for framing in ("counted", "chunked"):
            with self.subTest(framing):
                result = function.invoke()
                self.assertFunctionError(result, "Function.ResponseSizeTooLarge", message)
                self.assertIn(refusal, result.log.decode())
        self.assertEqual(b"x" * 1000, function.invoke().payload)
        self.assertEqual(0, function.restarts)

    def test_loses_its_connection_after_an_oversized_error(self) -> None:
        function = self.start(
            "r, *_ = take()\n"
            "try:\n"
            "    print(call('POST', f'invocation/{r}/error', b'x' * 1001))\n"
            "except (http.client.HTTPException, OSError) as error:\n"
            "    api.close(); print('lost', call('GET', 'invocation/next')[0])",
            max_error_bytes=1000,
        )
        self.assertIn(b"lost 403\n", function.invoke().log)

    def test_cannot_fill_the_memory_with_what_nobody_asked_for(self) -> None:
        function = self.start(
            "api.request('POST', '/2020-01-01/extension/register', b'x' * 1001,"
            " {'Lambda-Extension-Name': 'bootstrap'})\n"
            "print('answer', api.getresponse().status); api.close()\n"
            "print('answer', call('POST', 'init/error', b'x' * 1001)[0])",
            max_error_bytes=1000,
        )
        result = function.invoke()
        self.assertEqual(result.log.count(b"answer 413\n"), 2, result.log)

    def test_must_send_valid_http(self) -> None:
        path = "/2018-06-01/runtime/invocation/next"
        cases = [
            (
                "a header with a line break alone",
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nA: b\nc\r\n\r\n",
                400,
            ),
            (
                "a header with a control character",
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nA: b\x01\r\n\r\n",
                400,
            ),
            ("a name with a space", f"GET {path} HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n", 400),
            ("no host", f"GET {path} HTTP/1.1\r\n\r\n", 400),
            ("no version", f"GET {path}\r\n\r\n", 400),
            ("a target without a slash", "GET orders HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            ("the whole server as target", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (
                "two lengths",
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                400,
            ),
            (
                "headers of more than 1 MB",
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nA: {'b' * 1_053_000}\r\n\r\n",
                431,
            ),
            (
                "headers of nearly 1 MB",
                f"GET /x HTTP/1.1\r\nHost: localhost\r\nA: {'b' * 1_052_000}\r\n\r\n",
                404,
            ),
        ]
        function = self.start(
            "while True:\n  r, event, _ = take(); status = raw(json.loads(event))[0]; respond(r, status)"
        )
        for name, request, status in cases:
            with self.subTest(name):
                self.assertSucceeds(function.invoke(json.dumps(request).encode()), status)


class AStreamedResponse(EmulatorTestCase):
    STREAM = """
    r, event, _ = take()
    api.connect()
    api.sock.sendall((f"POST /2018-06-01/runtime/invocation/{r}/response HTTP/1.1\\r\\nHost: localhost\\r\\n"
        "Content-Type: text/x\\r\\nTransfer-Encoding: chunked\\r\\n" + json.loads(event)).encode())
    print(api.sock.recv(1000).decode().split("\\r\\n")[0])
    api.close()
    take()
    """
    MODE = "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
    TRAILER = "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
    BODY = "\r\n2\r\nHe\r\n3;x=y\r\nllo\r\n0\r\n"
    ERROR = base64.b64encode(b'{"errorType": "Midway"}').decode()
    TRAILERS = (
        "Lambda-Runtime-Function-Error-Type: Function.Midway\r\n"
        f"lambda-runtime-function-error-body: {ERROR}\r\n"
    )

    def stream(self, rest: str) -> Result:
        result = self.start(self.STREAM).invoke(json.dumps(rest).encode())
        self.assertIn(b"HTTP/1.1 202 Accepted\n", result.log)
        return result

    def test_is_collected_for_a_buffered_invocation(self) -> None:
        result = self.stream(self.MODE + self.BODY + "\r\n")
        self.assertEqual((b"Hello", None), (result.payload, result.function_error))
        self.assertEqual(("streaming", "text/x"), (result.response_mode, result.content_type))

    def test_becomes_the_error_in_its_trailers(self) -> None:
        result = self.stream(self.MODE + self.TRAILER + self.BODY + self.TRAILERS + "\r\n")
        self.assertEqual((b'{"errorType": "Midway"}', "Unhandled"), (result.payload, result.function_error))
        self.assertEqual(2, len(result.trailers))

    def test_fails_with_trailers_of_more_than_4_kib(self) -> None:
        room = 4096 - len(self.TRAILERS) - len("X: \r\n\r\n")
        for length, status in [(room, 202), (room + 1, 400)]:
            with self.subTest(length):
                trailers = f"{self.TRAILERS}X: {'x' * length}\r\n"
                rest = self.MODE + self.TRAILER + self.BODY + trailers + "\r\n"
                result = self.start(self.STREAM).invoke(json.dumps(rest).encode())
                self.assertIn(f"HTTP/1.1 {status} ".encode(), result.log)

    def test_ignores_error_trailers_that_are_not_declared(self) -> None:
        for head in (self.MODE, self.TRAILER):
            with self.subTest(head):
                result = self.stream(head + self.BODY + self.TRAILERS + "\r\n")
                self.assertEqual((b"Hello", None), (result.payload, result.function_error))


class SnapStart(EmulatorTestCase):
    def test_restores_immediately(self) -> None:
        function = self.start(
            "status, *_ = call('GET', 'restore/next')\n" + ECHO, initialization_type="snap-start"
        )
        self.assertSucceeds(function.invoke(b"1"), 1)
        self.assertEqual([("next", 200), ("next", 200)], self.statuses(function)[:2])

    def test_returns_a_restore_error_to_the_next_caller(self) -> None:
        function = self.start(
            "call('GET', 'restore/next')\n"
            'call(\'POST\', \'restore/error\', \'{"errorType": "Hook", "errorMessage": "m"}\'); sys.exit(65)',
            initialization_type="snap-start",
        )
        self.assertFunctionError(function.invoke(), "Hook", "m")
        self.assertEqual(65, function.exit_status)


class TheEnvironment(EmulatorTestCase):
    def variables(self, **options: Any) -> dict[str, str]:
        function = self.start("r, *_ = take(); respond(r, dict(os.environ)); take()", **options)
        variables: dict[str, str] = json.loads(function.invoke().payload)
        return variables

    def test_has_lambdas_variables(self) -> None:
        variables = self.variables(name="hello", version="3", memory_mb=512)
        stream = variables.pop("AWS_LAMBDA_LOG_STREAM_NAME")
        self.assertRegex(stream, r"^\d{4}/\d\d/\d\d/\[3\][0-9a-f]{32}$")
        expected = {
            "_HANDLER": "hello.handler",
            "AWS_LAMBDA_FUNCTION_NAME": "hello",
            "AWS_LAMBDA_FUNCTION_VERSION": "3",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "TZ": ":UTC",
            "LANG": "en_US.UTF-8",
        }
        self.assertEqual(expected, {name: variables[name] for name in expected})
        self.assertRegex(variables["AWS_LAMBDA_RUNTIME_API"], r"^127\.0\.0\.1:\d+$")
        self.assertTrue(variables["PATH"].startswith("/usr/local/bin:/usr/bin/:/bin:/opt/bin:"))
        self.assertEqual(variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"])

    def test_has_none_of_this_machines_variables_by_default(self) -> None:
        os.environ.update(PYTHONWARNINGS="ignore", AWS_SECRET_ACCESS_KEY="secret", EMULATOR_TEST="1")
        self.addCleanup(
            lambda: [os.environ.pop(n) for n in ("PYTHONWARNINGS", "AWS_SECRET_ACCESS_KEY", "EMULATOR_TEST")]
        )
        variables = self.variables(inherit=["EMULATOR_TEST", "EMULATOR_NO_SUCH"])
        self.assertEqual("1", variables["EMULATOR_TEST"])
        self.assertFalse({"PYTHONWARNINGS", "AWS_SECRET_ACCESS_KEY", "EMULATOR_NO_SUCH"} & set(variables))
        self.assertNotIn("AWS_EXECUTION_ENV", variables)

    def with_profiles(self) -> Path:
        """Create AWS profiles for this machine's user; return the home folder."""
        home = self.folder / "home"
        (home / ".aws").mkdir(parents=True)
        profiles = "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-north-1\n"
        (home / ".aws" / "config").write_text(profiles)
        unset = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE")
        changed = mock.patch.dict(os.environ, {"HOME": str(home)})
        changed.start()
        self.addCleanup(changed.stop)
        for name in unset:
            os.environ.pop(name, None)
        return home

    def test_provides_no_credentials_of_this_machine(self) -> None:
        self.with_profiles()
        os.environ.update(AWS_PROFILE="work", AWS_ACCESS_KEY_ID="key")
        variables = self.variables()
        self.assertNotIn("AWS_PROFILE", variables)
        self.assertNotIn("AWS_ACCESS_KEY_ID", variables)
        # Without these variables, SDKs look for the files in the home folder from the user database.
        self.assertEqual("/home/sbx_user1051", variables["HOME"])
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
            self.assertEqual(b"", Path(variables[name]).read_bytes())
        self.assertEqual("true", variables["AWS_EC2_METADATA_DISABLED"])
        self.assertEqual("us-east-1", variables["AWS_REGION"])
        mine = {"AWS_CONFIG_FILE": "mine"}
        self.assertEqual("mine", self.variables(environment=mine)["AWS_CONFIG_FILE"])

    def test_has_the_functions_own_variables_but_no_private_ones(self) -> None:
        mine = {"A": "1", "TZ": None, "LANG": "C", "_PRIVATE": "no", "_HANDLER": "yes"}
        variables = self.variables(environment=mine)
        found = {name: variables.get(name) for name in mine}
        self.assertEqual({"A": "1", "TZ": None, "LANG": "C", "_PRIVATE": None, "_HANDLER": "yes"}, found)

    def test_has_no_log_stream_before_the_restore(self) -> None:
        names = set(self.variables(initialization_type="snap-start"))
        self.assertFalse({"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_LOG_GROUP_NAME"} & names)

    def test_starts_in_the_task_root_in_a_separate_session_without_input(self) -> None:
        function = self.start(CALCULATOR)
        where = function.invoke(b'"[os.getcwd(), os.getsid(0) == os.getpid(), sys.stdin.read()]"')
        self.assertSucceeds(where, [str(self.folder.resolve()), True, ""])

    def test_is_replaced_when_a_source_file_changes(self) -> None:
        function = self.start(ECHO, reload=True)
        function.invoke()
        function.invoke()
        self.assertEqual(0, function.restarts)
        (self.folder / "hello.py").touch()
        result = function.invoke()
        function.invoke()
        self.assertEqual(1, function.restarts)
        self.assertIn("\nhello.py changed; reloading\n", function.log_text())
        self.assertTrue(result.log.startswith(b"START "), result.log)
        for name in "abcd":
            (self.folder / f"{name}.py").touch()
        function.invoke()
        self.assertIn("\na.py, b.py, c.py and 1 more changed; reloading\n", function.log_text())


class TheServer(EmulatorTestCase):
    def test_responds_with_500_and_reports_the_reason_when_it_fails(self) -> None:
        def handle(request: Request) -> Response:
            return Response(200, parts=midway()) if request.path == "/midway" else Response(1 // 0)

        def midway() -> Iterator[bytes]:
            yield b"so far"
            raise KeyError("further")

        heard: list[str] = []
        server = HttpServer(handle, heard.append)
        self.addCleanup(server.close)
        replies = []
        for path in ("/", "/midway"):
            connection = http.client.HTTPConnection(server.address, timeout=10)
            self.addCleanup(connection.close)
            connection.request("GET", path)
            replies.append(connection.getresponse())
        self.assertEqual((500, b"Internal Server Error"), (replies[0].status, replies[0].read()))
        with self.assertRaises(http.client.IncompleteRead):
            replies[1].read()
        self.assertRegex(
            "\n".join(heard),
            r"^the emulator could not respond to GET /: ZeroDivisionError: .* \(test_emulator.*, line \d+\)\n"
            r"the emulator could not respond to GET /midway: KeyError: .* \(test_emulator.*, line \d+\)$",
        )


class TheInvokeApi(EmulatorTestCase):
    RUNTIME = """
    while True:
        r, event, headers = take()
        if event == '"fail"':
            call("POST", f"invocation/{r}/error", '{"errorType": "E", "errorMessage": "m"}')
        else:
            names = ("Invoked-Function-Arn", "Client-Context", "Aws-Tenant-Id", "Trace-Id")
            respond(r, [event, *(headers["Lambda-Runtime-" + name] for name in names)])
    """

    def setUp(self) -> None:
        super().setUp()
        self.shown: list[dict[str, Any]] = []
        self.started = self.start(self.RUNTIME, name="hello", request_log=self.shown.append)
        self.api = InvokeApi(self.started)
        self.addCleanup(self.api.close)
        host, port = self.api.url[len("http://") :].split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=10)
        self.addCleanup(self.connection.close)

    def post(
        self, name: str = "hello", body: bytes | None = b"{}", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", f"/2015-03-31/functions/{name}", body, sent)
        reply = self.connection.getresponse()
        return reply.status, reply.read(), reply.headers

    def invoke(self, body: bytes | None = b"{}", name: str = "hello", **headers: str) -> Any:
        return self.post(f"{name}/invocations", body, **headers)

    def test_responds_like_the_service(self) -> None:
        status, body, headers = self.invoke(b'{"a": 1}')
        self.assertEqual((200, '{"a": 1}'), (status, json.loads(body)[0]))
        self.assertEqual("$LATEST", headers["X-Amz-Executed-Version"])
        self.assertRegex(headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
        self.assertIsNone(headers["X-Amz-Function-Error"])
        self.assertIsNone(headers["X-Amz-Log-Result"])

    @unittest.skipIf(PYPY, "PyPy does not count references")
    def test_releases_invocations_without_a_search_for_circles(self) -> None:
        url = FunctionUrl(self.started)
        self.addCleanup(url.close)
        browser = http.client.HTTPConnection(url.url[len("http://") : -1], timeout=10)
        self.addCleanup(browser.close)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for event in (b"{}", b'"fail"', b"{}"):
            self.invoke(event)
            self.invoke(event, X_Amz_Invocation_Type="Event")
            browser.request("POST", "/", event)
            browser.getresponse().read()
        # Of the last ones, threads that wait for the next request may know something.
        self.wait_until(lambda: sum(type(one) is Invocation for one in gc.get_objects()) <= 3)

    def test_reports_that_the_function_failed(self) -> None:
        status, body, headers = self.invoke(b'"fail"')
        self.assertEqual((200, "Unhandled"), (status, headers["X-Amz-Function-Error"]))
        self.assertEqual(b'{"errorType": "E", "errorMessage": "m"}', body)

    def test_returns_the_tail_of_the_log(self) -> None:
        log = base64.b64decode(self.invoke(X_Amz_Log_Type="Tail")[2]["X-Amz-Log-Result"])
        self.assertRegex(log.decode(), "(?s)^START RequestId: .*REPORT RequestId: [^\n]*\n$")

    def test_returns_no_result_of_asynchronous_invocations(self) -> None:
        for invocation_type, expected in (("Event", 202), ("DryRun", 204)):
            status, body, headers = self.invoke(X_Amz_Invocation_Type=invocation_type, X_Amz_Log_Type="Tail")
            self.assertEqual((expected, b""), (status, body))
            self.assertIsNone(headers["X-Amz-Executed-Version"])
            self.assertIsNone(headers["X-Amz-Log-Result"])

    def test_accepts_the_function_by_name_and_arn(self) -> None:
        here = self.started.arn("hello")
        there = "arn:aws-cn:lambda:cn-north-1:111122223333:function:hello"
        cases = [
            ("hello", here),
            ("hello:prod", f"{here}:prod"),
            ("hello%3Aprod", f"{here}:prod"),
            ("hello:$LATEST", f"{here}:$LATEST"),
            ("hello:$LATEST.PUBLISHED", f"{here}:$LATEST.PUBLISHED"),
            ("123456789012:function:hello", here),
            (there, there),
            (there.replace(":", "%3A") + "%3A7", f"{there}:7"),
        ]
        for name, arn in cases:
            with self.subTest(name):
                self.assertEqual(arn, json.loads(self.invoke(name=name)[1])[1])
        body = self.post("hello/invocations?Qualifier=blue")[1]
        self.assertEqual(f"{here}:blue", json.loads(body)[1])

    def test_rejects_any_other_function(self) -> None:
        there = "arn:aws-cn:lambda:cn-north-1:111122223333:function:other"
        cases = [
            ("other", self.started.arn("other")),
            ("Hello", self.started.arn("Hello")),
            ("other:prod", self.started.arn("other:prod")),
            ("123456789012:function:other", self.started.arn("other")),
            (there, there),
            (f"{there}:7", f"{there}:7"),
        ]
        for name, arn in cases:
            with self.subTest(name):
                status, body, headers = self.invoke(name=name)
                self.assertEqual((404, "ResourceNotFoundException"), (status, headers["x-amzn-ErrorType"]))
                expected = {"Type": "User", "Message": f"Function not found: {arn}"}
                self.assertEqual(expected, json.loads(body))
                self.wait_until(lambda: "(this emulator serves 'hello'; --name" in str(self.shown))
                self.shown.clear()
        self.assertEqual([("next", None)], self.statuses(self.started), "none of these reaches the function")

    def invoke_async(self, body: bytes, name: str = "hello") -> tuple[int, bytes, http.client.HTTPMessage]:
        self.connection.request("POST", f"/2014-11-13/functions/{name}/invoke-async/", body)
        reply = self.connection.getresponse()
        return reply.status, reply.read(), reply.headers

    def test_accepts_the_deprecated_invoke_async(self) -> None:
        status, body, headers = self.invoke_async(b'{"a": 1}', "hello:prod")
        self.assertEqual((202, b""), (status, body))
        request_id = headers["x-amzn-RequestId"]
        self.wait_for_log(self.started, f"END RequestId: {request_id}\n")
        response = json.loads(self.started.requests[1].body)
        self.assertEqual(['{"a": 1}', self.started.arn("hello:prod")], response[:2])
        for name, event, status, error in [
            ("hello", b"nope", 400, "InvalidRequestContentException"),
            ("hello", b"1" * 262_145, 413, "RequestEntityTooLargeException"),
            ("other", b"{}", 404, "ResourceNotFoundException"),
        ]:
            with self.subTest(error):
                refused = self.invoke_async(event, name)
                self.assertEqual((status, error), (refused[0], refused[2]["x-amzn-ErrorType"]))
        self.assertEqual(202, self.invoke_async(b"1" * 262_144)[0])

    def test_records_each_request_with_its_id(self) -> None:
        post = {"function": "hello", "method": "POST"}
        cases: list[tuple[str, bytes, dict[str, Any], str]] = [
            ("hello", b"[1]", {**post, "event": "event", "status": 200, "coldStart": True}, ""),
            ("hello:prod", b'"fail"', {**post, "event": "event", "status": 200, "error": "E: m"}, ""),
            (
                "hello",
                b'{"Records":[{"eventSource":"aws:sqs"}]}',
                {**post, "event": "sqs", "status": 200},
                "",
            ),
            ("hello", b"nope", {**post, "status": 400}, "InvalidRequestContentException: Could.*"),
            ("hello\x1b", b"", {"method": "POST", "status": 400}, r"InvalidParameterValue.* 'hello\\x1b'.*"),
            ("other", b"", {"method": "POST", "status": 404}, "ResourceNotFound.* serves 'hello'.*"),
        ]
        replies = [self.invoke(body, name.replace("\x1b", "%1B")) for name, body, _, _ in cases]
        self.wait_until(lambda: len(self.shown) == len(cases))
        for (name, _, expected, note), (_, body, headers), record in zip(cases, replies, self.shown):
            with self.subTest(name, **expected):
                self.assertRegex(record.pop("note", ""), f"^{note}$")
                self.assertGreaterEqual(record.pop("durationMs"), 0)
                target = f"/2015-03-31/functions/{name}/invocations".replace("\x1b", "%1B")
                known = {"requestId": headers["x-amzn-RequestId"], "target": target, "bytes": len(body)}
                self.assertEqual({**known, **expected}, record)
        self.assertNotIn("POST", self.started.log_text(), "it is not part of the function's log")

    def test_records_requests_that_are_refused_before_they_reach_it(self) -> None:
        host, port = self.api.url[len("http://") :].split(":")
        for sent, status, note in (
            (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "the host 'evil.example' is not allowed"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403, "pages of"),
            (b"GET nonsense\r\n\r\n", 400, "malformed request line"),
        ):
            with socket.create_connection((host, int(port)), 20) as client:
                client.sendall(sent)
                self.assertIn(str(status).encode(), client.recv(100))
            self.wait_until(lambda: bool(self.shown))
            record = self.shown.pop()
            self.assertEqual((status, status == 400), (record["status"], "target" not in record))
            self.assertIn(note, record["note"])

    def test_passes_the_details_of_the_call_to_the_function(self) -> None:
        context = base64.b64encode(b'{"custom":\n{"k": "v"}}').decode()
        trace = "Root=1-2-3;Sampled=1"
        body = self.invoke(
            None,
            X_Amz_Client_Context=context,
            X_Amz_Tenant_Id="blue",
            X_Amzn_Trace_Id=trace,
            Content_Type="text/x",
        )[1]
        event, _, *rest = json.loads(body)
        self.assertEqual(["{}", '{"custom": {"k": "v"}}', "blue", trace], [event, *rest])

    def test_accepts_json_nested_deeper_than_python_can_parse(self) -> None:
        nested = "[" * 1300 + "]" * 1300
        context = base64.b64encode(nested.encode()).decode()
        status, body, _ = self.invoke(nested.encode(), X_Amz_Client_Context=context)
        self.assertEqual((200, nested, nested), (status, json.loads(body)[0], json.loads(body)[2]))

    def test_rejects_requests_with_the_services_messages(self) -> None:
        long_context = base64.b64encode(b" " * 3000).decode()
        cases: list[tuple[str, bytes, dict[str, str], int, str, str]] = [
            (
                "not JSON",
                b"nope",
                {},
                400,
                "InvalidRequestContentException",
                "Could not parse request body into json: ",
            ),
            ("NaN", b"[NaN]", {}, 400, "InvalidRequestContentException", "NaN is not JSON"),
            ("not UTF-8", b'"\xff"', {}, 400, "InvalidRequestContentException", "can't decode byte 0xff"),
            (
                "7 MB",
                b"1" * 7_000_000,
                {},
                413,
                "RequestEntityTooLargeException",
                "smaller than 6291456 bytes",
            ),
            (
                "2 MB Event",
                b"1" * 2_000_000,
                {"X_Amz_Invocation_Type": "Event"},
                413,
                "RequestEntityTooLargeException",
                "2000000 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
            ),
            (
                "invocation type",
                b"",
                {"X_Amz_Invocation_Type": "Fast"},
                400,
                "InvalidParameterValueException",
                "[RequestResponse, Event, DryRun]",
            ),
            (
                "log type",
                b"",
                {"X_Amz_Log_Type": "All"},
                400,
                "InvalidParameterValueException",
                "[None, Tail]",
            ),
            (
                "client context",
                b"",
                {"X_Amz_Client_Context": "*"},
                400,
                "InvalidRequestContentException",
                "Base64",
            ),
            (
                "long context",
                b"",
                {"X_Amz_Client_Context": long_context},
                400,
                "InvalidRequestContentException",
                "3583",
            ),
            (
                "tenant",
                b"",
                {"X_Amz_Tenant_Id": "a!"},
                400,
                "InvalidParameterValueException",
                "'a!' at 'tenantId'",
            ),
        ]
        for name, payload, headers, status, error, text in cases:
            with self.subTest(name):
                self.assertApiError(self.invoke(payload, **headers), status, error, text)
        self.assertApiError(
            self.invoke(name="a%20b"), 400, "InvalidParameterValueException", "'a b' at 'functionName'"
        )
        contradiction = self.post("hello:a/invocations?Qualifier=b")
        self.assertApiError(contradiction, 400, "InvalidParameterValueException", "does not match")
        self.assertApiError(
            self.post("hello/other"),
            404,
            "UnknownOperationException",
            "POST /2015-03-31/functions/hello/other",
        )
        self.assertEqual([("next", None)], self.statuses(self.started), "none of these reaches the function")

    def assertApiError(
        self, reply: tuple[int, bytes, http.client.HTTPMessage], status: int, error: str, text: str
    ) -> None:
        self.assertEqual((status, error), (reply[0], reply[2]["x-amzn-ErrorType"]))
        body = json.loads(reply[1])
        self.assertEqual("User", body["Type"])
        self.assertIn(text, body["message"])

    def test_accepts_5_mb_in_both_directions(self) -> None:
        event = json.dumps("x" * 5_000_000)
        self.assertEqual(event, json.loads(self.invoke(event.encode())[1])[0])

    def test_sends_100_continue_to_curl(self) -> None:
        with socket.create_connection((self.connection.host, self.connection.port), 10) as client:
            head = "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\n"
            head += "Content-Length: 2\r\n"
            client.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
            self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", client.recv(1000))
            client.sendall(b"{}")
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_has_a_start_page(self) -> None:
        self.connection.request("GET", "/")
        reply = self.connection.getresponse()
        self.assertEqual((200, "text/plain; charset=utf-8"), (reply.status, reply.headers["Content-Type"]))
        welcome = reply.read()
        self.assertIn(b"hello.handler", welcome)
        self.assertIn(b"/2021-11-15/functions/hello/response-streaming-invocations\n", welcome)
        self.assertNotIn(b"function URL", welcome)


class TheCommandLine(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        script = self.folder / "runtime_script.py"
        script.write_text(PRELUDE + textwrap.dedent(TheInvokeApi.RUNTIME))
        self.options = [
            "--handler=hello.handler",
            f"--task-root={self.folder}",
            f"--runtime={sys.executable} -ISu {script}",
        ]

    def command(self, *words: str) -> list[str]:
        return emulator(*words)

    def emulate(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
            timeout=20,
            check=False,
        )

    def test_runs_a_function_once(self) -> None:
        (self.folder / "event.json").write_text("[1]")
        cases = [
            (["--event", '{"a":  1}'], '{"a":  1}'),
            ([f"--event=@{self.folder}/event.json"], "[1]"),
            (["--event=-"], "[2]"),
        ]
        for words, event in cases:
            with self.subTest(words):
                done = self.emulate("run", *self.options, *words, stdin=b"[2]")
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertEqual(event, json.loads(done.stdout)[0])
                self.assertRegex(
                    done.stderr.decode(), r"(?s)^START .*\nEND .*\nREPORT .*Init Duration: .* ms\t\n\n$"
                )

    def test_waits_for_work_after_the_response(self) -> None:
        script = PRELUDE + textwrap.dedent(
            """
            r, event, headers = take()
            respond(r, 1)
            time.sleep(1.3)  # longer than the default grace period
            print("done", flush=True)
            take()
            """
        )
        (self.folder / "slow.py").write_text(script)
        runtime = f"--runtime={sys.executable} -ISu {self.folder / 'slow.py'}"
        done = self.emulate("run", "--handler=slow.handler", runtime)
        self.assertEqual((0, b"1"), (done.returncode, done.stdout.strip()))
        self.assertIn(b"done\nEND ", done.stderr)

    def test_sends_the_event_of_a_function_url_for_a_typed_request(self) -> None:
        done = self.emulate("run", *self.options, "--event", "DELETE /a%20b?c=d&c=e")
        event = json.loads(json.loads(done.stdout)[0])
        self.assertEqual(
            ("2.0", "/a%20b", {"c": "d,e"}),
            (event["version"], event["rawPath"], event["queryStringParameters"]),
        )
        self.assertEqual("DELETE", event["requestContext"]["http"]["method"])
        self.assertNotIn("body", event)

    def test_sends_the_event_of_another_source_for_a_typed_request(self) -> None:
        words = ["--http-event=rest-api", "-H", "X-A: 1", "-d", "b=c"]
        done = self.emulate("run", *self.options, "--event", "POST /a?c=d&c=e", *words)
        event = json.loads(json.loads(done.stdout)[0])
        self.assertEqual(("POST", "/a", "b=c"), (event["httpMethod"], event["path"], event["body"]))
        self.assertEqual({"c": ["d", "e"]}, event["multiValueQueryStringParameters"])
        self.assertEqual(["1"], event["multiValueHeaders"]["X-A"])

    def test_sends_headers_and_a_body_in_the_spelling_of_curl(self) -> None:
        (self.folder / "body.json").write_text('{"id": 1}')
        for words, kind, body, encoded in (
            (
                ["-H", "Content-Type: application/json", "-d", '{"id": 1}'],
                "application/json",
                '{"id": 1}',
                False,
            ),
            (
                ["--header=content-type:application/json", f"--data=@{self.folder}/body.json"],
                "application/json",
                '{"id": 1}',
                False,
            ),
            (["-d", "a=b"], "application/x-www-form-urlencoded", "YT1i", True),
            (["-H", "X-A: 1", "-H", "x-a: 2", "-H", "host: example.org"], None, None, False),
        ):
            with self.subTest(words):
                done = self.emulate("run", *self.options, "--event", "POST /orders", *words)
                event = json.loads(json.loads(done.stdout)[0])
                self.assertEqual((kind, body), (event["headers"].get("content-type"), event.get("body")))
                self.assertEqual(encoded, event["isBase64Encoded"])
        self.assertEqual(("1,2", "example.org"), (event["headers"]["x-a"], event["headers"]["host"]))

    def test_takes_variables_from_a_file(self) -> None:
        file = self.folder / "dev.env"
        file.write_text("# a comment\n\nexport A='a $b' # c\nB=\"#\"\nC=c d # e\nD=\nE=from the file\n")
        (self.folder / "hello.py").write_text(
            "import os\ndef handler(event, context): return [os.environ.get(name) for name in 'ABCDE']"
        )
        words = [
            "run",
            "--handler=hello.handler",
            f"--task-root={self.folder}",
            f"--env-file={file}",
            "--env=E=e",
        ]
        self.assertEqual(["a $b", "#", "c d", "", "e"], json.loads(self.emulate(*words).stdout))
        for content, complaint in (
            (b"A=1\nb c", "dev.env, line 2: found 'b c', expected NAME=VALUE"),
            (b"\xff=1", "dev.env: "),
        ):
            file.write_bytes(content)
            done = self.emulate(*words)
            self.assertEqual(2, done.returncode)
            self.assertIn(complaint, done.stderr.decode())

    def test_shows_failures_and_exits_with_1(self) -> None:
        failed = self.emulate("run", *self.options, "--event", '"fail"')
        self.assertEqual(
            (1, b'{"errorType": "E", "errorMessage": "m"}\n'), (failed.returncode, failed.stdout)
        )
        self.assertIn(b"The function failed", failed.stderr)
        refused = self.emulate("run", *self.options, "--event", "name=world")
        self.assertEqual((1, b""), (refused.returncode, refused.stdout))
        self.assertRegex(
            refused.stderr.decode(), r"^InvalidRequestContentException: .*\n.*\nFound: name=world\n$"
        )

    def test_needs_a_handler(self) -> None:
        done = self.emulate("run", *self.options[1:], "--handler=")
        self.assertEqual(2, done.returncode)
        self.assertTrue(done.stderr.startswith(b"emulator: no handler is set"), done.stderr)
        self.assertEqual(0, self.emulate("run", *self.options, "--handler=").returncode)

    def test_explains_an_invalid_option_and_exits_with_2(self) -> None:
        cases = [
            ("/no/such/folder does not exist", ["--task-root=/no/such/folder"]),
            ("cannot read --env-file /no/such: no such file", ["--env-file=/no/such"]),
            ("--header, --data and --http-event belong to an HTTP request", ["--data=x"]),
            ("--header, --data and --http-event belong to an HTTP", ["--event=sqs", "--http-event=alb"]),
            ("'a b' is not a header; use for example", ["--event=GET /", "--header=a b"]),
            ("cannot read --data @/no/such: no such file", ["--event=GET /", "--data=@/no/such"]),
            ("program 'no-such-python' does not exist", ["--runtime=", "--python=no-such-python"]),
            ("program '/no/such/program x' does not exist", ["--runtime=/no/such/program x"]),
            ("file /no/such/bootstrap does not exist", ["--runtime=", "--bootstrap=/no/such/bootstrap"]),
            ("is not a variable", ["--env==x"]),
            ("NO_SUCH is not set on this machine", ["--env=NO_SUCH"]),
            ("cannot read the event", ["--event=@/no/such/event"]),
            *(
                (f"'{given}' is not a timeout; expected a number of seconds above 0", [f"--timeout={given}"])
                for given in ("0", "inf", "nan", "abc", "900.1")
            ),
            *(
                (f"'{given}' is not a memory size; expected 128 to 10240 MB", [f"--memory={given}"])
                for given in ("-5", "127", "32769", "1e3")
            ),
        ]
        for complaint, words in cases:
            with self.subTest(words):
                done = self.emulate("run", *self.options, *words)
                self.assertEqual((2, b""), (done.returncode, done.stdout))
                self.assertIn(complaint, done.stderr.decode())

    def test_explains_an_invalid_option_of_the_server_and_exits_with_2(self) -> None:
        cases = [
            *(
                (f"'{given}' is not a number of environments; expected 1 to 1000", f"--concurrency={given}")
                for given in ("0", "x", "1001")
            ),
            *(
                (f"'{given}' is not a number of slots; expected 1 to 1600", f"--managed={given}")
                for given in ("0", "x", "1601", "-1")
            ),
            *(
                (f"'{given}' is not a duration; expected a number of seconds above 0", f"--idle={given}")
                for given in ("0", "-1", "inf", "soon")
            ),
            (
                "--dead-letter /no/such/file cannot be written: no such file or directory; use a file in an",
                "--dead-letter=/no/such/file",
            ),
            ("'x' is not a duration", "--retry-delay=x"),
            ("emulator: --vcpus works only together with --managed", "--vcpus=1"),
            (
                "emulator: --vcpus 192 is more than the"
                if hasattr(os, "sched_setaffinity")
                else "emulator: --vcpus needs Linux",
                "--managed=2 --vcpus=192",
            ),
            ("emulator: --managed has one environment with several slots", "--managed=2 --concurrency=2"),
            ("emulator: managed instances have no SnapStart", "--managed=2 --snap-start"),
            (
                "--http-event alb cannot stream; leave --invoke-mode out",
                "--http-event=alb --invoke-mode=RESPONSE_STREAM",
            ),
        ]
        for complaint, option in cases:
            with self.subTest(option):
                done = self.emulate("serve", *self.options, *option.split())
                self.assertEqual((2, b""), (done.returncode, done.stdout))
                self.assertIn(complaint, done.stderr.decode())

    def test_prints_only_objects_around_a_json_log(self) -> None:
        plain = f"--runtime={sys.executable} -ISu {self.folder / 'plain.py'}"
        head = b'{"statusCode": 404, "headers": {"a": "b"}}' + bytes(8)
        path = "/2018-06-01/runtime/invocation/{r}/response"
        sent = {"Content-Type": "application/vnd.awslambda.http-integration-response"}
        sent["Lambda-Runtime-Function-Response-Mode"] = "streaming"
        streaming = (
            f"r, *_ = take(); api.request('POST', f'{path}', {head!r}, {sent}); api.getresponse().read()"
        )
        (self.folder / "plain.py").write_text(f"{PRELUDE}\n{streaming}\ntake()")
        cases = [
            (["--event=[1]"], 0, ["platform.start", "platform.report"]),
            (['--event="fail"'], 1, ["platform.start", "platform.report", "emulator.error"]),
            ([plain], 0, ["platform.start", *["emulator.remark"] * 3, "platform.report"]),
        ]
        for words, status, types in cases:
            with self.subTest(words):
                done = self.emulate("run", *self.options, "--log-format=JSON", *words)
                self.assertEqual(status, done.returncode, done.stderr)
                found = [json.loads(line)["type"] for line in done.stderr.splitlines() if line]
                self.assertEqual(sorted(types), sorted(found))  # the prelude is shown while the function ends

    def serve(self, *words: str) -> tuple[subprocess.Popen[str], str]:
        """Start a server; return it and the address that it prints."""
        server = subprocess.Popen(
            self.command("serve", *self.options, "--port=0", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        assert server.stdout is not None
        self.addCleanup(server.stdout.close)
        found = None
        self.introduction = ""
        while found is None:
            self.introduction += server.stdout.readline()
            found = re.search(r"http://(\S+)", self.introduction)
        return server, found.group(1)

    def test_serves_until_it_is_stopped_and_leaves_no_processes_behind(self) -> None:
        lock = self.folder / "lock"
        script = self.folder / "runtime_script.py"
        held = "import fcntl; fcntl.flock(os.open('lock', os.O_CREAT), fcntl.LOCK_EX)"
        script.write_text(script.read_text().replace("\nwhile True", f"\n{held}\nwhile True"))
        cases = [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
        for number, status in cases:
            with self.subTest(number):
                server, address = self.serve()
                client = http.client.HTTPConnection(address, timeout=10)
                path, complete = "/2015-03-31/functions/hello/invocations", {"X-Amz-Log-Type": "Tail"}
                client.request("POST", path, b"[1]", complete)
                self.assertEqual("[1]", json.loads(client.getresponse().read())[0])
                self.assertTrue(self.holds(lock))
                server.send_signal(number)
                self.assertEqual(status, server.wait(10))
                deadline = time.monotonic() + 5
                while number == signal.SIGKILL and self.holds(lock) and time.monotonic() < deadline:
                    time.sleep(0.01)  # the runtime has lost its connection and exits
                self.assertFalse(self.holds(lock))
                assert server.stdout is not None
                output = server.stdout.read()
                self.assertIn(f"aws lambda invoke --endpoint-url http://{address} --no-sign-request", output)
                self.assertIn(f"http://{address}/2015-03-31/functions/hello/invocations\n", output)
                self.assertIn("\nREPORT RequestId: ", output)
                client.close()

    @unittest.skipUnless(sys.platform == "linux", "other systems do not end child processes")
    def test_ends_a_function_that_is_busy_when_it_is_killed_itself(self) -> None:
        lock = self.folder / "lock"
        (self.folder / "runtime_script.py").write_text(
            "import fcntl, os, time\n"
            "fcntl.flock(os.open('lock', os.O_CREAT), fcntl.LOCK_EX)\n"
            "time.sleep(1000)"
        )
        server, address = self.serve("--timeout=900")
        client = http.client.HTTPConnection(address, timeout=10)
        self.addCleanup(client.close)
        client.request("POST", "/2015-03-31/functions/hello/invocations", b"{}")
        deadline = time.monotonic() + 10
        while not (lock.exists() and self.holds(lock)) and time.monotonic() < deadline:
            time.sleep(0.01)
        server.kill()
        server.wait(10)
        while self.holds(lock) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(self.holds(lock))

    def test_does_not_announce_a_function_that_failed_to_initialize_as_ready(self) -> None:
        self.serve()
        self.assertTrue(self.introduction.startswith("hello.handler is ready at "), self.introduction)
        script = self.folder / "runtime_script.py"
        source = script.read_text()
        script.write_text("print('oh no'); raise SystemExit(3)")
        address = self.serve()[1]
        self.assertRegex(
            self.introduction,
            r"^oh no\nINIT_REPORT .*\t\nhello\.handler failed to load: Runtime\.ExitError: .* exit status 3\n"
            r"http://\S+ responds with this error\. Correct the function",
        )
        client = http.client.HTTPConnection(address, timeout=10)
        self.addCleanup(client.close)

        def invoke() -> Any:
            client.request("POST", "/2015-03-31/functions/hello/invocations", b"[1]")
            return json.loads(client.getresponse().read())

        self.assertEqual("Runtime.ExitError", invoke()["errorType"])
        script.write_text(source)
        self.assertEqual("[1]", invoke()[0])

    def test_shows_requests_as_objects_with_a_json_log(self) -> None:
        server, address = self.serve("--log-format=JSON")
        client = http.client.HTTPConnection(address, timeout=10)
        self.addCleanup(client.close)
        client.request("POST", "/2015-03-31/functions/other/invocations", b"[1]")
        reply = client.getresponse()
        assert server.stdout is not None
        shown = json.loads(server.stdout.readline())
        self.assertEqual("emulator.request", shown["type"])
        record = shown["record"]
        self.assertIn("this emulator serves 'hello'", record.pop("note"))
        self.assertGreaterEqual(record.pop("durationMs"), 0)
        expected = {"requestId": reply.headers["x-amzn-RequestId"], "method": "POST", "status": 404}
        expected["bytes"] = len(reply.read())
        self.assertEqual({**expected, "target": "/2015-03-31/functions/other/invocations"}, record)

    def test_serves_the_function_url_beside_the_invoke_api(self) -> None:
        server, address = self.serve("--invoke-mode=BUFFERED")
        assert server.stdout is not None
        found = None
        while found is None:
            found = re.search(r"curl -N http://(\S+)/$", server.stdout.readline())
        client = http.client.HTTPConnection(found.group(1), timeout=10)
        self.addCleanup(client.close)
        client.request("GET", "/path")
        reply = client.getresponse()
        self.assertEqual("application/json", reply.headers["Content-Type"])  # because there is no statusCode
        event = json.loads(json.loads(reply.read())[0])
        self.assertEqual("/path", event["rawPath"])
        client = http.client.HTTPConnection(address, timeout=10)
        self.addCleanup(client.close)
        client.request("GET", "/")
        self.assertIn(f"function URL: http://{found.group(1)}/\n", client.getresponse().read().decode())
        shown: list[str] = []
        while len(shown) < 2:  # in any order
            shown += [line for line in [server.stdout.readline()] if "  GET " in line]
        pattern = "^[0-9:]{8}  200  +[0-9]+ ms  +[0-9.]+ kB  [0-9a-f]{8}  GET /path  cold start$"
        self.assertRegex(min(shown, key=lambda line: line.endswith("  GET /\n")), pattern)

    def test_starts_from_a_snapshot_on_request(self) -> None:
        done = self.emulate("run", *self.options, "--snap-start")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(b"\tRestore Duration: ", done.stderr)

    def test_serves_the_function_url_on_the_next_port(self) -> None:
        self.assertEqual([0, 9001, 0], [default_url_port(port) for port in (0, 9000, 65535)])

    def test_rejects_a_port_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            cases = [
                (["--port=0", f"--url-port={port}"], "--url-port", "OPTIONS='--url-port …'"),
                ([f"--port={port}", "--url-port=0"], "--port", "PORT=…"),
                ([f"--port={port - 1}"], "--port", "PORT=…"),  # which moves the other port as well
            ]
            for ports, option, with_make in cases:
                with self.subTest(ports):
                    done = self.emulate("serve", *self.options, *ports)
                    self.assertEqual(2, done.returncode)
                    self.assertRegex(
                        done.stderr.decode(),
                        r"^emulator: the (Invoke API|function URL(, whose port follows --port,)?)"
                        r" cannot listen on"
                        rf" 127\.0\.0\.1:{port}:"
                        rf" address already in use(?: by process \d+ \([^/].+\); end that process, or|;)"
                        rf" use another {option} \(with make: {with_make}\)\n$",
                    )

    def test_rejects_a_host_that_is_not_this_machine(self) -> None:
        for host in ("999.1.1.1", "192.0.2.1", "a..b"):
            with self.subTest(host):
                done = self.emulate("serve", *self.options, "--port=0", f"--host={host}")
                self.assertEqual(2, done.returncode)
                self.assertRegex(
                    done.stderr.decode(),
                    r"^emulator: the function URL, whose port follows --port, cannot listen on"
                    rf" {host}:0: [a-z ]+;"
                    r" use another --host \(with make: OPTIONS='--host …'\)\n$",
                )


if __name__ == "__main__":
    unittest.main()
