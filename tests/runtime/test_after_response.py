"""Work that a handler defers until after its response: ``context.after_response``."""

from __future__ import annotations

import contextlib
import json
import unittest
from pathlib import Path
from urllib.request import urlopen

from lambda_emulator.servers.invoke_api import InvokeApi

from tests.scripted_server import CLOSE, refusal
from tests.support import PATIENCE_S, FunctionTestCase, Reply, accepted, event, joined, own_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.support import Function

# `note` is the deferred call. The response to an event without instructions is the list of notes so far.
NOTE = """
    import asyncio, logging, os, sys, time
    notes = []

    def note(*arguments, **keywords):
        notes.append([*arguments, *keywords.items()])

    async def note_later(*arguments):
        await asyncio.sleep(0.001)
        note("later", *arguments)

    def fail(text):
        raise ValueError(text)
"""
EXECUTE = """
    def handler(event, context):
        if event is None:
            return notes
        names = {**globals(), "context": context, "later": context.after_response}
        exec(event, names)
        return names["response"]() if "response" in names else None
"""


class AfterResponse(FunctionTestCase):
    def start_noting(self) -> Function:
        return self.start(joined(NOTE, EXECUTE))

    def test_calls_are_made_in_order_with_their_arguments_before_the_next_event(self) -> None:
        function = self.start_noting()
        self.assertResponse(function, "later(note, 1); later(note, 2, b=3); later(note)", None)
        self.assertResponse(function, None, [[1], [2, ["b", 3]], []])
        self.assertResponse(function, None, [[1], [2, ["b", 3]], []])
        self.assertStillWorks(function)

    def test_the_caller_does_not_wait_for_it(self) -> None:
        root = self.write({})
        function = self.start(joined(NOTE, EXECUTE), response_grace_s=0)
        source = f"""
def wait():
    note("begun")
    while not os.path.exists("{root}/responded"): time.sleep(0.002)
    note("ended")
later(wait)"""
        self.assertResponse(function, source, None)
        Path(root, "responded").touch()
        self.assertResponse(function, None, [["begun"], ["ended"]])

    def test_http_callers_do_not_wait_for_it(self) -> None:
        root = self.write({})
        function = self.start(joined(NOTE, EXECUTE), response_grace_s=60)
        source = f"""
def wait():
    while not os.path.exists("{root}/responded"): time.sleep(0.002)
later(wait)"""
        with contextlib.closing(InvokeApi(function)) as api:
            path = f"{api.url}/2015-03-31/functions/function/invocations"
            with urlopen(path, json.dumps(source).encode(), timeout=PATIENCE_S) as response:
                self.assertEqual(response.read(), b"null")
        Path(root, "responded").touch()

    def test_async_functions_are_awaited(self) -> None:
        function = self.start_noting()
        self.assertResponse(function, "later(note_later, 1); later(note, 2); later(note_later, 3)", None)
        self.assertResponse(function, None, [["later", 1], [2], ["later", 3]])

    def test_deferred_calls_are_made_last(self) -> None:
        function = self.start_noting()
        self.assertResponse(function, "later(later, note, 'last'); later(note, 'first')", None)
        self.assertResponse(function, None, [["first"], ["last"]])

    def test_it_works_with_every_kind_of_response(self) -> None:
        function = self.start_noting()
        for kind in ("def", "async def"):
            source = (
                f"later(note, 1)\n{kind} response():\n"
                "    later(note, 2); yield 'a'; later(note, 3); yield 'b'"
            )
            self.assertEqual(self.streamed(function, source), b"ab")
        self.assertResponse(function, "later(note, 4)\nasync def response(): later(note, 5)", None)
        self.error(function, "later(note, 6); 1 / 0")
        self.error(function, "later(note, 7); response = object")
        result = function.invoke_streaming(
            b"\"later(note, 8)\\ndef response():\\n yield 'sent'; later(note, 9); 1 / 0\""
        )
        self.assertEqual((b"".join(result), result.error_type), (b"sent", "Function.ZeroDivisionError"))
        self.assertResponse(function, None, [[n] for n in (1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9)])
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_its_errors_are_logged_and_change_nothing(self) -> None:
        function = self.start_noting()
        source = """
bad = ["fail('bad thing')", "sys.exit(3)", "asyncio.run(note_later())()", "{}['a']", "raise BaseException"]
for one in bad:
    later(exec, one, globals())
    later(note, one[:4])
async def fail_later(): fail("bad later")
later(fail_later)
later(note)"""
        result = self.invoke(function, source)
        self.assertEqual(result.payload, b"null")
        self.assertIsNone(result.function_error)
        errors = [line for line in own_log(result).split("\n") if line.startswith("[ERROR]")]
        names = ["ValueError: bad thing", "SystemExit", "TypeError", "KeyError", "BaseException"]
        self.assertEqual(len(errors), 6, errors)
        for error, name in zip(errors, [*names, "ValueError: bad later"]):
            self.assertIn(name, error)
            self.assertIn("Raised in a context.after_response callback", error)
        self.assertIn("in fail\r", errors[0])
        kept = [["fail"], ["sys."], ["later"], ["asyn"], ["{}['"], ["rais"], []]
        self.assertResponse(function, None, kept)
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_calls_that_have_no_effect_are_reported(self) -> None:
        function = self.start_noting()
        source = """
def generate(): yield 1
later(generate)
later(sys.exit, 3)"""
        log = own_log(self.invoke(function, source))
        self.assertIn("Expected a function, got a generator function: calling it does not run its body", log)
        self.assertIn(
            "[ERROR] SystemExit: sys.exit was called after the response, where it does not end the process",
            log,
        )
        self.assertStillWorks(function)

    def test_an_object_that_is_not_callable_is_refused_at_once(self) -> None:
        payload = self.error(self.start(joined(NOTE, EXECUTE)), "later(5)")
        self.assertEqual(payload["errorMessage"], "context.after_response expects a function, got int")

    def test_its_log_records_belong_to_the_invocation(self) -> None:
        function = self.start_noting()
        result = self.invoke(function, "later(logging.warning, 'put off')")
        self.assertRegex(own_log(result), rf"\A\[WARNING\]\t\S+\t{result.request_id}\tput off\n\Z")

    def test_the_time_it_takes_belongs_to_the_invocation(self) -> None:
        function = self.start(joined(NOTE, EXECUTE), timeout_s=2)
        self.assertResponse(function, "later(time.sleep, 60)", None)
        self.assertResponse(function, None, [])
        self.assertEqual(function.restarts, 1)
        self.assertIn("Task timed out after 2.00 seconds", function.log_text())

    def test_it_is_not_called_when_the_response_was_not_accepted(self) -> None:
        source = joined(
            """
            def handler(event, context):
                context.after_response(print, "called")
                context.after_response(print, "called")
                if event == "error": 1 / 0
                return iter_(event) if event == "stream" else event

            def iter_(event):
                yield event
            """
        )
        for name, reply in [("refused", refusal(410)), ("cut off", Reply(b"", CLOSE))]:
            for kind in ("value", "stream", "error"):
                with self.subTest(name, kind=kind):
                    script = [event("r1", json.dumps(kind).encode()), reply, event("r2", b"1"), accepted()]
                    outcome = self.play(*script, source=source)
                    path = "error" if kind == "error" else "response"
                    self.assertEqual(outcome.calls, ["next", f"r1/{path}", "next", "r2/response", "next"])
                    before, message, after = outcome.output.partition("Lambda did not accept the response")
                    self.assertTrue(message, outcome.output)
                    self.assertNotIn("called\n", before)
                    self.assertTrue(
                        after.startswith(", so 2 callbacks of context.after_response are not run\n")
                    )
                    self.assertEqual(after.count("called\n"), 2)


if __name__ == "__main__":
    unittest.main()
