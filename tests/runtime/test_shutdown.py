"""The end of the environment: SIGTERM handlers and `atexit` functions are called, within the time limit."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
from contextlib import suppress

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]

from tests.scripted_server import CLOSE, refusal
from tests.support import BOOTSTRAP, PATIENCE_S, FunctionTestCase, Reply, accepted, event, joined
from tests.workers import LENIENT_BOOTSTRAP, SharedServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tests.support import Function, Result

TGKILL = {"x86_64": 234, "aarch64": 131} if ctypes else {}  # the number of the system call
TERMINATED = 128 + signal.SIGTERM
REGISTER = "POST /2020-01-01/extension/register"
EVENT_NEXT = "GET /2020-01-01/extension/event/next"
NEXT = "GET /2018-06-01/runtime/invocation/next"

# Its output is its log; `begun` creates a file that the test waits for.
HOOK = """
    import asyncio, atexit, os, pathlib, signal, sys, time
    told = []

    def hook(number, frame):
        told.append(number)
        print("told", int(number))

    def begun():
        pathlib.Path("begun").touch()

    signal.signal(signal.SIGTERM, hook)
    atexit.register(print, "at exit")
"""
ECHO = """
    def handler(event, context):
        return event
"""
PATIENT = """
    def handler(event, context):
        begun()
        while not told:
            time.sleep(0.005)
        return "finished"
"""
STUBBORN = """
    def handler(event, context):
        while True:
            try:
                begun()
                time.sleep(60)
            except BaseException as error:
                print("swallowed", type(error).__name__)
"""
LOOP = """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    end = asyncio.Event()

    def stop():
        print("told")
        end.set()

    loop.add_signal_handler(signal.SIGTERM, stop)
"""
# On a busy machine, the usual time limit is too short for some tests and too long for others.
LENIENT = f"from lambda_runtime.lifecycle import shutdown; shutdown.GRACE_S = shutdown.TOTAL_S = {PATIENCE_S}"
STRICT = "from lambda_runtime.lifecycle import shutdown; shutdown.GRACE_S = 0.05"


def send_to_thread(process: int | None, thread: int, number: int) -> None:
    """Send a signal to one thread of another process, which only Linux supports."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(TGKILL[os.uname().machine], process, thread, number) != 0:
        raise OSError(ctypes.get_errno(), "tgkill")


class Invoking(threading.Thread):
    """An invocation in another thread."""

    result: Result

    def __init__(self, function: Function) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.start()

    def run(self) -> None:
        self.result = self._function.invoke(b"null")

    def payload(self) -> Any:
        """Return the response, after the end of the invocation."""
        self.join(PATIENCE_S)
        return json.loads(self.result.payload.decode())


class ShutdownTestCase(FunctionTestCase):
    def start_patiently(self, *sources: str, **settings: Any) -> Function:
        """Start a function from these parts of its source; it is not killed early when it is closed."""
        return self.start(joined(*sources), **{"shutdown_grace_s": PATIENCE_S, **settings})

    def begin_invocation(self, function: Function) -> Invoking:
        """Invoke from another thread; returns when the handler has called ``begun``."""
        marker = os.path.join(function.configuration.task_root, "begun")
        invoking = Invoking(function)
        deadline = time.monotonic() + PATIENCE_S
        while not os.path.exists(marker) and time.monotonic() < deadline:
            time.sleep(0.002)
        return invoking

    def terminate(self, function: Function) -> int:
        """Send SIGTERM to this process only; return its exit status."""
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        return self.assertEnds(function)

    def calls(self, function: Function) -> list[str]:
        return [f"{request.method} {request.path}" for request in function.requests]

    def assertLog(self, function: Function, *lines: str) -> None:
        """Expect that the process has ended and that the function has written these lines."""
        own = function.log_text().replace("\r", "\n").split("\n")
        platform = (
            "START ",
            "END ",
            "REPORT ",
            "INIT_REPORT ",
            "RequestId: ",
            "Runtime.ExitError",
            "More memory ",
        )
        self.assertEqual([line for line in own if line and not line.startswith(platform)], list(lines))


class WhileIdle(ShutdownTestCase):
    """SIGTERM arrives between invocations."""

    def test_the_handler_is_called_and_then_the_atexit_functions(self) -> None:
        function = self.start_patiently(HOOK, ECHO)
        self.assertResponse(function, 1, 1)
        function.close()
        self.assertLog(function, "told 15", "at exit")
        self.assertEqual(function.exit_status, TERMINATED)

    def test_it_is_called_before_the_first_event(self) -> None:
        function = self.start_patiently(HOOK, ECHO)
        function.close()
        self.assertLog(function, "told 15", "at exit")

    def test_it_is_called_in_an_environment_restored_from_a_snapshot(self) -> None:
        function = self.start_patiently(HOOK, ECHO, initialization_type="snap-start")
        self.assertResponse(function, 1, 1)
        function.close()
        ended = function.log_text().partition("REPORT RequestId: ")[2].split("\n")
        own = [line for line in ended[1:] if line and not line.startswith("More memory ")]  # PyPy takes more
        self.assertEqual(own, ["told 15", "at exit"])
        self.assertEqual(function.exit_status, TERMINATED)

    def test_a_handler_installed_later_replaces_the_runtimes_handling(self) -> None:
        source = """
            def handler(event, context):
                signal.signal(signal.SIGTERM, lambda *_: print("the other"))
        """
        function = self.start_patiently(HOOK, source, shutdown_grace_s=0.1)
        self.assertResponse(function, None, None)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        time.sleep(0.1)
        self.assertResponse(function, None, None)
        self.assertLog(function, "the other")

    def test_it_decides_the_exit_status(self) -> None:
        for statement, status in [("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('bye')", 1)]:
            with self.subTest(statement):
                function = self.start_patiently(HOOK.replace("told.append(number)", statement), ECHO)
                self.assertEqual(self.terminate(function), status)
                self.assertLog(function, "at exit")

    def test_its_error_is_logged(self) -> None:
        function = self.start_patiently(HOOK.replace("told.append(number)", "{}['a']"), ECHO)
        self.assertEqual(self.terminate(function), 1)
        log = function.log_text()
        self.assertRegex(log, r"\[ERROR\] KeyError: 'a'\rTraceback .*in hook\r")
        self.assertTrue(log.endswith("at exit\n"), log)

    def test_running_threads_and_failing_atexit_functions_do_not_delay_the_exit(self) -> None:
        source = """
            import threading
            threading.Thread(target=time.sleep, args=(60,)).start()
            atexit.register(lambda: {}["a"])
        """
        function = self.start_patiently(HOOK, source, ECHO)
        self.assertEqual(self.terminate(function), TERMINATED)
        log = function.log_text()
        self.assertIn("KeyError", log)
        self.assertTrue(log.endswith("at exit\n"), log)

    def test_it_is_called_once_for_several_signals(self) -> None:
        source = HOOK.replace("told.append(number)", "os.kill(os.getpid(), number); time.sleep(0.02)")
        function = self.start_patiently(source, "atexit.register(os.kill, os.getpid(), 15)", ECHO)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertLog(function, "told 15", "at exit")

    def test_callbacks_of_an_event_loop_are_called(self) -> None:
        for name, handler in [("sync", ECHO), ("async", ECHO.replace("def handler", "async def handler"))]:
            with self.subTest(name):
                function = self.start_patiently(STRICT, HOOK, LOOP, handler)
                self.assertResponse(function, 1, 1)
                self.assertEqual(self.terminate(function), TERMINATED)
                self.assertLog(function, "told", "at exit")

    @unittest.skipUnless(sys.platform == "linux" and os.uname().machine in TGKILL, "a system call of Linux")
    def test_an_event_loop_calls_its_signal_handler_whichever_thread_received_the_signal(self) -> None:
        source = """
            import ctypes, threading
            ready = threading.Event()

            def wait():
                threads.append(threading.get_native_id())
                ready.set()
                time.sleep(60)

            threads = []
            threading.Thread(target=wait, daemon=True).start()
            ready.wait()

            def handler(event, context):
                return threads[0]
        """
        for number in range(3):
            with self.subTest(number):
                function = self.start_patiently(HOOK, LOOP, source)
                thread = self.call(function)
                send_to_thread(function.pid, thread, signal.SIGTERM)
                self.assertEqual(self.assertEnds(function), TERMINATED)
                self.assertLog(function, "told", "at exit")

    def test_an_event_loop_calls_its_signal_handler_once_for_several_signals(self) -> None:
        function = self.start_patiently(HOOK, LOOP, "atexit.register(time.sleep, 0.1)", ECHO)
        process = function.pid
        assert process is not None
        for _ in range(3):
            with suppress(ProcessLookupError):  # it may end soon
                os.kill(process, signal.SIGTERM)
            time.sleep(0.005)
        self.assertEqual(self.assertEnds(function), TERMINATED)
        self.assertLog(function, "told", "at exit")

    def test_it_may_stop_the_loop_or_cancel_all_tasks(self) -> None:
        source = """
            async def work():
                try: await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0.02)
                    print("cleaned")

            async def start(): asyncio.ensure_future(work())

            async def handler(event, context): await start()

            def cancel():
                for task in asyncio.all_tasks(loop): task.cancel()
        """
        stop = LOOP.replace("SIGTERM, stop", "SIGTERM, loop.stop")
        cancel = LOOP.replace("SIGTERM, stop", "SIGTERM, lambda: cancel()")
        cases = [("stop", "", stop, []), ("cancel", LENIENT, cancel, ["cleaned"])]
        for name, limits, loop, lines in cases:
            with self.subTest(name):
                function = self.start_patiently(limits, HOOK, loop, source)
                self.assertResponse(function, None, None)
                self.assertEqual(self.terminate(function), TERMINATED)
                self.assertLog(function, *lines, "at exit")


class DuringAnInvocation(ShutdownTestCase):
    def test_the_handler_has_a_short_time_to_respond(self) -> None:
        function = self.start_patiently(LENIENT, HOOK, PATIENT)
        invoking = self.begin_invocation(function)
        status = self.terminate(function)
        self.assertEqual(invoking.payload(), "finished")
        self.assertEqual(status, TERMINATED)
        self.assertLog(function, "told 15", "at exit")

    def test_an_application_that_keeps_running_is_ended(self) -> None:
        function = self.start_patiently(HOOK, STUBBORN)
        invoking = self.begin_invocation(function)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertEqual(invoking.payload()["errorType"], "Runtime.ExitError")
        self.assertLog(function, "told 15", "at exit")

    def test_sys_exit_is_reported_to_the_caller(self) -> None:
        function = self.start_patiently(LENIENT, HOOK.replace("told.append(number)", "sys.exit(7)"), PATIENT)
        invoking = self.begin_invocation(function)
        self.assertEqual(self.terminate(function), 7)
        self.assertEqual(invoking.payload()["errorType"], "SystemExit")

    def test_sys_exit_closes_a_stream_and_is_reported_at_its_end(self) -> None:
        source = """
            def handler(event, context):
                try:
                    yield "sent"
                    begun()
                    while True: time.sleep(0.005)
                finally:
                    print("closed")
        """
        function = self.start_patiently(LENIENT, HOOK.replace("told.append(number)", "sys.exit(7)"), source)
        invoking = self.begin_invocation(function)
        self.assertEqual(self.terminate(function), 7)
        self.assertEqual(invoking.payload()["errorType"], "SystemExit")
        log = function.log_text()
        self.assertRegex(log, re.compile("closed\\n.*SystemExit.*at exit\\n", re.DOTALL))

    def test_sys_exit_that_the_handler_swallows_still_ends_the_process(self) -> None:
        function = self.start_patiently(HOOK.replace("told.append(number)", "sys.exit(7)"), STUBBORN)
        self.begin_invocation(function)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertLog(function, "swallowed SystemExit", "at exit")

    def test_work_after_the_response_is_part_of_the_invocation(self) -> None:
        source = """
            def wait():
                begun()
                while not told: time.sleep(0.005)
                print("finished")

            def handler(event, context):
                context.after_response(wait)
        """
        function = self.start_patiently(LENIENT, HOOK, source)
        self.begin_invocation(function)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertLog(function, "told 15", "finished", "at exit")

    def test_an_event_loop_calls_its_signal_handler_during_an_invocation(self) -> None:
        source = """
            async def handler(event, context):
                begun()
                await end.wait()
                return "finished"
        """
        function = self.start_patiently(LENIENT, HOOK, LOOP, source)
        invoking = self.begin_invocation(function)
        status = self.terminate(function)
        self.assertEqual(invoking.payload(), "finished")
        self.assertEqual(status, TERMINATED)
        self.assertLog(function, "told", "at exit")

    def test_an_event_loop_runs_after_a_synchronous_handler(self) -> None:
        source = """
            def stopped():
                return os.path.exists("told")
        """
        handler = PATIENT.replace("not told", "not stopped()")
        function = self.start_patiently(LENIENT, HOOK, LOOP, source, handler)
        invoking = self.begin_invocation(function)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        pathlib.Path(function.configuration.task_root, "told").touch()
        self.assertEqual(invoking.payload(), "finished")
        self.assertEqual(self.assertEnds(function), TERMINATED)
        self.assertLog(function, "told", "at exit")

    def test_sys_exit_after_the_response_sets_the_status_without_an_error(self) -> None:
        source = """
            def handler(event, context):
                for _ in range(2): context.after_response(work)

            def work():
                begun()
                while True: time.sleep(0.005)
        """
        function = self.start_patiently(LENIENT, HOOK.replace("told.append(number)", "sys.exit(7)"), source)
        self.begin_invocation(function)
        self.assertEqual(self.terminate(function), 7)
        self.assertLog(function, "at exit")

    def test_an_async_handler_may_respond_after_its_loop_was_stopped(self) -> None:
        source = """
            async def handler(event, context):
                begun()
                await asyncio.sleep(0.05)
                return "finished"
        """
        loop = LOOP.replace("SIGTERM, stop", "SIGTERM, loop.stop")
        function = self.start_patiently(LENIENT, HOOK, loop, source)
        invoking = self.begin_invocation(function)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertEqual(invoking.payload(), "finished")

    def test_forking_in_a_thread_does_not_disturb_the_runtime(self) -> None:
        source = """
            import threading

            def fork():
                child = os.fork()
                if not child: os._exit(0)
                os.waitpid(child, 0)

            def handler(event, context):
                thread = threading.Thread(target=fork)
                thread.start()
                thread.join()
        """
        function = self.start_patiently(HOOK, source)
        self.assertResponse(function, None, None)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertLog(function, "told 15", "at exit")

    def test_a_slow_exit_function_runs_once(self) -> None:
        source = """
            def slow():
                print("slow")
                time.sleep(0.3)

            def handler(event, context):
                atexit.register(slow)
                begun()
                while True: time.sleep(0.005)
        """
        function = self.start_patiently(HOOK.replace("told.append(number)", "sys.exit(7)"), source)
        self.begin_invocation(function)
        self.assertIn(self.terminate(function), (7, TERMINATED))  # depends on who is first
        self.assertEqual(function.log_text().count("slow\n"), 1)

    def test_a_child_of_the_function_calls_the_handler(self) -> None:
        source = """
            def handler(event, context):
                child = os.fork()
                if not child:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.15)
                    os._exit(9)
                return os.WEXITSTATUS(os.waitpid(child, 0)[1])
        """
        function = self.start_patiently(STRICT, HOOK, source)
        self.assertResponse(function, None, 9)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertLog(function, "told 15", "told 15", "at exit")


class Registration(ShutdownTestCase):
    """Lambda sends SIGTERM only to environments that have an extension."""

    def test_a_function_with_a_handler_registers_without_events_and_requests_the_next(self) -> None:
        function = self.start(joined(HOOK, ECHO))
        self.assertResponse(function, 1, 1)
        calls = self.calls(function)
        register, event_next = (function.requests[calls.index(call)] for call in (REGISTER, EVENT_NEXT))
        self.assertEqual(register.status, 200)
        self.assertEqual(json.loads(register.body.decode()), {"events": []})
        self.assertTrue(register.header("Lambda-Extension-Name"))
        self.assertTrue(event_next.header("Lambda-Extension-Identifier"))
        self.assertIsNone(event_next.status)
        self.assertEqual(calls[0], REGISTER)
        self.assertEqual([call for call in calls if call != EVENT_NEXT][1::2], [NEXT, NEXT])

    def test_a_function_without_a_handler_makes_no_extra_calls(self) -> None:
        sources = {
            "none": ECHO,
            "ignored": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "reset": "import signal; signal.signal(signal.SIGTERM, print)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
            "another signal": "import signal; signal.signal(signal.SIGUSR1, print)",
        }
        for name, source in sources.items():
            with self.subTest(name):
                function = self.start_patiently(source, ECHO)
                self.assertResponse(function, 1, 1)
                self.assertEqual(self.calls(function)[::2], [NEXT, NEXT])
                self.assertEqual(len(function.requests), 3)
                function.close()
                self.assertEqual(function.exit_status, -signal.SIGKILL)

    def test_a_function_that_ignores_the_signal_keeps_running(self) -> None:
        function = self.start(joined("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", ECHO))
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        self.assertResponse(function, 1, 1)
        self.assertStillWorks(function)

    def test_without_a_handler_the_process_ends_by_the_signal(self) -> None:
        function = self.start()
        self.assertEqual(self.terminate(function), -signal.SIGTERM)

    def test_a_refusal_is_logged_and_the_function_works(self) -> None:
        for status in (403, 404, 500):
            with self.subTest(status):
                no = Reply(refusal(status).data, CLOSE)
                outcome = self.play(no, event("r1"), accepted(), source=joined(HOOK, ECHO))
                self.assertEqual(outcome.calls[1:], ["next", "r1/response", "next"])
                self.assertRegex(
                    outcome.output,
                    rf"LAMBDA_RUNTIME The SIGTERM handler may never be called: POST \S+/extension/register "
                    rf"returned {status} ",
                )

    def test_invocations_share_a_connection_even_if_the_main_thread_wakes_up_regularly(self) -> None:
        events = [reply for number in range(3) for reply in (event(f"r{number}"), accepted())]
        slow = Reply(event("slow").data, wait_s=0.2)
        no = Reply(refusal(500).data, CLOSE)
        outcome = self.play(no, *events, slow, accepted(), source=joined(HOOK, ECHO))
        self.assertEqual([request.connection for request in outcome.requests[1:]], [2] * 9)

    def test_a_server_that_does_not_respond_is_logged_in_the_same_way(self) -> None:
        outcome = self.play(Reply(b"", CLOSE), event("r1"), accepted(), source=joined(HOOK, ECHO))
        self.assertEqual(outcome.calls[1:], ["next", "r1/response", "next"])
        self.assertIn("The SIGTERM handler may never be called: The Runtime API closed", outcome.output)

    def test_it_works_with_snapshots(self) -> None:
        function = self.start_patiently(HOOK, ECHO, initialization_type="snap-start")
        self.assertResponse(function, 1, 1)
        function.close()
        self.assertIn("told 15\nat exit\n", function.log_text())
        self.assertEqual(function.exit_status, TERMINATED)


class Workers(ShutdownTestCase):
    """With AWS_LAMBDA_MAX_CONCURRENCY: a process for each invocation, and their parent."""

    COUNT = 2

    def launch(
        self, *sources: str, command: Sequence[str] = (str(BOOTSTRAP),)
    ) -> tuple[str, SharedServer, subprocess.Popen[bytes]]:
        """Start workers, wait until all are idle; return the task root, their server, the parent process."""
        root = self.write({"function.py": joined(*sources)})
        server = SharedServer(has_events=False)
        self.addCleanup(server.close)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "AWS_LAMBDA_MAX_CONCURRENCY": str(self.COUNT),
            "LAMBDA_TASK_ROOT": root,
            "_HANDLER": "function.handler",
        }
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def stop() -> None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

        self.addCleanup(stop)
        for _ in range(self.COUNT):
            self.assertTrue(server.idle.acquire(timeout=PATIENCE_S), "a worker does not ask for an event")
        return root, server, process

    def assertAllEnd(self, process: subprocess.Popen[bytes], server: SharedServer, status: int) -> None:
        self.assertEqual(process.wait(PATIENCE_S), status)
        deadline = time.monotonic() + PATIENCE_S
        while server.open_connections and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(server.open_connections, 0, "a worker is left")

    def test_each_worker_s_handler_is_called_before_the_first_process_ends(self) -> None:
        hook = """
            import atexit, os, pathlib, signal, time

            def hook(number, frame):
                time.sleep(0.05)
                pathlib.Path(f"told-{os.getpid()}").touch()

            def at_exit():
                pathlib.Path(f"at-exit-{os.getpid()}").touch()

            signal.signal(signal.SIGTERM, hook)
            atexit.register(at_exit)
        """
        for whom in ("the first process", "all"):
            with self.subTest(whom):
                root, server, process = self.launch(hook, ECHO, command=LENIENT_BOOTSTRAP)
                os.kill(process.pid if whom == "the first process" else -process.pid, signal.SIGTERM)
                process.wait(PATIENCE_S)
                files = sorted(name.rstrip("0123456789") for name in os.listdir(root) if "-" in name)
                self.assertEqual(files, ["at-exit-"] * self.COUNT + ["told-"] * self.COUNT)
                self.assertAllEnd(process, server, TERMINATED)
                self.assertEqual(server.registrations, [200])

    def test_workers_that_do_not_end_are_killed(self) -> None:
        source = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        _, server, process = self.launch(source, ECHO)
        process.terminate()
        self.assertAllEnd(process, server, TERMINATED)

    def test_without_a_handler_they_end_immediately(self) -> None:
        for number, whom in [(signal.SIGINT, "all"), (signal.SIGTERM, "the first process")]:
            with self.subTest(number):
                _, server, process = self.launch(ECHO)
                os.kill(process.pid if whom == "the first process" else -process.pid, number)
                self.assertAllEnd(process, server, 128 + number)
                self.assertEqual(server.registrations, [])


class SlowHooks(ShutdownTestCase):
    def test_atexit_functions_run_although_the_hook_takes_too_long(self) -> None:
        slow = HOOK.replace("told.append(number)", "time.sleep(5)")
        function = self.start_patiently(STRICT, slow, ECHO)
        self.assertResponse(function, 1, 1)
        self.assertEqual(self.terminate(function), TERMINATED)
        self.assertIn("at exit\n", function.log_text())


class Throttled(ShutdownTestCase):
    """On a slow machine: 7 ms of CPU time in 100 ms, as a function with 128 MB may get.

    RUNS is the number of repetitions of each test (`make test-repeatedly`: 500).
    """

    RUNS = int(os.environ.get("RUNS", "2"))
    UVLOOP = "import uvloop\nasyncio.set_event_loop_policy(uvloop.EventLoopPolicy())"
    OTHER_THREADS = """
        import threading
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """
    WHILE_IDLE = """
        async def handler(event, context):
            return event
        """
    WHILE_HANDLING = """
        async def handler(event, context):
            if event is None:
                begun()
                await end.wait()
            return event
        """

    def throttle(self, process: int) -> None:
        """Let the process run for 7 ms in 100, until it has ended."""
        while True:
            for number, seconds in ((signal.SIGSTOP, 0.093), (signal.SIGCONT, 0.007)):
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    return
                time.sleep(seconds)

    def terminate_throttled(self, function: Function) -> int:
        assert function.pid is not None
        thread = threading.Thread(target=self.throttle, args=(function.pid,))
        thread.start()
        time.sleep(0.05)
        status = self.terminate(function)
        thread.join()
        return status

    def test_an_event_loop_calls_its_signal_handler(self) -> None:
        loops = {"asyncio": ""}
        if importlib.util.find_spec("uvloop"):
            loops["uvloop"] = self.UVLOOP
        for name, policy in loops.items():
            for number in range(self.RUNS):
                with self.subTest(name, number=number, when="idle"):
                    sources = (HOOK, policy, LOOP, self.OTHER_THREADS, self.WHILE_IDLE)
                    function = self.start_patiently(*sources)
                    self.assertResponse(function, 1, 1)
                    self.assertEqual(self.terminate_throttled(function), TERMINATED)
                    self.assertTold(function)
                with self.subTest(name, number=number, when="during an invocation"):
                    busy = (LENIENT, HOOK, policy, LOOP, self.OTHER_THREADS, self.WHILE_HANDLING)
                    function = self.start_patiently(*busy)
                    self.assertResponse(function, 1, 1)
                    self.begin_invocation(function)
                    self.assertEqual(self.terminate_throttled(function), TERMINATED)
                    self.assertTold(function)

    def assertTold(self, function: Function) -> None:
        """Expect that the call was made and then the process ended.

        A second call, seen once in 2000 runs, is not made by the runtime: the thread that received the signal
        was stopped before it could write to the loop, which by then had the signal from the main thread.
        """
        log = function.log_text()
        self.assertRegex(log, r"(?s)(told\n)+.*at exit\n")
        function.close()


if __name__ == "__main__":
    unittest.main()
