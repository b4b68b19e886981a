"""The examples do what their docstrings describe."""

from __future__ import annotations

import ast
import json
import subprocess
import time

from tests.support import EMULATOR_ENVIRONMENT, PATIENCE_S, ROOT, Function, emulator
from tests.web import WebTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EXAMPLES = ROOT / "examples"


class Examples(WebTestCase):
    def example(self, handler: str, **settings: Any) -> Function:
        return self.start(handler=handler, task_root=EXAMPLES, **settings)

    def test_each_example_documents_how_to_run_it(self) -> None:
        for path in sorted(EXAMPLES.glob("*.py")):
            with self.subTest(path.name):
                first_lines = ast.get_docstring(ast.parse(path.read_text())) or ""
                if path.name != "hello.py":  # the default of `make run`
                    self.assertRegex(
                        first_lines.split("\n")[0], f"make (run|serve) HANDLER={path.stem}.handler"
                    )
                self.assertRegex(first_lines, f"{path.stem}.handler")

    def test_hello_greets(self) -> None:
        self.assertResponse(self.example("hello.handler"), {"name": "Ada"}, {"message": "Hello, Ada!"})

    def test_stream_sends_a_browser_a_page_and_events(self) -> None:
        url = self.url(self.example("stream.handler", timeout_s=3))
        page = self.request(url)
        self.assertEqual((page.status, page.header("content-type")), (200, "text/html"))
        self.assertIn('new EventSource("events")', page.text)
        stream = self.request(url, "/events")
        self.assertEqual((stream.status, stream.header("content-type")), (200, "text/event-stream"))
        *messages, end, rest = stream.text.split("\n\n")
        self.assertEqual((end, rest), ("event: end\ndata:", ""))
        numbers = [json.loads(message.split("data: ")[1])["number"] for message in messages]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        moments = [moment for moment, _ in stream.pieces]
        self.assertGreater(moments[-1] - moments[0], 1)
        self.assertEqual(self.request(url, "/elsewhere").status, 404)

    def test_stream_prints_events_one_after_the_other(self) -> None:
        command = emulator(
            "run",
            "--handler",
            "stream.handler",
            "--task-root",
            "examples",
        )
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=EMULATOR_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            moments = [time.monotonic() for line in process.stdout if line.startswith(b"data: {")]
            self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertGreater(moments[-1] - moments[0], 1)

    def test_async_fetch_requests_several_pages_concurrently(self) -> None:
        function = self.example("async_fetch.handler")
        durations_s = []
        for _ in range(3):  # after the first time with the same server
            response = self.call(function, {})
            self.assertEqual([(page["status"], page["bytes"]) for page in response["pages"]], [(200, 6)] * 3)
            durations_s.append(response["seconds"])
        self.assertLess(min(durations_s), 1.4)
        unreachable = self.call(function, {"urls": ["http://127.0.0.1:9/"]})
        self.assertIn("refused", unreachable["pages"][0]["error"])

    def test_asgi_app_responds_and_streams(self) -> None:
        function = self.example("asgi_app.handler")
        url = self.url(function)
        self.assertEqual(json.loads(self.request(url, "/?name=Ada%20L").text)["message"], "Hello, Ada L!")
        self.assertEqual(self.request(url, "/nowhere").status, 404)
        clock = self.request(url, "/clock?ticks=3")
        self.assertRegex(clock.text, r"\A(It is \d\d:\d\d:\d\d\.\n){3}\Z")
        self.assertEqual(len(clock.pieces), 3)

    def test_wsgi_app_responds_and_streams(self) -> None:
        url = self.url(self.example("wsgi_app.handler"))
        self.assertIn('value="5"', self.request(url).text)
        counted = self.request(url, method="POST", body=b"start=3")
        self.assertEqual(
            counted.text.partition("</form>\n")[2], "<p>3 …</p>\n<p>2 …</p>\n<p>1 …</p>\n<p>Go!</p>\n"
        )
        self.assertGreaterEqual(len(counted.pieces), 3)

    def test_the_web_applications_can_be_run_once(self) -> None:
        event = {"requestContext": {"http": {"method": "GET"}}}
        for handler in ("asgi_app.handler", "wsgi_app.handler"):
            with self.subTest(handler):
                self.assertEqual(self.call(self.example(handler), event)["statusCode"], 200)
