"""The context object: facts about the invocation, the function and the environment."""

from __future__ import annotations

import json
import time
import unittest

from tests.support import EVALUATE, FunctionTestCase, Reply, accepted, event, posts

CLIENT_CONTEXT = {
    "client": {
        "installation_id": "iid",
        "app_title": "t",
        "app_version_name": "vn",
        "app_version_code": "vc",
        "app_package_name": "pn",
        "unknown": "dropped",
    },
    "custom": {"k": "v", "nested": {"n": [1]}},
    "env": {"e": "f"},
    "unknown": "dropped",
}
IDENTITY = {"cognitoIdentityId": "us-east-1:id", "cognitoIdentityPoolId": "us-east-1:pool"}


class Attributes(FunctionTestCase):
    def test_they_have_the_values_of_lambda(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                names = ("aws_request_id log_group_name log_stream_name function_name function_version"
                         " memory_limit_in_mb invoked_function_arn tenant_id client_context")
                return {name: getattr(context, name) for name in names.split()}
            """,
            name="orders",
            version="7",
            memory_mb=512,
            environment={"AWS_LAMBDA_LOG_GROUP_NAME": "/log/group", "AWS_LAMBDA_LOG_STREAM_NAME": "stream"},
        )
        arn = "arn:aws:lambda:us-east-1:123456789012:function:orders:prod"
        response = self.call(function, request_id="r-17", arn=arn, tenant_id="blue/1")
        expected = {
            "aws_request_id": "r-17",
            "log_group_name": "/log/group",
            "log_stream_name": "stream",
            "function_name": "orders",
            "function_version": "7",
            "memory_limit_in_mb": "512",
            "invoked_function_arn": arn,
            "tenant_id": "blue/1",
            "client_context": None,
        }
        self.assertEqual(response, expected)

    def test_values_that_the_environment_lacks_are_none(self) -> None:
        names = [
            "LOG_GROUP_NAME",
            "LOG_STREAM_NAME",
            "FUNCTION_NAME",
            "FUNCTION_MEMORY_SIZE",
            "FUNCTION_VERSION",
        ]
        function = self.start(EVALUATE, environment={f"AWS_LAMBDA_{name}": None for name in names})
        self.assertResponse(
            function,
            "[context.log_group_name, context.log_stream_name, context.function_name,"
            " context.memory_limit_in_mb, context.function_version, context.tenant_id]",
            [None] * 6,
        )

    def test_the_environment_variables_are_read_for_each_invocation(self) -> None:
        function = self.start(
            """
            import os
            def handler(event, context):
                before = context.function_name
                os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "renamed"
                return before
            """,
            name="original",
        )
        self.assertResponse(function, None, "original")
        self.assertResponse(function, None, "renamed")

    def test_the_function_may_replace_the_environment_variables_by_a_dict(self) -> None:
        function = self.start(
            """
            import os
            os.environ = {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "é"}
            def handler(event, context):
                return [context.function_name, context.function_version]
            """
        )
        self.assertResponse(function, None, ["é", "$LATEST"])

    def test_each_invocation_has_a_new_context(self) -> None:
        function = self.start(
            """
            contexts = []
            def handler(event, context):
                contexts.append(context)
                context.mine = event
                return [one.mine for one in contexts]
            """
        )
        self.assertResponse(function, 1, [1])
        self.assertResponse(function, 2, [1, 2])

    def test_tools_may_set_attributes_on_it(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                context.cold_start = True
                context.function_name = "other"
                return [context.cold_start, context.function_name, sorted(vars(context))[0]]
            """
        )
        self.assertEqual(self.call(function)[:2], [True, "other"])

    def test_the_class_can_be_imported_for_annotations(self) -> None:
        function = self.start(
            """
            from lambda_runtime.context import LambdaContext

            def handler(event, context: LambdaContext):
                return [isinstance(context, LambdaContext), type(context).__name__]
            """
        )
        self.assertResponse(function, None, [True, "LambdaContext"])

    def test_its_repr_shows_everything(self) -> None:
        function = self.start(
            EVALUATE,
            name="f",
            environment={"AWS_LAMBDA_LOG_GROUP_NAME": "group", "AWS_LAMBDA_LOG_STREAM_NAME": "stream"},
        )
        self.assertEqual(
            self.call(function, "repr(context)", request_id="r1", arn="arn"),
            "LambdaContext([aws_request_id=r1,log_group_name=group,log_stream_name=stream,function_name=f,"
            "memory_limit_in_mb=128,function_version=$LATEST,invoked_function_arn=arn,client_context=None,"
            "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),"
            "tenant_id=None])",
        )


class Deadline(FunctionTestCase):
    def test_the_remaining_time_decreases_to_zero_and_not_below(self) -> None:
        soon = int(time.time() * 1000) + 60_000
        head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\nContent-Length: 2\r\n"
        outcome = self.play(
            Reply(f"{head}Lambda-Runtime-Deadline-Ms: {soon}\r\n\r\n{{}}".encode()),
            accepted(),
            Reply(f"{head}Lambda-Runtime-Deadline-Ms: {soon - 90_000}\r\n\r\n{{}}".encode()),
            accepted(),
            source="""
                import time
                def handler(event, context):
                    first = context.get_remaining_time_in_millis()
                    time.sleep(0.1)
                    second = context.get_remaining_time_in_millis()
                    deadline = context._epoch_deadline_time_in_ms
                    return [first, second, type(first).__name__, type(deadline).__name__]
            """,
        )
        first, second, *kinds = json.loads(outcome.requests[1].body.decode())
        self.assertTrue(30_000 < first <= 60_000, first)
        self.assertTrue(100 <= first - second < 30_000, (first, second))
        self.assertEqual(kinds, ["int", "int"])
        self.assertEqual(json.loads(outcome.requests[3].body.decode())[:2], [0, 0])


class ClientContexts(FunctionTestCase):
    DESCRIBE = """
        def handler(event, context):
            client_context = context.client_context
            if client_context is None:
                return None
            return {
                "custom": client_context.custom,
                "env": client_context.env,
                "client": repr(client_context.client),
                "type": type(client_context).__name__,
            }
    """

    def test_it_has_the_dicts_of_the_caller_and_the_client(self) -> None:
        function = self.start(self.DESCRIBE)
        response = self.call(function, client_context=json.dumps(CLIENT_CONTEXT).encode())
        self.assertEqual(response["custom"], CLIENT_CONTEXT["custom"])
        self.assertEqual(response["env"], CLIENT_CONTEXT["env"])
        self.assertEqual(response["type"], "ClientContext")
        expected = (
            "installation_id=iid,app_title=t,app_version_name=vn,app_version_code=vc,app_package_name=pn"
        )
        self.assertEqual(response["client"], f"Client([{expected}])")

    def test_its_repr_shows_everything(self) -> None:
        function = self.start(EVALUATE)
        text = b'{"custom": {"k": "v"}, "env": {"e": "f"}, "client": {"installation_id": "iid"}}'
        self.assertEqual(
            self.call(function, "repr(context.client_context)", client_context=text),
            "ClientContext([custom={'k': 'v'},env={'e': 'f'},client=Client([installation_id=iid,"
            "app_title=None,app_version_name=None,app_version_code=None,app_package_name=None])])",
        )

    def test_missing_values_are_none(self) -> None:
        function = self.start(self.DESCRIBE)
        empty = {"custom": None, "env": None, "client": "None", "type": "ClientContext"}
        for text, expected in [(b"{}", empty), (b"null", None), (b'{"other": 1}', empty)]:
            with self.subTest(text=text):
                self.assertEqual(self.call(function, client_context=text), expected)

    def test_non_ascii_text_is_kept(self) -> None:
        function = self.start(EVALUATE)
        text = '{"custom": {"k": "hé 中 😀"}}'
        for encoded in (text.encode(), json.dumps(json.loads(text)).encode()):
            with self.subTest(encoded=encoded):
                expression = "context.client_context.custom['k']"
                self.assertEqual(self.call(function, expression, client_context=encoded), "hé 中 😀")

    def test_invalid_json_is_an_unmarshal_error_for_this_invocation(self) -> None:
        function = self.start()
        rows = [
            (b"nope", r"^Unable to parse Client Context JSON: \w.*: line 1 column [12] \(char [01]\)$"),
            (b"{", r"^Unable to parse Client Context JSON: \w.*: line 1 column 2 \(char 1\)$"),
            (b"[]", "^Unable to parse Client Context JSON: .*list"),
            (b'"text"', "^Unable to parse Client Context JSON: .*str"),
            (b"[" * 5000, "^Unable to parse Client Context JSON: "),
        ]
        for text, message in rows:
            with self.subTest(text=text[:20]):
                payload = self.error(function, client_context=text)
                self.assertEqual(payload["errorType"], "Runtime.LambdaContextUnmarshalError")
                self.assertRegex(payload["errorMessage"], message)
                self.assertEqual(payload["stackTrace"], [])
        self.assertResponse(function, "still here", "still here")
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_nan_and_infinity_are_accepted_as_on_awss_runtime(self) -> None:
        function = self.start(EVALUATE)
        text = b'{"custom": {"a": NaN, "b": [-Infinity]}}'
        response = self.call(function, "repr(context.client_context.custom)", client_context=text)
        self.assertEqual(response, "{'a': nan, 'b': [-inf]}")

    def test_members_of_unexpected_types_are_ignored(self) -> None:
        function = self.start(EVALUATE)
        text = b'{"client": "text", "custom": [1], "env": 3, "w3c": "x"}'
        self.assertEqual(self.call(function, "context.client_context.custom", client_context=text), [1])
        self.assertEqual(self.call(function, "context.w3c()", client_context=text), {})


class Identity(FunctionTestCase):
    DESCRIBE = """
        def handler(event, context):
            identity = context.identity
            return [identity.cognito_identity_id, identity.cognito_identity_pool_id, type(identity).__name__]
    """

    def test_it_exists_even_if_the_caller_is_unknown(self) -> None:
        function = self.start(self.DESCRIBE)
        for text in (None, "{}", "null"):
            with self.subTest(text=text):
                response = self.call(function, cognito_identity=text)
                self.assertEqual(response, [None, None, "CognitoIdentity"])

    def test_it_has_the_ids(self) -> None:
        function = self.start(self.DESCRIBE)
        response = self.call(function, cognito_identity=json.dumps(IDENTITY))
        self.assertEqual(response, ["us-east-1:id", "us-east-1:pool", "CognitoIdentity"])

    def test_invalid_json_is_an_unmarshal_error(self) -> None:
        function = self.start()
        for text in ("nope", "[1]"):
            payload = self.error(function, cognito_identity=text)
            self.assertEqual(payload["errorType"], "Runtime.LambdaContextUnmarshalError")
            self.assertRegex(payload["errorMessage"], "^Unable to parse Cognito Identity JSON: ")
        self.assertStillWorks(function)

    def test_the_error_s_x_ray_cause_says_validation_error(self) -> None:
        function = self.start()
        self.error(function, cognito_identity="nope")
        cause = json.loads(posts(function)[-1].header("Lambda-Runtime-Function-XRay-Error-Cause") or "")
        self.assertEqual(cause["exceptions"][0]["type"], "LambdaValidationError")


class Methods(FunctionTestCase):
    def test_w3c_gives_a_copy_of_the_trace_context(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                fields = context.w3c()
                fields["changed"] = True
                return [context.w3c(), hasattr(context.client_context, "w3c")]
            """
        )
        w3c = {"traceparent": "00-1-2-01", "tracestate": "a=b", "baggage": 7, "other": "x"}
        response = self.call(function, client_context=json.dumps({"w3c": w3c, "custom": {}}).encode())
        self.assertEqual(response, [{"traceparent": "00-1-2-01", "tracestate": "a=b"}, False])

    def test_w3c_is_empty_without_a_trace_context(self) -> None:
        function = self.start(EVALUATE)
        self.assertResponse(function, "context.w3c()", {})

    def test_log_writes_text_unchanged(self) -> None:
        outcome = self.play(
            event(),
            accepted(),
            source="""
                def handler(event, context):
                    context.log("no line end")
                    context.log({"a": 1})
                    context.log(None)
                    context.log("é😀\\n")
                    context.log("half \\ud83d\\n")
            """,
        )
        self.assertEqual(outcome.output, "no line end{'a': 1}Noneé😀\nhalf \\ud83d\n")
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])


if __name__ == "__main__":
    unittest.main()
