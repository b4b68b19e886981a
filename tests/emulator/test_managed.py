"""Managed instances: one environment that handles many events at the same time."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import unittest

from lambda_emulator.functions.function import Function, Throttled
from lambda_emulator.functions.invocation import Call

from tests.emulator.test_concurrency import ConcurrencyTestCase
from tests.emulator.test_emulator_shutdown import EXTENSION
from tests.emulator.test_emulator_streaming import STREAMING
from tests.support import PYPY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Continues the client of test_emulator: `work` serves events in so many threads, each with its connection.
SLOTS = """
import threading
local = threading.local()

def print(*words):  # one write for each line, because several threads write
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def call(method, path, body=None, **headers):
    if not hasattr(local, "api"):
        local.api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    names = {"Lambda-Runtime-" + name.replace("_", "-"): value for name, value in headers.items()}
    local.api.request(method, "/2018-06-01/runtime/" + path, body, names)
    reply = local.api.getresponse()
    return reply.status, reply.read().decode(), reply.headers

def wait(name):
    while not os.path.exists(name):
        time.sleep(0.002)

def handle(request_id, event, headers):
    if event == "exit":
        os._exit(3)
    if event:
        wait(event)
    return respond(request_id, [event, os.getpid()])

def work(count=int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]), handle=handle):
    def serve():
        while True:
            request_id, event, headers = take()
            print("event " + event)
            handle(request_id, json.loads(event), headers)
    threads = [threading.Thread(target=serve) for _ in range(count)]
    for thread in threads:
        thread.start()
"""


class ManagedTestCase(ConcurrencyTestCase):
    def function(self, runtime: str, **options: Any) -> Function:
        options.setdefault("managed", 4)
        options.setdefault("timeout_s", 60)
        return super().function(EXTENSION + STREAMING + SLOTS + runtime, **options)


class AnEnvironment(ManagedTestCase):
    def test_handles_as_many_events_at_once_as_it_has_slots(self) -> None:
        function = self.start("work()")
        waiting = [self.begin(function, "go") for _ in range(4)]
        self.assertRaisesRegex(
            Throttled, "no slot of 4 is free; --managed sets their number", function.invoke, b'""'
        )
        self.let("go")
        results = [future.result() for future in waiting]
        self.assertEqual(1, len({result.payload for result in results}))
        self.assertEqual(0, function.restarts)
        self.assertIsNone(function.invoke(b'""').function_error)

    def test_has_the_variables_of_managed_instances(self) -> None:
        function = self.start("work(handle=lambda r, event, headers: respond(r, dict(os.environ)))")
        variables = json.loads(function.invoke().payload)
        expected = {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_MAX_CONCURRENCY": "4",
        }
        self.assertEqual(expected, {name: variables[name] for name in expected})

    def test_is_ready_when_the_first_slot_waits_and_rejects_what_the_others_cannot_take_yet(self) -> None:
        function = self.start("work(1); wait('all'); work(3)")
        self.assertTrue(function.initialized)
        waiting = [self.begin(function, "go")]
        self.assertRaises(Throttled, function.invoke, b'""')
        self.let("all")
        self.wait_until(lambda: self.statuses(function).count(("next", None)) == 3)
        waiting += [self.begin(function, "go") for _ in range(3)]
        self.let("go")
        self.assertEqual([None] * 4, [future.result().function_error for future in waiting])

    def test_runs_other_events_while_one_has_timed_out(self) -> None:
        function = self.start(
            "def late(r, event, headers):\n"
            "    if not event: return handle(r, event, headers)\n"
            "    wait(event)\n"
            "    print('late', [respond(r, 1)[:2] for _ in range(2)])\n"
            "work(2, late)",
            managed=2,
            timeout_s=0.5,
        )
        began = time.monotonic()
        result = self.begin(function, "go").result()
        self.assertFunctionError(
            result, "Sandbox.Timedout", "RequestId: ID Error: Task timed out after 0.50 seconds"
        )
        self.assertLess(time.monotonic() - began, 5)
        self.assertIsNone(function.exit_status)
        waiting = self.begin(function, "go")
        self.assertRaises(Throttled, function.invoke, b'""')  # both slots are busy
        self.assertEqual("Unhandled", waiting.result().function_error)
        self.let("go")
        refusals = [
            (410, '{"errorMessage":"Invoke timeout","errorType":"InvokeTimeout"}\n'),
            (400, '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n'),
        ]
        self.wait_for_log(function, f"late {refusals}\n", 2)
        self.wait_until(lambda: function._pool.environments[0].has_room)
        self.assertIsNone(function.invoke(b'""').function_error)
        self.assertEqual(0, function.restarts)

    def test_fails_all_events_when_its_process_ends_and_another_starts_at_once(self) -> None:
        function = self.start("work()")
        first = function.pid
        waiting = [self.begin(function, "never"), self.begin(function, "exit")]
        for future in waiting:
            self.assertFunctionError(
                future.result(),
                "Runtime.ExitError",
                "RequestId: ID Error: Runtime exited with error: exit status 3",
            )
        self.wait_until(lambda: function.restarts == 1 and function.initialized)
        self.assertIsNone(function.invoke(b'""').function_error)
        self.assertNotEqual(first, function.pid)

    def test_is_replaced_when_it_is_killed_while_idle(self) -> None:
        function = self.start("work()")
        function.invoke(b'""')
        assert function.pid is not None
        os.kill(function.pid, signal.SIGKILL)
        self.wait_until(lambda: function.restarts == 1 and function.initialized)
        self.assertIsNone(function.invoke(b'""').function_error)

    def test_fails_an_event_at_once_that_arrives_while_its_process_ends(self) -> None:
        function = self.start(
            # Another process keeps the connection open, so that the last requests are read for some time.
            "call('POST', 'nothing')\n"
            "subprocess.Popen(['sleep', '2'], start_new_session=True, pass_fds=[local.api.sock.fileno()],\n"
            "                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
            "work()"
        )
        environment, api = function.environments[0], function.environments[0].api
        assert function.pid is not None
        os.kill(function.pid, signal.SIGKILL)
        self.wait_until(lambda: api.abandoned and (api.closed or not environment.has_room))
        began = time.monotonic()
        self.assertFunctionError(function.invoke(b'""'), "Runtime.ExitError", "signal: killed")
        self.assertLess(time.monotonic() - began, 2)

    def test_is_not_restarted_again_and_again(self) -> None:
        function = self.start("work(); time.sleep(0.2); os._exit(4)")
        time.sleep(1)
        self.assertEqual(0, function.restarts)
        self.assertFunctionError(function.invoke(b'""'), "Runtime.ExitError", "exit status 4")

    def test_returns_an_init_error_and_starts_again_with_the_next_event(self) -> None:
        function = self.start(
            "if os.path.exists('mended'): work()\n"
            "else:\n"
            "    call('POST', 'init/error', json.dumps({'errorType': 'E', 'errorMessage': 'no'}))\n"
            "    sys.exit(1)"
        )
        self.assertFunctionError(function.invoke(b'""'), "E", "no")
        self.assertEqual(0, function.restarts)
        self.let("mended")
        self.assertIsNone(function.invoke(b'""').function_error)

    def test_has_a_time_limit_for_the_init_phase(self) -> None:
        function = self.start("time.sleep(60)", init_timeout_s=0.3)
        self.assertFunctionError(function.invoke(), "Sandbox.Timedout", "Init timed out after 0.30 seconds")
        for timeout_s, expected in ((3, 130), (200, 200), (1000, 900)):
            limit_s = self.function("", timeout_s=timeout_s).configuration.init_timeout_s
            self.assertEqual(expected, limit_s)

    def test_is_ended_by_sigterm_if_the_runtime_has_registered_an_extension(self) -> None:
        function = self.start(
            "kept = ready(register()[2])\non_sigterm(lambda: (print('bye'), os._exit(7)))\nwork()\n"
            "while True: time.sleep(60)",
            shutdown_grace_s=60,
        )
        function.close()
        self.assertEqual(7, function.exit_status)
        self.assertIn("bye\n", function.log_text())

    @unittest.skipUnless(hasattr(os, "sched_setaffinity"), "needs Linux")
    def test_sees_as_many_processors_as_it_is_given(self) -> None:
        before = os.sched_getaffinity(0)
        function = self.start("work(handle=lambda r, *_: respond(r, len(os.sched_getaffinity(0))))", vcpus=1)
        self.assertSucceeds(function.invoke(), 1)
        self.assertEqual(before, os.sched_getaffinity(0))

    @unittest.skipUnless(sys.platform == "linux", "needs epoll")
    def test_receives_the_output_of_workers_in_whole_lines(self) -> None:
        function = self.start(
            "import socket\n"
            "def connect():\n"
            "    connection = socket.socket(socket.AF_UNIX)\n"
            "    connection.connect(os.environ['_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET'])\n"
            "    return connection\n"
            "def write(r, event, headers):\n"
            "    out = connect()\n"
            "    for n in range(300): out.sendall(b'<'); out.sendall(event.encode() * 100 + b'>\\n')\n"
            "    out.sendall(b'the end of ' + event.encode()); out.close()\n"
            "    respond(r, 1)\n"
            "work(handle=write)"
        )
        futures = [self.callers.submit(function.invoke, json.dumps(letter).encode()) for letter in "abcd"]
        for future, letter in zip(futures, "abcd"):
            self.assertIn(f"the end of {letter}\n", future.result().log.decode())
        lines = [line for line in function.log_text().splitlines() if "<" in line]
        expected = [f"<{letter * 100}>" for letter in "abcd" for _ in range(300)]
        self.assertEqual(expected, sorted(lines))

    def test_is_not_held_up_by_a_process_that_writes_without_a_pause(self) -> None:
        function = self.start(
            "if os.fork() == 0:\n    while True: os.write(1, b'x' * 60_000 + b'\\n')\nwork()",
            record=False,
            log=lambda lines, _: time.sleep(0.002),  # the pipe is never empty
        )
        for _ in range(3):
            self.assertIsNone(self.callers.submit(function.invoke, b'""').result(30).function_error)

    def test_logs_objects_for_each_invocation(self) -> None:
        function = self.start("work()")
        first = [json.loads(line) for line in function.log_text().splitlines()]
        self.assertEqual(["platform.initReport"], [entry["type"] for entry in first])
        self.assertEqual("lambda-managed-instances", first[0]["record"]["initializationType"])
        waiting = [self.begin(function, "go") for _ in range(2)]
        self.let("go")
        for future in waiting:
            result = future.result()
            lines = [line for line in result.log.decode().splitlines() if result.request_id in line]
            types = [json.loads(line)["type"] for line in lines]
            self.assertEqual(["platform.start", "platform.report"], types)
            self.assertNotIn("initDurationMs", lines[-1])


class ARequestId(ManagedTestCase):
    """What a runtime may call for it, and what becomes of invalid responses."""

    def invoke_with(self, statements: str, **options: Any) -> tuple[Function, Any]:
        lines = statements.replace("\n", "\n    ")
        function = self.start(f"def act(r, event, headers):\n    {lines}\nwork(handle=act)", **options)
        return function, function.invoke(b'""')

    def test_has_one_response(self) -> None:
        function, result = self.invoke_with(
            "print(respond('other', 1)[0], respond(r, 'first')[0], respond(r, 2)[0],"
            " call('POST', f'invocation/{r}/error', '{}')[:2])"
        )
        self.assertEqual(b"first", result.payload)
        refusal = '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\\n'
        self.wait_for_log(function, f"400 202 400 (400, '{refusal}')")

    def test_rejects_a_response_to_another_delivery(self) -> None:
        _, result = self.invoke_with("respond(r, respond(r, 1, Invocation_Id='other')[0])")
        self.assertSucceeds(result, 410)

    def test_fails_with_an_unknown_response_mode_and_the_runtime_is_not_stuck(self) -> None:
        function, result = self.invoke_with("print(respond(r, 1, Function_Response_Mode='fast')[0])")
        self.assertFunctionError(result, "Runtime.InvalidResponseModeHeader")
        self.wait_for_log(function, "400\n")
        self.assertFunctionError(function.invoke(b'""'), "Runtime.InvalidResponseModeHeader")
        self.assertEqual(0, function.restarts)

    def test_fails_with_an_incomplete_body_and_the_runtime_is_not_stuck(self) -> None:
        function, result = self.invoke_with(
            "s = Stream(r); s.socket.sendall(b'5\\\\r\\\\n12'); s.socket.shutdown(1)\nprint(s.status())"
        )
        self.assertFunctionError(result, "Runtime.TruncatedResponse")
        self.assertFunctionError(function.invoke(b'""'), "Runtime.TruncatedResponse")
        self.wait_for_log(function, "400\n", 2)
        self.assertEqual(0, function.restarts)

    def test_rejects_a_large_response_before_it_is_read(self) -> None:
        function, result = self.invoke_with(
            "status, _, headers = respond(r, b'x' * 1001); print(status, headers['Connection'])",
            max_response_bytes=1000,
        )
        self.assertFunctionError(result, "Function.ResponseSizeTooLarge")
        self.wait_for_log(function, "413 close\n")

    def test_accepts_a_shorter_error_after_one_of_more_than_a_mebibyte(self) -> None:
        function, result = self.invoke_with(
            "error = json.dumps({'errorType': 'E', 'errorMessage': 'm'})\n"
            "status, body, _ = call('POST', f'invocation/{r}/error', error.ljust(1024 * 1024 + 1))\n"
            "again = call('POST', f'invocation/{r}/error', error.ljust(1024 * 1024))[0]\n"
            "print(status, body, again)"
        )
        self.assertFunctionError(result, "E", "m")
        refusal = '{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).",'
        self.wait_for_log(function, f'413 {refusal}"errorType":"RequestEntityTooLarge"}}\n 202\n')

    def test_accepts_an_error_in_the_middle_of_a_stream(self) -> None:
        function = self.start(
            "def act(r, event, headers):\n"
            "    s = Stream(r); s.write('so far'); wait('seen')\n"
            "    status = call('POST', f'invocation/{r}/error', '{\"errorType\": \"E\"}')[0]\n"
            "    print(status); s.write('more'); s.end()\n"
            "work(handle=act)"
        )
        result = function.invoke_streaming(b'""')
        self.assertEqual(b"so far", next(iter(result)))
        self.let("seen")
        self.assertEqual([], list(result))
        self.assertEqual(b'{"errorType": "E"}', result.error_body)
        self.wait_for_log(function, "202\n")

    def test_streams_while_another_one_streams(self) -> None:
        function = self.start(
            "def act(r, event, headers):\n"
            "    s = Stream(r); s.write('begin '); wait(event); s.write('end'); s.end()\n"
            "work(handle=act)"
        )
        names = ("one", "two")
        results = [function.invoke_streaming(json.dumps(name).encode()) for name in names]
        parts = [iter(result) for result in results]
        self.assertEqual([b"begin "] * 2, [next(part) for part in parts])
        for name, part in reversed(list(zip(names, parts))):
            self.let(name)
            self.assertEqual(b"end", b"".join(part))


class TheRuntime(ManagedTestCase):
    """This repository's runtime on it."""

    def test_serves_many_callers(self) -> None:
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        # So that threads also stop between two counts that belong together.
        sys.setswitchinterval(1e-4 if PYPY else 1e-6)
        (self.folder / "hello.py").write_text(
            "import os\n"
            "def handler(event, context):\n"
            "    return [event, os.environ['_X_AMZN_TRACE_ID'], context.aws_request_id]"
        )
        function = Function("hello.handler", self.folder, managed=4, timeout_s=60)
        self.addCleanup(function.close)
        function.start()

        def call(number: int) -> None:
            for turn in range(200):
                trace, event = f"Root={number}-{turn}", f"[{number}, {turn}]".encode()
                # Like a client over HTTP, do not wait until the invocation has been reported.
                result = function.call(Call(event, trace_id=trace))
                self.assertSucceeds(result, [[number, turn], trace, result.request_id])

        for future in [self.callers.submit(call, number) for number in range(4)]:
            future.result()
        self.assertEqual(0, function.restarts)
