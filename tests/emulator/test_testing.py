"""Testing one's own function: the context for unit tests, and functions under the real runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from lambda_emulator.testing import FunctionFailed, LambdaFunction, LambdaFunctions, events, make_context

from tests.support import ROOT, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

APP = """
    import json, os, sys, time

    def echo(event, context):
        print("an echo")
        return event

    def facts(event, context):
        custom = context.client_context and context.client_context.custom
        identity = context.identity.cognito_identity_id
        return [context.tenant_id, context.aws_request_id, custom, identity, os.environ["_X_AMZN_TRACE_ID"]]

    def environment(event, context):
        return {name: os.environ.get(name) for name in event}

    def fail(event, context):
        raise ValueError("out of stock")

    def stream(event, context):
        yield b"a"
        yield b"bc"
        if event.get("fail"):
            raise ValueError("midway")

    def raw(event, context):
        return b"\\xff"

    def sleep(event, context):
        time.sleep(event)
        return os.getpid()

    def leave(event, context):
        os._exit(3)

    def late(event, context):
        context.after_response(print, "sent")
        return 1

    def http(event, context):
        request = event["requestContext"]["http"]
        return {
            "statusCode": 201,
            "headers": {"content-type": "text/plain; charset=latin-1"},
            "multiValueHeaders": {"X-Two": ["1", "2"]},
            "cookies": ["a=1"],
            "body": f'{request["method"]} {event["rawPath"]} {event.get("body")}',
        }

    def lists(event, context):
        return {"statusCode": 200, "multiValueHeaders": {"X-Two": ["1", "2"]}}

    def http_stream(event, context):
        yield {"statusCode": 202, "headers": {"content-type": "application/json"}}
        yield b"[1,"
        if event["rawPath"] == "/fail":
            raise ValueError("midway")
        yield b"2]"

    def application(environ, start_response):
        cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        start_response("200 OK", [("Content-Type", "text/plain"), *cookies])
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return [environ["PATH_INFO"].encode(), b"?", environ["QUERY_STRING"].encode(), b" ", body]

    def no_http(event, context):
        return {"statusCode": "none"}
"""


class TestingTestCase(FunctionTestCase):
    """A test of functions that all tests of the class share, as with the pytest fixture."""

    functions: LambdaFunctions

    root: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="function-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = folder.name
        Path(cls.root, "app.py").write_text(textwrap.dedent(APP), "utf-8")
        cls.functions = LambdaFunctions(cls.root)
        cls.addClassCleanup(cls.functions.close)

    def function(self, name: str, **options: Any) -> LambdaFunction:
        return self.functions(f"app.{name}", **{"timeout": 20, **options})


class Invocations(TestingTestCase):
    def test_the_response_has_value_log_and_duration(self) -> None:
        response = self.function("echo").invoke({"a": [1, "ü"]})
        self.assertEqual((response.payload, response.error), ({"a": [1, "ü"]}, None))
        self.assertEqual(len(response.chunks), 1)
        self.assertRegex(response.log, r"(?s)^START .*\nan echo\nEND .*\nREPORT ")
        self.assertGreater(response.duration_ms, 0)

    def test_without_an_event_the_function_receives_an_empty_object(self) -> None:
        self.assertEqual(self.function("echo").invoke().payload, {})
        self.assertIsNone(self.function("echo").invoke(None).payload)

    def test_the_function_receives_what_a_caller_sends_beside_the_event(self) -> None:
        response = self.function("facts").invoke(
            tenant_id="blue",
            request_id="r-1",
            client_context={"custom": {"a": "b"}},
            cognito_identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"},
            trace_id="Root=1-2-3",
        )
        self.assertEqual(response.payload, ["blue", "r-1", {"a": "b"}, "i", "Root=1-2-3"])
        self.assertEqual(response.request_id, "r-1")

    def test_an_error_is_described_and_the_payload_explains_it(self) -> None:
        response = self.function("fail").invoke()
        assert response.error is not None
        self.assertEqual(response.error["errorType"], "ValueError")
        self.assertEqual(response.error["errorMessage"], "out of stock")
        with self.assertRaisesRegex(
            AssertionError, r"(?s)app.fail failed: ValueError: out of stock\n.*Traceback"
        ):
            _ = response.payload
        self.assertIn("out of stock", repr(response))

    def test_a_stream_has_its_chunks(self) -> None:
        response = self.function("stream").invoke()
        self.assertEqual((response.chunks, response.payload), ([b"a", b"bc"], b"abc"))

    def test_a_stream_that_fails_has_the_chunks_before_and_the_error(self) -> None:
        response = self.function("stream").invoke({"fail": True})
        self.assertEqual(b"".join(response.chunks), b"abc")
        self.assertEqual((response.error or {})["errorMessage"], "midway")

    def test_bytes_are_returned_unchanged(self) -> None:
        self.assertEqual(self.function("raw").invoke().payload, b"\xff")

    def test_the_log_has_what_runs_after_the_response(self) -> None:
        self.assertIn("\nsent\nEND ", self.function("late").invoke().log)

    def test_after_a_timeout_or_a_crash_the_next_invocation_has_a_new_process(self) -> None:
        function = self.function("sleep", timeout=2)
        error = function.invoke(9).error or {}
        self.assertEqual(error["errorType"], "Sandbox.Timedout")
        self.assertRegex(error["errorMessage"], "Task timed out after 2.00 seconds$")
        self.assertIsInstance(function.invoke(0).payload, int)
        error = self.function("leave").invoke().error or {}
        self.assertEqual(error["errorType"], "Runtime.ExitError")

    def test_invocations_run_at_the_same_time_if_allowed(self) -> None:
        function = self.function("sleep", concurrency=2)
        with ThreadPoolExecutor(2) as pool:
            pids = [response.payload for response in pool.map(function.invoke, (0.3, 0.3))]
        self.assertEqual(len(set(pids)), 2)


class Options(TestingTestCase):
    def test_the_function_sees_its_own_variables_only(self) -> None:
        os.environ["MINE"] = "leaked"
        self.addCleanup(os.environ.pop, "MINE")
        names = ["TABLE", "MINE", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_LOG_FORMAT"]
        function = self.function("environment", env={"TABLE": "a b=c"}, memory=512, log_format="JSON")
        self.assertEqual(list(function.invoke(names).payload.values()), ["a b=c", None, "512", "JSON"])

    def test_a_function_is_started_once_for_each_handler_with_its_options(self) -> None:
        first = self.function("environment", env={"A": "1", "B": "2"})
        self.assertIs(self.function("environment", env={"B": "2", "A": "1"}), first)
        self.assertIsNot(self.function("environment", env={"A": "2"}), first)
        self.assertIn(first, list(self.functions))

    def test_options_that_cannot_work_are_explained_as_arguments(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"timeout": 0}, "argument timeout: '0' is not a timeout; expected"),
            ({"memory": 1}, "'1' is not a memory size"),
            ({"tiemout": 1}, "unrecognized arguments: tiemout=1"),
            ({"task_root": "/no/such"}, "/no/such does not exist; set task_root to the folder"),
            ({"python": "no-such-python"}, "program 'no-such-python' does not exist; set python to"),
            ({"name": "a b"}, "'a b' is not a function's name"),
        ]
        for options, message in cases:
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                LambdaFunction("app.echo", **{"task_root": self.root, **options})

    def test_a_handler_that_cannot_be_loaded_is_explained_each_time(self) -> None:
        for handler, message in (
            (
                "app.nothing",
                r"app.nothing cannot be loaded: Runtime.HandlerNotFound: Handler 'nothing' missing",
            ),
            ("nowhere.x", r"(?s)nowhere.x cannot be loaded: .*No module named 'nowhere'\n.*Searched for"),
        ):
            for _ in range(2):
                with self.subTest(handler), self.assertRaisesRegex(AssertionError, message):
                    self.functions(handler)

    def test_a_handler_that_cannot_be_loaded_is_not_tried_again(self) -> None:
        root = self.write(
            {"once.py": "with open('tries', 'a') as tries: tries.write('x')\nraise ValueError('broken')"}
        )
        for _ in range(3):
            with self.assertRaisesRegex(FunctionFailed, "once.handler cannot be loaded: ValueError: broken"):
                self.functions("once.handler", root)
        self.assertEqual(Path(root, "tries").read_text(), "x")

    def test_a_process_that_ends_in_the_init_phase_is_explained(self) -> None:
        root = self.write({"gone.py": "import os\nprint('bye', flush=True)\nos._exit(3)"})
        with self.assertRaisesRegex(FunctionFailed, r"(?s)cannot be loaded: Runtime.ExitError: .* 3\n.*bye"):
            self.functions("gone.handler", root)


class HttpRequests(TestingTestCase):
    def test_an_envelope_becomes_status_headers_and_text(self) -> None:
        response = self.function("http").request("PUT", "/a%20b?c=d", body="x")
        self.assertEqual((response.status, response.text), (201, "PUT /a%20b x"))
        self.assertEqual(response.headers["CONTENT-TYPE"], "text/plain; charset=latin-1")
        self.assertEqual(response.headers["set-cookie"], "a=1")
        self.assertNotIn("x-two", response.headers)

    def test_sources_that_read_lists_of_headers_pass_them_on(self) -> None:
        response = self.function("lists").request("GET", source=events.rest_api)
        self.assertEqual(response.headers.get_all("x-two"), ["1", "2"])

    def test_a_stream_with_a_prelude_becomes_status_headers_and_chunks(self) -> None:
        response = self.function("http_stream").request("GET")
        self.assertEqual((response.status, response.json()), (202, [1, 2]))
        self.assertEqual(response.chunks, [b"[1,", b"2]"])

    def test_web_applications_respond_to_each_source(self) -> None:
        for source in (events.function_url, events.http_api, events.rest_api, events.alb):
            with self.subTest(source.__name__):
                application = self.function("application")
                response = application.request("POST", "/a%20b?c=d", body="x", source=source)
                self.assertEqual((response.status, response.text), (200, "/a b?c=d x"))
                self.assertEqual(response.headers.get_all("set-cookie"), ["a=1", "b=2"])

    def test_other_values_are_json_with_status_200(self) -> None:
        response = self.function("echo").request(
            "POST", "/", headers={"X-A": "1"}, body={"n": 1}, source=events.rest_api, stage="dev"
        )
        self.assertEqual((response.status, response.headers["content-type"]), (200, "application/json"))
        event = response.json()
        self.assertEqual((event["headers"]["X-A"], json.loads(event["body"])), ("1", {"n": 1}))
        self.assertEqual(event["requestContext"]["stage"], "dev")

    def test_a_function_that_fails_gives_502_and_the_error(self) -> None:
        response = self.function("fail").request("GET")
        self.assertEqual((response.status, (response.error or {})["errorType"]), (502, "ValueError"))
        self.assertEqual(repr(response), "<HTTP 502 from app.fail: ValueError: out of stock>")
        with self.assertRaisesRegex(FunctionFailed, "did not return JSON, but HTTP 502: ValueError"):
            response.json()

    def test_a_stream_that_fails_has_what_its_client_received_and_the_error(self) -> None:
        response = self.function("http_stream").request("GET", "/fail")
        self.assertEqual((response.status, response.text), (202, "[1,"))
        self.assertEqual((response.error or {})["errorMessage"], "midway")
        response = self.function("stream").request("GET")
        self.assertEqual((response.status, response.chunks), (200, [b"a", b"bc"]))

    def test_a_response_that_is_not_valid_http_is_explained(self) -> None:
        with self.assertRaisesRegex(
            FunctionFailed, 'app.no_http did not return a valid HTTP response: statusCode is "none", not'
        ):
            self.function("no_http").request("GET")


class UnitTests(FunctionTestCase):
    def test_the_context_has_the_attributes_and_types_of_the_real_one(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                kinds = {name: type(value).__name__ for name, value in vars(context).items()}
                return [kinds, sorted(name for name in dir(type(context)) if name[0] != "_"),
                        {name: str(value) for name, value in vars(context.client_context.client).items()}
                        if hasattr(context.client_context.client, "__dict__") else
                        {name: str(getattr(context.client_context.client, name))
                         for name in context.client_context.client.__slots__}]
            """
        )
        client_context = {"client": {"app_title": "t"}, "custom": {"a": 1}, "env": None}
        kinds, names, client = self.call(
            function, client_context=json.dumps(client_context).encode(), tenant_id="t"
        )
        context = make_context(client_context=client_context, tenant_id="t")
        ours = {name: type(value).__name__ for name, value in vars(context).items()}
        differing = {"identity": "SimpleNamespace", "client_context": "SimpleNamespace"}
        self.assertEqual(ours, {**kinds, **differing})
        self.assertLessEqual(set(names), set(dir(context)))
        assert context.client_context is not None and context.client_context.client is not None
        self.assertEqual(
            {name: str(value) for name, value in vars(context.client_context.client).items()}, client
        )
        self.assertIsNone(context.identity.cognito_identity_id)

    def test_its_values_can_be_set_and_are_the_same_each_time(self) -> None:
        context = make_context("orders", memory_mb=512, request_id="r-1", version="7", region="eu-west-3")
        self.assertEqual(context.memory_limit_in_mb, "512")
        self.assertEqual(
            context.invoked_function_arn, "arn:aws:lambda:eu-west-3:123456789012:function:orders"
        )
        self.assertEqual(context.log_group_name, "/aws/lambda/orders")
        self.assertEqual((context.aws_request_id, context.function_version), ("r-1", "7"))
        self.assertEqual(make_context().aws_request_id, make_context().aws_request_id)
        with_trace = make_context(client_context={"w3c": {"traceparent": "00-a-b-01"}})
        self.assertEqual(with_trace.w3c(), {"traceparent": "00-a-b-01"})

    def test_the_remaining_time_counts_down(self) -> None:
        context = make_context(remaining_ms=2000)
        first = context.get_remaining_time_in_millis()
        self.assertTrue(1500 < first <= 2000, first)
        while context.get_remaining_time_in_millis() == first:
            time.sleep(0.001)
        self.assertEqual(make_context(remaining_ms=0).get_remaining_time_in_millis(), 0)

    def test_the_remaining_time_can_be_a_list_of_steps(self) -> None:
        context = make_context(remaining_ms=[5000, 100])
        self.assertEqual([context.get_remaining_time_in_millis() for _ in range(3)], [5000, 100, 100])

    def test_calls_after_the_response_are_kept_until_the_test_makes_them(self) -> None:
        context, calls = make_context(), []

        async def last(name: str) -> None:
            calls.append(name)

        def first(name: str, again: bool = False) -> None:
            calls.append(name)
            context.after_response(last, "third")

        context.after_response(first, "first", again=True)
        context.after_response(calls.append, "second")
        self.assertEqual((calls, len(context.after_response_calls)), ([], 2))
        context.run_after_response()
        self.assertEqual((calls, context.after_response_calls), (["first", "second", "third"], []))
        with self.assertRaisesRegex(TypeError, "expects a function, got int"):
            context.after_response(7)  # type: ignore[arg-type]

    def test_its_log_goes_to_stdout(self) -> None:
        output = StringIO()
        with redirect_stdout(output):
            make_context().log({"a": 1})
        self.assertEqual(output.getvalue(), "{'a': 1}")

    def test_nothing_of_the_runtime_and_no_package_is_imported(self) -> None:
        code = (
            "import sys; from lambda_emulator import testing;"
            "print([name for name in ('lambda_runtime', 'pytest') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT / "emulator", stdout=subprocess.PIPE, check=True
        )
        self.assertEqual(done.stdout.strip(), b"[]")


if __name__ == "__main__":
    unittest.main()
