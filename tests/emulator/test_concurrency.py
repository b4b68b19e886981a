"""Several invocations at once: environments, their limit, their reuse and their end."""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import os
import re
import resource
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from lambda_emulator.functions.function import Function, Result, Throttled
from lambda_emulator.servers.function_url import FunctionUrl
from lambda_emulator.servers.invoke_api import InvokeApi

from tests.emulator.test_emulator import ECHO, EmulatorTestCase
from tests.emulator.test_emulator_shutdown import EXTENSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Responds with its process id. An event names a file for which the runtime waits.
WAITING = """
print("loaded")
while True:
    request_id, event, headers = take()
    print("event", event)
    while json.loads(event) and not os.path.exists(json.loads(event)):
        time.sleep(0.002)
    respond(request_id, os.getpid())
"""


@contextlib.contextmanager
def no_threads() -> Iterator[None]:
    """Let no thread start, because it needs a larger stack than the system has."""
    previous = threading.stack_size(2**46)
    try:
        yield
    finally:
        threading.stack_size(previous)


@contextlib.contextmanager
def descriptors(count: int) -> Iterator[None]:
    """Let this process open only so many more files.

    PyPy needs one for random numbers, so pass request ids and trace ids.
    """
    thread = threading.Thread(target=str)
    thread.start()
    # Python 3.8 loads a library when the first thread ends, after join(), and aborts if it cannot.
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        time.sleep(0.001)
    spare = [os.dup(0) for _ in range(count + 1)]
    for descriptor in spare:
        os.close(descriptor)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# For invocations that must not need random numbers.
IDS: dict[str, Any] = {"request_id": "id", "trace_id": ""}


class ConcurrencyTestCase(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.callers = ThreadPoolExecutor(40)
        self.addCleanup(self.callers.shutdown)

    def begin(self, function: Function, event: object, **details: Any) -> Future[Result]:
        """Invoke on another thread, and wait until the runtime has the event."""
        text = json.dumps(event)
        times = function.log_text().count(f"event {text}\n")
        future = self.callers.submit(function.invoke, text.encode(), **details)
        self.wait_for_log(function, f"event {text}\n", times + 1)
        return future

    def let(self, name: str) -> None:
        (self.folder / name).touch()

    def pid(self, result: Result) -> int:
        self.assertIsNone(result.function_error, result.payload)
        return int(result.payload)


class Environments(ConcurrencyTestCase):
    def test_handle_as_many_events_at_once_as_the_limit_allows(self) -> None:
        function = self.start(WAITING, concurrency=3, timeout_s=60)
        waiting = [self.begin(function, "go") for _ in range(3)]
        self.assertRaisesRegex(Throttled, "all 3 environments are busy", function.invoke)
        self.let("go")
        self.assertEqual(3, len({self.pid(future.result()) for future in waiting}))
        self.assertEqual(2, function.restarts)

    def test_have_separate_logs(self) -> None:
        function = self.start(WAITING, concurrency=2, timeout_s=60)
        first, second = self.begin(function, "one"), self.begin(function, "two")
        self.let("one")
        self.let("two")
        for future, event in ((first, "one"), (second, "two")):
            log = re.sub(r"\b[0-9a-f-]{36}\b", "ID", future.result().log.decode())
            expected = f'loaded\nSTART RequestId: ID Version: $LATEST\nevent "{event}"\nEND RequestId: ID\n'
            self.assertEqual(expected, log[: len(expected)])
            self.assertRegex(log[len(expected) :], r"^REPORT .*Init Duration: .*\t\n$")

    def test_do_not_mix_their_lines(self) -> None:
        function = self.start(
            """
            while True:
                r, *_ = take()
                while not os.path.exists("go"): time.sleep(0.002)
                for n in range(40):
                    os.write(1, b"<"); time.sleep(0.001); os.write(2, b"%d " % os.getpid())
                    time.sleep(0.001); os.write(1, b"x" * 200 + b">\\n")
                respond(r, 1)
            """,
            concurrency=4,
            timeout_s=60,
        )
        waiting = [self.callers.submit(function.invoke) for _ in range(4)]
        self.wait_for_log(function, "START ", 4)
        self.let("go")
        for future in waiting:
            self.assertSucceeds(future.result(), 1)
        lines = [line for line in function.log_text().splitlines() if line[0] in "<x"]
        self.assertEqual(160, len(lines))
        self.assertEqual([], [line for line in lines if not re.fullmatch("<[0-9]+ x{200}>", line)])

    def test_are_reused_the_one_that_was_used_last_first(self) -> None:
        function = self.start(WAITING, concurrency=3, timeout_s=60)
        waiting = {name: self.begin(function, name) for name in ("a", "b", "c")}
        pids = {}
        for name in ("b", "c", "a"):
            self.let(name)
            pids[name] = self.pid(waiting[name].result())
        for _ in range(3):
            self.assertEqual(pids["a"], self.pid(function.invoke(b'""')))
        self.begin(function, "d")
        self.assertEqual(pids["c"], self.pid(function.invoke(b'""')))
        self.let("d")

    def test_serve_a_client_that_does_not_wait_for_the_end_of_an_invocation(self) -> None:
        function = self.start(
            "while True:\n  r, event, _ = take(); respond(r, os.getpid()); time.sleep(json.loads(event))",
            concurrency=2,
            timeout_s=60,
        )
        api = self.serve(function)
        pids = [api(b"0.005")[1] for _ in range(20)]
        changes = [one for one, other in zip(pids, pids[1:]) if one != other]
        self.assertLess(len(changes), 8)  # all, if it did not wait; some on a busy machine
        first = api(b"3")[1]
        self.assertNotEqual(first, api(b"0")[1], "it does not wait as long for the first one")

    def test_are_waited_for_at_the_limit_if_they_have_responded(self) -> None:
        function = self.start(
            "while True:\n  r, event, _ = take(); respond(r, 1); time.sleep(json.loads(event))",
            timeout_s=60,
        )
        api = self.serve(function)
        self.assertEqual((200, b"1"), api(b"0.4")[:2])
        self.assertEqual((200, b"1"), api(b"0")[:2])
        self.assertEqual(0, function.restarts)

    def test_end_together_when_the_function_is_closed(self) -> None:
        function = self.start(
            EXTENSION + "kept = ready(register()[2])\n"
            "on_sigterm(lambda: os.write(1, b'asked\\n'))\n"
            "while True:\n  r, *_ = take(); print('event'); respond(r, os.getpid()); time.sleep(0.3)",
            concurrency=5,
            shutdown_grace_s=2,
            timeout_s=60,
        )
        for future in [self.callers.submit(function.invoke) for _ in range(5)]:
            future.result()
        began = time.monotonic()
        function.close()
        self.assertLess(time.monotonic() - began, 8)  # not 2 s for each
        self.assertEqual(5, function.log_text().count("asked\n"))

    def test_end_after_they_were_idle(self) -> None:
        function = self.start(
            EXTENSION + "kept = ready(register()[2])\n"
            "on_sigterm(lambda: (print('bye'), os._exit(7)))\n"
            "while True:\n  r, event, _ = take(); time.sleep(json.loads(event)); respond(r, os.getpid())",
            shutdown_grace_s=60,
            timeout_s=60,
            idle_s=2,
        )
        first = self.pid(function.invoke(b"2.5"))
        self.assertNotIn("idle", function.log_text(), "it was busy")
        self.assertEqual(first, self.pid(function.invoke(b"0")))
        self.wait_for_log(function, "bye\nAn environment was idle for 2 seconds and ended, as on Lambda.\n")
        self.assertEqual((7, 0), (function.exit_status, function.restarts))
        self.assertNotEqual(first, self.pid(function.invoke(b"0")))

    def test_do_not_end_during_their_init_phase(self) -> None:
        function = self.start("time.sleep(0.6)\n" + ECHO, idle_s=0.2, timeout_s=60)
        self.assertTrue(function.initialized, function.log_text())

    def test_finish_their_event_when_a_source_file_has_changed(self) -> None:
        function = self.start(WAITING, concurrency=1, reload=True, timeout_s=60)
        waiting = self.begin(function, "go")
        (self.folder / "hello.py").touch()
        second = self.pid(function.invoke(b'""'))  # does not wait for the old one
        self.let("go")
        first = self.pid(waiting.result())
        self.assertNotEqual(first, second)
        self.assertEqual(second, self.pid(function.invoke(b'""')))
        self.wait_until(lambda: function.exit_status == -9)

    def test_forget_what_was_logged_and_requested_unless_they_record_it(self) -> None:
        function = self.start("while True: r, *_ = take(); print('#' * 10_000); respond(r, 1)", record=False)
        results = [function.invoke() for _ in range(3)]
        self.assertEqual([10_000] * 3, [result.log.count(b"#") for result in results])
        self.assertEqual(("", []), (function.log_text(), function.requests))
        self.assertEqual(0, sum(len(one.log.since(0)) for one in function._pool.environments))

    def serve(self, function: Function) -> Any:
        """Return a function that posts an event to the Invoke API: status, body, headers."""
        api = InvokeApi(function)
        self.addCleanup(api.close)

        def post(event: bytes) -> tuple[int, bytes, http.client.HTTPMessage]:
            connection = http.client.HTTPConnection(api.url[len("http://") :], timeout=20)
            self.addCleanup(connection.close)
            connection.request("POST", "/2015-03-31/functions/function/invocations", event)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers

        return post

    def test_reject_further_events_as_lambda_does(self) -> None:
        shown: list[dict[str, Any]] = []
        function = self.start(WAITING, timeout_s=60, request_log=shown.append)
        api, url = self.serve(function), FunctionUrl(function)
        self.addCleanup(url.close)
        self.begin(function, "go")
        connection = http.client.HTTPConnection(url.url[len("http://") : -1], timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        reply = connection.getresponse()
        for status, body, headers in (api(b'""'), (reply.status, reply.read(), reply.headers)):
            self.assertEqual((429, "TooManyRequestsException"), (status, headers["x-amzn-ErrorType"]))
            self.assertEqual("1", headers["Retry-After"])
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            expected = {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}
            self.assertEqual(expected, json.loads(body))
        gateway = FunctionUrl(function, source="rest-api")
        self.addCleanup(gateway.close)
        connection = http.client.HTTPConnection(gateway.url[len("http://") : -1], timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        self.assertEqual(500, connection.getresponse().status, "API Gateway reports what Lambda rejects so")
        self.let("go")
        self.wait_until(lambda: len(shown) == 3)
        for record in shown:
            reason = "Rate Exceeded. (the only environment is busy; --concurrency sets the limit)"
            self.assertIn(reason, record["note"])
            self.assertEqual("function", record["function"])
        self.assertEqual(1, function.log_text().count("START "), "none of these reaches the function")

    def test_stay_usable_when_the_system_has_no_thread_for_an_event(self) -> None:
        function = self.start(ECHO)
        with no_threads():
            self.assertRaises(RuntimeError, function.invoke)
        self.assertSucceeds(function.invoke(b"1"), 1)
        self.assertEqual(0, function.restarts)

    def test_that_cannot_be_started_leave_nothing_behind(self) -> None:
        def used() -> tuple[int, int]:
            gc.collect()
            return len(os.listdir("/dev/fd")), threading.active_count()

        function = self.start(WAITING, concurrency=2, timeout_s=60, invocation_ids=False)
        self.begin(function, "go")
        before = used()
        for count in range(5):
            with descriptors(count):
                self.assertRaises(OSError, function.invoke, b'""', **IDS)
        with no_threads():
            self.assertRaises(RuntimeError, function.invoke, b'""')
        self.wait_until(lambda: used() == before)
        self.assertIsNone(function.invoke(b'""').function_error)
        self.let("go")

    def test_that_cannot_be_replaced_fail_their_event(self) -> None:
        runtime = "if not os.path.exists('go'): time.sleep(60)\n" + ECHO
        function = self.start(runtime, init_timeout_s=0.1, invocation_ids=False)
        with descriptors(0):
            result = function.invoke(**IDS)
        self.assertFunctionError(result, "Sandbox.Failure", "OSError: [Errno 24] Too many open files")
        self.assertEqual((0, 1), (function.status().busy, function.status().failed))
        self.let("go")
        self.assertSucceeds(function.invoke(b"1"), 1)

    def test_are_not_disturbed_by_many_callers(self) -> None:
        function = self.start(ECHO, concurrency=8, timeout_s=60)
        throttled = threading.Semaphore(0)

        def call(number: int) -> None:
            for turn in range(10):
                try:
                    self.assertSucceeds(function.invoke(b"[%d, %d]" % (number, turn)), [number, turn])
                except Throttled:
                    throttled.release()

        for future in [self.callers.submit(call, number) for number in range(8)]:
            future.result()
        self.assertFalse(throttled.acquire(blocking=False))
        self.assertLess(function.restarts, 8)
