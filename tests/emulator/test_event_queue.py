"""Asynchronous events: the queue, the retries, and what becomes of those that fail for good."""

from __future__ import annotations

import json
import re
import time
from unittest import mock

from tests.emulator.test_concurrency import IDS, WAITING, ConcurrencyTestCase, descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.function import Function

# Fails as often as the event says, and notes when it was called with which ids.
FAILING = """
while True:
    r, event, headers = take()
    event = json.loads(event)
    ids = [headers["Lambda-Runtime-" + name] for name in ("Trace-Id", "Invocation-Id")]
    print("try", json.dumps([time.time(), r, *ids]))
    tries = int(open("tries").read()) if os.path.exists("tries") else 0
    with open("tries", "w") as file:
        file.write(str(tries + 1))
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(60)
    if tries < event:
        call("POST", f"invocation/{r}/error", '{"errorType": "E", "errorMessage": "m"}')
    else:
        respond(r, "done")
"""


class AnEvent(ConcurrencyTestCase):
    def send(self, function: Function, event: object, **details: Any) -> str:
        result = function.invoke(json.dumps(event).encode(), invocation_type="Event", **details)
        self.assertEqual((202, b""), (result.status, result.payload))
        return result.request_id

    def tries(self, function: Function) -> list[Any]:
        return [json.loads(found) for found in re.findall("^try (.*)$", function.log_text(), re.MULTILINE)]

    def test_that_fails_is_tried_twice_more_with_the_same_ids(self) -> None:
        function = self.start(FAILING, retry_delay_s=0.3)
        request_id = self.send(function, 2)
        self.wait_for_log(function, "REPORT ", 3)
        tries = self.tries(function)
        self.assertEqual([request_id] * 3, [one[1] for one in tries])
        self.assertEqual((1, 3), (len({one[2] for one in tries}), len({one[3] for one in tries})))
        first, second, third = (one[0] for one in tries)
        self.assertGreaterEqual(second - first, 0.3)
        self.assertGreaterEqual(third - second, 0.6)
        log = function.log_text()
        self.assertIn("the asynchronous event failed; it is tried again in 0.6 s\n", log)
        self.assertNotIn("dropped", log)

    def test_that_succeeds_is_not_tried_again(self) -> None:
        function = self.start(FAILING, retry_delay_s=0.01)
        self.send(function, 0)
        self.wait_for_log(function, "REPORT ")
        time.sleep(0.2)
        self.assertEqual(1, len(self.tries(function)))

    def test_that_fails_for_good_is_dropped_with_a_line_in_the_log(self) -> None:
        function = self.start(FAILING, retry_delay_s=0.01)
        request_id = self.send(function, 9)
        text = "the event is dropped after 3 tries (RetriesExhausted); --dead-letter FILE keeps it\n"
        self.wait_for_log(function, f"RequestId: {request_id} Error: {text}")
        time.sleep(0.1)
        self.assertEqual(3, len(self.tries(function)))

    def test_that_fails_for_good_is_kept_as_lambda_describes_it(self) -> None:
        for event, error in (
            (9, {"errorType": "E", "errorMessage": "m"}),
            ("exit", {"errorType": "Runtime.ExitError"}),
            ("sleep", {"errorType": "Sandbox.Timedout"}),
        ):
            with self.subTest(event):
                path = self.folder / f"dead-{event}"
                function = self.start(FAILING, retry_delay_s=0.01, dead_letter=str(path), timeout_s=0.5)
                request_id = self.send(function, event)
                self.wait_until(lambda path=path: path.exists() and path.read_text().endswith("\n"))  # type: ignore[misc]
                (record,) = [json.loads(line) for line in path.read_text().splitlines()]
                self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertLessEqual(set(error.items()), set(record.pop("responsePayload").items()))
                expected = {
                    "version": "1.0",
                    "requestContext": {
                        "requestId": request_id,
                        "functionArn": function.arn() + ":$LATEST",
                        "condition": "RetriesExhausted",
                        "approximateInvokeCount": 3,
                    },
                    "requestPayload": event,
                    "responseContext": {
                        "statusCode": 200,
                        "executedVersion": "$LATEST",
                        "functionError": "Unhandled",
                    },
                }
                self.assertEqual(expected, record)
                self.assertNotIn("dropped", function.log_text())

    def test_waits_for_a_free_environment(self) -> None:
        function = self.start(
            "while True: r, e, _ = take(); print('event', e); time.sleep(0.02); respond(r, 1)"
        )
        with mock.patch("lambda_emulator.functions.function.EVENT_PATIENCE_S", 20):
            for number in range(20):
                self.send(function, number)
            self.wait_for_log(function, "REPORT ", 20)
        handled = re.findall("^event (.*)$", function.log_text(), re.MULTILINE)
        self.assertEqual([str(number) for number in range(20)], handled)
        self.assertEqual(0, function.restarts)

    def test_that_is_throttled_is_tried_again(self) -> None:
        function = self.start(
            "while True:\n"
            "  r, event, _ = take(); print('event', event)\n"
            "  while event == '1' and not os.path.exists('go'): time.sleep(0.002)\n"
            "  respond(r, 1)",
            timeout_s=60,
        )
        waiting = self.begin(function, 1)
        self.send(function, 2)
        time.sleep(1.2)  # it waits for an environment for one second, then backs off for another
        self.let("go")
        waiting.result()
        self.wait_for_log(function, "event 2\n")

    def test_for_which_the_system_has_no_descriptors_is_tried_again(self) -> None:
        function = self.start(WAITING, concurrency=2, timeout_s=60, invocation_ids=False)
        self.begin(function, "go")
        with descriptors(0):
            self.send(function, "", **IDS)
            text = "Error: the asynchronous event is tried again: OSError: [Errno 24] Too many open files"
            self.wait_for_log(function, text)
        self.wait_for_log(function, 'event ""\n')
        self.let("go")

    def test_that_waits_for_a_retry_is_reported_when_the_function_is_closed(self) -> None:
        function = self.start(FAILING)
        self.send(function, 9)
        self.wait_for_log(function, "REPORT ")
        self.wait_until(lambda: function._events._due != [])
        function.close()
        lost = "Error: asynchronous events that waited for another try and are lost: 1\n"
        self.assertIn(lost, function.log_text())
