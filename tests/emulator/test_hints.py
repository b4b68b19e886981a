"""Hints: one line, once for each cause, where people stumble; not part of the function's log."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import unittest
import urllib.request
from unittest import mock

from lambda_emulator.functions import stacks
from lambda_emulator.functions.hints import Hints
from lambda_emulator.functions.memory import MemoryGauge
from lambda_emulator.servers.function_url import FunctionUrl

from tests.support import PATIENCE_S, SMALL_NURSERY, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tests.support import Function

SOURCE = """
    import asyncio, json, logging, re, sys, time

    def handler(event, context):
        if isinstance(event, dict):  # from the function URL
            event = event["rawPath"][1:]
        return globals()[event]()

    def envelope():
        return {"statusCode": 201, "body": "b"}

    def text():
        yield json.dumps(envelope())

    def prelude():
        yield {"statusCode": 201}
        yield json.dumps({"statusCode": "is a key of the body"})

    def glue():
        print("before", end="")
        logging.warning("a record")

    def leave_unfinished():
        sys.stdout.write("without an end")

    def end_lines():
        print('{"level": "of an object", "timestamp": "t"}')
        print('an object {"a": 1}')
        logging.warning("a record")

    def fill():
        kept.append(b"x" * (SIZE << 20))

    kept = []
    SIZE = 90

    def hang():
        sleep_here()

    def sleep_here():
        time.sleep(9)  # here

    def search():
        re.match("(a+)+$", "a" * 60 + "b")

    def stream():
        yield "a"
        time.sleep(9)  # midway

    async def wait():
        await asyncio.sleep(9)
"""


def shown(line: str) -> str:
    """Return a pattern for a line of the source; PyPy knows only the first line of the function."""
    return "" if sys.implementation.name == "pypy" else re.escape(f" ({line})")


class HintsTestCase(FunctionTestCase):
    def open(self, source: str = SOURCE, **settings: Any) -> Function:
        """Start a function, and keep the hints that the person sees."""
        self.shown: list[str] = []
        # The memory that PyPy needs would otherwise depend on the processor's cache.
        settings["environment"] = {**SMALL_NURSERY, **settings.get("environment", {})}
        return self.start(source, log=lambda lines, _: self.shown.append(lines.decode()), **settings)

    def hints(self, function: Function) -> list[str]:
        """Return the hints that were shown, after expecting that the log has none."""
        lines = [line for line in "".join(self.shown).splitlines() if "Hint: " in line or "r.hint" in line]
        for line in lines:
            self.assertNotIn(line, function.log_text())
        return lines


class AResponse(HintsTestCase):
    def get(self, path: str, invoke_mode: str = "RESPONSE_STREAM") -> bytes:
        url = FunctionUrl(self.function, invoke_mode=invoke_mode)
        self.addCleanup(url.close)
        with urllib.request.urlopen(f"{url.url}{path}") as reply:
            body: bytes = reply.read()
            return body

    def test_that_is_an_envelope_reaches_the_client_of_a_streaming_url_raw(self) -> None:
        self.function = self.open()
        self.get("prelude")
        self.get("envelope", "BUFFERED")
        self.assertEqual([], self.hints(self.function))
        for path in ("envelope", "text", "envelope"):
            self.assertEqual({"statusCode": 201, "body": "b"}, json.loads(self.get(path)))
            (hint,) = self.hints(self.function)
        self.assertRegex(hint, r'^Hint: The client received \{"statusCode": …\} as the body, .*--invoke-mode')


class ALine(HintsTestCase):
    def test_that_a_json_record_follows(self) -> None:
        function = self.open(environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        self.call(function, "end_lines")
        self.assertEqual([], self.hints(function))
        for event in ("glue", "leave_unfinished"):
            self.call(function, event)
            (hint,) = self.hints(function)
        record = json.loads(hint)
        self.assertEqual("emulator.hint", record["type"])
        message = "'before' stands before a JSON record on one line, so CloudWatch does not read the line as"
        self.assertIn(message, record["record"]["message"])

    def test_without_an_end(self) -> None:
        function = self.open(environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        self.call(function, "leave_unfinished")
        (hint,) = self.hints(function)
        self.assertIn("'without an end' is sent without a line end", json.loads(hint)["record"]["message"])

    def test_may_be_unfinished_in_a_log_of_text(self) -> None:
        function = self.open()
        self.call(function, "leave_unfinished")
        self.assertEqual([], self.hints(function))


class Memory(unittest.TestCase):
    def test_that_is_nearly_used_up(self) -> None:
        shown: list[str] = []
        hints = Hints(shown.append)
        for used_mb in (115, 116, 128, 129, 130):
            hints.look_at_memory(used_mb, 128)
        near, above = shown
        self.assertIn("used 116 of 128 MB (91%). Lambda kills a function that uses more", near)
        self.assertIn("used 129 of 128 MB (101%). Lambda kills", above)


class AMeasurement(unittest.TestCase):
    def test_that_must_be_taken_waits_for_one_that_may_have_begun_too_early(self) -> None:
        gauge = MemoryGauge()
        gauge.watch(os.getpid())
        with gauge._lock:  # as a thread has it that was stopped after it had read a smaller figure
            thread = threading.Thread(target=gauge.sample, kwargs={"certainly": True})
            thread.start()
            gauge.sample()
            self.assertEqual(0, gauge.max_kb)
        thread.join()
        self.assertGreater(gauge.max_kb, 0)


class MemoryOfAFunction(HintsTestCase):
    def test_is_compared_with_its_memory_size(self) -> None:
        function = self.open()
        self.call(function, "end_lines")
        used_mb = function.invoke(b'"end_lines"').report.max_memory_mb
        self.assertEqual([], self.hints(function))
        size = round(128 * 0.95) - used_mb
        function = self.open(SOURCE.replace("SIZE = 90", f"SIZE = {size}"))
        for _ in range(2):
            function.invoke(b'"fill"' if not self.hints(function) else b'"end_lines"')
        (hint,) = self.hints(function)
        self.assertRegex(hint, r"^Hint: The function used 1[12]\d of 128 MB \(9\d%\)\. ")


class ATimeout(HintsTestCase):
    LIMIT: Mapping[str, Any] = {"timeout_s": 0.5, "locate_timeouts": True}

    def test_says_where_the_function_was(self) -> None:
        function = self.open(**self.LIMIT)
        for event in ("hang", "hang", "search"):
            self.assertIn("timed out", self.error(function, event)["errorMessage"])
        first, second = self.hints(function)
        places = " called from ".join(
            rf"function\.py, line \d+, in {line},"
            for line in (
                rf"sleep_here{shown('time.sleep(9)  # here')}",
                rf"hang{shown('sleep_here()')}",
                rf"handler{shown('return globals()[event]()')}",
            )
        )
        beginning = r"Hint: Shortly before the time limit of 0\.5 s, the function was at"
        self.assertRegex(first, rf"\A{beginning} {places[:-1]}\. Set")
        self.assertRegex(second, rf" in search{shown('re.match(')[:-2]}")
        self.assertTrue(second.endswith(" limit for what takes long there, or raise --timeout."))
        self.assertNotIn("most recent call first", function.log_text())

    def test_in_a_stream_or_in_an_await(self) -> None:
        function = self.open(**self.LIMIT)
        result = function.invoke_streaming(b'"stream"')
        self.assertEqual(b"a", b"".join(result))
        _ = result.report
        self.error(function, "wait")
        stream, wait = self.hints(function)
        self.assertRegex(stream, rf" in stream{shown('time.sleep(9)  # midway')}\. Set")
        self.assertIn("the function was waiting in an await, not running its own code. ", wait)

    def test_does_not_show_the_stacks_of_an_invocation_before_it(self) -> None:
        source = """
            import time
            def handler(event, context):
                time.sleep(event)
        """
        before_ms = (PATIENCE_S - 0.3) * 1000  # the stacks are written after 0.3 s
        with mock.patch.object(stacks, "BEFORE_MS", before_ms), mock.patch.object(stacks, "BEFORE_SHARE", 1):
            function = self.open(source, locate_timeouts=True)
        self.call(function, 0.5)
        self.call(function, 0)
        self.assertEqual([], self.hints(function))

    def test_leaves_the_functions_own_setting_alone(self) -> None:
        environment = {"LAMBDA_RUNTIME_DUMP_STACKS_MS": "100"}
        function = self.open(**self.LIMIT, environment=environment)
        self.error(function, "hang")
        self.assertEqual([], self.hints(function))
        self.assertIn("most recent call first", function.log_text())


if __name__ == "__main__":
    unittest.main()
