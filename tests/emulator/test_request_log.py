"""What `serve` shows of requests and logs: lines for a person, JSON objects for programs."""

from __future__ import annotations

import http.client
import io
import json
import resource
import shutil
import subprocess
import unittest

from lambda_emulator.functions.function import Function
from lambda_emulator.functions.platform_log import is_object
from lambda_emulator.terminal.request_log import request_line
from lambda_emulator.terminal.terminal import Terminal

from tests.emulator.test_concurrency import WAITING, ConcurrencyTestCase
from tests.emulator.test_emulator import REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUEST = {
    "requestId": "3f2a9c1e-7a52-4a1b-9d0f-0123456789ab",
    "function": "shop",
    "method": "GET",
    "target": "/orders?id=7",
    "status": 200,
    "durationMs": 11.6,
    "bytes": 1234,
}
COLD = {"coldStart": True}
ERROR = {"error": "ValueError: out of stock"}


class ALine(unittest.TestCase):
    def test_has_aligned_figures_before_the_request(self) -> None:
        invoked = {**REQUEST, "event": "sqs"}
        for record, expected in (
            (REQUEST, "14:02:31  200    12 ms   1.2 kB  3f2a9c1e  GET /orders?id=7"),
            (invoked, "14:02:31  200    12 ms   1.2 kB  3f2a9c1e  shop sqs"),
            ({**invoked, **COLD, **ERROR}, "3f2a9c1e  shop sqs  cold start, ValueError: out of stock"),
            (
                {"status": 400, "durationMs": 0, "bytes": 39, "note": "malformed request line"},
                "14:02:31  400     0 ms     39 B            not an HTTP request  malformed request line",
            ),
            ({**REQUEST, "durationMs": 65_432, "bytes": 6_291_456}, "   65.4 s   6.3 MB  "),
        ):
            self.assertIn(expected, request_line(record, "14:02:31"))

    def test_has_the_name_of_the_function_among_several(self) -> None:
        self.assertTrue(request_line(REQUEST, "0", "orders").endswith("  shop    GET /orders?id=7"))
        self.assertTrue(request_line({**REQUEST, "event": "sqs"}, "0", "orders").endswith("  shop    sqs"))

    def test_fits_into_a_narrow_terminal(self) -> None:
        long = {**REQUEST, "target": "/orders/" + "7" * 99, **COLD, **ERROR}
        for record, expected in (
            ({**REQUEST, "target": "/"}, "14:02:31 200   12 ms GET /"),
            ({**REQUEST, "target": "/", **COLD}, "14:02:31 200   12 ms GET /  cold start"),
            (
                long,
                "14:02:31 200   12 ms GET /orders/777777…\n          cold start, ValueError: out o…",
            ),
            (
                {**REQUEST, "target": "/", "error": "E: " + "漢" * 20},
                "14:02:31 200   12 ms GET /\n          E: " + "漢" * 13 + "…",
            ),
        ):
            with self.subTest(expected):
                self.assertEqual(expected, request_line(record, "14:02:31", columns=40))
        for columns in (20, 71, 72, 80):
            wide = [len(line) for line in request_line(long, "14:02:31", columns=columns).split("\n")]
            self.assertLessEqual(max(wide), columns)


class Lines(ConcurrencyTestCase):
    def test_have_the_request_id_once_another_environment_may_write(self) -> None:
        heard: list[tuple[bytes, str]] = []
        function = self.start(
            WAITING, concurrency=2, timeout_s=60, log=lambda lines, request: heard.append((lines, request))
        )
        alone = self.begin(function, "first")
        self.let("first")
        alone.result()
        self.assertEqual({""}, {request for _, request in heard})
        heard.clear()
        waiting = [self.begin(function, "second"), self.begin(function, "second")]
        self.let("second")
        results = [future.result() for future in waiting]
        for result in results:
            own = [lines for lines, request in heard if request == result.request_id]
            self.assertIn(b"END RequestId: " + result.request_id.encode(), b"".join(own))

    def test_begin_with_the_name_and_the_request_id(self) -> None:
        for label, request_id, expected in (
            ("", "", "one\ntwo\n{}\n"),
            ("", "3f2a9c1e-7a52", "3f2a9c1e | one\n3f2a9c1e | two\n{}\n"),
            ("a  ", "3f2a9c1e-7a52", "a   3f2a9c1e | one\na   3f2a9c1e | two\n{}\n"),
        ):
            shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            Terminal(shown, label=label).log(b"one\rtwo\n{}\n", request_id)
            shown.seek(0)
            self.assertEqual(expected, shown.read())


class AFunctionThatCannotBeLoaded(EmulatorTestCase):
    def test_is_described_in_one_line_with_the_place(self) -> None:
        for source, problem in (
            ("\nimport nowhere", "Runtime.ImportModuleError: .*'nowhere' (app.py, line 2)"),
            ("def f(:", "Runtime.UserCodeSyntaxError: .* (app.py, line 1)"),
            ("def f():\n  raise KeyError('a\\n')\nf()", r"KeyError: 'a\\n' (app.py, line 2)"),
            ("raise ValueError('a\\nb')", "ValueError: a (app.py, line 1)"),
            ("", "Runtime.HandlerNotFound: Handler 'handler' missing on module 'app'"),
            ("import os; os._exit(3)", "Runtime.ExitError: .*: exit status 3"),
            ("import time; time.sleep(60)", "the init phase did not end within 0.5 seconds"),
        ):
            with self.subTest(source):
                (self.folder / "app.py").write_text(source)
                limit_s = 0.5 if "sleep" in source else 0
                with Function("app.handler", self.folder, init_timeout_s=limit_s) as function:
                    self.assertRegex(
                        function.init_problem, "^" + problem.replace("(", r"\(").replace(")", r"\)") + "$"
                    )


class AnObject(unittest.TestCase):
    def test_is_what_every_parser_accepts(self) -> None:
        for text in ('{"a": 1}', " {} ", '{"a": [1e999, {"b": "\\ud800"}]}', '{"n":%s}' % ("1" * 5000)):
            self.assertTrue(is_object(text), text)
        deep = '{"a":' * 300 + "1" + "}" * 300
        for text in ("", "[1]", "1", "a", '{"a": ', "{'a': 1}", '{"a": NaN}', "{}{}", '{"\x00": 1}', deep):
            self.assertFalse(is_object(text), text)


# What a function may print, by the name in its event.
PRINTING = r"""
import logging, os, subprocess, sys

def handler(event, context):
    name = event["print"]
    if name == "text":
        print("plain")
        print("no line end", end="")
    if name == "binary":
        os.write(1, b"\xff\x00\x1b[31m\n\n\r\n")
    if name == "objects":
        print('{"a": 1}')
        print('{"half": ')
        print('{"a": NaN} [1] "text"')
        print("[" * 10_000)
    if name == "logging":
        print("before", end=" ")
        logging.getLogger().warning("warned")
    if name == "traceback":
        raise ValueError("a\nb")
    if name == "crash":
        print("dying", end="", flush=True)
        os.abort()
    if name == "subprocess":
        subprocess.run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"])
    return name
"""


def small_stacks() -> None:
    """Give the threads of a process the stack that musl gives them: glibc takes this limit for them."""
    resource.setrlimit(resource.RLIMIT_STACK, (1024 * 1024, resource.RLIM_INFINITY))


NAMES = ("text", "binary", "objects", "logging", "traceback", "crash", "subprocess")


class TheOutputForPrograms(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "app.py").write_text(PRINTING)
        self.options = ["--handler=app.handler", f"--task-root={self.folder}"]

    def objects(self, output: bytes) -> list[dict[str, Any]]:
        """Read each line as jq does, and with jq if this machine has it."""
        lines = output.split(b"\n")
        self.assertEqual(b"", lines.pop())
        found: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.assertEqual({dict}, {type(one) for one in found})
        if shutil.which("jq"):
            filtered = subprocess.run(
                ["jq", "-c", ".type"], input=output, capture_output=True, timeout=20, check=False
            )
            self.assertEqual((0, b""), (filtered.returncode, filtered.stderr))
            self.assertEqual(len(found), filtered.stdout.count(b"\n"))
        return found

    def printed(self, found: list[dict[str, Any]]) -> list[str]:
        return [one["record"] for one in found if one.get("type") == "function"]

    def test_of_serve_has_one_object_in_each_line(self) -> None:
        server = subprocess.Popen(
            emulator("serve", *self.options, "--log-format=JSON", "--port=0", "--no-reload"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
            preexec_fn=small_stacks,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        assert server.stdout is not None
        first = server.stdout.readline()
        record = json.loads(first)["record"]
        address = record["url"].rpartition("/")[2]
        ids: dict[str, str | None] = {}
        for name in NAMES:
            client = http.client.HTTPConnection(address, timeout=20)
            client.request(
                "POST", "/2015-03-31/functions/app/invocations", json.dumps({"print": name}).encode()
            )
            response = client.getresponse()
            ids[name] = response.getheader("x-amzn-RequestId")
            response.read()
            client.close()
        client = http.client.HTTPConnection(address, timeout=20)
        client.request("GET", "/", headers={"Host": "evil.example"})
        self.assertEqual(403, client.getresponse().status)
        client.close()
        server.terminate()
        output, guide = server.communicate(timeout=20)
        found = self.objects(first + output)
        self.assertEqual(
            ("emulator.ready", "app", True),
            (found[0]["type"], record["function"], record["functionUrl"].startswith("http://")),
        )
        self.assertIn(b"aws lambda invoke --endpoint-url ", guide)
        # In any order: the client of a request may send the next before the first has its line.
        requests = [one["record"] for one in found if one.get("type") == "emulator.request"]
        statuses = [(one.get("requestId"), one["status"]) for one in requests]
        self.assertCountEqual([*((one, 200) for one in ids.values()), (None, 403)], statuses)
        errors = {one["requestId"]: one["error"] for one in requests if "error" in one}
        self.assertEqual("ValueError: a", errors[ids["traceback"]])
        printed = self.printed(found)
        for text in ("plain", "no line end", "\ufffd\x00\x1b[31m", '{"half": ', "dying", "out", "err"):
            self.assertIn(text, printed)
        self.assertIn({"a": 1}, found)
        (plain,) = [one for one in found if one.get("record") == "plain"]
        self.assertEqual(ids["text"], plain["requestId"])

    def test_of_run_has_one_object_in_each_line(self) -> None:
        words = emulator("run", *self.options)
        for name, status, option in (
            ("text", 0, "--log-format=JSON"),
            ("traceback", 1, "--env=AWS_LAMBDA_LOG_FORMAT=json"),
            ("crash", 1, "--managed=2"),
        ):
            with self.subTest(name):
                done = subprocess.run(
                    [*words, option, "--event", json.dumps({"print": name})],
                    capture_output=True,
                    cwd=REPOSITORY,
                    env=EMULATOR_ENVIRONMENT,
                    timeout=20,
                    check=False,
                )
                self.assertEqual(status, done.returncode, done.stderr)
                found = self.objects(done.stderr)
                self.assertEqual(name == "text", "no line end" in self.printed(found))
                self.assertTrue(done.stdout.startswith(b'"text"' if name == "text" else b"{"), done.stdout)
        for event, complaint in (
            ("{", "InvalidRequestContentException: "),
            ("@/no/such", "emulator: cannot read"),
        ):
            done = subprocess.run(
                [*words, "--log-format=JSON", "--event", event],
                capture_output=True,
                cwd=REPOSITORY,
                env=EMULATOR_ENVIRONMENT,
                timeout=20,
                check=False,
            )
            (only,) = self.objects(done.stderr)
            self.assertIn(complaint, only["record"]["message"])


if __name__ == "__main__":
    unittest.main()
