"""How the runtime handles each status of the Runtime API's responses."""

from __future__ import annotations

import json
import re
import unittest

from tests.scripted_server import CLOSE, Reply, refusal, reply_bytes
from tests.support import FunctionTestCase, Outcome, accepted, event

RETURN = "def handler(event, context): return event"
FAIL = "def handler(event, context): raise ValueError('bad thing')"

XRAY = "lambda-runtime-function-xray-error-cause"

# The server's responses after which the loop continues with the next event.
HARMLESS: list[tuple[str, Reply]] = [
    ("200", Reply(reply_bytes(200))),
    ("202 without a body", Reply(reply_bytes(202))),
    ("204", Reply(reply_bytes(204, length=False))),
]
LOGGED: list[tuple[str, Reply]] = [
    ("400 unknown id", refusal(400, "InvalidRequestID", "Invalid request ID")),
    ("400 bad mode", refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")),
    ("400 truncated", refusal(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")),
    (
        "403 a second response",
        refusal(
            403,
            "InvalidStateTransition",
            "State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. "
            "Error: State transition is not allowed",
        ),
    ),
    ("410 too late", refusal(410, "InvokeTimeout", "Invoke timeout")),
    ("429 not documented", refusal(429, "TooMany", "calm down")),
]
FATAL: list[tuple[str, Reply]] = [
    ("404", Reply(reply_bytes(404, b"404 page not found\n", "Content-Type: text/plain"))),
    ("500", refusal(500, "InternalServerError", "Internal Server Error")),
    ("502", Reply(reply_bytes(502))),
    ("503", Reply(reply_bytes(503, b"\x00\xff\r\n\x1b[31m"))),
]


class Next(FunctionTestCase):
    def test_anything_but_200_ends_the_process_with_one_clear_line(self) -> None:
        rows = [
            ("403", refusal(403, "InvalidStateTransition", "State transition from X to Ready failed")),
            ("410", refusal(410)),
            ("202", accepted()),
            ("204", Reply(reply_bytes(204, length=False))),
            ("301", Reply(reply_bytes(301, b"", "Location: http://127.0.0.1:1/"))),
            *FATAL,
        ]
        for name, reply in rows:
            with self.subTest(name):
                outcome = self.play(reply)
                self.assertEqual(outcome.calls, ["next"], "it must not request again")
                self.assertEnded(outcome, name[:3])

    def test_the_same_applies_to_the_second_next(self) -> None:
        for name, reply in FATAL:
            with self.subTest(name):
                outcome = self.play(event(), accepted(), reply)
                self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
                self.assertEnded(outcome, name[:3])

    def test_the_line_quotes_the_server(self) -> None:
        outcome = self.play(refusal(403, "InvalidStateTransition", "not from here"))
        self.assertIn("InvalidStateTransition", outcome.errors)
        self.assertIn("not from here", outcome.errors)

    def assertEnded(self, outcome: Outcome, status: str) -> None:
        self.assertEqual(outcome.status, 1)
        self.assertRegex(outcome.errors, re.compile(rf"\ALAMBDA_RUNTIME .*{status}.*\n\Z"))
        self.assertTrue(outcome.errors.isprintable() or outcome.errors[:-1].isprintable(), outcome.errors)


class Responses(FunctionTestCase):
    """Statuses of posted results and of posted errors."""

    KINDS = (("response", RETURN), ("error", FAIL))

    def test_a_server_that_repeats_an_event_does_not_keep_the_runtime_busy(self) -> None:
        stale = refusal(400, "InvalidRequestID", "Invalid request ID")
        for kind, source in (*self.KINDS, ("response", "def handler(event, context): yield b'x'")):
            for name, reply in (("refused", stale), ("lost", Reply(b"", CLOSE))):
                with self.subTest(kind, source=source, reply=name):
                    outcome = self.play(*[event(), reply] * 20, source=source)
                    self.assertEqual(outcome.calls, ["next", f"r1/{kind}"] * 5)
                    self.assertEqual(outcome.status, 1)
                    self.assertIn("The same event was sent 5 times. The runtime exits.\n", outcome.errors)

    def test_an_event_that_lambda_tries_three_times_does_not_end_the_runtime(self) -> None:
        late = refusal(410, "InvokeTimeout", "Invoke timeout")
        outcome = self.play(*[event(), late] * 3, *[event("r2"), late] * 3, event("r3"), accepted())
        self.assertEqual(outcome.calls[-2:], ["r3/response", "next"])

    def test_every_2xx_is_an_acceptance(self) -> None:
        for kind, source in self.KINDS:
            for name, reply in HARMLESS:
                with self.subTest(kind, reply=name):
                    outcome = self.play(event("r1"), reply, event("r2"), accepted(), source=source)
                    self.assertEqual(outcome.calls, ["next", f"r1/{kind}", "next", f"r2/{kind}", "next"])
                    self.assertNotIn("LAMBDA_RUNTIME", outcome.output)

    def test_a_refused_response_is_logged_and_the_loop_continues(self) -> None:
        for kind, source in self.KINDS:
            for name, reply in LOGGED:
                with self.subTest(kind, reply=name):
                    outcome = self.play(event("r1"), reply, event("r2"), accepted(), source=source)
                    self.assertEqual(outcome.calls, ["next", f"r1/{kind}", "next", f"r2/{kind}", "next"])
                    self.assertRegex(outcome.output, rf"LAMBDA_RUNTIME POST \S+/r1/{kind} .*{name[:3]}")

    def test_a_refusal_followed_by_a_refused_next_ends_the_process(self) -> None:
        wedged = refusal(403, "InvalidStateTransition")
        for kind, source in self.KINDS:
            with self.subTest(kind):
                outcome = self.play(event(), wedged, wedged, source=source)
                self.assertEqual(outcome.calls, ["next", f"r1/{kind}", "next"])
                self.assertEqual(outcome.status, 1)

    def test_a_status_that_cannot_be_recovered_ends_the_process(self) -> None:
        for kind, source in self.KINDS:
            for name, reply in FATAL:
                with self.subTest(kind, reply=name):
                    outcome = self.play(event(), reply, source=source)
                    self.assertEqual(outcome.calls, ["next", f"r1/{kind}"])
                    self.assertEqual(outcome.status, 1)
                    self.assertRegex(outcome.errors, rf"\ALAMBDA_RUNTIME .*{name[:3]}")

    def test_after_413_for_a_response_no_error_is_posted(self) -> None:
        too_large = refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
        outcome = self.play(event("r1", b'"abc"'), too_large, event("r2"), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])
        self.assertRegex(outcome.output, "r1.*it has 5 bytes")

    def test_after_413_for_an_error_a_smaller_one_is_posted(self) -> None:
        too_large = refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
        source = "def handler(event, context): raise ValueError('y' * 50_000)"
        outcome = self.play(event(), too_large, accepted(), event("r2"), accepted(), source=source)
        self.assertEqual(outcome.calls, ["next", "r1/error", "r1/error", "next", "r2/error", "next"])
        first, second = outcome.requests[1:3]
        self.assertGreater(len(first.body), 50_000)
        self.assertLess(len(second.body), 8192)
        for request in (first, second):
            payload = json.loads(request.body.decode())
            self.assertEqual(payload["errorType"], "ValueError")
            self.assertEqual(payload["requestId"], "r1")
            self.assertEqual(payload["errorMessage"][:100], "y" * 100)

    def test_the_smaller_error_is_the_last_attempt(self) -> None:
        too_large = refusal(413, "RequestEntityTooLarge")
        outcome = self.play(event(), too_large, too_large, event("r2"), accepted(), source=FAIL)
        self.assertEqual(outcome.calls, ["next", "r1/error", "r1/error", "next", "r2/error", "next"])

    def test_after_431_the_error_is_posted_once_more_without_the_x_ray_cause(self) -> None:
        too_large = Reply(reply_bytes(431, b"", "Content-Type: text/plain", "Connection: close"), "close")
        for name, last in (("accepted", accepted()), ("refused again", too_large)):
            with self.subTest(name):
                outcome = self.play(event(), too_large, last, event("r2"), accepted(), source=FAIL)
                self.assertEqual(outcome.calls, ["next", "r1/error", "r1/error", "next", "r2/error", "next"])
                first, second = outcome.requests[1:3]
                self.assertIn(XRAY, first.headers)
                self.assertNotIn(XRAY, second.headers)
                self.assertEqual(first.body, second.body)
                self.assertIn(XRAY, outcome.requests[4].headers)

    def test_the_loop_continues_after_431_for_a_response(self) -> None:
        too_large = Reply(reply_bytes(431, b"", "Connection: close"), "close")
        outcome = self.play(event(), too_large, event("r2"), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next", "r2/response", "next"])

    def test_the_invocation_id_is_echoed_with_every_attempt(self) -> None:
        delivered = event("r1", b"{}", "Lambda-Runtime-Invocation-Id: i1")
        outcome = self.play(delivered, refusal(413), accepted(), source=FAIL)
        echoed = [request.headers.get("lambda-runtime-invocation-id") for request in outcome.requests]
        self.assertEqual(echoed, [None, "i1", "i1", None])


if __name__ == "__main__":
    unittest.main()
