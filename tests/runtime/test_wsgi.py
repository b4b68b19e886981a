"""WSGI applications: their environ, their responses, and their errors."""

from __future__ import annotations

import json

from tests.scripted_server import CLOSE, reply_bytes
from tests.support import Reply, accepted, event, joined, own_log
from tests.web import EVENTS, WebTestCase, read_response, split_prelude, url_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.support import Function

PREAMBLE = """
    import json, os, sys, time
    from lambda_runtime import wsgi

    TEXT = [("Content-Type", "text/plain")]
"""


class WsgiTestCase(WebTestCase):
    def serve(self, app: str, options: str = "", invoke_mode: str = "RESPONSE_STREAM") -> str:
        """Return the URL of a function whose ``app`` has this source."""
        self.function = self.start_app(app, options)
        return self.url(self.function, invoke_mode)

    def start_app(self, app: str, options: str = "", **settings: Any) -> Function:
        return self.start(source(app, options), **settings)


def source(app: str, options: str = "") -> str:
    return joined(PREAMBLE, app, f"handler = wsgi.handler(app{options})")


class Requests(WsgiTestCase):
    APP = """
        def app(environ, start_response):
            facts = {name: repr(value) for name, value in environ.items() if not name.startswith("aws.")}
            facts["event"] = environ["aws.event"]["rawPath"]
            facts["id"] = environ["aws.context"].aws_request_id
            facts["errors"] = environ["wsgi.errors"] is sys.stderr
            facts["read"] = repr(environ["wsgi.input"].read())
            start_response("200 OK", TEXT)
            return [json.dumps(facts).encode()]
    """

    def test_the_environ_is_that_of_the_pep(self) -> None:
        url = self.serve(self.APP, ', base_path="/shop"')
        headers = {"Content-Type": "image/png", "Cookie": "a=1; b=2", "X-Two": "Ã©", "X_Forged": "1"}
        response = self.request(
            url, "/shop/a%20b%2Fc/%C3%A9?x=%20&y", method="PUT", body=b"\x00\xff", headers=headers
        )
        facts = json.loads(response.text)
        self.assertEqual(facts.pop("id"), response.header("x-amzn-requestid"))
        self.assertEqual(facts.pop("event"), "/shop/a%20b%2Fc/%C3%A9")
        self.assertTrue(facts.pop("errors"))
        self.assertEqual(facts.pop("read"), r"b'\x00\xff'")
        self.assertIn("BytesIO", facts.pop("wsgi.input"))
        del facts["wsgi.errors"], facts["HTTP_X_AMZN_TRACE_ID"]
        host, _, port = url.rstrip("/").rpartition("/")[2].partition(":")
        self.assertEqual(
            {name: eval(value) for name, value in facts.items()},
            {
                "REQUEST_METHOD": "PUT",
                "SCRIPT_NAME": "/shop",
                "PATH_INFO": "/a b/c/Ã©",  # UTF-8 decoded as Latin-1, which is how the PEP represents bytes
                "QUERY_STRING": "x=%20&y",
                "REQUEST_URI": "/shop/a%20b%2Fc/%C3%A9?x=%20&y",
                "SERVER_NAME": host,
                "SERVER_PORT": port,
                "SERVER_PROTOCOL": "HTTP/1.1",
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": "image/png",
                "CONTENT_LENGTH": "2",
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.input_terminated": True,
                "wsgi.multithread": False,
                "wsgi.multiprocess": True,
                "wsgi.run_once": False,
                "HTTP_HOST": f"{host}:{port}",
                "HTTP_ACCEPT_ENCODING": "identity",
                "HTTP_COOKIE": "a=1; b=2",
                "HTTP_X_TWO": "Ã©",
                "HTTP_X_FORWARDED_FOR": "127.0.0.1",
                "HTTP_X_FORWARDED_PORT": port,
                "HTTP_X_FORWARDED_PROTO": "http",
            },
        )

    def test_without_a_body_there_is_no_length(self) -> None:
        facts = json.loads(self.request(self.serve(self.APP)).text)
        self.assertEqual(
            (facts["read"], "CONTENT_LENGTH" in facts, "CONTENT_TYPE" in facts), ("b''", False, False)
        )

    def test_repeated_headers_are_joined(self) -> None:
        function = self.start_app(self.APP)
        rest = {
            "httpMethod": "GET",
            "path": "/",
            "rawPath": "",
            "multiValueHeaders": {"Accept": ["a", "b"]},
            "requestContext": {},
        }
        facts = json.loads(split_prelude(self.invoke(function, rest).payload)[1])
        self.assertEqual(eval(facts["HTTP_ACCEPT"]), "a,b")

    def test_an_event_that_is_not_an_http_request_is_reported(self) -> None:
        function = self.start_app(self.APP)
        payload = self.error(function, {"name": "Ada"})
        self.assertEqual(payload["errorType"], "NoHttpRequest")
        self.assertStillWorks(function)


class Responses(WsgiTestCase):
    def test_each_block_is_sent_before_the_next_is_produced(self) -> None:
        received = self.write({})
        url = self.serve(
            f"""
            def app(environ, start_response):
                start_response("201 Created", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
                for number, word in enumerate((b"one", b"two", b"three")):
                    while number and not os.path.exists(f"{received}/{{number}}"):
                        time.sleep(0.01)
                    yield word
            """
        )
        response = self.request(url, note_in=received)
        self.assertEqual((response.status, response.text), (201, "onetwothree"))
        self.assertEqual(response.all("set-cookie"), ["a=1", "b=2"])
        self.assertEqual([piece for _, piece in response.pieces], [b"one", b"two", b"three"])

    def test_all_forms_of_applications_in_the_pep_work(self) -> None:
        # name, body of the application, status, response body
        rows = [
            ("list", 'start_response("200 OK", TEXT); return [b"a", b"", b"b"]', 200, b"ab"),
            ("empty list", 'start_response("204 No Content", []); return []', 204, b""),
            ("only empty blocks", 'start_response("404 Not Found", TEXT); return [b"", b""]', 404, b""),
            (
                "write",
                'write = start_response("200 OK", TEXT); write(b"a"); write(b"b"); return [b"c"]',
                200,
                b"abc",
            ),
            ("only write", 'start_response("200 OK", TEXT)(b"a"); return ()', 200, b"a"),
            ("late start", "return late(start_response)", 201, b"begun"),
            ("error instead", "return replaced(start_response)", 500, b"sorry"),
            ("no reason", 'start_response("299 ", TEXT); return [b"a"]', 299, b"a"),
        ]
        helpers = """
            def late(start_response):
                yield b""
                start_response("201 Created", TEXT)
                yield b"begun"

            def replaced(start_response):
                start_response("200 OK", TEXT)
                try:
                    raise ValueError("before the first byte")
                except ValueError:
                    start_response("500 Oh", TEXT, sys.exc_info())
                yield b"sorry"
        """
        cases = [f"def case{number}(start_response): {body}" for number, (_, body, _, _) in enumerate(rows)]
        dispatch = """
            def app(environ, start_response):
                return globals()["case" + environ["PATH_INFO"][1:]](start_response)
        """
        url = self.serve(joined(helpers, *cases, dispatch))
        for number, (name, _, status, body) in enumerate(rows):
            with self.subTest(name):
                response = self.request(url, f"/{number}")
                self.assertEqual((response.status, response.body, response.cut_short), (status, body, False))

    def test_the_iterable_is_always_closed(self) -> None:
        url = self.serve(
            """
            class Blocks:
                def __init__(self, fails): self.fails = fails; self.blocks = iter([b"a", b"b"])
                def __iter__(self): return self
                def __next__(self):
                    if self.fails: raise ValueError("in the middle")
                    return next(self.blocks)
                def close(self): print("closed")

            def app(environ, start_response):
                start_response("200 OK", TEXT)
                return Blocks(environ["PATH_INFO"] == "/fail")
            """
        )
        self.assertEqual(self.request(url).text, "ab")
        self.assertEqual(self.request(url, "/fail").status, 502)
        self.assertEqual(self.function.log_text().count("closed\n"), 2)

    def test_it_is_closed_when_the_client_has_left(self) -> None:
        refused = reply_bytes(413, b"{}", "Connection: close")
        outcome = self.play(
            event("r1", json.dumps(url_event()).encode()),
            Reply(refused, CLOSE, early=True),
            event("r2", b"{}"),
            accepted(),
            source=source(
                """
                def app(environ, start_response):
                    start_response("200 OK", TEXT)
                    try:
                        while True:
                            yield b"x"
                            time.sleep(0.01)
                    finally:
                        print("closed")
                """
            ),
        )
        self.assertEqual(outcome.calls[:4], ["next", "r1/response", "next", "r2/error"])
        self.assertIn("closed\n", outcome.output)

    def test_headers_about_the_connection_are_dropped(self) -> None:
        app = """
            def app(environ, start_response):
                own = ("Connection", "Transfer-Encoding", "Proxy-X", "Content-Length")
                start_response("200 OK", [*[(name, "1") for name in own], ("Date", "today")])
                return [b"body"]
        """
        function = self.start_app(app)
        head, _ = split_prelude(self.invoke(function, url_event()).payload)
        self.assertEqual(head["headers"], {"date": "today"})
        self.assertEqual(self.call(function, EVENTS["HTTP API"])["headers"], {"date": "today"})

    def test_head_has_headers_only(self) -> None:
        url = self.serve(
            """
            def app(environ, start_response):
                start_response("200 OK", [("Content-Length", "4")])
                return [b"body"]
            """
        )
        response = self.request(url, method="HEAD")
        self.assertEqual((response.status, response.header("content-length"), response.body), (200, "4", b""))

    def test_the_response_is_buffered_on_demand_and_for_sources_that_cannot_stream(self) -> None:
        app = """
            def app(environ, start_response):
                cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
                start_response("200 OK", [("Content-Type", "image/png"), *cookies])
                yield b"\\x89"
                yield b"PNG"
        """
        url = self.serve(app, ", streaming=False", "BUFFERED")
        response = self.request(url)
        self.assertEqual((response.body, response.all("set-cookie")), (b"\x89PNG", ["a=1", "b=2"]))
        balancer = {"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/", "headers": {}}
        self.assertResponse(
            self.start_app(app),
            balancer,
            {
                "statusCode": 200,
                "headers": {"content-type": "image/png", "set-cookie": "a=1", "Set-cookie": "b=2"},
                "body": "iVBORw==",
                "isBase64Encoded": True,
            },
        )

    def test_other_types_may_be_text(self) -> None:
        app = """
            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "application/X-Own; a=b")])
                return [b"text"]
        """
        response = self.call(
            self.start_app(app, ', streaming=False, text_types=("application/x-Own",)'), url_event()
        )
        self.assertEqual((response["body"], response["isBase64Encoded"]), ("text", False))


class Middleware(WsgiTestCase):
    """Handlers that call the handler: every use of its result must work for every event source."""

    APP = """
        def app(environ, start_response):
            start_response("201 Created", [("X-Own", "1")])
            yield b"one "
            yield environ["PATH_INFO"].encode()
    """
    HANDLERS = {
        "returns": "def handler(event, context): return web(event, context)",
        "async, returns": "async def handler(event, context): return web(event, context)",
        "yields from": "def handler(event, context): yield from web(event, context)",
        "iterates": """
            def handler(event, context):
                for part in web(event, context):
                    yield part
        """,
        "async, iterates": """
            async def handler(event, context):
                for part in web(event, context):
                    yield part
        """,
    }

    def test_may_return_or_delegate_to_the_result(self) -> None:
        for options in ("", ", streaming=False"):
            for name, wrapping in self.HANDLERS.items():
                function = self.start(joined(source(self.APP, options), "web = handler", wrapping))
                for event_source, sent in EVENTS.items():
                    with self.subTest(handler=name, event_source=event_source, options=options):
                        result = self.invoke(function, sent)
                        self.assertIsNone(result.function_error, result.payload)
                        streamed = not options and event_source in ("function URL", "REST API")
                        self.assertEqual(
                            read_response(result.payload, streamed=streamed), (201, "1", "one /a")
                        )
                self.assertStillWorks(function)

    def test_may_ignore_the_result_and_then_no_error_is_reported(self) -> None:
        wrapping = """
            import gc
            web = handler
            def handler(event, context):
                web(event, context)
                gc.collect()
                return "instead"
        """
        function = self.start(joined(source(self.APP), wrapping))
        for sent in EVENTS.values():
            result = self.invoke(function, sent)
            self.assertEqual((result.payload, own_log(result)), (b'"instead"', ""))


class Mistakes(WsgiTestCase):
    APP = """
        def app(environ, start_response):
            path = environ["PATH_INFO"]
            if path == "/before": raise ValueError("before")
            if path == "/none": return None
            if path == "/never": return [b"a"]
            if path == "/status": start_response(200, TEXT)
            if path == "/range": start_response("999 Oh", TEXT)
            if path == "/line break": start_response("200 OK", [("X-A", "1\\r\\nSet-Cookie: b")])
            if path == "/number": start_response("200 OK", [("X", 5)])
            if path == "/dict": start_response("200 OK", {"X-A": "5"})
            if path == "/write": start_response("200 OK", TEXT)("text")
            start_response("200 OK", TEXT)
            if path == "/twice": start_response("200 OK", TEXT)
            return rest(path, start_response)

        def rest(path, start_response):
            if path == "/text": yield "text"
            yield b"begun"
            if path == "/midway": raise KeyError("midway")
            if path == "/late":
                try:
                    raise RuntimeError("late")
                except RuntimeError:
                    start_response("500 Oh", TEXT, sys.exc_info())
            yield b" and ended"
    """

    def test_before_the_first_byte_they_are_ordinary_errors(self) -> None:
        rows = [
            ("/before", "ValueError", "before"),
            (
                "/none",
                "ApplicationError",
                "function.app has returned NoneType, expected an iterable of bytes",
            ),
            ("/never", "ApplicationError", "has not called start_response before its first block"),
            ("/status", "ApplicationError", "has given the status 200, expected for example '200 OK'"),
            ("/range", "ApplicationError", "function.app has given the status 999, expected 200 to 599"),
            (
                "/line break",
                "ApplicationError",
                r"has given the header 'X-A' with a line break: '1\r\nSet-Cookie: b'",
            ),
            ("/number", "ApplicationError", "has given the header ('X', 5), expected a tuple of two str"),
            (
                "/dict",
                "ApplicationError",
                "has given the header 'X-A', expected a tuple of two str in a list",
            ),
            ("/write", "ApplicationError", "has sent a block of str, expected bytes"),
            ("/twice", "ApplicationError", "has called start_response twice without exc_info"),
            ("/text", "ApplicationError", "has sent a block of str, expected bytes"),
        ]
        for options in ("", ", streaming=False"):
            function = self.start_app(self.APP, options)
            for path, error_type, message in rows:
                with self.subTest(path=path, options=options):
                    payload = self.error(function, url_event(path=path))
                    self.assertEqual(payload["errorType"], error_type)
                    self.assertIn(message, payload["errorMessage"])
            self.assertStillWorks(function)

    def test_an_invalid_prelude_is_reported_where_it_is_given(self) -> None:
        function = self.start_app(self.APP)
        for path in ("/range", "/line break"):
            payload = self.error(function, url_event(path=path))
            self.assertIn(f'in app\n    if path == "{path}": start_response(', payload["stackTrace"][0])
        long = """
            def app(environ, start_response):
                start_response("200 OK", [("X", "y" * 20_000)])
                return [b"fine"]
        """
        payload = self.error(self.start_app(long), url_event())
        self.assertIn("Status and headers take", payload["errorMessage"])
        self.assertIn("in app\n    start_response(", payload["stackTrace"][0])
        response = self.call(self.start_app(long, ", streaming=False"), url_event())
        self.assertEqual(response["body"], "ZmluZQ==")

    def test_midway_they_cut_the_response_short(self) -> None:
        url = self.serve(self.APP)
        for path, message in [("/midway", "KeyError: 'midway'"), ("/late", "RuntimeError: late")]:
            with self.subTest(path):
                response = self.request(url, path)
                self.assertEqual((response.status, response.body, response.cut_short), (200, b"begun", True))
                self.assertIn(message, self.function.log_text())
        self.assertEqual(self.request(url).text, "begun and ended")
        self.assertStillWorks(self.function)
