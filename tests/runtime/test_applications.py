"""Unmodified web applications: the handler setting names them, variables are the options of the bridge."""

from __future__ import annotations

import base64
import gzip
import json
import re
import unittest

from lambda_runtime.web.http_event import compress, post_event, read
from lambda_runtime.web.options import Options, from_environment

from tests.support import own_log
from tests.web import EVENTS, WebTestCase, split_prelude, url_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.support import Function

ASGI = """
    import json

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        await respond(send, scope["method"], scope["path"], body.decode(), headers)

    async def respond(send, method, path, body, headers):
        status = int(path[1:]) if path[1:].isdigit() else 200
        text = json.dumps([method, path, body, headers.get("x-amz-tenant-id")])
        if path in ("/large", "/empty"):
            text = "large " * 1000 if path == "/large" else ""
        kind = b"application/own" if path.endswith("/own") else b"text/plain"
        fields = [(b"content-type", kind), (b"etag", b'"1"')]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": text.encode()})

    class Application:
        async def __call__(self, scope, receive, send):
            await app(scope, receive, send)

        async def method(self, scope, receive, send):
            await app(scope, receive, send)

    instance = Application()

    def create_app():
        return Application()

    async def handler(event, context):
        return "a function"
"""
WSGI = """
    import json

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        status = path[1:] + " Status" if path[1:].isdigit() else "200 OK"
        body = environ["wsgi.input"].read().decode()
        tenant = environ.get("HTTP_X_AMZ_TENANT_ID")
        text = json.dumps([environ["REQUEST_METHOD"], path, body, tenant])
        if path in ("/large", "/empty"):
            text = "large " * 1000 if path == "/large" else ""
        kind = "application/own" if path == "/own" else "text/plain"
        start_response(status, [("Content-Type", kind), ("ETag", '"1"')])
        return [text.encode()]

    class Application:
        def __call__(self, environ, start_response):
            return app(environ, start_response)

    instance = Application()

    def create_app():
        return app

    def handler(environ, context):
        return "a function"
"""
BOTH = (("asgi", ASGI), ("wsgi", WSGI))
SQS = {"Records": [{"eventSource": "aws:sqs", "body": "é"}]}


class ApplicationTestCase(WebTestCase):
    def serve(self, source: str, name: str = "app", **variables: str) -> Function:
        environment = {f"LAMBDA_RUNTIME_{key.upper()}": value for key, value in variables.items()}
        return self.start(source, f"function.{name}", environment=environment)


class Handlers(ApplicationTestCase):
    """What a handler setting may name."""

    def test_an_application_is_served(self) -> None:
        for interface, source in BOTH:
            for name in ("app", "instance", "create_app()", *(["instance.method"] if source is ASGI else [])):
                with self.subTest(interface, name=name):
                    function = self.serve(source, name, streaming="false")
                    response = self.response(function, url_event("PUT", "/a", "text"))
                    self.assertEqual(json.loads(response["body"]), ["PUT", "/a", "text", None])

    def test_it_streams_by_default(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                payload = self.streamed(self.serve(source), url_event(path="/a"))
                prelude, body = split_prelude(payload)
                self.assertEqual((prelude["statusCode"], json.loads(body)[:2]), (200, ["GET", "/a"]))

    def test_functions_stay_functions(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                self.assertResponse(self.serve(source, "handler"), {}, "a function")
        three = "def handler(event, context, more): return 1"
        self.assertEqual(self.error(self.serve(three, "handler"))["errorType"], "TypeError")
        optional = "async def handler(event, context, more=1): return more"
        self.assertResponse(self.serve(optional, "handler"), {}, 1)
        anything = "async def handler(*arguments): return len(arguments)"
        self.assertResponse(self.serve(anything, "handler"), {}, 2)

    def test_a_variable_forces_or_refuses_it(self) -> None:
        function = self.serve("async def app(*a): ...", "app", application="asgi")
        self.assertIn("is not an HTTP request", self.error(function, {})["errorMessage"])
        self.assertEqual(self.error(self.serve(ASGI, application="none"))["errorType"], "TypeError")
        message = "LAMBDA_RUNTIME_APPLICATION is 'flask', expected asgi, wsgi or none"
        self.assertInitError(self.serve(ASGI, application="flask"), "Runtime.InvalidConfiguration", message)

    def test_it_is_logged_at_level_debug(self) -> None:
        message = "function.app is served as a web application (WSGI)"
        for log_format, level, expected in (
            ("Text", "DEBUG", rf"\[DEBUG\]\t\S+Z\t\t{re.escape(message)}\n"),
            ("JSON", "TRACE", rf'"DEBUG", "message": "{re.escape(message)}", "logger": "LAMBDA_RUNTIME"'),
            ("JSON", "INFO", None),
        ):
            with self.subTest(log_format, level=level):
                environment = {"AWS_LAMBDA_LOG_FORMAT": log_format, "AWS_LAMBDA_LOG_LEVEL": level}
                text = self.start(WSGI, "function.app", environment=environment).log_text()
                self.assertRegex(text, expected) if expected else self.assertNotIn(message, text)

    def test_a_factory_that_fails_or_returns_something_else_is_an_init_error(self) -> None:
        self.assertInitError(self.serve("def create(): return 1 / 0", "create()"), "ZeroDivisionError")
        function = self.serve("def create(): return 5", "create()")
        self.assertInitError(
            function, "Runtime.HandlerNotFound", r"create\(\)' returned int, expected a web application"
        )

    def test_options_that_cannot_be_used_are_init_errors(self) -> None:
        for variables, message in [
            ({"streaming": "maybe"}, "LAMBDA_RUNTIME_STREAMING is 'maybe', expected true or false"),
            (
                {"base_path": "shop"},
                r"BASE_PATH\) is 'shop', expected a path that begins with a slash: '/shop'",
            ),
            (
                {"events": "events"},
                r"EVENTS\) is 'events', expected a path that begins with a slash: '/events'",
            ),
            (
                {"error_statuses": "5xx"},
                r"STATUSES\) contains '5xx', expected a status or a range",
            ),
            ({"lifespan": "maybe"}, "lifespan is 'maybe'"),
        ]:
            with self.subTest(message):
                self.assertInitError(self.serve(ASGI, **variables), "ValueError", message)

    def test_variables_set_the_options(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                variables = {"base_path": "/shop", "text_types": "a/b, application/own", "streaming": "off"}
                function = self.serve(source, **variables)
                mapped = json.loads(json.dumps(EVENTS["HTTP API"]).replace('"/a"', '"/shop/own"'))
                response = self.response(function, mapped)
                path = "/shop/own" if interface == "asgi" else "/own"  # without SCRIPT_NAME
                self.assertEqual(json.loads(response["body"])[:2], ["GET", path])
                self.assertEqual(response["isBase64Encoded"], False)
                self.assertEqual(response["headers"]["content-type"], "application/own")

    def test_a_variable_demands_the_lifespan(self) -> None:
        self.assertInitError(self.serve(ASGI, lifespan="on"), "RuntimeError", "no lifespan")

    def response(self, function: Function, event: object, **settings: Any) -> Any:
        return self.call(function, event, **settings)


class Events(ApplicationTestCase):
    """Events that are not HTTP."""

    def test_an_event_is_posted_and_the_body_is_the_response(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                function = self.serve(source, events="/events")
                result = self.invoke(function, SQS)
                self.assertIsNone(result.function_error, result.payload)
                method, path, body, _ = json.loads(result.payload)
                self.assertEqual((method, path, json.loads(body)), ("POST", "/events", SQS))
                payload = self.invoke(function, EVENTS["load balancer"]).payload
                self.assertEqual(json.loads(json.loads(payload)["body"])[:2], ["GET", "/a"])

    def test_an_empty_body_is_null(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                self.assertResponse(self.serve(source, events="/empty"), SQS, None)

    def test_without_the_option_it_is_an_error(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                self.assertEqual(self.error(self.serve(source), SQS)["errorType"], "NoHttpRequest")

    def test_an_error_status_fails_the_invocation(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                error = self.error(self.serve(source, events="/503"), SQS)
                self.assertEqual(error["errorType"], "ErrorStatus")
                self.assertIn(
                    "The application responded to POST /503 with status 503: [", error["errorMessage"]
                )


class Responses(ApplicationTestCase):
    """Statuses that are errors, compression, and the tenant."""

    def test_chosen_statuses_fail_the_invocation(self) -> None:
        for interface, source in BOTH:
            for streaming in ("true", "false"):
                with self.subTest(interface, streaming=streaming):
                    function = self.serve(source, streaming=streaming, error_statuses="500, 502-504")
                    for status, fails in ((500, True), (501, False), (502, True), (504, True), (404, False)):
                        result = self.invoke(function, url_event(path=f"/{status}"))
                        self.assertEqual(result.function_error is not None, fails, status)
                    self.assertIn(
                        "GET /500 with status 500", own_log(self.invoke(function, url_event(path="/500")))
                    )

    def test_buffered_text_is_compressed_if_the_client_accepts_it(self) -> None:
        for interface, source in BOTH:
            function = self.serve(source, streaming="0", compress="1")
            for accepts, compressed in (
                ("gzip, deflate, br", True),
                ("br;q=1.0, GZIP;q=0.5", True),
                ("*", True),
                ("gzip;q=0", False),
                ("*, gzip;q=0", False),
                ("br", False),
                ("", False),
            ):
                for name, original in EVENTS.items():
                    with self.subTest(interface, accepts=accepts, source=name):
                        response = self.large(function, original, accepts)
                        headers = response.get("headers") or {
                            key: values[0] for key, values in response["multiValueHeaders"].items()
                        }
                        body = response["body"].encode()
                        if response["isBase64Encoded"]:
                            body = base64.b64decode(body)
                        self.assertEqual(headers.get("content-encoding"), "gzip" if compressed else None)
                        if compressed:
                            self.assertLess(len(body), 100)
                            self.assertEqual((headers["vary"], headers["etag"]), ("Accept-Encoding", 'W/"1"'))
                            body = gzip.decompress(body)
                        self.assertEqual(body, b"large " * 1000)

    def large(self, function: Function, original: dict[str, Any], accepts: str) -> Any:
        text = json.dumps(original).replace('"/a"', '"/large"')
        event = json.loads(text)
        if "multiValueHeaders" in event:
            event["multiValueHeaders"]["accept-encoding"] = [accepts]
        else:
            event["headers"]["accept-encoding"] = accepts
        return self.call(function, event)

    def test_the_tenant_is_a_header_that_clients_cannot_forge(self) -> None:
        for interface, source in BOTH:
            with self.subTest(interface):
                function = self.serve(source, streaming="false")
                forged = url_event(path="/a", headers={"x-amz-tenant-id": "forged"})
                body = self.call(function, forged)["body"]
                self.assertIsNone(json.loads(body)[3])
                body = self.call(function, forged, tenant_id="blue")["body"]
                self.assertEqual(json.loads(body)[3], "blue")


class Values(unittest.TestCase):
    def test_options_are_checked(self) -> None:
        usual: dict[str, Any] = {
            "streaming": True,
            "base_path": "",
            "text_types": (),
            "events": "",
            "error_statuses": "",
            "compress": False,
        }
        Options(**usual)
        Options(**{**usual, "base_path": "/shop", "text_types": ["application/pdf"]})
        for name, value, pattern in [
            ("base_path", "shop", "is 'shop', expected a path .* slash: '/shop'"),
            ("text_types", "a/b", r"text_types is 'a/b', expected a tuple: \('a/b',\)"),
            ("error_statuses", "x-5", r"STATUSES\) contains 'x-5'"),
        ]:
            with self.subTest(name), self.assertRaisesRegex((ValueError, TypeError), pattern):
                Options(**{**usual, name: value})

    def test_a_posted_event_states_its_length(self) -> None:
        request = post_event(SQS, "/events")
        headers = dict(request.headers)
        self.assertEqual(headers[b"content-length"], str(len(request.body)).encode())

    def test_a_part_of_a_file_is_not_compressed(self) -> None:
        request = read(url_event(headers={"accept-encoding": "gzip"}))
        text = {"content-type": "text/plain"}
        whole = {"statusCode": 200, "headers": {**text}}
        part = {"statusCode": 206, "headers": {**text, "content-range": "bytes 0-1999/6000"}}
        body = b"a" * 2000
        self.assertLess(len(compress(request, whole, body)), len(body))
        self.assertEqual(compress(request, part, body), body)

    def test_without_variables_there_are_no_options(self) -> None:
        self.assertEqual((from_environment("asgi"), from_environment("wsgi")), ({}, {}))


if __name__ == "__main__":
    unittest.main()
