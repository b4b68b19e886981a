"""ASGI applications: their scope, their responses, and their errors."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time

from tests.scripted_server import CLOSE, reply_bytes
from tests.support import PATIENCE_S, PYPY, ROOT, SMALL_NURSERY, Reply, accepted, event, joined, own_log
from tests.web import EVENTS, WebTestCase, read_response, split_prelude, url_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.support import Function

# The beginning of every application here: `respond` and `finish` send. The last line creates `handler` from
# `app`.
PREAMBLE = """
    import asyncio, json, os, sys, time
    from lambda_runtime import asgi

    async def respond(send, status=200, *headers):
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})

    async def body(send, data, more=False):
        await send({"type": "http.response.body", "body": data, "more_body": more})
"""

WSGI = """
    from lambda_runtime import wsgi

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"served"]

    handler = wsgi.handler(app)
"""


class AsgiTestCase(WebTestCase):
    def serve(
        self, app: str, options: str = "", invoke_mode: str = "RESPONSE_STREAM", **settings: Any
    ) -> str:
        """Return the URL of a function whose ``app`` has this source."""
        self.function = self.start_app(app, options, **settings)
        return self.url(self.function, invoke_mode)

    def start_app(self, app: str, options: str = "", **settings: Any) -> Function:
        return self.start(source(app, options), **settings)


def source(app: str, options: str = "") -> str:
    return joined(PREAMBLE, app, f"handler = asgi.handler(app{options})")


class Requests(AsgiTestCase):
    def test_the_scope_is_that_of_the_specification(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                assert scope["type"] == "http"
                facts = {name: repr(value) for name, value in scope.items() if not name.startswith("aws.")}
                facts["event"] = scope["aws.event"]["rawPath"]
                facts["id"] = scope["aws.context"].aws_request_id
                await respond(send)
                await body(send, json.dumps(facts).encode())
            """
        )
        headers = {"X-Twice": "1", "Cookie": "a=1; b=2", "X-Lower-CASE": "é"}
        response = self.request(url, "/a%20b%2Fc/%C3%A9?x=%20&y", method="OPTIONS", headers=headers)
        facts = json.loads(response.text)
        self.assertEqual(facts.pop("id"), response.header("x-amzn-requestid"))
        self.assertEqual(facts.pop("event"), "/a%20b%2Fc/%C3%A9")
        scope = {name: eval(value) for name, value in facts.items()}
        pairs = scope.pop("headers")
        self.assertTrue({(b"x-twice", b"1"), (b"cookie", b"a=1; b=2")} <= set(pairs))
        self.assertTrue(all(isinstance(item, bytes) and pair[0].islower() for pair in pairs for item in pair))
        port = int(url.rstrip("/").rpartition(":")[2])
        self.assertEqual(
            scope,
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": "OPTIONS",
                "scheme": "http",
                "path": "/a b/c/é",
                "raw_path": b"/a%20b%2Fc/%C3%A9",
                "query_string": b"x=%20&y",
                "root_path": "",
                "client": ("127.0.0.1", 0),
                "server": ("127.0.0.1", port),
                "state": {},
                "extensions": {},
            },
        )

    def test_the_body_is_received_once_and_a_disconnect_after_the_response(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                first = await receive()
                later = asyncio.ensure_future(receive())
                await asyncio.sleep(0.02)
                await respond(send)
                await body(send, repr([first, later.done()]).encode())
                print(await later)
            """
        )
        expected = {"type": "http.request", "body": b"\x00\xff", "more_body": False}
        response = self.request(url, method="POST", body=b"\x00\xff", headers={"Content-Type": "image/png"})
        self.assertEqual(eval(response.text), [expected, False])
        self.assertIn("{'type': 'http.disconnect'}\n", self.log_after_end())

    def log_after_end(self) -> str:
        self.invoke(self.function, url_event())  # the next event is sent after the end of the previous one
        return self.function.log_text()

    def test_a_websocket_is_refused_with_a_status_and_a_reason(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                raise AssertionError("never asked")
            """
        )
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        response = self.request(url, "/ws", headers=headers)
        self.assertEqual(
            (response.status, response.header("content-type")), (501, "text/plain; charset=utf-8")
        )
        self.assertIn("WebSockets are not supported", response.text)

    def test_an_event_that_is_not_an_http_request_is_reported(self) -> None:
        function = self.start_app("async def app(scope, receive, send): pass")
        payload = self.error(function, {"name": "Ada"})
        self.assertEqual(payload["errorType"], "NoHttpRequest")
        self.assertIn("found keys 'name'; expected an event of a function URL", payload["errorMessage"])
        self.assertStillWorks(function)

    def test_the_base_path_is_the_root_path(self) -> None:
        app = """
            async def app(scope, receive, send):
                await respond(send)
                await body(send, repr([scope["root_path"], scope["path"]]).encode())
        """
        url = self.serve(app, ', base_path="/shop"')
        self.assertEqual(eval(self.request(url, "/shop/a").text), ["/shop", "/shop/a"])


class Responses(AsgiTestCase):
    def test_each_part_is_sent_before_the_application_continues(self) -> None:
        received = self.write({})
        url = self.serve(
            f"""
            def is_received(number):
                return os.path.exists(f"{received}/{{number}}")

            async def app(scope, receive, send):
                assert scope["type"] == "http"
                await respond(send, 201, ("set-cookie", "a=1"), ("set-cookie", "b=2"))
                while not is_received(0):
                    time.sleep(0.01)  # keeps the event loop busy, as an application should not
                await body(send, b"one", True)
                while not is_received(1):
                    time.sleep(0.01)
                await body(send, b"two", True)
                while not is_received(2):
                    await asyncio.sleep(0.01)
                await body(send, b"three")
            """
        )
        response = self.request(url, note_in=received)
        self.assertEqual((response.status, response.text), (201, "onetwothree"))
        self.assertEqual(response.all("set-cookie"), ["a=1", "b=2"])
        self.assertEqual([piece for _, piece in response.pieces], [b"one", b"two", b"three"])

    def test_the_response_is_complete_while_the_application_continues(self) -> None:
        received = os.path.join(self.write({}), "received")
        url = self.serve(
            f"""
            done = []
            async def app(scope, receive, send):
                await respond(send)
                await body(send, json.dumps(done).encode())
                while not os.path.exists({received!r}):
                    await asyncio.sleep(0.01)
                done.append(scope["path"])
            """
        )
        self.assertEqual(self.request(url, "/first").text, "[]")
        with open(received, "w"):
            pass
        self.assertEqual(self.request(url, "/second").text, '["/first"]')

    def test_an_error_of_the_application_after_its_response_is_logged(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                await respond(send)
                await body(send, b"fine")
                if scope["path"] == "/raise": raise ValueError("too late")
                if scope["path"] == "/send": await body(send, b"more")
            """
        )
        for path in ("/raise", "/send", "/"):
            response = self.request(url, path)
            self.assertEqual((response.status, response.text, response.cut_short), (200, "fine", False))
        log = self.function.log_text()
        self.assertIn("[ERROR] ValueError: too late", log)
        self.assertEqual(log.count("Raised by the web application after its response; the caller"), 2, log)
        self.assertNotIn("context.after_response", log)
        self.assertIn(
            "function.app has sent http.response.body, expected nothing more, as its response is", log
        )
        self.assertStillWorks(self.function)

    def test_an_error_of_the_application_after_a_buffered_response_is_logged(self) -> None:
        app = """
            async def app(scope, receive, send):
                await respond(send)
                await body(send, b"fine")
                raise ValueError("too late")
        """
        url = self.serve(app, ", streaming=False", "BUFFERED")
        for _ in range(2):  # the error is logged before the second one
            self.assertEqual(self.request(url).text, "fine")
        log = self.function.log_text()
        self.assertIn("[ERROR] ValueError: too late", log)
        self.assertIn("Raised by the web application after its response; the caller already has it", log)

    def test_responses_and_parts_may_be_empty(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                await respond(send, 204 if scope["path"] == "/empty" else 200)
                if scope["path"] == "/parts":
                    await body(send, b"", True)
                    await send({"type": "http.response.body", "more_body": True})
                    await body(send, memoryview(b"a"), True)
                    await body(send, bytearray(b"b"), True)
                await send({"type": "http.response.body"})
            """
        )
        response = self.request(url, "/empty")
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(self.request(url, "/parts").body, b"ab")

    def test_headers_about_the_connection_are_dropped(self) -> None:
        app = """
            async def app(scope, receive, send):
                names = ("connection", "transfer-encoding", "proxy-x", "content-length")
                own = [(name, "1") for name in names]
                await respond(send, 200, *own, ("date", "today"))
                await body(send, b"body")
        """
        function = self.start_app(app)
        head, _ = split_prelude(self.invoke(function, url_event()).payload)
        self.assertEqual(head["headers"], {"date": "today"})
        self.assertEqual(self.call(function, EVENTS["HTTP API"])["headers"], {"date": "today"})

    def test_head_has_headers_only(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                await respond(send, 200, ("content-length", "4"))
                await body(send, b"body")
            """
        )
        response = self.request(url, method="HEAD")
        self.assertEqual((response.status, response.header("content-length"), response.body), (200, "4", b""))
        self.assertEqual(self.request(url).body, b"body")

    def test_tasks_of_the_application_may_send(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                await respond(send)
                parts = [body(send, b"%d" % number, True) for number in range(5)]
                await asyncio.gather(*parts)
                await asyncio.ensure_future(body(send, b"."))
            """
        )
        self.assertEqual(self.request(url).text, "01234.")

    def test_many_parts_take_little_memory(self) -> None:
        url = self.serve(
            """
            import resource
            async def app(scope, receive, send):
                await respond(send)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                for _ in range(300):
                    await body(send, bytes(100_000), True)
                grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                await body(send, b"%10d" % grown)
            """,
            environment=SMALL_NURSERY,
        )
        response = self.request(url)
        self.assertEqual(len(response.body), 30_000_010)
        self.assertLess(int(response.body[-10:]), 10_000)  # KB


class Buffered(AsgiTestCase):
    APP = """
        async def app(scope, receive, send):
            kind = "image/png" if scope["path"] == "/picture" else "text/html"
            await respond(send, 201, ("content-type", kind), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
            await body(send, b"<p>", True)
            await body(send, b"\\xff" if scope["path"] == "/picture" else "é".encode())
            await asyncio.sleep(0.05)
            print("afterwards")
    """

    def test_the_response_is_buffered_on_demand(self) -> None:
        url = self.serve(self.APP, ", streaming=False", "BUFFERED")
        response = self.request(url)
        self.assertEqual((response.status, response.text), (201, "<p>é"))
        self.assertEqual(response.all("set-cookie"), ["a=1", "b=2"])
        self.assertEqual(self.request(url, "/picture").body, b"<p>\xff")
        result = self.invoke(self.function, url_event())
        self.assertEqual(result.response_mode, "buffered")
        self.assertEqual(own_log(result), "afterwards\n")

    def test_other_tasks_run_while_a_buffered_response_is_sent_in_parts(self) -> None:
        app = """
            import asyncio, contextlib

            async def parts(send):
                while True:
                    await body(send, b"-", True)

            async def app(scope, receive, send):
                await respond(send)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(parts(send), 0.05)
                await body(send, b"end")
        """
        url = self.serve(app, ", streaming=False", "BUFFERED")
        text = self.request(url).text
        self.assertRegex(text, "^-+end$", self.function.log_text())

    def test_tasks_of_an_application_that_fails_receive_a_disconnect(self) -> None:
        app = """
            tasks = []

            async def app(scope, receive, send):
                await receive()
                if scope["path"] == "/fail":
                    tasks.append(asyncio.ensure_future(receive()))
                    await asyncio.sleep(0)
                    raise ValueError("failed")
                await respond(send, 200, ("content-type", "text/plain"))
                await body(send, (await tasks[0])["type"].encode())
        """
        function = self.start_app(app, ", streaming=False")
        self.assertEqual(self.error(function, url_event(path="/fail"))["errorMessage"], "failed")
        self.assertEqual(self.call(function, url_event())["body"], "http.disconnect")

    def test_a_task_that_sends_after_the_application_has_returned_changes_nothing(self) -> None:
        app = """
            tasks = []

            async def late(send):
                await asyncio.sleep(0.01)
                await body(send, b"late")
                return "sent"

            async def app(scope, receive, send):
                await respond(send, 200, ("content-type", "text/plain"))
                if scope["path"] == "/late":
                    tasks.append(asyncio.ensure_future(late(send)))
                else:
                    await body(send, (await tasks[0]).encode())
        """
        function = self.start_app(app, ", streaming=False")
        message = self.error(function, url_event(path="/late"))["errorMessage"]
        self.assertIn("has returned without sending http.response.body with more_body=False", message)
        self.assertEqual(self.call(function, url_event())["body"], "sent")

    def test_the_shutdown_runs_after_sys_exit_behind_the_response(self) -> None:
        app = """
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    print("shut down")
                    await send({"type": "lifespan.shutdown.complete"})
                    return
                await respond(send, 200, ("content-type", "text/plain"))
                await body(send, b"done")
                sys.exit(3)
        """
        function = self.start_app(app, ", streaming=False")
        self.error(function, url_event())
        self.assertEqual(self.assertEnds(function), 3)
        self.assertIn("shut down", function.log_text())

    def test_a_response_that_is_cancelled_cancels_the_application(self) -> None:
        app = """
            async def app(scope, receive, send):
                try:
                    await asyncio.sleep(30 if scope["path"] == "/slow" else 0)
                except asyncio.CancelledError:
                    print("cancelled")
                    raise
                await respond(send, 200, ("content-type", "text/plain"))
                await body(send, b"done")
        """
        limited = """
            web = asgi.handler(app, streaming=False)

            async def limited(event, context):
                try:
                    return await asyncio.wait_for(web(event, context), 0.05)
                except asyncio.TimeoutError:
                    return "too late"

            async def twice(event, context):
                pending = web(event, context)
                await pending
                return pending

            async def at_once(event, context):
                task = asyncio.ensure_future(web(event, context))
                await asyncio.sleep(0)  # the task waits, and the application has not begun
                task.cancel()
                return [type(one).__name__ for one in await asyncio.gather(task, return_exceptions=True)]

            def handler(event, context):
                way = {"/twice": twice, "/at-once": at_once}.get(event["rawPath"], limited)
                return way(event, context)
        """
        function = self.start(joined(source(app), limited))
        self.assertEqual(self.call(function, url_event(path="/slow")), "too late")
        self.assertEqual(self.call(function, url_event())["body"], "done")
        self.assertEqual(self.call(function, url_event(path="/at-once")), ["CancelledError"])
        self.assertEqual(function.log_text().count("cancelled"), 1)
        self.assertEqual(self.error(function, url_event(path="/twice"))["errorType"], "RuntimeError")

    def test_event_sources_that_cannot_stream_get_a_buffered_response(self) -> None:
        function = self.start_app(self.APP)
        http_api = url_event()
        http_api["requestContext"]["domainName"] = "api.example.com"
        balancer = {
            "requestContext": {"elb": {"targetGroupArn": "arn"}},
            "httpMethod": "GET",
            "path": "/",
            "multiValueHeaders": {"host": ["lb"]},
        }
        head = {"statusCode": 201, "body": "<p>é", "isBase64Encoded": False}
        cookies = ["a=1", "b=2"]
        self.assertResponse(
            function, http_api, {**head, "headers": {"content-type": "text/html"}, "cookies": cookies}
        )
        lists = {"content-type": ["text/html"], "set-cookie": cookies}
        self.assertResponse(function, balancer, {**head, "multiValueHeaders": lists})

    def test_a_rest_api_stream_has_lists_in_its_prelude(self) -> None:
        function = self.start_app(self.APP)
        rest = {
            "httpMethod": "GET",
            "path": "/",
            "headers": {},
            "requestContext": {"path": "/prod/", "stage": "prod"},
        }
        result = self.invoke(function, rest)
        self.assertEqual(result.response_mode, "streaming")
        head, body = split_prelude(result.payload)
        lists = {"set-cookie": ["a=1", "b=2"]}
        self.assertEqual(
            head, {"statusCode": 201, "headers": {"content-type": "text/html"}, "multiValueHeaders": lists}
        )
        self.assertEqual(body.decode(), "<p>é")


class Middleware(AsgiTestCase):
    """Handlers that call the handler: every use of its result must work for every event source."""

    APP = """
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            print("started")
            await respond(send, 201, ("x-own", "1"))
            await body(send, b"one ", True)
            await asyncio.sleep(0)
            await body(send, scope["path"].encode())
            await asyncio.sleep(0.01)
            print("ended")
    """
    # The handlers to try; `web` is the handler of the application.
    HANDLERS = {
        "returns": "def handler(event, context): return web(event, context)",
        "async, returns": "async def handler(event, context): return web(event, context)",
        "awaits": "async def handler(event, context): return await web(event, context)",
        "awaits in a task": """
            async def handler(event, context):
                return await asyncio.create_task(web(event, context))
        """,
        "awaits in time": """
            async def handler(event, context):
                return await asyncio.wait_for(web(event, context), 5)
        """,
        "iterates": """
            async def handler(event, context):
                async for part in web(event, context):
                    yield part
        """,
        "closes": """
            import contextlib
            async def handler(event, context):
                try:
                    async for part in web(event, context):
                        yield part
                finally:
                    print("closed")
        """,
        "decorated": """
            import functools
            @functools.wraps(web)
            def handler(*arguments):
                print("called")
                return web(*arguments)
        """,
    }

    def test_may_return_await_or_iterate_the_result(self) -> None:
        for options in ("", ", streaming=False"):
            for name, wrapping in self.HANDLERS.items():
                function = self.start(joined(source(self.APP, options), "web = handler", wrapping))
                for event_source, sent in EVENTS.items():
                    with self.subTest(handler=name, event_source=event_source, options=options):
                        result = self.invoke(function, sent)
                        self.assertIsNone(result.function_error, result.payload)
                        streamed = not options and event_source in ("function URL", "REST API")
                        status, own, text = read_response(result.payload, streamed=streamed)
                        self.assertEqual((status, own, text), (201, "1", "one /a"))
                        log = own_log(result)
                        self.assertIn("started\nended\n", log.replace("called\n", "").replace("closed\n", ""))
                self.assertStillWorks(function)
                self.assertNotIn("Warning", function.log_text())

    def test_may_look_at_the_awaited_result(self) -> None:
        wrapping = """
            web = handler
            async def handler(event, context):
                response = await web(event, context)
                response["headers"]["x-own"] = "2"
                return response
        """
        function = self.start(joined(source(self.APP, ", streaming=False"), wrapping))
        for event_source in ("HTTP API", "REST API"):
            response = self.call(function, EVENTS[event_source])
            self.assertEqual(response["headers"]["x-own"], "2")

    def test_may_ignore_the_result_and_then_the_application_does_not_run(self) -> None:
        wrapping = """
            import gc
            web = handler
            def handler(event, context):
                web(event, context)
                web(event, context).close()
                gc.collect()
                return "instead"
        """
        for options in ("", ", streaming=False"):
            function = self.start(joined(source(self.APP, options), wrapping))
            for sent in EVENTS.values():
                result = self.invoke(function, sent)
                self.assertEqual((result.payload, own_log(result)), (b'"instead"', ""))

    def test_sees_the_errors_of_the_application(self) -> None:
        app = """
            async def app(scope, receive, send):
                assert scope["type"] == "http"
                raise ValueError("the application fails")
        """
        catching = """
            web = handler
            async def handler(event, context):
                try:
                    {}
                except ValueError as error:
                    print("caught", error)
                    raise
        """
        # A stream begins after the handler has returned it, so only code that iterates it sees its
        # exceptions.
        for statement, event_sources in [
            ("return await web(event, context)", ("HTTP API", "load balancer")),
            ("async for part in web(event, context): yield part", tuple(EVENTS)),
        ]:
            function = self.start(joined(source(app), catching.format(statement)))
            for event_source in event_sources:
                with self.subTest(statement=statement, event_source=event_source):
                    result = self.invoke(function, EVENTS[event_source])
                    self.assertEqual(json.loads(result.payload)["errorMessage"], "the application fails")
                    self.assertIn("caught the application fails\n", own_log(result))

    def test_may_be_a_test_that_runs_the_result(self) -> None:
        root = self.write({"function.py": source(self.APP)})
        script = f"""
            import asyncio, sys
            sys.path[:0] = [{str(ROOT / "runtime")!r}, {root!r}]
            import function

            class Context:
                def after_response(self, call): pass

            event = {EVENTS["HTTP API"]!r}
            print(asyncio.run(function.handler(event, Context()))["statusCode"])
        """
        command = [sys.executable, "-W", "error", "-c", joined(script)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.stdout.decode(), "started\nended\n201\n")

    def test_may_run_the_result_on_a_new_loop(self) -> None:
        function = self.start(
            joined(
                source(self.APP),
                "import asyncio, gc",
                "web = handler",
                "def is_loop(value): return issubclass(type(value), asyncio.AbstractEventLoop)",
                "def loops(): return [gc.collect(), sum(map(is_loop, gc.get_objects()))][1]",
                "def handler(event, context): return asyncio.run(web(event, context)) if event else loops()",
            )
        )
        for _ in range(2):
            self.assertEqual(self.call(function, EVENTS["HTTP API"])["statusCode"], 201)
        loops = self.call(function, None)
        log = function.log_text()
        self.assertEqual(log.count("ended\n"), 2, log)
        self.assertNotIn("[ERROR]", log)
        for _ in range(5):
            self.call(function, EVENTS["HTTP API"])
        if not PYPY:  # which frees them later
            self.assertEqual(self.call(function, None), loops)


class Mistakes(AsgiTestCase):
    APP = """
        async def app(scope, receive, send):
            path = scope["path"]
            if path == "/before": raise ValueError("before")
            if path == "/nothing": return
            if path == "/unknown": await send({"type": "http.response.trailers"})
            if path == "/early": await body(send, b"no start")
            if path == "/text header":
                await send({"type": "http.response.start", "status": 200, "headers": [("a", "b")]})
            if path == "/status": await respond(send, 600)
            if path == "/line break": await respond(send, 200, ("x-a", "1\\r\\nset-cookie: b"))
            await respond(send)
            if path == "/twice": await respond(send)
            if path == "/text": await body(send, "text")
            await body(send, b"begun", True)
            if path == "/midway": raise KeyError("midway")
            if path == "/open": return
            if path == "/exit": sys.exit(3)
            await body(send, b" and ended")
    """

    def test_before_the_first_byte_they_are_ordinary_errors(self) -> None:
        rows = [
            ("/before", "ValueError", "before"),
            ("/nothing", "ApplicationError", "function.app has returned without sending http.response.start"),
            ("/unknown", "ApplicationError", "has sent http.response.trailers, expected http.response.start"),
            ("/early", "ApplicationError", "has sent http.response.body, expected http.response.start"),
            ("/text header", "ApplicationError", "has sent the header ('a', 'b'), expected bytes"),
            ("/status", "ApplicationError", "function.app has given the status 600, expected 200 to 599"),
            (
                "/line break",
                "ApplicationError",
                r"has given the header 'x-a' with a line break: '1\r\nset-cookie: b'",
            ),
        ]
        for options in ("", ", streaming=False"):
            function = self.start_app(self.APP, options)
            for path, error_type, message in rows:
                with self.subTest(path=path, options=options):
                    payload = self.error(function, url_event(path=path))
                    self.assertEqual(payload["errorType"], error_type)
                    self.assertIn(message, payload["errorMessage"])
            self.assertStillWorks(function)

    def test_the_trace_is_that_of_the_application(self) -> None:
        function = self.start_app(self.APP)
        for path in ("/before", "/midway"):
            payload = self.error(function, url_event(path=path))
            self.assertEqual(
                [entry.split(" in ")[1].split("\n")[0] for entry in payload["stackTrace"]], ["app"]
            )

    def test_midway_they_cut_the_response_short(self) -> None:
        url = self.serve(self.APP)
        rows = [
            ("/midway", b"begun", "KeyError"),
            ("/open", b"begun", "without sending http.response.body with more_body=False"),
            ("/twice", b"", "has sent http.response.start, expected http.response.body"),
            ("/text", b"", "has sent a body of type str, expected bytes"),
        ]
        for path, body, message in rows:
            with self.subTest(path):
                response = self.request(url, path)
                self.assertEqual((response.status, response.body, response.cut_short), (200, body, True))
                self.assertIn(message, self.function.log_text())
        self.assertEqual(self.request(url).text, "begun and ended")
        self.assertStillWorks(self.function)

    def test_sys_exit_ends_the_process_as_in_any_handler(self) -> None:
        function = self.start_app(self.APP)
        self.assertEqual(self.error(function, url_event(path="/exit"))["errorType"], "SystemExit")
        self.assertEqual(self.assertEnds(function), 3)

    def test_a_prelude_that_is_too_long_is_an_error(self) -> None:
        app = """
            async def app(scope, receive, send):
                await respond(send, 200, ("x", "y" * (20_000 if scope["path"] == "/long" else 1)))
                await body(send, b"fine")
        """
        url = self.serve(app)
        self.assertEqual(self.request(url, "/long").status, 502)
        self.assertIn("Status and headers take", self.function.log_text())
        self.assertEqual(self.request(url).text, "fine")
        buffered = self.serve(app, ", streaming=False", "BUFFERED")
        self.assertEqual(self.request(buffered, "/long").text, "fine")

    def test_an_invalid_prelude_is_reported_where_it_is_sent(self) -> None:
        app = """
            async def app(scope, receive, send):
                status, value = {"/status": (600, "1"), "/long": (200, "y" * 20_000)}[scope["path"]]
                try:
                    await respond(send, status, ("x", value))
                except OSError:
                    print("as if the client had left")
                    raise
        """
        function = self.start_app(app)
        for path in ("/status", "/long"):
            payload = self.error(function, url_event(path=path))
            self.assertIn("in app\n    await respond(send, status, (", payload["stackTrace"][0])
        self.assertNotIn("client", function.log_text())


class LeavingClients(AsgiTestCase):
    """An early reply of the Runtime API means that the client has left."""

    def play_leaving(self, app: str) -> str:
        """Serve a client that leaves, then another event; return what the application printed."""
        refused = reply_bytes(413, b"{}", "Connection: close")
        outcome = self.play(
            event("r1", json.dumps(url_event(path="/left")).encode()),
            Reply(refused, CLOSE, early=True),
            event("r2", b"{}"),
            accepted(),
            source=source(app),
        )
        self.assertEqual(outcome.calls[:4], ["next", "r1/response", "next", "r2/error"])
        return outcome.output + outcome.errors

    def test_send_raises_an_oserror_and_receive_returns_a_disconnect(self) -> None:
        output = self.play_leaving(
            """
            async def app(scope, receive, send):
                await respond(send)
                try:
                    while True:
                        await body(send, b"x", True)
                        await asyncio.sleep(0.01)
                except OSError as error:
                    print(type(error).__name__, error)
                    await receive()
                    print(await receive())
                    raise RuntimeError("because of that")
                finally:
                    print("closed")
            """
        )
        self.assertIn("ClientLeft The client has left before the response was complete\n", output)
        self.assertIn("{'type': 'http.disconnect'}\nclosed\n", output)
        self.assertNotIn("because of that", output)

    def test_an_application_that_ignores_the_disconnect_is_cancelled(self) -> None:
        output = self.play_leaving(
            """
            asgi.LEAVING_S = 0.05
            async def app(scope, receive, send):
                await respond(send)
                async def stream():
                    while True:
                        await body(send, b"x", True)
                        await asyncio.sleep(0.01)
                asyncio.ensure_future(stream())
                try:
                    await asyncio.sleep(20)
                finally:
                    print("closed")
            """
        )
        self.assertIn("closed\n", output)
        self.assertIn("function.app was still running 0.05 s after its client had left, and is", output)

    def test_other_errors_at_the_end_are_logged(self) -> None:
        output = self.play_leaving(
            """
            async def app(scope, receive, send):
                await respond(send)
                await receive()
                watcher = asyncio.ensure_future(receive())
                while not watcher.done():
                    await asyncio.wait({asyncio.ensure_future(body(send, b"x", True))})
                    await asyncio.sleep(0.01)
                raise ValueError("something else")
            """
        )
        self.assertIn("ValueError: something else", output)


class Lifespans(AsgiTestCase):
    COUNTING = """
        starts = []
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                assert (await receive())["type"] == "lifespan.startup"
                starts.append(id(asyncio.get_running_loop()))
                scope["state"]["pool"] = "open"
                await send({"type": "lifespan.startup.complete"})
                assert (await receive())["type"] == "lifespan.shutdown"
                sys.stdout.write(f"shut down on {id(asyncio.get_running_loop()) == starts[0]}\\n")
                await send({"type": "lifespan.shutdown.complete"})
                return
            scope["state"]["pool"] += "!"
            await respond(send)
            same_loop = starts[0] == id(asyncio.get_running_loop())
            await body(send, repr([scope["state"], len(starts), same_loop]).encode())
    """

    def test_the_startup_runs_once_on_the_loop_of_the_requests(self) -> None:
        url = self.serve(self.COUNTING)
        for _ in range(2):
            self.assertEqual(eval(self.request(url).text), [{"pool": "open!"}, 1, True])
        self.assertNotIn("shut down", self.function.log_text())

    def test_off_does_not_run_the_startup(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                assert scope["type"] == "http"
                await respond(send)
                await body(send, repr(scope["state"]).encode())
            """,
            ', lifespan="off"',
        )
        self.assertEqual(self.request(url).text, "{}")

    def test_an_application_without_a_lifespan_is_served(self) -> None:
        serve = "await respond(send)\n                await body(send, b'served')"
        rows = [
            ("raises at the scope", "assert scope['type'] == 'http'"),
            ("raises at the message", "(await receive())['body']"),
            ("takes it for a request", "await receive()"),
            (
                "takes its time for that",
                "await receive(); await respond(send); await asyncio.sleep(0.01); "
                "await body(send, b'served'); return",
            ),
            ("returns", "if scope['type'] != 'http': return"),
        ]
        for name, statement in rows:
            with self.subTest(name):
                url = self.serve(
                    f"""
            async def app(scope, receive, send):
                {statement}
                {serve}
                    """
                )
                self.assertEqual(self.request(url).text, "served")
                log = self.function.log_text()
                self.assertEqual("has raised KeyError('body')" in log, name == "raises at the message", log)
                is_logged = "requests are served without it" in log
                self.assertEqual(is_logged, name == "raises at the message", log)

    def test_a_bound_method_is_one_application(self) -> None:
        function = self.start("""
            from lambda_runtime import asgi

            class Service:
                async def app(self, scope, receive, send):
                    if scope["type"] == "lifespan":
                        print("startup", await receive())
                        await send({"type": "lifespan.startup.complete"})
                        await receive()

            service = Service()
            one, two = asgi.handler(service.app), asgi.handler(service.app, streaming=False)

            def handler(event, context): pass
            """)
        self.call(function)
        self.assertEqual(function.log_text().count("startup {"), 1)

    def test_on_requires_it(self) -> None:
        raising = "async def app(scope, receive, send): raise KeyError('lifespan')"
        returning = "async def app(scope, receive, send): pass"
        self.assertInitError(self.start_app(raising, ', lifespan="on"'), "KeyError", "lifespan")
        self.assertInitError(
            self.start_app(returning, ', lifespan="on"'), "ApplicationError", "has not started"
        )

    def test_a_startup_that_fails_is_an_init_error(self) -> None:
        failing = """
            async def app(scope, receive, send):
                await receive()
                await send({"type": "lifespan.startup.failed", "message": "no database"})
                if raises: raise ConnectionError("no database")
        """
        body = self.assertInitError(
            self.start_app(f"            raises = False\n{failing}"),
            "ApplicationError",
            "has not started.*no database",
        )
        self.assertIn("in <module>\n    handler = asgi.handler(app)", body["stackTrace"][0])
        body = self.assertInitError(
            self.start_app(f"            raises = True\n{failing}"), "ConnectionError", "no database"
        )
        self.assertIn("in app\n", body["stackTrace"][-1])

    def test_several_handlers_of_one_application_share_it(self) -> None:
        making = """
            first = asgi.handler(app)
            buffered = asgi.handler(app, streaming=False, lifespan="on")
            handlers = {"/first": first, "/buffered": buffered}
            handler = lambda event, context: handlers[event["rawPath"]](event, context)
        """
        function = self.start(joined(PREAMBLE, self.COUNTING, making))
        body = split_prelude(self.invoke(function, url_event(path="/first")).payload)[1]
        self.assertEqual(eval(body), [{"pool": "open!"}, 1, True])
        response = self.call(function, url_event(path="/buffered"))
        body = base64.b64decode(response["body"])
        self.assertEqual(eval(body), [{"pool": "open!"}, 1, True])
        function.close()
        self.assertEqual(function.log_text().count("shut down on True\n"), 1)

    def test_on_requires_it_even_if_another_handler_does_not(self) -> None:
        making = """
            async def app(scope, receive, send): raise KeyError("lifespan")
            asgi.handler(app)
            handler = asgi.handler(app, lifespan="on")
        """
        self.assertInitError(self.start(joined(PREAMBLE, making)), "KeyError", "lifespan")

    def test_an_unknown_choice_is_an_init_error(self) -> None:
        function = self.start_app("async def app(scope, receive, send): pass", ', lifespan="perhaps"')
        self.assertInitError(function, "ValueError", "lifespan is 'perhaps', expected 'auto', 'on' or 'off'")

    def test_a_startup_that_raises_is_logged(self) -> None:
        app = """
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    raise OSError("the database is down")
                await respond(send)
                await body(send, b"served")
        """
        function = self.start(joined(PREAMBLE, app, "handler = asgi.handler(app)"))
        log = function.log_text()
        self.assertIn("app has raised OSError('the database is down') while it was starting; requests", log)
        self.assertIn('in app\r    raise OSError("the database is down")\n', log)
        self.assertNotIn("lifespan.py", log)
        self.assertEqual(self.request(self.url(function)).text, "served")

    def test_a_message_that_is_not_expected_is_refused(self) -> None:
        app = """
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    await send({"type": first})
                    await send({"type": "lifespan.startup.complete"})
                await respond(send)
                await body(send, b"served")
        """
        startup = "lifespan.startup.complete or lifespan.startup.failed"
        for first, sent, expected in [
            ("lifespan.startup.done", "startup.done", startup),
            ("lifespan.startup.complete", "startup.complete", startup.replace("startup", "shutdown")),
        ]:
            with self.subTest(first):
                function = self.start_app(f"            first = {first!r}\n{app}")
                self.assertEqual(self.request(self.url(function)).text, "served")
                problem = f"The application function.app has sent lifespan.{sent}, expected {expected}; "
                self.assertEqual(function.log_text().count(problem), 1, function.log_text())

    def test_a_lifespan_that_ends_early_is_logged_once(self) -> None:
        url = self.serve(
            """
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await send({"type": "lifespan.startup.complete"})
                    await asyncio.sleep(0.02)
                    raise ValueError("the worker has died")
                await asyncio.sleep(0.1)
                await respond(send)
                await body(send, b"served")
            """
        )
        self.assertEqual([self.request(url).text, self.request(url).text], ["served", "served"])
        self.function.close()
        log = self.function.log_text()
        self.assertEqual(log.count("has raised ValueError('the worker has died') in its lifespan"), 1, log)
        self.assertIn('in app\r    raise ValueError("the worker has died")\n', log)

    def test_a_sigterm_handler_is_installed_unless_there_is_one(self) -> None:
        asking = """
            import signal
            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    if not supported: raise ValueError
                    await send({"type": "lifespan.startup.complete"})
                    return await receive()
                await respond(send)
                await body(send, repr(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL).encode())
        """
        for supported in (True, False):
            url = self.serve(f"            supported = {supported}\n{asking}")
            self.assertEqual(eval(self.request(url).text), not supported)

    def test_the_shutdown_runs_at_the_end_of_the_process(self) -> None:
        replies = [event("r1", json.dumps(url_event()).encode()), accepted()]
        alone = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)  # without an extension"
        outcome = self.play(*replies, source=f"{source(self.COUNTING)}\n{alone}\n")
        self.assertIn("shut down on True\n", outcome.output)

    def test_the_shutdown_runs_when_lambda_ends_the_environment(self) -> None:
        self.request(self.serve(self.COUNTING))
        self.function.close()
        self.assertIn("shut down on True\n", self.function.log_text())

    def test_a_child_of_the_function_can_be_terminated(self) -> None:
        forking = """
            import os, signal, time
            serve = handler

            def handler(event, context):
                child = os.fork()
                if not child:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(1)
                    os._exit(9)
                return os.waitpid(child, 0)[1]
        """
        function = self.start(joined(source(self.COUNTING), forking))
        self.assertResponse(function, {}, int(signal.SIGTERM))

    def test_the_shutdown_runs_when_lambda_ends_the_environment_during_a_request(self) -> None:
        waiting = self.COUNTING.replace("await respond(send)", "print('waiting'); await asyncio.sleep(20)")
        function = self.start_app(waiting)
        request = threading.Thread(target=self.invoke, args=(function, url_event()))
        request.start()
        while "waiting" not in function.log_text():
            time.sleep(0.01)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        request.join()
        self.assertIn("shut down on True\n", function.log_text())

    STREAMING = """
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await send({"type": "lifespan.startup.complete"})
                while (await receive())["type"] != "lifespan.shutdown":
                    pass
                await asyncio.sleep(shutdown_s)
                if fails: raise KeyError("the pool")
                print("shut down")
                await send({"type": "lifespan.shutdown.complete"})
                return
            await respond(send)
            print("streaming")
            while True:
                await body(send, b"x", True)
                await asyncio.sleep(0.005)
    """

    # The function's time limits are too short for some tests on a busy machine.
    LENIENT = f"""
        from lambda_runtime.lifecycle import shutdown
        from lambda_runtime.web import lifespan
        shutdown.TOTAL_S = lifespan.SHUTDOWN_S = {PATIENCE_S}
    """

    def log_of_the_end(self, shutdown_s: float, *, fails: bool = False, limits: str = "") -> str:
        """Return the log of a function that Lambda ends during a request."""
        first = f"shutdown_s, fails = {shutdown_s}, {fails}"
        function = self.start_app(joined(limits, first, self.STREAMING), shutdown_grace_s=PATIENCE_S)
        request = threading.Thread(target=self.invoke, args=(function, url_event()))
        request.start()
        while "streaming" not in function.log_text():
            time.sleep(0.01)
        function.close()
        request.join()
        return function.log_text()

    def test_the_shutdown_may_take_the_remaining_time(self) -> None:
        self.assertIn("shut down\n", self.log_of_the_end(0.05, limits=self.LENIENT))

    def test_a_shutdown_that_is_too_slow_is_logged(self) -> None:
        log = self.log_of_the_end(5)
        self.assertRegex(log, r"The application function\.app has not shut down within 0\.0\d s\.\n")
        self.assertNotIn("Traceback", log)
        self.assertNotIn("ignored", log)

    def test_a_shutdown_that_raises_is_logged(self) -> None:
        log = self.log_of_the_end(0, fails=True, limits=self.LENIENT)
        self.assertIn("function.app has raised KeyError('the pool') while it was shutting down.\r", log)
        self.assertIn('in app\r    if fails: raise KeyError("the pool")\n', log)
        self.assertNotIn("ignored", log)


class LateLifespans(AsgiTestCase):
    """Modules that are imported outside of the runtime, or in another thread."""

    def test_outside_of_the_runtime_the_first_request_runs_the_startup(self) -> None:
        root = self.write({"function.py": source(Lifespans.COUNTING)})
        script = f"""
            import asyncio, base64, signal, sys, threading
            sys.path[:0] = [{str(ROOT / "runtime")!r}, {root!r}]
            import function

            class Context:
                def after_response(self, call): pass

            async def ask(handler):
                event = {{"requestContext": {{"http": {{"method": "GET"}}}}}}
                responses = [await handler(event, Context()) for _ in range(2)]
                return [eval(base64.b64decode(response["body"])) for response in responses]

            async def load_and_ask():
                return await ask(function.asgi.handler(function.app))

            threading.Thread(target=function.asgi.handler, args=(function.app,)).start()
            print(function.starts, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
            print(asyncio.run(ask(function.handler)))
            function.starts.clear()
            print(asyncio.run(ask(function.handler)))
            function.starts.clear()
            print(asyncio.run(load_and_ask()))
        """
        command = [sys.executable, "-c", joined(script)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        asked = "[[{'pool': 'open!'}, 1, True], [{'pool': 'open!'}, 1, True]]\n"
        self.assertEqual(done.stdout.decode(), f"[] True\n{asked * 3}")

    def test_for_a_handler_created_in_a_thread_the_first_request_runs_the_startup(self) -> None:
        making = """
            import threading
            made = []
            thread = threading.Thread(target=lambda: made.append(asgi.handler(app)))
            thread.start()
            thread.join()
            handler = made[0]
        """
        function = self.start(joined(PREAMBLE, Lifespans.COUNTING, making))
        url = self.url(function)
        for _ in range(2):
            self.assertEqual(eval(self.request(url).text), [{"pool": "open!"}, 1, True])

    def test_requests_that_wait_for_one_startup_share_its_fate(self) -> None:
        app = """
            starts = []
            def app_that(fails):
                async def app(scope, receive, send):
                    if scope["type"] == "lifespan":
                        await receive()
                        starts.append("begun")
                        try:
                            while starts[-1] != "go on":
                                await asyncio.sleep(0)
                        except asyncio.CancelledError:
                            starts.append("cancelled")
                            raise
                        if fails: raise OSError("the database is down")
                        await send({"type": "lifespan.startup.complete"})
                        await receive()
                    await respond(send)
                    await body(send, b"served")
                return app
        """
        script = f"""
            import asyncio, sys
            sys.path[:0] = [{str(ROOT / "runtime")!r}, {self.write({"function.py": joined(PREAMBLE, app)})!r}]
            from function import app_that, asgi, starts

            async def ask(web):
                event = {{"requestContext": {{"http": {{"method": "GET"}}}}}}
                return (await web(event, None))["statusCode"]

            async def until(word):
                while word not in starts:
                    await asyncio.sleep(0)

            async def main(fails):
                starts.clear()
                web = asgi.handler(app_that(fails), lifespan="on", streaming=False)
                alone = asyncio.ensure_future(ask(web))
                await until("begun")
                alone.cancel()
                await asyncio.wait({{alone}})
                await until("cancelled")
                starts.clear()
                first, second, third = [asyncio.ensure_future(ask(web)) for _ in range(3)]
                await until("begun")
                first.cancel()
                await asyncio.wait({{first}})
                starts.append("go on")
                print(*await asyncio.gather(second, third, return_exceptions=True), *starts, sep=", ")
                starts.clear()
                fourth = asyncio.ensure_future(ask(web))
                if fails: await until("begun")
                starts.append("go on")
                print(*await asyncio.gather(fourth, return_exceptions=True), *starts, sep=", ")

            asyncio.run(main(False))
            asyncio.run(main(True))
        """
        command = [sys.executable, "-c", joined(script)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)
        down = "the database is down"
        self.assertEqual(
            done.stdout.decode().splitlines(),
            [
                "200, 200, begun, go on",
                "200, go on",
                f"{down}, {down}, begun, go on",
                f"{down}, begun, go on",
            ],
        )

    def test_a_startup_that_fails_in_a_request_is_its_error(self) -> None:
        failing = """
            async def app(scope, receive, send):
                raise OSError("the database is down")
        """
        making = """
            async def make():
                return asgi.handler(app, lifespan="on")
            handler = asyncio.new_event_loop().run_until_complete(make())
        """
        function = self.start(joined(PREAMBLE, failing, making))
        for _ in range(2):
            payload = self.error(function, url_event())
            self.assertEqual(payload["errorMessage"], "the database is down")
        self.assertStillWorks(function)


class Import(AsgiTestCase):
    def test_files_of_the_function_may_have_the_names_of_standard_modules(self) -> None:
        app = """
            async def app(scope, receive, send):
                await respond(send)
                await body(send, b"served")
        """
        # Not asyncio, which imports its own modules at any time; no ASGI application has a file of that name.
        names = ("atexit", "binascii", "http_event", "io", "lifespan", "signal")
        files = {f"{name}.py": f"raise ImportError('this is the {name} of the function')" for name in names}
        plain = joined(PREAMBLE, app, "handler = asgi.handler(app)").replace("import asyncio, ", "import ")
        for source_text in (plain, WSGI):
            function = self.start(source_text, files=files)
            self.assertEqual(self.request(self.url(function)).text, "served", function.log_text())

    def test_asgi_and_wsgi_import_only_what_they_need(self) -> None:
        code = """
import sys, json
sys.path.insert(0, "runtime")
before = set(sys.modules)
{}
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("lambda_runtime")))
"""
        names = {}
        for name, statement in [
            ("asgi", "from lambda_runtime import asgi"),
            ("wsgi", "from lambda_runtime import wsgi"),
            ("os", "import os"),  # the bootstrap imports it
            ("asyncio", "import asyncio"),  # imports some of them itself, depending on the interpreter
        ]:
            command = [sys.executable, "-S", "-c", code.format(statement)]
            output = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
            names[name] = set(output.decode().split())
        self.assertLessEqual(names["wsgi"], {"__future__", "binascii", "io", *names["os"]})
        self.assertIn("asyncio", names["asgi"])
        own = names["asgi"] - names["asyncio"]
        self.assertTrue(own.isdisjoint({"http", "email", "urllib", "dataclasses"}), own)
