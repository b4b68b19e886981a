"""Async handlers: awaited, on one event loop that lives as long as the environment."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
import unittest

from tests.support import PATIENCE_S, FunctionTestCase, joined, own_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.support import Function

LOOPS = """
    import asyncio
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    async def handler(event, context):
        if event == "start":
            asyncio.get_running_loop().create_task(tick())
        await asyncio.sleep(0.03)
        return [id(asyncio.get_running_loop()), len(ticks)]
"""


class AsyncHandlers(FunctionTestCase):
    def test_the_returned_value_is_the_response(self) -> None:
        function = self.start(
            """
            import asyncio
            async def handler(event, context):
                await asyncio.sleep(0)
                return {"event": event, "id": context.aws_request_id}
            """
        )
        for value in (1, "two"):
            result = self.invoke(function, value)
            response = json.loads(result.payload.decode())
            self.assertEqual(response, {"event": value, "id": result.request_id})
        self.assertOneResponseEach(function)

    def test_every_awaitable_result_is_awaited(self) -> None:
        function = self.start(
            """
            import functools
            class Later:
                def __init__(self, value): self.value = value
                def __await__(self):
                    yield from ()
                    return self.value
            class Callable:
                async def __call__(self, event, context): return ["call", event]
            async def two(event, context, more): return ["partial", event]
            wrapped = functools.partial(two, more=1)
            instance = Callable()
            def handler(event, context): return Later(["awaitable", event])
            """
        )
        self.assertResponse(function, 1, ["awaitable", 1])
        source = function.configuration.task_root
        for name, expected in [("instance", "call"), ("wrapped", "partial")]:
            with self.subTest(name):
                other = self.start(handler=f"function.{name}", task_root=source)
                self.assertResponse(other, 2, [expected, 2])

    def test_the_event_loop_and_its_tasks_live_as_long_as_the_environment(self) -> None:
        function = self.start(LOOPS)
        first, before = self.call(function, "start")
        second, after = self.call(function)
        self.assertEqual(first, second)
        self.assertGreater(after, before)

    def test_an_error_is_reported_with_the_frames_of_the_function_only(self) -> None:
        function = self.start(
            """
            import asyncio
            async def inner(): raise ValueError("bad thing")
            async def handler(event, context):
                await asyncio.sleep(0)
                await inner()
            """
        )
        payload = self.error(function)
        self.assertEqual((payload["errorType"], payload["errorMessage"]), ("ValueError", "bad thing"))
        self.assertEqual(
            [entry.split("in ")[1].split("\n")[0] for entry in payload["stackTrace"]], ["handler", "inner"]
        )
        self.assertStillWorks(function)

    def test_cancellation_and_sys_exit_are_reported_as_in_other_handlers(self) -> None:
        function = self.start(
            """
            import asyncio, sys
            async def handler(event, context):
                if event == "cancelled": raise asyncio.CancelledError("stop")
                if event == "left": sys.exit(5)
                return event
            """
        )
        self.assertEqual(self.error(function, "cancelled")["errorType"], "CancelledError")
        self.assertResponse(function, 1, 1)
        self.assertEqual(self.error(function, "left")["errorType"], "SystemExit")
        self.assertEqual(self.assertEnds(function), 5)

    def test_a_handler_with_other_arguments_gets_a_note_about_the_call(self) -> None:
        for source in (
            "async def handler(event): pass",
            "async def handler(event): yield",
            "def handler(event): yield",
            "def handler(event, context, more): pass",
        ):
            with self.subTest(source):
                payload = self.error(self.start(source))
                self.assertEqual(payload["errorType"], "TypeError")
                self.assertIn("def handler(event, context)", payload["notes"][0])

    def test_a_type_error_inside_the_handler_does_not_get_the_note(self) -> None:
        function = self.start(
            """
            async def inner(event): pass
            async def handler(event, context): await inner()
            """
        )
        payload = self.error(function)
        self.assertEqual(payload["errorType"], "TypeError")
        self.assertNotIn("notes", payload)

    def test_a_synchronous_handler_has_no_running_loop_and_may_run_one(self) -> None:
        function = self.start(
            """
            import asyncio
            async def work(event): return event
            def handler(event, context):
                try:
                    asyncio.get_running_loop()
                    return "one is running"
                except RuntimeError:
                    return asyncio.run(work(event))
            """
        )
        self.assertResponse(function, [1], [1])
        self.assertResponse(function, [2], [2])

    def test_its_log_records_carry_the_request_id(self) -> None:
        function = self.start(
            """
            import asyncio, logging
            async def handler(event, context):
                await asyncio.sleep(0)
                logging.warning("here")
            """
        )
        result = self.invoke(function)
        self.assertRegex(own_log(result), rf"\[WARNING\]\t\S+\t{result.request_id}\there\n")


# The event is the body of an async handler, or of a plain one if it begins with a "#".
EXECUTE = """
    import asyncio, gc, os, signal, sys, textwrap, time

    def handler(event, context):
        names = {**globals(), "context": context}
        kind = "def" if event.startswith("#") else "async def"
        exec(f"{kind} body():\\n" + textwrap.indent(event, "    "), names)
        return names["body"]()
"""


class EventLoops(FunctionTestCase):
    """Which event loop is used, and the tasks on it."""

    def test_a_loop_that_is_current_after_loading_is_used(self) -> None:
        for name, line in [
            ("set", "loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)"),
            ("got", "loop = asyncio.get_event_loop()" if sys.version_info < (3, 12) else ""),
        ]:
            if not line:
                continue  # without a current loop, Python warns and later raises an error
            with self.subTest(name):
                function = self.start(
                    joined(
                        "import asyncio",
                        line,
                        """
                        ready = loop.create_future()
                        loop.call_soon(ready.set_result, "ready")

                        async def handler(event, context):
                            return [await ready, asyncio.get_running_loop() is loop]
                        """,
                    )
                )
                self.assertResponse(function, None, ["ready", True])
                self.assertResponse(function, None, ["ready", True])

    def test_a_loop_that_runs_in_another_thread_is_not_used(self) -> None:
        function = self.start(
            """
            import asyncio, threading
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            threading.Thread(target=loop.run_forever, daemon=True).start()

            async def handler(event, context):
                there = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, event), loop)
                return await asyncio.wrap_future(there), asyncio.get_running_loop() is loop
            """
        )
        self.assertResponse(function, 1, [1, False])
        self.assertResponse(function, 2, [2, False])

    def test_a_closed_loop_is_not_used(self) -> None:
        source = """
            import asyncio
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.close()
            async def handler(event, context):
                return event
        """
        function = self.start(source)
        self.assertResponse(function, 1, 1)

    def test_synchronous_and_async_handlers_do_not_disturb_each_other(self) -> None:
        function = self.start(EXECUTE)
        run = "#\nasync def one(): return 'run'\nreturn asyncio.run(one())"
        get = "#\nasync def one(): return 'got'\nreturn asyncio.get_event_loop().run_until_complete(one())"
        wait = (
            "loops = vars(sys).setdefault('loops', set())\n"
            "await asyncio.sleep(0.001)\n"
            "loops.add(asyncio.get_running_loop())\n"
            "return len(loops)"
        )
        for body, expected in [(wait, 1), (get, "got"), (wait, 1), (get, "got"), (run, "run"), (wait, 1)]:
            self.assertResponse(function, body, expected)
        # asyncio.run leaves no current loop behind.
        for body, expected in [(run, "run"), (run, "run"), (wait, 1)]:
            self.assertResponse(function, body, expected)
        self.assertStillWorks(function)

    @unittest.skipIf(sys.version_info >= (3, 14), "get_event_loop no longer creates a loop")
    def test_a_synchronous_handler_may_get_a_loop_and_run_it(self) -> None:
        function = self.start(
            """
            import asyncio
            async def work(event): return [event, id(asyncio.get_running_loop())]
            def handler(event, context):
                return asyncio.get_event_loop().run_until_complete(work(event))
            """
        )
        responses = [self.call(function, event) for event in (1, 2)]
        self.assertEqual([event for event, _ in responses], [1, 2])
        self.assertEqual(len({loop for _, loop in responses}), 1)

    def test_a_loop_within_a_loop_is_a_clear_error(self) -> None:
        function = self.start(EXECUTE)
        work = "work = asyncio.sleep(0)\ntry: {}(work)\nfinally: work.close()"
        payload = self.error(function, work.format("asyncio.run"))
        self.assertEqual(payload["errorType"], "RuntimeError")
        self.assertRegex(payload["errorMessage"], "cannot be called from a running event loop")
        payload = self.error(function, work.format("asyncio.get_event_loop().run_until_complete"))
        self.assertRegex(payload["errorMessage"], "event loop is already running")
        self.assertResponse(function, "return 1", 1)
        self.assertStillWorks(function)


class Tasks(FunctionTestCase):
    """Tasks that are cancelled, left running, or that block the loop."""

    def test_a_task_that_cancels_itself_is_an_error(self) -> None:
        function = self.start(EXECUTE)
        body = "asyncio.current_task().cancel()\nawait asyncio.sleep(10)"
        self.assertEqual(self.error(function, body)["errorType"], "CancelledError")
        self.assertResponse(function, "return 1", 1)
        self.assertStillWorks(function)

    def test_errors_of_background_tasks_are_logged(self) -> None:
        function = self.start(EXECUTE)
        leave = """
async def fail():
    await asyncio.sleep(0)
    raise ValueError("left behind")
asyncio.get_running_loop().create_task(fail())
return 1"""
        self.assertResponse(function, leave, 1)
        result = self.invoke(function, "await asyncio.sleep(0.01)\ngc.collect()\nreturn 2")
        self.assertEqual(result.payload, b"2")
        self.assertRegex(own_log(result), r"\[ERROR\]\t.*Task exception was never retrieved")
        self.assertIn("ValueError: left behind", own_log(result))
        self.assertStillWorks(function)

    def test_a_background_task_that_calls_sys_exit_ends_the_process(self) -> None:
        function = self.start(EXECUTE)
        leave = """
async def end():
    await asyncio.sleep(0.001)
    sys.exit(4)
asyncio.get_running_loop().create_task(end())
return 1"""
        self.assertResponse(function, leave, 1)
        payload = self.error(function, "try: await asyncio.sleep(10)\nfinally: print('cancelled')")
        self.assertEqual(payload["errorType"], "SystemExit")
        self.assertEqual(self.assertEnds(function), 4)
        self.assertIn("cancelled\n", function.log_text())

    def test_a_signal_handler_that_raises_before_the_handler_has_begun_cancels_it(self) -> None:
        function = self.start(
            """
            import asyncio, os, signal
            create, begun = asyncio.ensure_future, []
            def ring(number, frame): raise TimeoutError("late")
            def create_and_ring(*arguments, **options):
                task = create(*arguments, **options)
                if not begun:
                    os.kill(os.getpid(), signal.SIGALRM)
                return task
            signal.signal(signal.SIGALRM, ring)
            asyncio.ensure_future = create_and_ring
            async def handler(event, context):
                begun.append(event)
                return begun
            def call(event, context):
                if event == "second": begun.append("nothing")
                return handler(event, context)
            """,
            "function.call",
        )
        self.assertEqual(self.error(function, "first")["errorType"], "TimeoutError")
        self.assertEqual(self.call(function, "second"), ["nothing", "second"])

    def test_a_signal_handler_that_raises_cancels_the_handler(self) -> None:
        function = self.start(EXECUTE)
        body = """
def ring(*_): raise TimeoutError("too late")
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    await asyncio.sleep(10)
finally:
    await asyncio.sleep(0)
    print("cancelled")"""
        result = self.invoke(function, body)
        self.assertEqual(json.loads(result.payload.decode())["errorMessage"], "too late")
        self.assertIn("cancelled\n", own_log(result))
        self.assertEqual(self.call(function, "return len(asyncio.all_tasks())"), 1)
        self.assertStillWorks(function)

    def test_a_handler_that_blocks_the_loop_is_stopped_at_its_deadline(self) -> None:
        function = self.start(EXECUTE, timeout_s=2)
        self.assertResponse(function, "return 1", 1)
        self.assertIn("timed out", self.error(function, "time.sleep(60)")["errorMessage"])
        self.assertResponse(function, "return 2", 2)
        self.assertEqual(function.restarts, 1)


class InitErrors(FunctionTestCase):
    def test_an_error_of_a_loop_during_the_import_is_an_init_error(self) -> None:
        function = self.start(
            """
            import asyncio
            async def connect():
                await asyncio.sleep(0)
                raise ConnectionError("no route")
            asyncio.run(connect())
            async def handler(event, context): pass
            """
        )
        body = self.assertInitError(function, "ConnectionError", "no route")
        self.assertRegex(body["stackTrace"][0], r"function.py\", line 6, in <module>\n    asyncio.run")
        self.assertRegex(body["stackTrace"][-1], r"function.py\", line 5, in connect\n    raise")

    def test_a_loop_that_ran_during_the_import_does_not_matter(self) -> None:
        function = self.start(
            """
            import asyncio
            async def connect(): return "connected"
            connection = asyncio.run(connect())
            async def handler(event, context): return connection
            """
        )
        self.assertResponse(function, None, "connected")


class Signals(FunctionTestCase):
    """Ctrl-C at a terminal, and the end of the environment."""

    WAIT = "try:\n open('begun', 'w').close()\n await asyncio.sleep(60)\nfinally: print('cancelled')"

    def begin(self, function: Function) -> threading.Thread:
        """Invoke from another thread, and return when the handler is waiting."""
        marker = os.path.join(function.configuration.task_root, "begun")
        thread = threading.Thread(target=self.invoke, args=(function, self.WAIT), daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not os.path.exists(marker) and time.monotonic() < deadline:
            time.sleep(0.002)
        return thread

    def test_ctrl_c_in_a_handler_is_an_error_like_others(self) -> None:
        function = self.start(EXECUTE)
        invoking = self.begin(function)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGINT)
        invoking.join(PATIENCE_S)
        log = function.log_text()
        self.assertRegex(log, re.compile(r"cancelled\n.*\[ERROR\] KeyboardInterrupt", re.DOTALL))
        self.assertResponse(function, "return 1", 1)
        self.assertStillWorks(function)

    def test_between_invocations_both_signals_end_the_process(self) -> None:
        for number, status in [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]:
            with self.subTest(number):
                function = self.start(EXECUTE)
                self.assertResponse(function, "return 1", 1)
                assert function.pid is not None
                os.kill(function.pid, number)
                self.assertEqual(self.assertEnds(function), status)
                self.assertNotIn("Traceback", function.log_text())

    def test_a_signal_handler_that_raises_between_invocations_is_logged_and_ends_the_process(self) -> None:
        function = self.start(
            """
            import os, signal, threading, time
            signal.signal(signal.SIGUSR1, lambda *_: {}["unexpected"])
            threading.Thread(target=time.sleep, args=(60,)).start()

            def handler(event, context):
                return os.getpid()
            """
        )
        os.kill(self.call(function), signal.SIGUSR1)
        self.assertEqual(self.assertEnds(function), 1)
        self.assertRegex(function.log_text(), "(?s)Traceback.*KeyError: 'unexpected'")


if __name__ == "__main__":
    unittest.main()
