"""The emulator's function URL: the events that a function receives, and the responses to the browser."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import unittest

from lambda_emulator.servers.function_url import BUFFERED, RESPONSE_STREAM, FunctionUrl

from tests.emulator.test_emulator_streaming import StreamingTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.function import Function

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"

ECHO = "while True: r, event, _ = take(); respond(r, event)"

# Executes the body of the request, which can use `stream`.
ON_DEMAND = f"""
while True:
    r, event, _ = take()
    stream = lambda content_type={PRELUDE_TYPE!r}: Stream(r, content_type=content_type)
    exec(json.loads(event).get("body") or "")
"""


class UrlTestCase(StreamingTestCase):
    """A test of a function with a URL."""

    def open(self, runtime: str, invoke_mode: str = RESPONSE_STREAM, **options: Any) -> Function:
        function = self.start(runtime, **options)
        self.url = FunctionUrl(function, invoke_mode=invoke_mode)
        self.addCleanup(self.url.close)
        self.host, self.port = self.url.url[len("http://") : -1].split(":")
        return function

    def request(
        self, method: str = "GET", path: str = "/", body: Any = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.host, int(self.port), timeout=10)
        self.addCleanup(connection.close)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        return connection.getresponse()

    def send(self, request: str) -> bytes:
        """Send these bytes; return everything that is received until the connection closes."""
        with socket.create_connection((self.host, int(self.port)), 10) as client:
            client.sendall(request.encode("latin-1"))
            return b"".join(iter(lambda: client.recv(65536), b""))

    def perform(self, statements: str) -> http.client.HTTPResponse:
        return self.request("POST", "/", statements.encode(), Content_Type="text/plain")


class AnEvent(UrlTestCase):
    def event(self, *request: Any, **headers: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.request(*request, **headers).read())
        return event

    def test_has_the_shape_that_aws_documents(self) -> None:
        function = self.open(ECHO, name="hello")
        now_ms = time.time() * 1000
        event = self.event(
            "POST", "/my/path?p1=v1&p1=v2&p2=v", b'{"a": "\xc3\xa9"}', Content_Type="application/json"
        )
        context = event.pop("requestContext")
        headers = event.pop("headers")
        expected = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/path",
            "rawQueryString": "p1=v1&p1=v2&p2=v",
            "queryStringParameters": {"p1": "v1,v2", "p2": "v"},
            "pathParameters": None,
            "stageVariables": None,
            "body": '{"a": "é"}',
            "isBase64Encoded": False,
        }
        self.assertEqual(expected, event)
        url_id = context["apiId"]
        self.assertRegex(url_id, "^[a-z0-9]{32}$")
        self.assertAlmostEqual(now_ms, context.pop("timeEpoch"), delta=5000)
        self.assertRegex(context.pop("time"), r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$")
        request_id = context.pop("requestId")
        self.assertIn(f"START RequestId: {request_id} ", function.log_text())
        expected = {
            "accountId": "anonymous",
            "apiId": url_id,
            "authentication": None,
            "domainName": f"{url_id}.lambda-url.{function.configuration.region}.on.aws",
            "domainPrefix": url_id,
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "",
            },
            "routeKey": "$default",
            "stage": "$default",
        }
        self.assertEqual(expected, context)
        self.assertRegex(headers.pop("x-amzn-trace-id"), "^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$")
        expected = {
            "accept-encoding": "identity",
            "content-length": "11",
            "content-type": "application/json",
            "host": f"127.0.0.1:{self.port}",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": self.port,
            "x-forwarded-proto": "http",
        }
        self.assertEqual(expected, headers)

    def test_omits_missing_members(self) -> None:
        self.open(ECHO)
        event = self.event("GET", "/")
        self.assertFalse({"body", "cookies", "queryStringParameters"} & set(event))
        self.assertEqual(("", False), (event["rawQueryString"], event["isBase64Encoded"]))
        self.assertNotIn("content-length", event["headers"])

    def test_supports_any_method(self) -> None:
        self.open(ECHO)
        for method in ("DELETE", "OPTIONS", "PATCH", "PROPFIND"):
            self.assertEqual(method, self.event(method)["requestContext"]["http"]["method"])

    def test_has_path_and_query_as_they_were_encoded(self) -> None:
        self.open(ECHO)
        cases: list[tuple[str, str, str, Any]] = [
            ("/a%20b%2Fc//d/?", "/a%20b%2Fc//d/", "", None),
            ("/?a=%C3%A9+b&a=&c", "/", "a=%C3%A9+b&a=&c", {"a": "é b,", "c": ""}),
            ("/\xc3\xa9?\xff=1", "/%C3%A9", "%FF=1", {"\ufffd": "1"}),
            ("/a?b=c?d", "/a", "b=c?d", {"b": "c?d"}),
            ("http://localhost:81/b%20c?d=1", "/b%20c", "d=1", {"d": "1"}),  # as sent to a proxy
            ("HTTPS://localhost?d", "/", "d", {"d": ""}),
            ("/http://a/b", "/http://a/b", "", None),
        ]
        for target, path, query, parameters in cases:
            with self.subTest(target):
                reply = self.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                event = json.loads(re.findall(rb"(?s)\r\n(\{.*\})\r\n", reply)[0])
                self.assertEqual((path, query), (event["rawPath"], event["rawQueryString"]))
                self.assertEqual(parameters, event.get("queryStringParameters"))

    def test_takes_the_host_from_an_absolute_target(self) -> None:
        self.open(ECHO)
        reply = self.send(
            "GET http://u:p@localhost:81/c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        event = json.loads(re.findall(rb"(?s)\r\n(\{.*\})\r\n", reply)[0])
        self.assertEqual("localhost:81", event["headers"]["host"])

    def test_joins_headers_and_splits_cookies(self) -> None:
        self.open(ECHO)
        reply = self.send(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n"
            "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Amzn-Trace-Id: Root=1-2-3\r\n"
            "TE: trailers\r\nConnection: close\r\n\r\n"
        )
        event = json.loads(re.findall(rb"(?s)\r\n(\{.*\})\r\n", reply)[0])
        self.assertEqual(["a=1", "b=2", "c=3"], event["cookies"])
        expected = {
            "cookie": "a=1; b=2; c=3",
            "host": "localhost",
            "x-a": "1,2",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "1.2.3.4, 127.0.0.1",
            "x-forwarded-port": self.port,
            "x-forwarded-proto": "http",
        }
        self.assertEqual(expected, event["headers"])

    def test_contains_text_as_text_and_other_bodies_in_base64(self) -> None:
        self.open(ECHO)
        cases = [
            ("text/plain; charset=utf-8", b"\xc3\xa9", "é"),
            ("Application/JSON", b"{}", "{}"),
            ("application/xml", b"<a/>", "<a/>"),
            ("application/javascript", b"1", "1"),
            ("text/plain; charset=latin-1", b"\xe9", None),
            ("application/x-www-form-urlencoded", b"a=b", None),
            ("multipart/form-data; boundary=x", b"--x--", None),
            ("image/png", b"\x89PNG", None),
            ("", b"untold", None),
        ]
        for content_type, body, text in cases:
            with self.subTest(content_type):
                event = self.event(
                    "POST", "/", body, **({"Content_Type": content_type} if content_type else {})
                )
                encoded = base64.b64encode(body).decode() if text is None else text
                self.assertEqual((encoded, text is None), (event["body"], event["isBase64Encoded"]))

    def test_contains_the_length_of_a_chunked_body(self) -> None:
        self.open(ECHO)
        event = self.event("POST", "/", iter([b"one ", b"two"]), Content_Type="text/plain")
        self.assertEqual(("one two", "7"), (event["body"], event["headers"]["content-length"]))
        self.assertNotIn("transfer-encoding", event["headers"])

    def test_is_limited_to_6_mb(self) -> None:
        function = self.open(ECHO)
        for size in (6_291_457, 5_000_000):  # the other grows in base64
            with self.subTest(size):
                reply = self.request("POST", "/", bytes(size))
                self.assertEqual((413, b"Request Entity Too Large"), (reply.status, reply.read()))
        self.assertEqual([("next", None)], self.statuses(function))
        self.assertEqual(200, self.request("POST", "/", "x" * 6_000_000, Content_Type="text/plain").status)


class AStreamedPage(UrlTestCase):
    def test_has_the_status_and_headers_of_its_prelude_and_arrives_while_it_is_produced(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform(
            """
s = stream()
s.write('{"statusCode": 201, "headers": {"Content-Type": "text/html", "X-A": "1", "X-B": "0"}, ')
s.write('"multiValueHeaders": {"x-b": ["2", "3"]}, "cookies": ["c=4; Path=/", "d=5"]}\\0\\0\\0')
s.write(bytes(5) + b"one ")
wait_for("one"); s.write("two "); wait_for("two")
s.end()
"""
        )
        self.assertEqual((201, "Created"), (reply.status, reply.reason))
        self.assertEqual(b"one ", reply.read1())
        self.let("one")
        self.assertEqual(b"two ", reply.read1())
        self.let("two")
        self.assertEqual(b"", reply.read1())
        fields = [(name.lower(), value) for name, value in reply.headers.items()]
        for field in [("content-type", "text/html"), ("x-a", "1"), ("transfer-encoding", "chunked")]:
            self.assertIn(field, fields)
        self.assertEqual(["2", "3"], reply.headers.get_all("x-b"))
        self.assertEqual(["c=4; Path=/", "d=5"], reply.headers.get_all("set-cookie"))
        self.assertRegex(reply.headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")

    def test_sends_status_and_headers_before_the_body(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform("s = stream(); s.write(b'{}' + bytes(8)); wait_for('head'); s.end()")
        self.assertEqual((200, "application/octet-stream"), (reply.status, reply.headers["Content-Type"]))
        self.let("head")
        self.assertEqual(b"", reply.read())

    def test_without_a_prelude_is_sent_as_the_body(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform("s = stream('text/event-stream'); s.write('data: 1'); wait_for('it'); s.end()")
        self.assertEqual((200, "text/event-stream"), (reply.status, reply.headers["Content-Type"]))
        self.assertEqual(b"data: 1", reply.read1())
        self.let("it")
        self.assertEqual(b"", reply.read())

    def test_that_was_not_streamed_is_sent_unchanged(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform("""respond(r, {"statusCode": 404, "body": "no"})""")
        self.assertEqual((200, b'{"statusCode": 404, "body": "no"}'), (reply.status, reply.read()))

    def test_can_have_a_prelude_without_being_streamed(self) -> None:
        self.open(
            f"""
            r, *_ = take()
            path = f"/2018-06-01/runtime/invocation/{{r}}/response"
            body = b'{{"statusCode": 404}}' + bytes(8) + b"no"
            api.request("POST", path, body, {{"Content-Type": "{PRELUDE_TYPE}"}})
            api.getresponse().read(); take()
            """
        )
        reply = self.request()
        self.assertEqual((404, b"no"), (reply.status, reply.read()))

    def test_can_have_a_status_without_a_reason_phrase(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform("""s = stream(); s.write(b'{"statusCode": 599}' + bytes(8)); s.end()""")
        self.assertEqual((599, "", b""), (reply.status, reply.reason, reply.read()))

    def test_is_framed_once_even_if_the_function_sets_framing_headers(self) -> None:
        function = self.open(ON_DEMAND)
        headers = {
            "Content-Length": "3",
            "Transfer-Encoding": "gzip",
            "Connection": "close",
            "Keep-Alive": "1",
            "Proxy-Status": "x",
            "Date": "today",
        }
        reply = self.perform(
            f"s = stream(); s.write(json.dumps({{'headers': {headers}}}))\n"
            "s.write(bytes(8)); s.write('body'); s.end()"
        )
        self.assertEqual(b"body", reply.read())
        self.assertIsNone(reply.headers["Content-Length"])
        self.assertIsNone(reply.headers["Connection"])
        self.assertEqual(["chunked"], reply.headers.get_all("Transfer-Encoding"))
        self.assertIsNone(reply.headers["Proxy-Status"])
        self.assertEqual(["today"], reply.headers.get_all("Date"))
        log = function.log_text()
        for dropped in ("Transfer-Encoding: gzip", "Connection: close", "Keep-Alive: 1", "Proxy-Status: x"):
            self.assertIn(f"drops the header {dropped}, because it is about one connection", log)
        self.assertIn("response has Content-Length: 3, but its body has 4 bytes", log)

    def test_with_the_right_length_is_not_reported(self) -> None:
        for mode, end in ((RESPONSE_STREAM, "s.write(bytes(8)); s.write('body')"), (BUFFERED, "pass")):
            for length in (4, 5):
                function = self.open(ON_DEMAND, mode)
                response = {"statusCode": 200, "headers": {"content-length": str(length)}}
                if mode == BUFFERED:
                    response["body"] = "body"
                reply = self.perform(f"s = stream(); s.write(json.dumps({response})); {end}; s.end()")
                self.assertEqual(b"body", reply.read())
                self.assertEqual(length == 4, "but its body has 4 bytes" not in function.log_text())

    def test_keeps_the_connection_open(self) -> None:
        self.open(ECHO)
        replies = self.send(
            "GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        self.assertEqual([b"/1", b"/2"], re.findall(rb'"rawPath": "(.*?)"', replies))

    def test_ends_by_closing_the_connection_for_http_1_0(self) -> None:
        self.open("while True: r, *_ = take(); s = Stream(r); s.write('one '); s.write('two'); s.end()")
        reply = self.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = reply.partition(b"\r\n\r\n")
        self.assertEqual(b"one two", body)
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertIn(b"\r\nConnection: close", head)

    def test_reaches_curl_while_it_is_produced(self) -> None:
        self.open(
            "r, *_ = take(); s = Stream(r); s.write('one '); wait_for('one'); s.write('two'); s.end(); take()"
        )
        try:
            curl = subprocess.Popen(["curl", "-sN", self.url.url], stdout=subprocess.PIPE)
        except FileNotFoundError:
            self.skipTest("curl is not installed")
        with curl:
            assert curl.stdout is not None
            self.assertEqual(b"one ", os.read(curl.stdout.fileno(), 100))
            self.let("one")
            self.assertEqual(b"two", curl.stdout.read())
        self.assertEqual(0, curl.returncode)


class NoBody(UrlTestCase):
    def test_follows_a_head_request_but_its_length_is_sent(self) -> None:
        for mode in (RESPONSE_STREAM, BUFFERED):
            with self.subTest(mode):
                function = self.open(self.RUNTIMES[mode], mode)
                reply = self.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                head, _, body = reply.partition(b"\r\n\r\n")
                self.assertEqual(b"", body)
                self.assertIn(b"\r\ncontent-length: 1000000\r\n", head)
                self.assertNotIn(b"Transfer-Encoding", head)
                self.assertEqual(1, head.lower().count(b"content-length"))
                self.assertIsNone(function.exit_status)

    HEADERS = '"headers": {"content-length": "1000000"}'
    RUNTIMES = {
        RESPONSE_STREAM: f"""
            while True:
                r, *_ = take(); s = Stream(r, content_type={PRELUDE_TYPE!r})
                s.write(b'{{{HEADERS}}}' + bytes(8)); s.write(bytes(1_000_000)); s.end()
            """,
        BUFFERED: f"""
            while True:
                r, *_ = take(); respond(r, '{{"statusCode": 200, {HEADERS}, "body": "x"}}')
            """,
    }

    def test_follows_no_content_or_not_modified(self) -> None:
        for mode in (RESPONSE_STREAM, BUFFERED):
            for status in (204, 304):
                with self.subTest(mode, status=status):
                    runtime = self.RUNTIMES[mode].replace('"headers"', f'"statusCode": {status}, "headers"')
                    self.open(runtime.replace('"statusCode": 200, ', ""), mode)
                    get = "GET / HTTP/1.1\r\nHost: localhost\r\n"
                    replies = self.send(f"{get}\r\n{get}Connection: close\r\n\r\n")
                    heads = replies.split(b"\r\n\r\n")
                    self.assertEqual((3, b""), (len(heads), heads[-1]))
                    self.assertTrue(all(head.startswith(b"HTTP/1.1 %d " % status) for head in heads[:2]))
                    self.assertNotIn(b"Transfer-Encoding", replies)

    def test_the_response_comes_at_the_end_of_the_stream(self) -> None:
        for method, status in (("GET", 204), ("GET", 304), ("HEAD", 200)):
            with self.subTest(method, status=status), tempfile.TemporaryDirectory() as folder:
                self.open(
                    f"""
                    r, *_ = take(); s = Stream(r, content_type={PRELUDE_TYPE!r})
                    s.write(b'{{"statusCode": {status}}}' + bytes(8)); time.sleep(0.05)
                    open({folder + "/ended"!r}, "w").close(); s.end(); take()
                    """
                )
                self.assertEqual(status, self.request(method).status)
                self.assertEqual(["ended"], os.listdir(folder))


class ABufferedPage(UrlTestCase):
    def test_is_the_content_of_the_envelope(self) -> None:
        self.open(ON_DEMAND, BUFFERED)
        envelope = {
            "statusCode": 418,
            "headers": {"X-A": "1", "X-Number": 2, "X-True": True},
            "cookies": ["a=b", "c=d"],
            "multiValueHeaders": {"X-C": ["3"]},
            "body": "ünd",
        }
        reply = self.perform(f"respond(r, {envelope})")
        self.assertEqual((418, "ünd".encode()), (reply.status, reply.read()))
        names = ("X-A", "X-Number", "X-True", "Content-Type", "X-C", "Content-Length")
        self.assertEqual(
            ["1", "2", "true", "application/json", None, "4"], [reply.headers[name] for name in names]
        )
        self.assertEqual(["a=b", "c=d"], reply.headers.get_all("Set-Cookie"))

    def test_can_be_binary(self) -> None:
        self.open(ON_DEMAND, BUFFERED)
        envelope = {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}
        self.assertEqual(b"\xff\0", self.perform(f"respond(r, {envelope})").read())

    def test_without_a_status_code_is_the_json_itself(self) -> None:
        self.open(ON_DEMAND, BUFFERED)
        for payload in ('{"body": 1}', '"Hello, world!"', "[ 1 ]", "null"):
            with self.subTest(payload):
                reply = self.perform(f"respond(r, {payload!r})")
                self.assertEqual((200, payload.encode()), (reply.status, reply.read()))
                self.assertEqual("application/json", reply.headers["Content-Type"])

    def test_can_have_no_body(self) -> None:
        self.open(ON_DEMAND, BUFFERED)
        for envelope in ({"statusCode": 200}, {"statusCode": 200, "body": None, "headers": None}):
            self.assertEqual(b"", self.perform(f"respond(r, {envelope})").read())


class ABadGateway(UrlTestCase):
    """The client receives a 502, and the log explains it."""

    def assertBadGateway(self, function: Function, statements: str, reason: str) -> None:
        before = len(function.log_text())
        reply = self.perform(statements)
        self.assertEqual((502, b"Internal Server Error"), (reply.status, reply.read()))
        request_id = reply.headers["x-amzn-RequestId"]
        line = f"RequestId: {request_id} Error: the function URL responded with 502, because {reason}"
        self.assertIn(line, function.log_text()[before:])

    def test_is_caused_by_a_bad_prelude(self) -> None:
        function = self.open(ON_DEMAND)
        cases = [
            ("b'{]' + bytes(8)", "the prelude is not JSON: "),
            ("b'\\xff' + bytes(8)", "the prelude is not JSON: "),
            ("bytes(8)", "the prelude is not JSON: "),
            ("b'[' * 16_000 + bytes(8)", "the prelude is "),  # the depth that Python can parse varies
            ("b'[]' + bytes(8)", "the prelude is an array, not an object"),
            ("b'{}' + bytes(7)", "the stream ended after 9 bytes, before the eight NUL bytes"),
            ("b'<html>' * 2_000_000", "the first 16384 bytes do not contain the eight NUL bytes"),
            (
                "b'{' + b' ' * 16_375 + b'}' + bytes(8)",
                "the first 16384 bytes do not contain the eight NUL bytes",
            ),
        ]
        heads = [
            ({"statusCode": "200"}, 'statusCode is "200", not a number from 200 to 599'),
            (
                {"statusCode": 101},
                "statusCode is 101, not a number from 200 to 599; 1xx is an interim response",
            ),
            ({"statusCode": True}, "statusCode is true, not"),
            ({"headers": []}, None),
            ({"headers": ["a"]}, "headers is an array, not an object"),
            ({"headers": {"a": None}}, "a is null, not a string"),
            ({"headers": {"a b": "c"}}, '"a b": "c" is not a valid HTTP header'),
            ({"headers": {"a": "b\r\nc: d"}}, '"a": "b\\r\\nc: d" is not a valid HTTP header'),
            ({"headers": {"a": "\ud800"}}, '"a": "\\ud800" is not a valid HTTP header'),
            ({"multiValueHeaders": {"a": "b"}}, "a is a string, not an array of strings"),
            ({"cookies": "a=b"}, "cookies is a string, not an array of strings"),
            ({"cookies": [{}]}, "cookies is an object, not a string"),
        ]
        cases += [(f"{json.dumps(head).encode()!r} + bytes(8)", reason) for head, reason in heads if reason]
        for prelude, reason in cases:
            with self.subTest(prelude[:50]):
                self.assertBadGateway(function, f"s = stream(); s.write({prelude}); s.end()", reason)
        self.assertEqual(0, function.restarts)

    def test_is_not_caused_by_a_prelude_at_the_limit(self) -> None:
        self.open(ON_DEMAND)
        reply = self.perform(
            "s = stream(); s.write(b'{' + b' ' * 16_374 + b'}' + bytes(8) + b'body'); s.end()"
        )
        self.assertEqual((200, b"body"), (reply.status, reply.read()))

    STATUS = '"statusCode": 200, "a": '

    def test_is_caused_by_a_bad_envelope(self) -> None:
        function = self.open(ON_DEMAND, BUFFERED)
        cases = [
            ("'<html>'", "it is not JSON: "),
            ("b'{}' + bytes(8)", "it is a stream that begins with a prelude, but the URL is BUFFERED"),
            (
                f"b'{{{self.STATUS}' + b'[' * 200_000 + b']' * 200_000 + b'}}'",
                "it is JSON nested more deeply than",
            ),
            ({"statusCode": None}, "statusCode is null, not a number"),
            ({"statusCode": 200, "body": {"a": 1}}, "body is an object, not a string"),
            ({"statusCode": 200, "body": "*", "isBase64Encoded": True}, "isBase64Encoded is true"),
            ({"statusCode": 200, "headers": {"a": ["b"]}}, "a is an array, not a string"),
        ]
        for value, reason in cases:
            with self.subTest(value):
                self.assertBadGateway(function, f"respond(r, {value})", reason)

    def test_is_caused_by_a_failed_function(self) -> None:
        error = json.dumps({"errorType": "E", "errorMessage": "m"})
        reason = "the function failed: E: m\n"
        post = f"call('POST', f'invocation/{{r}}/error', {error!r})"
        trailers = f"; s.end({error})"
        for mode in (RESPONSE_STREAM, BUFFERED):
            with self.subTest(mode):
                function = self.open(ON_DEMAND, mode)
                self.assertBadGateway(function, post, reason)
                self.assertBadGateway(function, "os._exit(1)", "the function failed: ")
        function = self.open(ON_DEMAND)
        self.assertBadGateway(function, "s = stream('text/plain')" + trailers, reason)
        self.assertBadGateway(function, "s = stream(); s.write('{')" + trailers, reason)


class TheConnection(UrlTestCase):
    def test_is_cut_when_the_function_fails_midway(self) -> None:
        shown: list[dict[str, Any]] = []
        function = self.open(ON_DEMAND, request_log=shown.append)
        error = {"errorType": "E", "errorMessage": "m"}
        for times, end in enumerate((f"s.end({error})", "os._exit(1)"), 1):
            with self.subTest(end):
                reply = self.perform(f"s = stream('text/plain'); s.write('so far'); {end}")
                self.assertEqual(200, reply.status)
                with self.assertRaises(http.client.IncompleteRead) as caught:
                    reply.read()
                self.assertEqual(b"so far", caught.exception.partial)
                line = "Error: the response is cut short, because the function failed: "
                self.wait_for_log(function, line, times)
        self.wait_until(lambda: len(shown) == 2)
        expected = (200, len("so far"), "E: m", "cut short")
        self.assertEqual(expected, tuple(shown[0][key] for key in ("status", "bytes", "error", "note")))

    def test_can_be_closed_by_the_client_while_the_function_continues(self) -> None:
        for mode in (RESPONSE_STREAM, BUFFERED):
            with self.subTest(mode):
                function = self.open(
                    """
                    while True:
                        r, *_ = take()
                        print("begun")
                        stream = Stream(r); stream.write('"'); wait_for("gone")
                        stream.write("x" * 5_000_000 + '"')
                        print("reply", stream.end())
                    """,
                    mode,
                )
                with socket.create_connection((self.host, int(self.port)), 10) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    if mode == RESPONSE_STREAM:
                        client.recv(12)
                    else:
                        self.wait_for_log(function, "begun\n")
                self.let("gone")
                self.wait_for_log(function, "REPORT ")
                self.assertEqual(5_000_002, len(self.request().read()))
                self.wait_for_log(function, "reply 202\n", 2)
                self.assertEqual(0, function.restarts)

    def test_sends_100_continue_to_curl(self) -> None:
        self.open(ECHO)
        with socket.create_connection((self.host, int(self.port)), 10) as client:
            head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            client.sendall(head.encode())
            self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", client.recv(1000))
            client.sendall(b"{}")
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_stays_open_or_closes_as_the_client_requests(self) -> None:
        self.open(ECHO, BUFFERED)
        cases = [
            ("HTTP/1.1", "TE, close", b"close"),
            ("HTTP/1.1", "keep-alive\r\nConnection: CLOSE", b"close"),
            ("HTTP/1.1", "TE", None),
            ("HTTP/1.0", "TE", b"close"),
            ("HTTP/1.0", "Keep-Alive", b"keep-alive"),
        ]
        for version, wish, expected in cases:
            with self.subTest(version=version, wish=wish):
                first = f"GET /1 {version}\r\nHost: localhost\r\nConnection: {wish}\r\n\r\n"
                replies = self.send(first + "GET /2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                head = replies.partition(b"\r\n\r\n")[0]
                self.assertEqual([expected] if expected else [], re.findall(rb"\r\nConnection: (\S+)", head))
                self.assertEqual(1 if expected == b"close" else 2, replies.count(b"HTTP/1.1 200 OK\r\n"))

    def test_accepts_an_empty_line_before_a_request(self) -> None:
        self.open(ECHO)
        get = "\r\nGET / HTTP/1.1\r\nHost: localhost\r\n"
        replies = self.send(f"{get}\r\n{get}Connection: close\r\n\r\n")
        self.assertEqual(2, replies.count(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(self.send("\r\n" + get).startswith(b"HTTP/1.1 400 "))

    def test_that_closes_during_a_body_does_not_reach_the_function(self) -> None:
        function = self.open(ECHO)
        with socket.create_connection((self.host, int(self.port)), 10) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12")
            client.shutdown(socket.SHUT_WR)
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n"))
        self.assertEqual([("next", None)], self.statuses(function))


if __name__ == "__main__":
    unittest.main()
