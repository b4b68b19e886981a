"""The cases: the invocations, and the responses that Lambda would send."""

from __future__ import annotations

import json
from dataclasses import dataclass

from conformance.emulators.deviations import ONE_AT_A_TIME, ONE_NAME
from conformance.emulators.responses import Error, Expected, Json, Raw

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100  # the limit of the Runtime API


@dataclass(frozen=True)
class Call:
    """One invocation, with the caller's options."""

    payload: bytes = b"null"
    invocation_type: str = "RequestResponse"
    log_type: str = "None"
    client_context: str | None = None  # JSON text
    tenant_id: str | None = None
    function_name: str = "function"  # the only name that AWS's emulator knows


@dataclass(frozen=True)
class Step:
    """A call and Lambda's response to it, with the names of the deviations of AWS's emulator.

    ``with_aws_runtime`` replaces this step if Lambda's response is different with AWS's Python runtime.
    """

    call: Call
    expected: Expected
    deviations: tuple[str, ...] = ()
    with_aws_runtime: Step | None = None


@dataclass(frozen=True)
class Case:
    """Steps on a new function, one after the other or all at once."""

    name: str
    handler: str
    steps: tuple[Step, ...]
    timeout_s: int = 10
    attempts: int = 1  # on our emulator
    at_once: bool = False
    not_on_aws_emulator: str = ""  # the reason


def call(value: object, **options: str) -> Call:
    return Call(json.dumps(value, ensure_ascii=False).encode(), **options)


def succeeds(value: object) -> Expected:
    return Expected(payload=Json(value))


def fails(error_type: str, message: str, keys: tuple[str, ...] = ()) -> Expected:
    """A function error; ``message`` is a regular expression."""
    return Expected(function_error="Unhandled", payload=Error(error_type, message, keys))


def fails_in_python(error_type: str, message: str) -> Expected:
    return fails(error_type, message, ("requestId", "stackTrace"))


def streams(data: bytes) -> Expected:
    """Expect a stream as a buffered response, for callers that cannot read streams."""
    return Expected(payload=Raw(data))


def not_marshalled(kind: str, value: object) -> Step:
    """Expect the error of AWS's runtime, which treats generators and coroutines as values."""
    return Step(
        call(value),
        fails_in_python(
            "Runtime.MarshalError",
            f"Unable to marshal response: Object of type {kind} is not JSON serializable",
        ),
    )


def exits(how: str) -> Expected:
    return fails("Runtime.ExitError", f"RequestId: {UUID} Error: Runtime exited {how}")


def accepted(status: int) -> Expected:
    """Expect only a status, as AWS's API reference documents for Event and DryRun."""
    return Expected(status=status, executed_version=None, payload=Raw(b""))


def refused(api_error: str, status: int) -> Expected:
    """Expect an error of the API itself, without an invocation. Its message is not compared."""
    return Expected(status=status, executed_version=None, api_error=api_error)


def arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ORDERS = {"data": "0123456789" * 500_000}  # 5 MB
CALLER = {"client": {"app_title": "Überblick"}, "custom": {"colour": "grün"}, "env": {"locale": "de_DE"}}
CALLER_SEEN = {"title": "Überblick", "custom": {"colour": "grün"}, "env": {"locale": "de_DE"}}
NO_DATABASE = fails_in_python("RuntimeError", "no database")
SYNTAX_ERROR = fails_in_python("Runtime.UserCodeSyntaxError", r"Syntax error in module 'syntax_error': .+")
TOO_LARGE = fails(
    "Function.ResponseSizeTooLarge",
    rf"Response payload size exceeded maximum allowed payload size \({MAX_RESPONSE_BYTES} bytes\)\.",
)
TIMED_OUT = fails("Sandbox.Timedout", rf"RequestId: {UUID} Error: Task timed out after 5\.00 seconds")
LOG = (
    rf"START RequestId: {UUID} Version: \$LATEST\n"
    r"the function says hello\n"
    rf"END RequestId: {UUID}\n"
    rf"REPORT RequestId: {UUID}\tDuration: .+\tMax Memory Used: .+"
)
HEAD = b'{"statusCode": 201, "headers": {"content-type": "text/plain"}, "cookies": ["a=1", "b=2"]}' + bytes(8)
WITH_CAUSE = fails("ValueError", "no such order: 7", ("requestId", "stackTrace", "cause"))
WORKS_AGAIN = Step(call(None), succeeds("still here"))

CASES = (
    Case("success", "function.echo", (Step(call({"a": [1, 2.5, None]}), succeeds({"a": [1, 2.5, None]})),)),
    Case("no payload", "function.echo", (Step(Call(b""), succeeds({}), ("unread",)),)),
    Case(
        "unicode",
        "function.greet",
        (Step(call({"name": "Zoë 中 😀"}), succeeds({"greeting": "Grüße, Zoë 中 😀! 你好 😀"})),),
    ),
    Case("5 MB payload both ways", "function.echo", (Step(call(ORDERS), succeeds(ORDERS)),)),
    Case("bytes response", "function.raw", (Step(call(None), Expected(payload=Raw(b"\x00not text\xff"))),)),
    Case(
        "function error, twice",
        "function.fail",
        (
            Step(call({"order": "7"}), fails_in_python("ValueError", "no such order: 7")),
            Step(call({"order": "é"}), fails_in_python("ValueError", "no such order: é")),
        ),
    ),
    Case(
        "init error, twice",
        "init_error.handler",
        (Step(call(1), NO_DATABASE, ("502",)), Step(call(2), NO_DATABASE, ("502",))),
    ),
    Case("syntax error in the module", "syntax_error.handler", (Step(call(1), SYNTAX_ERROR, ("502",)),)),
    Case(
        "sys.exit(3) in the handler, then success",
        "function.exit_by_sys",
        (
            Step(
                call(3),
                fails_in_python("SystemExit", r".*sys\.exit\(3\).*"),
                ("502",),
                # AWS's runtime exits without a message.
                with_aws_runtime=Step(call(3), exits("with error: exit status 3"), ("502",)),
            ),
            WORKS_AGAIN,
        ),
    ),
    Case(
        "os._exit(5) and os._exit(0), then success",
        "function.exit_at_once",
        (
            Step(call(5), exits("with error: exit status 5"), ("502",)),
            Step(call(0), exits("without providing a reason"), ("502",)),
            WORKS_AGAIN,
        ),
    ),
    Case(
        "timeout, then success",
        "function.sleep",
        (Step(call(30), TIMED_OUT, ("timeout",)), Step(call(0), succeeds(0))),
        timeout_s=5,  # AWS's emulator counts the start of the process
    ),
    Case(
        "client context",
        "function.describe_client",
        (Step(call(None, client_context=json.dumps(CALLER, ensure_ascii=False)), succeeds(CALLER_SEEN)),),
    ),
    Case("tenant id", "function.describe_tenant", (Step(call(None, tenant_id="blue"), succeeds("blue")),)),
    Case(
        "tail logs",
        "function.say",
        (Step(call("hello", log_type="Tail"), Expected(payload=Json(None), log=LOG)),),
        attempts=3,  # our emulator waits only 1 s for the end of the log
    ),
    Case(
        "response of the largest size",
        "function.grow",
        (Step(call(MAX_RESPONSE_BYTES), succeeds("x" * (MAX_RESPONSE_BYTES - 2))),),
    ),
    Case(
        "response one byte too large, then success",
        "function.grow",
        (
            Step(
                call(MAX_RESPONSE_BYTES + 1),
                TOO_LARGE,
                # AWS's runtime exits after the status 413, so AWS's emulator responds with 502.
                with_aws_runtime=Step(call(MAX_RESPONSE_BYTES + 1), TOO_LARGE, ("502",)),
            ),
            Step(call(10), succeeds("x" * 8)),
        ),
    ),
    Case(
        "payload that is not JSON",
        "function.echo",
        (Step(Call(b"{nope"), refused("InvalidRequestContentException", 400), ("unread",)),),
    ),
    Case(
        "Event",
        "function.echo",
        (
            Step(call(1, invocation_type="Event"), accepted(202), ("synchronous",)),
            Step(call(2), succeeds(2)),
        ),
    ),
    Case(
        "DryRun",
        "function.count",
        (
            Step(call(None, invocation_type="DryRun"), accepted(204), ("synchronous",)),
            Step(call(None), succeeds(1), ("dry run",)),
        ),
    ),
    Case(
        "three invokes at once",
        "function.sleep",
        tuple(Step(call(seconds), succeeds(seconds)) for seconds in (0.3, 0.2, 0.1)),
        at_once=True,
        not_on_aws_emulator=ONE_AT_A_TIME,
    ),
    Case(
        "any qualifier or ARN",
        "function.describe_arn",
        (
            Step(
                call(None, function_name="123456789012:function:function:prod"),
                succeeds(arn("function:prod")),
            ),
            Step(call(None, function_name=arn("function:prod")), succeeds(arn("function:prod"))),
            Step(call(None, function_name="other"), refused("ResourceNotFoundException", 404)),
        ),
        not_on_aws_emulator=ONE_NAME,
    ),
    Case(
        "stream",
        "stream.count",
        (
            Step(call(3), streams(b"0\n1\n2\n"), with_aws_runtime=not_marshalled("generator", 3)),
            Step(call(0), streams(b""), with_aws_runtime=not_marshalled("generator", 0)),
        ),
    ),
    Case(
        "async stream",
        "stream.count_awaited",
        (Step(call(3), streams(b"0\n1\n2\n"), with_aws_runtime=not_marshalled("async_generator", 3)),),
    ),
    Case(
        "stream with an HTTP head",
        "stream.page",
        (
            Step(
                call(None),
                streams(HEAD + b"the body, \x00\xff"),
                with_aws_runtime=not_marshalled("generator", None),
            ),
        ),
    ),
    Case(
        "stream that fails midway, then success",
        "stream.fail_midway",
        (
            Step(
                call(7),
                fails_in_python("ValueError", "no such order: 7"),
                ("trailers",),
                with_aws_runtime=not_marshalled("generator", 7),
            ),
            Step(call(None), streams(b"the beginning"), with_aws_runtime=not_marshalled("generator", None)),
        ),
    ),
    Case(
        "stream that fails first, then success",
        "stream.fail_first",
        (
            Step(
                call(7),
                fails_in_python("ValueError", "no such order: 7"),
                with_aws_runtime=not_marshalled("generator", 7),
            ),
            Step(call(None), streams(b"still here"), with_aws_runtime=not_marshalled("generator", None)),
        ),
    ),
    Case(
        "stream too large for a buffered call, then success",
        "stream.megabytes",
        (
            Step(call(7), TOO_LARGE, with_aws_runtime=not_marshalled("generator", 7)),
            Step(call(6), streams(bytes(6_000_000)), with_aws_runtime=not_marshalled("generator", 6)),
        ),
    ),
    Case(
        "async handler",
        "stream.double",
        (Step(call(21), succeeds(42), with_aws_runtime=not_marshalled("coroutine", 21)),),
    ),
    Case(
        "async handler that fails",
        "stream.fail_awaited",
        (
            Step(
                call(7),
                fails_in_python("ValueError", "no such order: 7"),
                with_aws_runtime=not_marshalled("coroutine", 7),
            ),
        ),
    ),
    Case(
        "function error with a cause",
        "stream.fail_because",
        (
            Step(
                call(7),
                WITH_CAUSE,
                with_aws_runtime=Step(call(7), fails_in_python("ValueError", "no such order: 7")),
            ),
        ),
    ),
)
