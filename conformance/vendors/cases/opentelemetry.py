"""opentelemetry-instrumentation-aws-lambda, added by a wrapper like that of OpenTelemetry's layer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lambda_emulator.functions.function import Function, Result

from conformance.expectations import error, expect, expect_in, only_item, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case

PACKAGE = "opentelemetry-instrumentation-aws-lambda"
TRACE_ID = "5759e988bd862e3fe1be46a994272793"
TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

# The wrapper of such a layer adds its folders to PYTHONPATH, replaces the function's handler by its own, and
# runs the same command line with OpenTelemetry's launcher. {folder} is the layer's folder.
WRAPPER = """#!/bin/bash
export PYTHONPATH="{folder}${{PYTHONPATH:+:$PYTHONPATH}}"
export OTEL_TRACES_EXPORTER=console OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none
export OTEL_PROPAGATORS="${{OTEL_PROPAGATORS:-tracecontext}}"
export ORIG_HANDLER="$_HANDLER"
export _HANDLER=otel_wrapper.lambda_handler
{launch}
"""


def wrapper(harness: Harness, launch: str = 'exec python3 {bin}/opentelemetry-instrument "$@"') -> Path:
    """Write the wrapper program; ``launch`` is its last line."""
    bin_folder = Path(sys.executable).parent
    text = WRAPPER.format(folder=harness.task_root / "otel_layer", launch=launch.format(bin=bin_folder))
    return harness.executable("otel-instrument", text)


def spans(function: Function) -> list[dict[str, Any]]:
    """Return the output of the console exporter: objects of several lines."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    text = function.log_text()
    position = text.find("{\n")
    while position >= 0:
        span, end = decoder.raw_decode(text, position)
        found.append(span)
        position = text.find("{\n", end)
    return found


def span_of(result: Result, function: Function) -> dict[str, Any]:
    """Return the function's span in this invocation."""
    expected = result.request_id
    mine = [one for one in spans(function) if one["attributes"].get("faas.invocation_id") == expected]
    span: dict[str, Any] = only_item("spans", mine)
    return span


@case(PACKAGE, "otel-instrument wraps the handler: a span for each invocation")
def wrapped(harness: Harness) -> Observation:
    with harness.function("otel_function.handler", wrapper=wrapper(harness)) as function:
        for number in range(2):
            result = harness.invoke(function, {"order": number})
            expect("order", value(result)["order"], number)
            span = span_of(result, function)
        expect("name", span["name"], "function")
        expect("kind", span["kind"], "SpanKind.SERVER")
        resource = span["attributes"]["cloud.resource_id"]
        expect("resource", resource, function.arn())
    return f"{len(spans(function))} spans, {span['kind']}"


@case(PACKAGE, "otel-instrument without a launcher: it only executes its arguments")
def wrapped_plainly(harness: Harness) -> Observation:
    environment = {"OTEL_TRACES_EXPORTER": "console"}
    program = wrapper(harness, 'exec "$@"')
    with harness.function("otel_function.handler", wrapper=program, environment=environment) as function:
        expect("order", value(harness.invoke(function, {"order": 7}))["order"], 7)
    return "the handler was reached through otel_wrapper"


@case(PACKAGE, "a handler's error is on the span, and reaches the caller")
def handler_error(harness: Harness) -> Observation:
    with harness.function("otel_function.fail", wrapper=wrapper(harness)) as function:
        result = harness.invoke(function)
        expect("errorType", error(result)["errorType"], "ValueError")
        span = span_of(result, function)
        expect("status", span["status"]["status_code"], "ERROR")
        event = only_item("events", span["events"])
        expect("exception", event["attributes"]["exception.message"], "no such order")
    return f"{span['status']['status_code']}, {event['attributes']['exception.type']}"


@case(PACKAGE, "X-Ray's header of each invocation is the span's parent")
def xray_parent(harness: Harness) -> Observation:
    environment = {"OTEL_PROPAGATORS": "xray-lambda,tracecontext"}
    with harness.function(
        "otel_function.handler", wrapper=wrapper(harness), environment=environment
    ) as function:
        result = harness.invoke(function, {}, TRACE_HEADER)
        value(result)
        span = span_of(result, function)
        expect("trace id", span["context"]["trace_id"], f"0x{TRACE_ID}")
        expect("parent", span["parent_id"], "0x53995c3f42cd8ad8")
    return f"trace {span['context']['trace_id'][:12]}…"


@case(PACKAGE, "an async handler behind it", not_on_aws="runs no async handlers")
def async_handler(harness: Harness) -> Observation:
    with harness.function("otel_function.wait", wrapper=wrapper(harness)) as function:
        result = harness.invoke(function, {})
        expect("result", value(result), "waited")
        span = span_of(result, function)
    return f"span {span['name']}"


@case(PACKAGE, "a missing handler is reported, not hidden by the wrapper")
def missing_handler(harness: Harness) -> Observation:
    with harness.function("nowhere.handler", wrapper=wrapper(harness)) as function:
        payload = error(harness.invoke(function))
        expect("errorType", payload["errorType"], "Runtime.ImportModuleError")
        expect_in("errorMessage", "nowhere", payload["errorMessage"])
    return str(payload["errorMessage"])
