"""sentry-sdk: patches the runtime's module and client when it is initialized, in the function's own code."""

from __future__ import annotations

from typing import Any

from conformance.expectations import error, expect, expect_in, only_item, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case

PACKAGE = "sentry-sdk"


def captured(harness: Harness, kind: str = "event") -> list[dict[str, Any]]:
    """Return the flushed payloads of one kind."""
    return [item["payload"] for item in harness.recorded() if item["type"] == kind]


def describe(event: dict[str, Any]) -> Observation:
    exception = event["exception"]["values"][-1]
    mechanism = exception.get("mechanism") or {}
    return f"{exception['type']}: {exception['value']}, by {mechanism.get('type')}"


@case(PACKAGE, "a handler's exception is captured, and flushed before the response")
def handler_error(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail") as function:
        result = harness.invoke(function, {"headers": {}})
        expect("errorType", error(result)["errorType"], "ValueError")
        event = only_item("events", captured(harness))
        exception = event["exception"]["values"][-1]
        expect("exception", exception["value"], "no such order")
        expect("mechanism", exception["mechanism"], {"type": "aws_lambda", "handled": False})
        expect("request id", event["extra"]["lambda"]["aws_request_id"], result.request_id)
        expect("frames", exception["stacktrace"]["frames"][-1]["function"], "fail")
    return describe(event)


@case(PACKAGE, "a transaction is sent for each invocation that succeeds")
def transaction(harness: Harness) -> Observation:
    with harness.function("sentry_function.succeed") as function:
        for _ in range(2):
            expect("result", value(harness.invoke(function, {})), "fine")
        found = captured(harness, "transaction")
        expect("transactions", [one["transaction"] for one in found], ["function", "function"])
        operation = found[0]["contexts"]["trace"]["op"]
        expect("operation", operation, "function.aws")
    return f"{len(found)} of {operation}"


@case(PACKAGE, "a handler is wrapped once for each invocation")
def repeated(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail") as function:
        for _ in range(3):
            harness.invoke(function, {})
        events = captured(harness)
        expect("events", len(events), 3)
    return f"{len(events)} events of 3 invocations"


@case(PACKAGE, "an exception during the import of a module is captured")
def init_error(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail", environment={"FAIL_WHILE_LOADING": "1"}) as function:
        expect("errorType", error(harness.invoke(function))["errorType"], "LookupError")
        event = only_item("events", captured(harness))
    return describe(event)


@case(PACKAGE, "a missing module is captured")
def import_error(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail", environment={"IMPORT_WHAT_IS_NOT_THERE": "1"}) as function:
        expect("errorType", error(harness.invoke(function))["errorType"], "Runtime.ImportModuleError")
        event = only_item("events", captured(harness))
    expect_in("exception", "module_that_is_not_there", str(event["exception"]["values"][-1]["value"]))
    return describe(event)


@case(PACKAGE, "an async handler's exception is captured", not_on_aws="runs no async handlers")
def async_handler_error(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail_async") as function:
        result = harness.invoke(function, {})
        expect("errorType", error(result)["errorType"], "ValueError")
        event = only_item("events", captured(harness))
        expect("request id", event["extra"]["lambda"]["aws_request_id"], result.request_id)
    return describe(event)


@case(PACKAGE, "a streaming handler's exception midway is captured", not_on_aws="does not stream")
def midway_error(harness: Harness) -> Observation:
    with harness.function("sentry_function.fail_midway") as function:
        result = function.invoke_streaming(b"{}")
        expect("chunks", b"".join(result), b"first")
        expect("error type", result.error_type, "Function.ValueError")
        event = only_item("events", captured(harness))
        expect("request id", event["extra"]["lambda"]["aws_request_id"], result.request_id)
    return describe(event)


@case(PACKAGE, "a timeout is reported in advance")
def timeout_warning(harness: Harness) -> Observation:
    # Two seconds after the start, 18 s before the timeout.
    environment = {"TIMEOUT_WARNING_BUFFER": "18000"}
    with harness.function("sentry_function.dawdle", environment=environment, timeout_s=20) as function:
        expect("result", value(harness.invoke(function, {})), "late")
        event = only_item("events", captured(harness))
        expect("exception", event["exception"]["values"][-1]["type"], "ServerlessTimeoutWarning")
    return describe(event)
