"""The cases: what is invoked, and what Lambda answers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from conformance.answers import Error, Expected, Json, Raw
from conformance.deviations import ONE_AT_A_TIME, ONE_NAME

# Files of the task root that would not pass as source files of this repository.
GENERATED_MODULES = {"syntax_error.py": "def handler(event, context)\n    return event\n"}

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100  # what the Runtime API accepts, not a byte more
RUNTIME_KEYS = ("requestId", "stackTrace")  # what Python's runtime adds to an error object


@dataclass(frozen=True)
class Call:
    """One invocation, as the caller writes it."""

    payload: bytes = b"null"
    invocation_type: str = "RequestResponse"
    log_type: str = "None"
    client_context: str | None = None  # JSON text
    tenant_id: str | None = None
    function_name: str = "function"  # AWS's emulator knows no other


@dataclass(frozen=True)
class Step:
    """A call and the answer that Lambda gives, with the names of AWS's emulator's deviations from it.

    ``from_aws_runtime`` is the answer with AWS's Python runtime, where that is another one.
    """

    call: Call
    expected: Expected
    deviations: tuple[str, ...] = ()
    from_aws_runtime: Expected | None = None


@dataclass(frozen=True)
class Case:
    """Steps on a fresh function, one after the other or all at once."""

    name: str
    handler: str
    steps: tuple[Step, ...]
    timeout_s: int = 10
    at_once: bool = False
    not_on_aws_emulator: str = ""  # the reason


def call(value: object, **options: str) -> Call:
    return Call(json.dumps(value, ensure_ascii=False).encode(), **options)


def succeeds(value: object) -> Expected:
    return Expected(payload=Json(value))


def fails(error: Error) -> Expected:
    return Expected(function_error="Unhandled", payload=error)


def exit_error(how: str) -> Expected:
    return fails(Error("Runtime.ExitError", f"RequestId: [0-9a-f-]{{36}} Error: {how}"))


def refused(api_error: str, status: int) -> Expected:
    """An error of the API itself: the function was not invoked. Its message is the service's own affair."""
    return Expected(status=status, executed_version=None, api_error=api_error)


CLIENT_CONTEXT = {
    "client": {"app_title": "Überblick"},
    "custom": {"colour": "grün"},
    "env": {"locale": "de_DE"},
}
FIVE_MEGABYTES = {"data": "0123456789" * 500_000}
LOG = (
    r"START RequestId: .*the function says hello\n.*END RequestId: .*REPORT RequestId: .*Max Memory Used: .*"
)
STILL_HERE = Step(call(None), succeeds("still here"))

CASES = (
    Case("success", "function.echo", (Step(call({"a": [1, 2.5, None]}), succeeds({"a": [1, 2.5, None]})),)),
    Case("no payload", "function.echo", (Step(Call(b""), succeeds({}), ("unread",)),)),
    Case(
        "unicode",
        "function.greet",
        (Step(call({"name": "Zoë 中 😀"}), succeeds({"greeting": "Grüße, Zoë 中 😀! 你好 😀"})),),
    ),
    Case("5 MB payload both ways", "function.echo", (Step(call(FIVE_MEGABYTES), succeeds(FIVE_MEGABYTES)),)),
    Case(
        "bytes response",
        "function.raw",
        (Step(call(None), Expected(payload=Raw(b"\x00\x01 not text \xff"))),),
    ),
    Case(
        "function error, then success of the next",
        "function.fail",
        (
            Step(call({"order": "7"}), fails(Error("ValueError", "no such order: 7", RUNTIME_KEYS))),
            Step(call({"order": "é"}), fails(Error("ValueError", "no such order: é", RUNTIME_KEYS))),
        ),
    ),
    Case(
        "init error",
        "init_error.handler",
        (
            Step(call(1), fails(Error("RuntimeError", "no database", RUNTIME_KEYS)), ("502",)),
            Step(call(2), fails(Error("RuntimeError", "no database", RUNTIME_KEYS)), ("502",)),
        ),
    ),
    Case(
        "syntax error in the module",
        "syntax_error.handler",
        (
            Step(
                call(1),
                fails(
                    Error(
                        "Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax_error'.+", RUNTIME_KEYS
                    )
                ),
                ("502",),
            ),
        ),
    ),
    Case(
        "sys.exit(3) in the handler",
        "function.exit_by_sys",
        (
            Step(
                call(3),
                fails(Error("SystemExit", "3", RUNTIME_KEYS)),
                ("502",),
                from_aws_runtime=exit_error("Runtime exited with error: exit status 3"),
            ),
            STILL_HERE,
        ),
    ),
    Case(
        "os._exit(5) in the handler",
        "function.exit_at_once",
        (
            Step(call(5), exit_error("Runtime exited with error: exit status 5"), ("502",)),
            Step(call(0), exit_error("Runtime exited without providing a reason"), ("502",)),
            STILL_HERE,
        ),
    ),
    Case(
        "timeout",
        "function.sleep",
        (
            Step(
                call(30),
                fails(
                    Error(
                        "Sandbox.Timedout",
                        r"RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds",
                    )
                ),
                ("timeout",),
            ),
            Step(call(0), succeeds(0)),
        ),
        timeout_s=1,
    ),
    Case(
        "client context",
        "function.describe_client",
        (
            Step(
                call(None, client_context=json.dumps(CLIENT_CONTEXT, ensure_ascii=False)),
                succeeds({"title": "Überblick", "custom": {"colour": "grün"}, "env": {"locale": "de_DE"}}),
            ),
        ),
    ),
    Case(
        "tenant id",
        "function.describe_invocation",
        (
            Step(
                call(None, tenant_id="blue"),
                succeeds(
                    {"arn": "arn:aws:lambda:us-east-1:012345678912:function:function", "tenant": "blue"}
                ),
            ),
        ),
    ),
    Case(
        "tail logs",
        "function.say",
        (Step(call("hello", log_type="Tail"), Expected(payload=Json(None), log=LOG)),),
    ),
    Case(
        "answer of exactly the largest size",
        "function.grow",
        (Step(call(MAX_RESPONSE_BYTES), succeeds("x" * (MAX_RESPONSE_BYTES - 2))),),
    ),
    Case(
        "answer a byte too large, then success",
        "function.grow",
        (
            Step(
                call(MAX_RESPONSE_BYTES + 1),
                fails(
                    Error(
                        "Function.ResponseSizeTooLarge",
                        r"Response payload size exceeded maximum allowed payload size \(6291556 bytes\)\.",
                    )
                ),
                ("502",),
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
        "function.count",
        (
            Step(
                call(None, invocation_type="Event"),
                Expected(status=202, executed_version=None, payload=Raw(b"")),
                ("synchronous",),
            ),
            Step(call(None), succeeds(2)),
        ),
    ),
    Case(
        "DryRun",
        "function.count",
        (
            Step(
                call(None, invocation_type="DryRun"),
                Expected(status=204, executed_version=None, payload=Raw(b"")),
                ("synchronous",),
            ),
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
        "any name, qualifier or ARN",
        "function.describe_invocation",
        (Step(call(None, function_name="hello:prod"), succeeds(None)),),
        not_on_aws_emulator=ONE_NAME,
    ),
)
