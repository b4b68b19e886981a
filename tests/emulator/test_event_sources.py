"""HTTP requests as the events of API Gateway and load balancers, and responses as they read them."""

from __future__ import annotations

import base64
import http.client
import json
import unittest

from lambda_emulator import sample_events
from lambda_emulator.servers.event_sources import EVENT_SOURCES
from lambda_emulator.servers.function_url import BUFFERED, RESPONSE_STREAM, FunctionUrl

from tests.emulator.test_emulator import EmulatorTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from lambda_emulator.functions.function import Function

# Returns its event as the body at /event, and otherwise the body as its response, or an error without one.
RUNTIME = """
while True:
    r, event, _ = take()
    members = json.loads(event)
    if members.get("rawPath", members.get("path")).startswith("/event"):
        respond(r, {"statusCode": 200, "body": event})
    elif members["path" if "path" in members else "rawPath"] == "/long":
        respond(r, {"statusCode": 200, "body": "x" * 1_048_576})
    elif members["path" if "path" in members else "rawPath"] == "/stream":
        head = {"statusCode": 201, "multiValueHeaders": {"X-A": ["1", "2"]}}
        kind = "application/vnd.awslambda.http-integration-response"
        path = f"/2018-06-01/runtime/invocation/{r}/response"
        sent = {"Content-Type": kind, "Lambda-Runtime-Function-Response-Mode": "streaming"}
        api.request("POST", path, json.dumps(head).encode() + bytes(8) + b"hi", sent)
        api.getresponse().read()
    elif members.get("body"):
        respond(r, members["body"])
    else:
        call("POST", f"invocation/{r}/error", '{"errorType": "E", "errorMessage": "m"}')
"""
TEXT = [("Content-Type", "application/json")]
HTTP, REST, ALB = "http-api", "rest-api", "alb"


class SourceTestCase(EmulatorTestCase):
    def open(self, source: str, function: Function, invoke_mode: str = BUFFERED) -> None:
        url = FunctionUrl(function, invoke_mode=invoke_mode, source=source)
        self.addCleanup(url.close)
        self.connection = http.client.HTTPConnection(url.url[len("http://") : -1], timeout=20)
        self.addCleanup(self.connection.close)

    def ask(
        self, method: str, target: str, body: bytes = b"", fields: Sequence[tuple[str, str]] = ()
    ) -> http.client.HTTPResponse:
        self.connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in [*fields, ("Content-Length", str(len(body)))]:
            self.connection.putheader(name, value)
        self.connection.endheaders(body)
        return self.connection.getresponse()


class AnEvent(SourceTestCase):
    def event(self, source: str, *request: Any) -> dict[str, Any]:
        self.open(source, self.started)
        event: dict[str, Any] = json.loads(self.ask(*request).read())
        return event

    def setUp(self) -> None:
        super().setUp()
        self.started = self.start(RUNTIME)

    def test_has_the_members_of_the_sample_event(self) -> None:
        for source in EVENT_SOURCES:
            with self.subTest(source):
                sample, event = sample_events.make(source), self.event(source, "POST", "/event")
                self.assertLessEqual(set(sample), set(event))
                self.assertLessEqual(set(sample["requestContext"]), set(event["requestContext"]))

    def test_of_a_rest_api(self) -> None:
        fields = [("X-A", "1"), ("X-A", "2"), ("Cookie", "a=b"), ("Connection", "keep-alive")]
        event = self.event(REST, "POST", "/event/a%20b?c=1&c=d%20e", b"a=b", fields)
        headers, context = event["headers"], event["requestContext"]
        self.assertEqual(("2", "a=b", "3"), (headers["X-A"], headers["Cookie"], headers["Content-Length"]))
        self.assertEqual(["1", "2"], event["multiValueHeaders"]["X-A"])
        self.assertNotIn("Connection", headers)
        self.assertEqual((f"{self.connection.host}:{self.connection.port}", "http"),
                         (headers["Host"], headers["X-Forwarded-Proto"]))  # fmt: skip
        self.assertEqual({"c": "d e"}, event["queryStringParameters"])
        self.assertEqual({"c": ["1", "d e"]}, event["multiValueQueryStringParameters"])
        self.assertEqual(("/event/a%20b", "/event/a%20b"), (event["path"], context["path"]))
        self.assertEqual(
            ("/{proxy+}", {"proxy": "event/a%20b"}), (event["resource"], event["pathParameters"])
        )
        self.assertEqual(("a=b", False), (event["body"], event["isBase64Encoded"]))
        self.assertEqual("127.0.0.1", context["identity"]["sourceIp"])
        self.assertNotEqual(sample_events.rest_api()["requestContext"]["requestId"], context["requestId"])
        self.assertIn(".execute-api.", context["domainName"])
        binary = self.event(REST, "POST", "/event", b"\xff")
        self.assertEqual(
            (base64.b64encode(b"\xff").decode(), True), (binary["body"], binary["isBase64Encoded"])
        )

    def test_of_an_http_api_has_the_decoded_path(self) -> None:
        event = self.event(HTTP, "GET", "/event/a%20b?c=1&c=2", b"", [("Cookie", "a=b; c=d")])
        self.assertEqual(("2.0", "/event/a b"), (event["version"], event["rawPath"]))
        self.assertEqual(({"c": "1,2"}, ["a=b", "c=d"]), (event["queryStringParameters"], event["cookies"]))
        self.assertIn(".execute-api.", event["requestContext"]["domainName"])

    def test_of_a_load_balancer_has_single_values_and_the_encoded_query(self) -> None:
        event = self.event(ALB, "GET", "/event/a%20b?c=1&c=d%20e", b"", [("X-A", "1"), ("X-A", "2")])
        self.assertEqual(("2", {"c": "d%20e"}), (event["headers"]["x-a"], event["queryStringParameters"]))
        self.assertEqual(("/event/a%20b", ""), (event["path"], event["body"]))
        self.assertNotIn("multiValueHeaders", event)
        self.assertEqual(413, self.ask("POST", "/event", b"x" * 1_048_577).status)


class AResponse(SourceTestCase):
    def test_is_read_as_the_source_does(self) -> None:
        function = self.start(RUNTIME)
        full = {
            "statusCode": 201,
            "statusDescription": "201 Made",
            "headers": {"X-A": "single"},
            "multiValueHeaders": {"X-A": ["1", "2"]},
            "cookies": ["a=b"],
            "body": "aGk=",
            "isBase64Encoded": True,
        }
        rest_failed = (502, b'{"message": "Internal server error"}')
        alb_failed = (502, b"<h1>502 Bad Gateway</h1>")
        http_failed = (500, b'{"message":"Internal Server Error"}')
        # Source, response; status and body; values of a header, cookies, reason phrase; what is logged.
        cases: list[tuple[str, Any, tuple[int, bytes], tuple[list[str], list[str], str], str]] = [
            (
                HTTP,
                full,
                (201, b"hi"),
                (["single"], ["a=b"], "Created"),
                "the HTTP API ignores multiValue",
            ),
            (REST, full, (201, b"hi"), (["1", "2"], [], "Created"), "the REST API ignores cookies"),
            (
                ALB,
                full,
                (201, b"hi"),
                (["single"], [], "Made"),
                "balancer ignores multiValue",
            ),
            (HTTP, {"a": 1}, (200, b'{"a": 1}'), ([], [], "OK"), ""),
            (REST, {"a": 1}, rest_failed, ([], [], "Bad Gateway"), "because it is an object without it"),
            (ALB, ["a"], alb_failed, ([], [], "Bad Gateway"), "because it is an array"),
            (
                HTTP,
                {"statusCode": "x"},
                http_failed,
                ([], [], "Internal Server Error"),
                "the HTTP API responded",
            ),
            (
                REST,
                None,
                rest_failed,
                ([], [], "Bad Gateway"),
                "the REST API responded with 502",
            ),
            (ALB, None, alb_failed, ([], [], "Bad Gateway"), "balancer responded with 502"),
            (HTTP, None, http_failed, ([], [], "Internal Server Error"), "API responded with 500"),
            (ALB, {"statusCode": 200, "statusDescription": "200 a\r\nb: c"}, (200, b""), ([], [], "OK"), ""),
        ]
        for source, value, (status, body), (values, cookies, reason), logged in cases:
            with self.subTest(source, value=str(value)[:80]):
                self.open(source, function)
                before = len(function.log_text())
                sent = b"" if value is None else json.dumps(value).encode()
                reply = self.ask("POST", "/", sent, TEXT)
                self.assertEqual((status, reason), (reply.status, reply.reason))
                self.assertIn(body, reply.read())
                self.assertEqual(values, reply.headers.get_all("X-A", []))
                self.assertEqual(cookies, reply.headers.get_all("Set-Cookie", []))
                self.assertIn(logged, function.log_text()[before:])
        self.assertEqual(502, self.ask("GET", "/long").status)
        self.assertIn(" bytes, more than 1048576", function.log_text())

    def test_of_a_rest_api_can_be_a_stream_with_a_prelude(self) -> None:
        function = self.start(RUNTIME)
        self.open(REST, function, RESPONSE_STREAM)
        reply = self.ask("GET", "/stream")
        self.assertEqual((201, ["1", "2"]), (reply.status, reply.headers.get_all("X-A")))
        self.assertEqual(b"hi", reply.read())
        self.assertEqual(502, self.ask("POST", "/", b'{"statusCode": 200}').status)
        self.assertIn("because it does not begin with a prelude", function.log_text())
        self.open(ALB, function, RESPONSE_STREAM)  # cannot
        self.assertEqual(200, self.ask("POST", "/", b'{"statusCode": 200}', TEXT).status)


if __name__ == "__main__":
    unittest.main()
