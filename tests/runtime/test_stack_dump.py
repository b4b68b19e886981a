"""Stacks of all threads shortly before the deadline, if enabled, to show where the function hangs."""

from __future__ import annotations

import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lambda_runtime.lifecycle import stack_dump

from tests.scripted_server import reply_bytes
from tests.support import PATIENCE_S, FunctionTestCase, Reply, accepted, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.support import Function

SWITCH = "LAMBDA_RUNTIME_DUMP_STACKS_MS"
HEADLINE = "most recent call first"

# The event names a function.
HANGING = """
    import asyncio, os, re, sys, threading, time

    file = os.open("dump", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def sleep_here():
        while not os.path.getsize("dump"):
            time.sleep(0.005)
        time.sleep(0.1)  # so that it is still here when its turn comes

    def wait_here():
        threading.Event().wait()

    def search_here():
        re.match("(a+)+$", "a" * 60 + "b")

    async def block_here():
        sleep_here()

    async def hang():
        while not os.path.getsize("dump"):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)

    def with_a_thread():
        threading.Thread(target=wait_here, daemon=True).start()
        sleep_here()

    def stream_here():
        yield "a"
        sleep_here()

    def put_off(context):
        context.after_response(sleep_here)

    def lose_stderr():
        sys.stderr = sys.__stderr__ = None

    def quick():
        return "faulthandler" in sys.modules

    def handler(event, context):
        os.truncate("dump", 0)
        return put_off(context) if event == "put_off" else globals()[event]()
"""
# Dumped into a file, so that the functions need not sleep for long.
INTO_FILE = """
    os.dup2(file, 2)
"""


class StackDump(FunctionTestCase):
    def start_dumping(self, after_s: float) -> Function:
        """Start a function whose stacks are dumped after ``after_s`` of an invocation."""
        before_ms = round((PATIENCE_S - after_s) * 1000)
        return self.start(joined(HANGING, INTO_FILE), environment={SWITCH: str(before_ms)})

    def dump(self, function: Function) -> str:
        return Path(function.configuration.task_root, "dump").read_text()

    def assertShows(self, dump: str, *functions: str) -> None:
        """Expect one dump whose stacks contain these functions."""
        self.assertEqual(dump.count("Timeout"), 1, dump)
        for name in functions:
            self.assertIn(f" in {name}\n", dump)

    def test_it_shows_where_each_thread_is(self) -> None:
        function = self.start_dumping(1.0)
        self.invoke(function, "with_a_thread")
        dump = self.dump(function)
        self.assertShows(dump, "sleep_here", "with_a_thread", "wait_here", "handle_event_request")
        self.assertIn(f'{function.configuration.task_root}/function.py", line ', dump)
        self.assertEqual(dump.count(HEADLINE), 2, dump)
        self.assertStillWorks(function)

    def test_all_code_of_an_invocation_is_shown(self) -> None:
        function = self.start_dumping(1.0)  # PyPy needs long for the first event loop
        # A waiting coroutine is not on a stack, which only shows that the event loop is idle.
        shown = {"block_here": "block_here", "stream_here": "stream_here", "put_off": "sleep_here"}
        for event, name in {**shown, "hang": "run_until_complete"}.items():
            with self.subTest(event):
                for _ in range(5):
                    self.invoke(function, event)
                    if "<invalid frame>" not in self.dump(function):
                        break  # since 3.15: the stack was changing while it was read
                self.assertShows(self.dump(function), name)
        self.assertStillWorks(function)

    def test_it_shows_code_that_never_releases_the_interpreter_lock(self) -> None:
        function = self.start(HANGING, environment={SWITCH: "2000"}, timeout_s=4)
        self.assertIn("timed out", self.error(function, "search_here")["errorMessage"])
        log = function.log_text()
        self.assertShows(log, "search_here", "handler")
        self.assertLess(log.index("Timeout"), log.index("Task timed out"))

    def test_a_response_in_time_ends_the_wait(self) -> None:
        function = self.start_dumping(2.0)
        self.assertResponse(function, "quick", True)
        time.sleep(2.2)
        self.assertEqual(self.dump(function), "")
        self.assertResponse(function, "quick", True)
        self.assertStillWorks(function)

    def test_nothing_is_dumped_without_a_standard_error(self) -> None:
        function = self.start_dumping(0.05)
        self.assertResponse(function, "lose_stderr", None)
        self.assertResponse(function, "quick", True)
        self.assertStillWorks(function)

    def test_nothing_is_dumped_without_a_deadline(self) -> None:
        next_event = Reply(reply_bytes(200, b"{}", "Lambda-Runtime-Aws-Request-Id: r1"))
        source = "import time\ndef handler(event, context): time.sleep(0.1)"
        outcome = self.play(next_event, accepted(), source=source, environment={SWITCH: "100"})
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        self.assertNotIn(HEADLINE, outcome.errors)

    def test_nothing_is_dumped_with_a_deadline_in_the_far_future(self) -> None:
        head = ["Lambda-Runtime-Aws-Request-Id: r1", "Lambda-Runtime-Deadline-Ms: " + "9" * 15]
        next_event = Reply(reply_bytes(200, b"{}", *head))
        outcome = self.play(next_event, accepted(), environment={SWITCH: "100"})
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])

    def test_it_is_disabled_by_default(self) -> None:
        for value in (None, "0", "soon"):
            with self.subTest(value):
                function = self.start(HANGING, environment={SWITCH: value})
                self.assertResponse(function, "quick", False)


class ATimer(unittest.TestCase):
    def test_that_is_due_writes_before_it_is_set_again(self) -> None:
        invocation: Any = SimpleNamespace(deadline_ms=1)
        for step in ("renew", "end", "begin"):
            written = 0
            for _ in range(5):
                with tempfile.TemporaryFile() as file:
                    dump = stack_dump.StackDump(0, file.fileno())
                    invocation.deadline_ms = time.time() * 1000 + 60
                    dump.begin(invocation)
                    while time.time() * 1000 < dump._fires_ms:
                        pass
                    getattr(dump, step)(*[invocation] * (step == "begin"))
                    written += file.seek(0, 2) > 0
                    dump.end()
            self.assertGreater(written, 2, step)  # none without the pause; a busy machine may need longer


if __name__ == "__main__":
    unittest.main()
