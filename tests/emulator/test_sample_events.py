"""Sample events: their shape, the fields that people change, and their names on the command line."""

from __future__ import annotations

import base64
import decimal
import hashlib
import http.client
import json
import subprocess
import unittest

from lambda_emulator import sample_events as events
from lambda_emulator.servers.function_url import BUFFERED, FunctionUrl

from tests.support import EMULATOR_ENVIRONMENT, ROOT, FunctionTestCase, emulator

# A WSGI application that returns the request as it received it.
MIRROR = """
    import json
    from lambda_runtime import wsgi

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_X_HUE", "HTTP_COOKIE")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return [json.dumps([*(environ.get(name) for name in names), body.decode("latin-1")]).encode()]

    handler = wsgi.handler(app, streaming=False)
"""


class Shape(unittest.TestCase):
    def test_every_event_is_json_and_the_same_each_time(self) -> None:
        for name in events.EVENTS:
            with self.subTest(name):
                event = events.make(name)
                self.assertEqual(json.loads(json.dumps(event)), events.make(name))

    def test_changing_an_event_does_not_change_the_next(self) -> None:
        for trigger in ("TokenGeneration_Authentication", "PreSignUp_SignUp"):
            first = events.cognito(trigger)
            before = json.dumps(first)
            first["request"].popitem()
            first["response"].clear()
            self.assertEqual(json.dumps(events.cognito(trigger)), before)

    def test_a_target_without_a_slash_is_refused(self) -> None:
        for source in (events.function_url, events.http_api, events.rest_api, events.alb):
            with self.subTest(source.__name__), self.assertRaisesRegex(ValueError, "'/orders\\?a=b'"):
                source("GET", "orders?a=b")

    def test_unknown_names_are_answered_with_those_that_exist(self) -> None:
        for make, name, listed in (
            (events.make, "sqz", "sqs"),
            (events.cognito, "PreSignOut_X", "PreSignUp"),
            (events.cloudfront, "viewer", "viewer-request"),
        ):
            with self.subTest(name), self.assertRaisesRegex(
                ValueError, f"'.*' is not .* names are .*{listed}"
            ):
                make(name)


class Fields(unittest.TestCase):
    def test_sqs_has_a_message_for_each_body(self) -> None:
        first, second = events.sqs("a", {"id": 7}, queue="orders", attributes={"n": 1, "s": "x"})["Records"]
        self.assertEqual((first["body"], second["body"]), ("a", '{"id": 7}'))
        self.assertNotEqual(first["messageId"], second["messageId"])
        self.assertEqual(first["md5OfBody"], hashlib.md5(b"a").hexdigest())
        self.assertEqual(first["eventSourceARN"], "arn:aws:sqs:us-east-1:123456789012:orders")
        types = {name: value["dataType"] for name, value in first["messageAttributes"].items()}
        self.assertEqual(types, {"n": "Number", "s": "String"})
        self.assertNotIn("MessageGroupId", first["attributes"])

    def test_messages_of_fifo_queues_have_a_group_and_a_sequence(self) -> None:
        first, second = events.sqs("a", "b", queue="orders.fifo", group="g")["Records"]
        self.assertEqual(first["attributes"]["MessageGroupId"], "g")
        self.assertLess(first["attributes"]["SequenceNumber"], second["attributes"]["SequenceNumber"])

    def test_kinesis_has_the_data_in_base64(self) -> None:
        records = events.kinesis("text", b"\xff", {"a": 1}, stream="s")["Records"]
        data = [base64.b64decode(record["kinesis"]["data"]) for record in records]
        self.assertEqual(data, [b"text", b"\xff", b'{"a": 1}'])
        self.assertEqual(len({record["eventID"] for record in records}), 3)

    def test_dynamodb_has_attribute_values(self) -> None:
        item = {
            "id": "1",
            "n": decimal.Decimal("1.5"),
            "l": [1, None, True],
            "m": {"b": b"\xff"},
            "ns": {2, 1},
            "ss": {"x"},
        }
        change = events.dynamodb(item, table="orders")["Records"][0]
        self.assertEqual(change["eventName"], "INSERT")
        expected = {
            "id": {"S": "1"},
            "n": {"N": "1.5"},
            "l": {"L": [{"N": "1"}, {"NULL": True}, {"BOOL": True}]},
            "m": {"M": {"b": {"B": "/w=="}}},
            "ns": {"NS": ["1", "2"]},
            "ss": {"SS": ["x"]},
        }
        self.assertEqual(change["dynamodb"]["NewImage"], expected)
        self.assertEqual(change["dynamodb"]["Keys"], {"id": {"S": "1"}})
        self.assertNotIn("OldImage", change["dynamodb"])

    def test_dynamodb_tells_changes_by_their_images(self) -> None:
        names = [
            events.dynamodb(*images)["Records"][0]["eventName"]
            for images in (({"id": 1}, {"id": 1}), (None, {"id": 1}))
        ]
        self.assertEqual(names, ["MODIFY", "REMOVE"])

    def test_s3_encodes_the_key(self) -> None:
        created = events.s3("a b/ü.txt", bucket="photos", size=7)["Records"][0]["s3"]
        self.assertEqual((created["object"]["key"], created["object"]["size"]), ("a+b/%C3%BC.txt", 7))
        removed = events.s3(event_name="ObjectRemoved:Delete")["Records"][0]["s3"]
        self.assertNotIn("size", removed["object"])

    def test_a_response_of_cloudfront_has_its_request(self) -> None:
        cf = events.cloudfront("origin-response", target="/a?b=c", status=404)["Records"][0]["cf"]
        self.assertEqual((cf["request"]["uri"], cf["request"]["querystring"]), ("/a", "b=c"))
        self.assertEqual(
            (cf["response"]["status"], cf["response"]["statusDescription"]), ("404", "Not Found")
        )


class Requests(FunctionTestCase):
    def test_an_application_receives_the_same_request_from_every_source(self) -> None:
        function = self.start(MIRROR)
        headers = {"X-Hue": "red", "Cookie": "a=1; b=2"}
        for source, make in (
            ("http-api", events.http_api),
            ("rest-api", events.rest_api),
            ("function-url", events.function_url),
            ("alb", events.alb),
        ):
            url = FunctionUrl(function, invoke_mode=BUFFERED, source=source)
            self.addCleanup(url.close)
            client = http.client.HTTPConnection(url.url[len("http://") : -1], timeout=20)
            self.addCleanup(client.close)
            for sent, content_type in (
                ({"n": "ü"}, "application/json"),
                (b"\xff\0", "application/octet-stream"),
            ):
                with self.subTest(source, sent=sent):
                    target = "/a%20b/c?d=1&e=%C3%BC"
                    envelope = self.call(function, make("POST", target, headers=headers, body=sent))
                    expected = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
                    client.request("POST", target, expected, {**headers, "Content-Type": content_type})
                    reply = client.getresponse()  # to a real request
                    for status, mirrored in (
                        (envelope["statusCode"], envelope["body"]),
                        (reply.status, reply.read()),
                    ):
                        self.assertEqual(status, 200)
                        method, path, query, received_type, hue, cookie, body = json.loads(mirrored)
                        self.assertEqual((method, path, hue, cookie), ("POST", "/a b/c", "red", "a=1; b=2"))
                        self.assertEqual((query, received_type), ("d=1&e=%C3%BC", content_type))
                        self.assertEqual(body.encode("latin-1"), expected)


class CommandLine(FunctionTestCase):
    def run_event(self, name: str) -> subprocess.CompletedProcess[str]:
        root = self.write({"function.py": "def handler(event, context):\n    return event"})
        command = emulator("run", "--handler=function.handler", f"--task-root={root}", f"--event={name}")
        return subprocess.run(
            command, cwd=ROOT, env=EMULATOR_ENVIRONMENT, capture_output=True, text=True, check=False
        )

    def test_a_name_sends_the_sample_event(self) -> None:
        self.assertEqual(json.loads(self.run_event("sqs").stdout), events.sqs())

    def test_words_of_json_are_not_names(self) -> None:
        self.assertEqual(self.run_event("null").stdout, "null\n")

    def test_an_unknown_name_is_refused_with_the_names(self) -> None:
        done = self.run_event("sqz")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn(
            f"'sqz' is not the name of a sample event; the names are {', '.join(events.EVENTS)}", done.stderr
        )


if __name__ == "__main__":
    unittest.main()
