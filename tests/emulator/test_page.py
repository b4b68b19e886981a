"""The page of the emulator: its addresses, their headers and bounds. `conformance/browser` uses it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import unittest
from html.parser import HTMLParser
from unittest import mock

from lambda_emulator.functions.function import Throttled
from lambda_emulator.sample_events import EVENTS
from lambda_emulator.servers import page
from lambda_emulator.servers.function_url import BUFFERED, FunctionUrl
from lambda_emulator.servers.history import EXCERPT, LABEL_LENGTH, LIMIT, label
from lambda_emulator.servers.invoke_api import InvokeApi

from tests.emulator.test_emulator_streaming import StreamingTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNTIME = """
print("starting")
while True:
    r, event, headers = take()
    print("handling", len(event), "x" * (40_000 if "loud" in event else 0))
    if "fail" in event:
        call("POST", f"invocation/{r}/error", '{"errorType": "<b>E</b>", "errorMessage": "m"}')
    elif "midway" in event:
        Stream(r).write("part")
        wait_for("end")
        os._exit(3)
    elif "wait" in event:
        wait_for("end")
    else:
        respond(r, event)
"""
TEXT, HTML = "*/*", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


class PageTestCase(StreamingTestCase):
    def serve(self, invoke_mode: str = BUFFERED, **options: Any) -> None:
        self.shown: list[dict[str, Any]] = []
        self.function_ = self.start(RUNTIME, name="hello", request_log=self.shown.append, **options)
        self.url = FunctionUrl(self.function_, invoke_mode=invoke_mode)
        self.addCleanup(self.url.close)
        self.api = InvokeApi(self.function_, urls=[self.url.url])
        self.addCleanup(self.api.close)
        self.connection = http.client.HTTPConnection(self.api.url.partition("//")[2], timeout=20)
        self.addCleanup(self.connection.close)

    def ask(
        self, path: str, accept: str = TEXT, method: str = "GET", body: Any = None, **headers: str
    ) -> http.client.HTTPResponse:
        sent = {"Accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.connection.request(method, path, None if body is None else json.dumps(body), sent)
        return self.connection.getresponse()

    def json(self, path: str) -> Any:
        return json.loads(self.ask(path).read())

    def state(self, after: int = 0) -> Any:
        return self.json(f"/_lambda/state?after={after}")

    def invoke(self, event: bytes = b"{}", **details: Any) -> str:
        return self.function_.invoke(event, **details).request_id

    def detail(self, request_id: str) -> Any:
        [number] = [one["number"] for one in self.state()["invocations"] if one["requestId"] == request_id]
        return self.json(f"/_lambda/invocation?number={number}")


class ThePage(PageTestCase):
    def test_is_for_browsers_only(self) -> None:
        self.serve()
        for accept, expected in ((HTML, "text/html"), (TEXT, "text/plain"), ("", "text/plain")):
            reply = self.ask("/", accept)
            reply.read()
            self.assertEqual(f"{expected}; charset=utf-8", reply.headers["Content-Type"])
        self.assertEqual(b"", self.ask("/", HTML, "HEAD").read())

    def test_allows_only_its_own_script_and_style(self) -> None:
        self.serve()
        reply = self.ask("/", HTML)
        page = reply.read().decode()
        policy = dict(
            part.partition(" ")[::2] for part in reply.headers["Content-Security-Policy"].split("; ")
        )
        self.assertEqual("'none'", policy["default-src"])
        self.assertEqual("'self'", policy["connect-src"])
        for tag in ("script", "style"):
            [text] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            self.assertEqual(f"'sha256-{digest}'", policy[f"{tag}-src"])
        for directive in ("base-uri", "form-action", "frame-ancestors", "trusted-types"):
            self.assertEqual("'none'", policy[directive])
        for tag, attributes in Elements(page).found:  # the policy would block these
            self.assertFalse([name for name in attributes if name.startswith("on") or name == "style"], tag)
            self.assertIn((attributes.get("href") or "data:").partition(":")[0], ("data", "#"), tag)
            self.assertNotIn("src", attributes, tag)

    def test_writes_no_markup_from_data(self) -> None:
        self.serve()
        page = self.ask("/", HTML).read().decode()
        for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "DOMParser"):
            self.assertNotIn(word, page)

    def test_is_not_stored_and_names_its_type(self) -> None:
        self.serve()
        for path in ("/", "/_lambda/state", "/_lambda/samples", "/_lambda/nothing"):
            reply = self.ask(path, HTML)
            reply.read()
            self.assertEqual("no-store", reply.headers["Cache-Control"], path)
            self.assertEqual("nosniff", reply.headers["X-Content-Type-Options"], path)
            self.assertEqual("same-origin", reply.headers["Cross-Origin-Resource-Policy"], path)

    def test_is_refused_to_pages_of_other_sites(self) -> None:
        self.serve()
        for path in ("/", "/_lambda/state", "/_lambda/samples"):
            for headers in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
                self.assertEqual(403, self.ask(path, HTML, **headers).status)
                self.connection.close()

    def test_looks_at_the_state_without_a_line_in_the_log(self) -> None:
        self.serve()
        self.state()
        self.ask("/").read()
        self.wait_until(lambda: bool(self.shown))
        self.assertEqual([("GET", "/", 200)], [(r["method"], r["target"], r["status"]) for r in self.shown])


class TheState(PageTestCase):
    def test_describes_the_function(self) -> None:
        self.serve(concurrency=3, environment={"SECRET": "hunter2"})
        self.invoke(b'"fail"')
        state = self.state()
        [function] = state["functions"]
        self.assertEqual(("hello", self.url.url), (function["name"], function["url"]))
        self.assertEqual([0, 3, 0, 1, 0], [function[name] for name in (
            "busy", "slots", "succeeded", "failed", "throttled")])  # fmt: skip
        settings = dict(function["settings"])
        self.assertEqual("hello.handler", settings["Handler"])
        self.assertEqual("SECRET", settings["Variables"])
        self.assertNotIn("hunter2", json.dumps(state))
        [environment] = function["environments"]
        self.assertEqual((1, "idle", 0), tuple(environment[name] for name in ("number", "state", "busy")))
        self.assertEqual(self.function_.pid, environment["pid"])

    def test_describes_a_managed_instance(self) -> None:
        self.serve(managed=4)
        [function] = self.state()["functions"]
        self.assertEqual((4, True), (function["slots"], function["managed"]))

    def test_has_the_error_of_the_init_phase(self) -> None:
        self.serve()
        (self.folder / "runtime_script.py").write_text("raise SystemExit(3)")
        broken = self.function("", name="broken", command=["false"])
        self.addCleanup(broken.close)
        broken.start()
        api = InvokeApi(broken)
        self.addCleanup(api.close)
        self.connection = http.client.HTTPConnection(api.url.partition("//")[2], timeout=20)
        self.addCleanup(self.connection.close)
        [function] = self.state()["functions"]
        self.assertIn("exit status 1", json.loads(function["initError"])["errorMessage"])
        self.assertEqual("", function["url"])
        self.assertEqual("failed", function["environments"][0]["state"])

    def test_has_the_figures_of_each_invocation(self) -> None:
        self.serve()
        first, second = self.invoke(b'{"source": "me"}'), self.invoke(b'{"fail": 1}')
        cold, failed = self.state()["invocations"]
        self.assertEqual([first, second], [cold["requestId"], failed["requestId"]])
        self.assertEqual((1, 2), (cold["number"], failed["number"]))
        self.assertEqual(("success", "error"), (cold["status"], failed["status"]))
        self.assertGreater(cold["initMs"], 0)
        self.assertIsNone(failed["initMs"])
        self.assertEqual(("me", ""), (cold["label"], failed["label"]))
        self.assertGreaterEqual(cold["billedMs"], cold["durationMs"] + cold["initMs"])
        self.assertEqual([failed], self.state(after=1)["invocations"])
        self.assertEqual([], self.state(after=2)["invocations"])

    def test_keeps_a_hundred_invocations_with_excerpts(self) -> None:
        self.serve()
        long = json.dumps("y" * EXCERPT).encode()
        for _ in range(LIMIT + 1):
            last = self.invoke(b'"loud"')
        kept = self.state()["invocations"]
        self.assertEqual(list(range(2, LIMIT + 2)), [one["number"] for one in kept])
        self.assertEqual(404, self.ask("/_lambda/invocation?number=1").status)
        self.connection.close()
        detail = self.detail(last)
        self.assertEqual(EXCERPT, len(detail["log"]))
        self.assertGreater(detail["logSize"], 40_000)
        self.assertIn("REPORT RequestId", detail["log"])
        detail = self.detail(self.invoke(long))
        self.assertEqual([EXCERPT, EXCERPT], [len(detail["event"]), len(detail["response"])])
        self.assertEqual([len(long), len(long)], [detail["eventSize"], detail["responseSize"]])

    def test_has_event_response_and_log_of_an_invocation(self) -> None:
        self.serve()
        event = '{"text": "<script>Größe</script>"}'
        detail = self.detail(self.invoke(event.encode()))
        self.assertEqual((event, event), (detail["event"], detail["response"]))
        self.assertRegex(detail["log"], "(?s)^starting\n.*handling .*REPORT RequestId")
        self.assertEqual(
            '{"errorType": "<b>E</b>", "errorMessage": "m"}', self.detail(self.invoke(b'"fail"'))["response"]
        )

    def test_ignores_numbers_that_are_none(self) -> None:
        self.serve()
        for number in ("-1", "x", "9" * 400, "1&after=2", "%00"):
            self.assertEqual(200, self.ask(f"/_lambda/state?after={number}").status)
            self.connection.close()
            self.assertIn(self.ask(f"/_lambda/invocation?number={number}").status, (404,))
            self.connection.close()

    def test_has_the_sample_events(self) -> None:
        self.serve()
        self.assertEqual(set(EVENTS), set(self.json("/_lambda/samples")))

    def test_has_no_other_addresses(self) -> None:
        self.serve()
        for method, path in (("GET", "/_lambda/"), ("GET", "/_lambda/../page.py"), ("POST", "/_lambda/state"),
                             ("GET", "/_lambda/http")):  # fmt: skip
            self.assertEqual(404, self.ask(path, method=method).status, path)
            self.connection.close()


class AnHttpRequest(PageTestCase):
    def send(self, content_type: str = "application/json", **members: Any) -> tuple[int, Any, bytes]:
        wanted = {"function": "hello", "method": "GET", "path": "/", "headers": [], "body": "", **members}
        reply = self.ask("/_lambda/http", method="POST", body=wanted, Content_Type=content_type)
        if reply.status != 200:
            return reply.status, json.loads(reply.read())["message"], b""
        prelude, _, body = reply.read().partition(b"\n")
        return 200, json.loads(prelude), body

    def test_reaches_the_function_url(self) -> None:
        self.serve()
        for _ in range(2):  # the connection of the page stays usable
            status, prelude, body = self.send(
                method="POST", path="/a%20b?c=d", headers=[["X-Test", "größe"], ["X-Test", "2"]], body="{}"
            )
            self.assertEqual((200, 200), (status, prelude["status"]))
            event = json.loads(body)
            self.assertEqual(("/a%20b", "c=d"), (event["rawPath"], event["rawQueryString"]))
            self.assertEqual("größe,2", event["headers"]["x-test"])
            self.assertEqual("{}", base64.b64decode(event["body"]).decode())
        names = {name.lower() for name, _ in prelude["headers"]}
        self.assertIn("x-amzn-requestid", names)
        self.assertEqual("POST /a%20b", self.state()["invocations"][-1]["label"])

    def test_head_has_no_body(self) -> None:
        self.serve()
        self.assertEqual(b"", self.send(method="HEAD")[2])

    def test_shows_failures_of_the_function(self) -> None:
        self.serve()
        self.assertEqual(502, self.send(path="/fail")[1]["status"])

    def test_streams_and_is_cut_short_like_the_response(self) -> None:
        self.serve("RESPONSE_STREAM")
        wanted = {"function": "hello", "method": "GET", "path": "/midway", "headers": [], "body": ""}
        reply = self.ask("/_lambda/http", method="POST", body=wanted, Content_Type="application/json")
        self.assertEqual(200, json.loads(reply.readline())["status"])
        self.assertEqual(b"part", reply.read(4))
        self.let("end")
        with self.assertRaises(http.client.IncompleteRead):
            reply.read()

    def test_is_given_up_when_the_browser_leaves(self) -> None:
        def is_served() -> bool:
            try:
                return self.function_.invoke(b"1").payload == b"1"
            except Throttled:
                return False

        self.serve("RESPONSE_STREAM", timeout_s=60)
        with mock.patch.object(page, "CLIENT_INTERVAL_S", 0.05):
            for path, received in (("/wait", b""), ("/midway", b"part")):
                wanted = {"function": "hello", "method": "GET", "path": path, "headers": [], "body": ""}
                begun = self.function_.log_text().count("handling")
                self.connection.request(
                    "POST", "/_lambda/http", json.dumps(wanted), {"Content-Type": "application/json"}
                )
                self.wait_for_log(self.function_, "handling", begun + 1)
                if received:
                    reply = self.connection.getresponse()
                    reply.readline()
                    self.assertEqual(received, reply.read(len(received)))
                    reply.close()
                self.connection.close()
                self.wait_until(is_served)
        self.let("end")

    def test_is_checked_before_it_is_sent(self) -> None:
        self.serve()
        for members, expected in (
            ({"content_type": "text/plain"}, "Expected application/json"),
            ({"function": "other"}, "no URL"),
            ({"method": "GET / HTTP/1.1\r\nX: y"}, "is not a method"),
            ({"path": "//\r\nX: y"}, "must begin with /"),
            ({"path": "http://evil.example/"}, "must begin with /"),
            ({"headers": [["X", "a\r\nY: b"]]}, "is not a header"),
            ({"headers": [["X Y", "a"]]}, "is not a header"),
            ({"headers": [["X"]]}, "pairs of a name and a value"),
            ({"headers": [["Transfer-Encoding", "chunked"]]}, "leave it out"),
            ({"body": 1}, "Expected an object with"),
            ({"headers": {}}, "Expected an object with"),
        ):
            with self.subTest(members):
                status, message, _ = self.send(**members)
                self.assertIn(status, (400, 404, 415))
                self.assertIn(expected, message)
        self.assertEqual([], self.state()["invocations"])

    def test_needs_a_url_that_responds(self) -> None:
        self.serve()
        self.url.close()
        self.assertEqual(502, self.send()[0])


class ALabel(unittest.TestCase):
    def test_names_the_request_or_the_service(self) -> None:
        for name, expected in (
            ("http-api", "GET /"),
            ("function-url", "GET /"),
            ("rest-api", "GET /"),
            ("alb", "GET /"),
            ("sqs", "sqs"),
            ("sns", "sns"),
            ("schedule", "aws.events"),
            ("cognito", "PostConfirmation_ConfirmSignUp"),
        ):
            self.assertEqual(expected, label(json.dumps(EVENTS[name]()).encode()), name)

    def test_is_empty_for_other_events(self) -> None:
        for event in (b"", b"{", b"1" * 5000, b"[1]", b'{"Records": []}', b'{"Records": [[]]}', b"\xff",
                      b'{"httpMethod": 1, "path": []}', b'{"source": {}}', b"[" * 10_000):  # fmt: skip
            self.assertEqual("", label(event))

    def test_is_short(self) -> None:
        event = json.dumps({"httpMethod": "GET", "path": "/" + "<script>" * 100}).encode()
        self.assertEqual(LABEL_LENGTH, len(label(event)))


if __name__ == "__main__":
    unittest.main()
