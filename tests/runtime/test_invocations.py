"""The life of an invocation: the surroundings of the handler, state that is kept, and clean-up."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import sysconfig
import time
import unittest

from tests.support import EVALUATE, PYPY, FunctionTestCase, Reply, accepted, event, own_log, posts

TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1;Lineage=a:b"


class Loop(FunctionTestCase):
    def test_every_event_gets_exactly_one_response(self) -> None:
        function = self.start(
            """
            import sys
            def handler(event, context):
                if event == "value": return 1
                if event == "bytes": return b"1"
                if event == "nothing": return None
                if event == "unserializable": return {1, 2}
                raise ValueError(event)
            """
        )
        for value in ["value", "error", "bytes", "unserializable", "nothing", "error", "value"]:
            self.invoke(function, value)
        function.invoke(b"not JSON")
        function.invoke(b"{}", client_context=b"not JSON")
        self.assertOneResponseEach(function)
        self.assertEqual(len(posts(function)), 9)
        self.assertStillWorks(function)

    def test_module_state_is_kept_between_invocations(self) -> None:
        function = self.start(
            """
            count = 0
            def handler(event, context):
                global count
                count += 1
                return count
            """
        )
        self.assertEqual([self.call(function) for _ in range(3)], [1, 2, 3])

    def test_module_state_is_kept_after_an_error(self) -> None:
        function = self.start(
            """
            seen = []
            def handler(event, context):
                seen.append(event)
                if event == "bad": raise ValueError
                return seen
            """
        )
        self.assertResponse(function, "a", ["a"])
        self.error(function, "bad")
        self.assertResponse(function, "b", ["a", "bad", "b"])

    def test_the_response_goes_to_the_request_id_of_the_event(self) -> None:
        function = self.start("def handler(event, context): return context.aws_request_id")
        for request_id in ("8476a536-e9f4-11e8-9739-2dfe598c3fcd", "r1"):
            self.assertEqual(self.call(function, request_id=request_id), request_id)
            path = f"/2018-06-01/runtime/invocation/{request_id}/response"
            self.assertEqual(posts(function)[-1].path, path)

    def test_an_odd_request_id_is_percent_encoded_in_the_path(self) -> None:
        outcome = self.play(
            event("a/b c?d#é%\x7f"),
            accepted(),
            event("../next"),
            accepted(),
            source="def handler(event, context): return context.aws_request_id",
        )
        paths = [request.path for request in outcome.requests if request.method == "POST"]
        self.assertEqual(
            paths,
            [
                "/2018-06-01/runtime/invocation/a%2Fb%20c%3Fd%23%C3%A9%25%7F/response",
                "/2018-06-01/runtime/invocation/..%2Fnext/response",
            ],
        )
        self.assertEqual(outcome.requests[1].body.decode(), '"a/b c?d#é%\x7f"')

    def test_hundreds_of_invocations_in_a_row(self) -> None:
        function = self.start()
        for number in range(300):
            self.assertResponse(function, number, number)
        self.assertOneResponseEach(function)

    def test_waiting_for_an_event_has_no_timeout(self) -> None:
        # The socket must have no timeout, not even that of connecting (a few seconds).
        late = event()
        late.wait_s = 5.5
        outcome = self.play(event("r0"), accepted(), late, accepted())
        self.assertEqual(outcome.calls, ["next", "r0/response", "next", "r1/response", "next"])

    def test_a_function_that_times_out_is_replaced_and_the_next_event_handled(self) -> None:
        function = self.start(
            """
            import time
            def handler(event, context):
                time.sleep(event)
                return "in time"
            """,
            timeout_s=1,
        )
        self.assertResponse(function, 0, "in time")
        self.assertIn("timed out", self.error(function, 30)["errorMessage"])
        self.assertResponse(function, 0, "in time")
        self.assertEqual(function.restarts, 1)


class InvocationId(FunctionTestCase):
    """The id of a delivery attempt. Newer servers send it, and compare it if the response contains it."""

    SOURCE = """
        def handler(event, context):
            if event == "fail": raise ValueError
            return event
    """

    def test_it_is_echoed_with_responses_and_errors(self) -> None:
        function = self.start(self.SOURCE)
        self.call(function)
        self.error(function, "fail")
        self.call(function)
        ids = [request.header("Lambda-Runtime-Invocation-Id") for request in posts(function)]
        self.assertEqual(len(set(ids)), 3)
        self.assertNotIn(None, ids)
        self.assertEqual([request.status for request in posts(function)], [202, 202, 202])

    def test_it_is_not_sent_if_the_event_has_none(self) -> None:
        function = self.start(self.SOURCE, invocation_ids=False)
        self.call(function)
        self.error(function, "fail")
        for request in posts(function):
            self.assertIsNone(request.header("Lambda-Runtime-Invocation-Id"))

    def test_it_is_not_kept_for_the_next_event(self) -> None:
        outcome = self.play(
            event("r1", b"1", "Lambda-Runtime-Invocation-Id: first"),
            accepted(),
            event("r2", b"2"),
            accepted(),
            event("r3", b"3", "Lambda-Runtime-Invocation-Id: "),
            accepted(),
        )
        echoed = [request.headers.get("lambda-runtime-invocation-id") for request in outcome.requests[1::2]]
        self.assertEqual(echoed, ["first", None, None])


class Headers(FunctionTestCase):
    DESCRIBE = """
        import os
        def handler(event, context):
            return {
                "arn": context.invoked_function_arn,
                "remaining": context.get_remaining_time_in_millis(),
                "trace": os.environ.get("_X_AMZN_TRACE_ID"),
                "client": repr(context.client_context),
                "identity": repr(context.identity),
                "tenant": context.tenant_id,
                "event": repr(event),
            }
    """
    NOTHING = {
        "arn": "",
        "remaining": 0,
        "trace": None,
        "client": "None",
        "identity": "CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None])",
        "tenant": None,
        "event": "{'a': 1}",
    }

    def _event(self, lines: str) -> Reply:
        """Return an event with a request id and only these header lines."""
        head = f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\n{lines}Content-Length: 7\r\n\r\n"
        return Reply(head.encode() + b'{"a":1}')

    def test_missing_and_empty_headers_mean_the_same(self) -> None:
        names = [
            "Lambda-Runtime-Deadline-Ms",
            "Lambda-Runtime-Invoked-Function-Arn",
            "Lambda-Runtime-Trace-Id",
            "Lambda-Runtime-Client-Context",
            "Lambda-Runtime-Cognito-Identity",
            "Lambda-Runtime-Aws-Tenant-Id",
            "Lambda-Runtime-Invocation-Id",
            "Content-Type",
        ]
        variants = [
            ("missing", ""),
            ("empty", "".join(f"{name}: \r\n" for name in names)),
            ("empty without a space", "".join(f"{name}:\r\n" for name in names)),
        ]
        for name, lines in variants:
            with self.subTest(name):
                outcome = self.play(self._event(lines), accepted(), source=self.DESCRIBE)
                self.assertEqual(outcome.calls, ["next", "r1/response", "next"], outcome.errors)
                self.assertEqual(json.loads(outcome.requests[1].body), self.NOTHING)

    def test_header_names_are_case_insensitive(self) -> None:
        head = (
            "HTTP/1.1 200 OK\r\nLAMBDA-RUNTIME-AWS-REQUEST-ID: r1\r\nlambda-runtime-trace-id: Root=1\r\n"
            "Lambda-runtime-AWS-tenant-ID:\tté\t\r\ncontent-LENGTH: 7\r\n\r\n"
        )
        outcome = self.play(Reply(head.encode() + b'{"a":1}'), accepted(), source=self.DESCRIBE)
        expected = {**self.NOTHING, "trace": "Root=1", "tenant": "té"}
        self.assertEqual(json.loads(outcome.requests[1].body), expected)

    def test_a_deadline_that_is_not_a_number_is_ignored(self) -> None:
        for deadline in ("soon", "-5", "1e9", "12.5", "٣"):
            with self.subTest(deadline=deadline):
                reply = self._event(f"Lambda-Runtime-Deadline-Ms: {deadline}\r\n")
                outcome = self.play(reply, accepted(), source=self.DESCRIBE)
                self.assertEqual(json.loads(outcome.requests[1].body), self.NOTHING)

    def test_an_event_without_a_request_id_ends_the_process_with_a_clear_line(self) -> None:
        for lines in ("", "Lambda-Runtime-Aws-Request-Id:\r\n"):
            with self.subTest(lines=lines):
                reply = Reply(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode())
                outcome = self.play(reply)
                self.assertEqual(outcome.calls, ["next"])
                self.assertEqual(outcome.status, 1)
                self.assertEqual(outcome.errors.count("\n"), 1)
                self.assertIn("Lambda-Runtime-Aws-Request-Id", outcome.errors)

    def test_trace_header_is_set_for_the_invocation_and_removed_when_there_is_none(self) -> None:
        function = self.start(
            """
            import os
            def handler(event, context): return os.environ.get("_X_AMZN_TRACE_ID")
            """
        )
        for trace_id in (TRACE_ID, "", "Root=1-2-3", "", ""):
            with self.subTest(trace_id=trace_id):
                self.assertEqual(self.call(function, trace_id=trace_id), trace_id or None)

    def test_trace_header_reaches_child_processes(self) -> None:
        function = self.start(
            """
            import subprocess
            def handler(event, context):
                return subprocess.check_output(["/bin/sh", "-c", 'printf %s "$_X_AMZN_TRACE_ID"']).decode()
            """
        )
        self.assertEqual(self.call(function, trace_id=TRACE_ID), TRACE_ID)
        self.assertEqual(self.call(function, trace_id=""), "")


class Surroundings(FunctionTestCase):
    def test_the_handler_runs_on_the_main_thread_in_the_task_root(self) -> None:
        function = self.start(
            """
            import os, threading
            def handler(event, context):
                return [threading.current_thread() is threading.main_thread(), os.getcwd()]
            """
        )
        root = function.configuration.task_root
        self.assertResponse(function, None, [True, root])

    def test_the_handler_may_run_a_new_event_loop(self) -> None:
        function = self.start(
            """
            import asyncio
            async def work(event):
                await asyncio.sleep(0)
                return event
            def handler(event, context):
                return asyncio.run(work(event))
            """
        )
        self.assertResponse(function, "hello", "hello")
        self.assertResponse(function, "again", "again")

    def test_the_functions_variables_are_set_and_its_changes_are_kept(self) -> None:
        function = self.start(
            """
            import os
            os.environ["FROM_LOADING"] = "1"
            def handler(event, context):
                os.environ["COUNT"] = str(int(os.environ.get("COUNT", "0")) + 1)
                return [os.environ["STAGE"], os.environ["FROM_LOADING"], os.environ["COUNT"]]
            """,
            environment={"STAGE": "prod"},
        )
        self.assertResponse(function, None, ["prod", "1", "1"])
        self.assertResponse(function, None, ["prod", "1", "2"])

    def test_child_processes_do_not_inherit_the_connection(self) -> None:
        function = self.start(
            """
            import os, subprocess, sys
            def handler(event, context):
                code = "import os; print(len(os.listdir('/proc/self/fd')))"
                return int(subprocess.check_output([sys.executable, "-c", code], close_fds=False))
            """
        )
        if not os.path.isdir("/proc/self/fd"):
            self.skipTest("no /proc on this machine")
        open_files = self.call(function)
        self.assertLessEqual(open_files, 4)  # the three standard streams and the listing itself

    def test_child_processes_of_every_kind_do_not_disturb_the_loop(self) -> None:
        # Spawned processes import the main file of their parent, which is bootstrap.
        function = self.start(
            """
            import multiprocessing
            def double(number, connection):
                connection.send(number * 2)
                connection.close()
            def handler(event, context):
                # No semaphores and no /dev/shm on Lambda: a Pipe is what works there.
                ours, theirs = multiprocessing.Pipe()
                method = multiprocessing.get_context(event)
                process = method.Process(target=double, args=(21, theirs))
                process.start()
                result = ours.recv() if ours.poll(10) else "nothing came"
                process.join(10)
                return [result, process.exitcode]
            """
        )
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method):
                self.assertResponse(function, method, [42, 0])
        self.assertOneResponseEach(function)

    def test_threads_that_outlive_the_invocation_keep_running(self) -> None:
        function = self.start(
            """
            import threading, time
            done = []
            def work():
                time.sleep(0.05)
                done.append(1)
            def handler(event, context):
                before = len(done)
                threading.Thread(target=work).start()
                return before
            """
        )
        self.assertResponse(function, None, 0)
        deadline = time.monotonic() + 10
        while self.call(function) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertGreater(self.call(function), 0)

    def test_nothing_of_a_failed_invocation_is_kept_alive(self) -> None:
        function = self.start(
            """
            import gc, weakref
            class Large: pass
            last = None
            def handler(event, context):
                global last
                before = last
                large = Large()
                last = weakref.ref(large)
                if event == "fail":
                    raise ValueError
                gc.collect()
                return before is None or before() is None
            """
        )
        self.error(function, "fail")
        self.assertResponse(function, "look", True)

    def test_a_result_is_released_before_the_next_event(self) -> None:
        function = self.start(
            """
            import gc, weakref
            class Large(dict): pass
            last = None
            def handler(event, context):
                global last
                gc.collect()
                before = last
                large = Large(ok=before is None or before() is None)
                last = weakref.ref(large)
                return large
            """
        )
        self.assertResponse(function, None, {"ok": True})
        self.assertResponse(function, None, {"ok": True})

    @unittest.skipIf(PYPY, "its heap grows unpredictably")
    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_errors_do_not_leak_memory(self) -> None:
        function = self.start(
            """
            import re
            def handler(event, context):
                if event == "fail": raise ValueError("x" * 1000)
                with open("/proc/self/status") as status:
                    return int(re.search(r"RssAnon:\\s*(\\d+)", status.read()).group(1))
            """
        )
        self.call(function)
        before = self.call(function)
        for _ in range(20):
            self.error(function, "fail")
        after_some = self.call(function)
        for _ in range(200):
            self.error(function, "fail")
        self.assertLess(after_some - before, 1024)  # KiB
        self.assertLess(self.call(function) - after_some, 1024)

    @unittest.skipUnless(platform.libc_ver()[0] == "glibc" and not PYPY, "tests the malloc of glibc")
    @unittest.skipIf(sysconfig.get_config_var("Py_GIL_DISABLED"), "has its own allocator")
    def test_large_events_reuse_the_memory_of_earlier_ones(self) -> None:
        function = self.start(
            """
            import resource
            faults = []
            def handler(event, context):
                faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
                return faults if event is None else event
            """
        )
        text = "0123456789" * 100_000
        for _ in range(20):
            self.assertEqual(text, self.call(function, text))
        before, after = self.call(function, None)[-11:-1:9]
        self.assertLess((after - before) / 9, 50)  # a new block of this size has 245 pages

    @unittest.skipUnless(sys.platform == "linux" and not PYPY, "reads /proc; its heap grows unpredictably")
    def test_memory_is_kept_for_large_events_but_not_by_each_thread_of_the_function(self) -> None:
        function = self.start(
            """
            import concurrent.futures, re, threading
            pool, turn = concurrent.futures.ThreadPoolExecutor(8), threading.Lock()
            def work(barrier):
                barrier.wait()
                with turn:
                    blocks = [b"x" * 4_000_000 for _ in range(3)]
            def handler(event, context):
                if event: return
                barrier = threading.Barrier(8)
                list(pool.map(work, [barrier] * 8))
                with open("/proc/self/status") as status:
                    return int(re.search(r"RssAnon:\\s*(\\d+)", status.read()).group(1))
            """
        )
        before = self.call(function)
        self.call(function, "x" * 200_000)
        self.call(function)
        self.assertLess(self.call(function) - before, 40_000)  # KiB; all threads together had 93,000 more

    @unittest.skipIf(PYPY, "has no _tracemalloc")
    def test_the_bytes_of_an_event_are_released_before_the_handler_is_called(self) -> None:
        function = self.start(
            """
            import _tracemalloc
            def handler(event, context):
                return _tracemalloc.get_traced_memory()[0]
            """,
            environment={"PYTHONTRACEMALLOC": "1"},
        )
        before = self.call(function, "")
        self.assertLess(self.call(function, "0123456789" * 100_000) - before, 1_500_000)

    def test_a_signal_while_waiting_runs_the_functions_handler_and_no_event_is_lost(self) -> None:
        function = self.start(
            """
            import os, signal
            signals = []
            signal.signal(signal.SIGUSR1, lambda number, frame: signals.append(number))
            def handler(event, context):
                if event == "pid": return os.getpid()
                return len(signals)
            """
        )
        pid = self.call(function, "pid")
        for _ in range(3):
            os.kill(pid, signal.SIGUSR1)
            time.sleep(0.02)
        # Several signals in quick succession may count as one.
        self.assertIn(self.call(function, "count"), (1, 2, 3))
        self.assertOneResponseEach(function)

    def test_an_alarm_of_the_function_may_interrupt_its_handler(self) -> None:
        function = self.start(
            """
            import signal, time
            def ring(number, frame): raise TimeoutError("took too long")
            signal.signal(signal.SIGALRM, ring)
            def handler(event, context):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                time.sleep(10)
            """
        )
        for _ in range(2):
            payload = self.error(function)
            self.assertEqual(payload["errorType"], "TimeoutError")
        self.assertStillWorks(function)


class Log(FunctionTestCase):
    def test_output_belongs_to_the_invocation_that_printed_it(self) -> None:
        function = self.start("def handler(event, context): print('event', event)")
        logs = [own_log(self.invoke(function, number)) for number in range(3)]
        self.assertEqual(logs, ["event 0\n", "event 1\n", "event 2\n"])

    def test_a_handler_can_see_how_much_time_is_left(self) -> None:
        function = self.start(EVALUATE, timeout_s=60)
        left = self.call(function, "context.get_remaining_time_in_millis()")
        self.assertIsInstance(left, int)
        self.assertTrue(30_000 < left <= 60_000, left)


if __name__ == "__main__":
    unittest.main()
