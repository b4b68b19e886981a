"""boto3, aws-embedded-metrics, structlog, elastic-apm, lumigo_tracer."""

from __future__ import annotations

import json
import zlib
from importlib.metadata import files
from pathlib import Path
from typing import Any

from conformance.expectations import (
    Mismatch,
    error,
    expect,
    expect_in,
    json_lines,
    lines,
    only_item,
    value,
)
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case
from conformance.vendors.receivers import HttpSink

TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


@case("boto3", "calls have the trace header that lets Lambda detect recursion")
def recursion(harness: Harness) -> Observation:
    with HttpSink() as sink, harness.function("more_function.call_lambda") as function:
        for number in range(2):
            header = TRACE_HEADER.replace("53995c3f42cd8ad8", f"{number:016x}") + ";Lineage=1:a5e8f3b2:0"
            expect("status", value(harness.invoke(function, {"url": sink.url}, header)), 200)
            expect("header", sink.requests[-1].headers["x-amzn-trace-id"], header)
    return "X-Amzn-Trace-Id of each invocation, Lineage included"


@case("aws-embedded-metrics", "metric_scope prints a line in the embedded metric format")
def embedded_metrics(harness: Harness) -> Observation:
    with harness.function("more_function.embedded_metrics") as function:
        result = harness.invoke(function, {}, TRACE_HEADER.replace("Sampled=0", "Sampled=1"))
        expect("result", value(result), "packed")
        line = only_item("metric lines", [one for one in json_lines(result) if "_aws" in one])
        expect("value", line["Packed"], 3)
        expect("properties", line["functionVersion"], "$LATEST")
        expect("log stream", "logStreamId" in line, True)
        expect_in("trace id", "1-5759e988", line["traceId"])
    return f"Packed {line['Packed']}, executionEnvironment {line.get('executionEnvironment')!r}"


@case("aws-embedded-metrics", "metric_scope around an async handler", not_on_aws="runs no async handlers")
def embedded_metrics_async(harness: Harness) -> Observation:
    with harness.function("more_function.embedded_metrics_async") as function:
        for _ in range(2):
            result = harness.invoke(function)
            expect("result", value(result), "packed")
            line = only_item("metric lines", [one for one in json_lines(result) if "_aws" in one])
            expect("value", line["Packed"], 4)
    return f"Packed {line['Packed']}, twice"


@case("structlog", "prints one JSON line, within the invocation's log")
def structlog_print(harness: Harness) -> Observation:
    with harness.function("more_function.structured") as function:
        harness.invoke(function, {"order": 6})
        result = harness.invoke(function, {"order": 7})
        entry = only_item("lines", json_lines(result))
        expected = {"request": result.request_id, "order": 7, "level": "info", "event": "packed"}
        expect("line", entry, expected)
    return f"{entry['event']}, order {entry['order']}"


@case("structlog", "through logging: in Lambda's line format")
def structlog_logging(harness: Harness) -> Observation:
    with harness.function("more_function.structured_through_logging") as function:
        result = harness.invoke(function, {"order": 7})
        line = only_item("lines", lines(result))
        level, _, request_id, message = line.split("\t")
        expect("level", level, "[WARNING]")
        expect("request id", request_id, result.request_id)
        expect("message", json.loads(message), {"order": 7, "event": "packed"})
    return str(message)


def elastic_wrapper(harness: Harness) -> Path:
    """Install Elastic's wrapper program, executable and beside its handler module, as in its layer."""
    sources = [path for path in files("elastic-apm") or () if path.parent.name == "aws_wrapper"]
    program = next(path for path in sources if path.name == "elasticapm-lambda.py")
    handler = next(path for path in sources if path.name == "elasticapm_handler.py")
    (harness.task_root / "elasticapm_handler.py").write_text(handler.read_text())
    return harness.executable("elasticapm-lambda", program.read_text())


def elastic_settings(sink: HttpSink) -> dict[str, str]:
    return {
        "ELASTIC_APM_SERVER_URL": sink.url,
        "ELASTIC_APM_CENTRAL_CONFIG": "false",
        "ELASTIC_APM_CLOUD_PROVIDER": "none",
        "ELASTIC_APM_SERVICE_NAME": "shop",
    }


def elastic_events(sink: HttpSink, kind: str) -> list[dict[str, Any]]:
    """Return the events of one kind: the bodies are deflated, one JSON object per line."""
    found: list[dict[str, Any]] = []
    for request in sink.wait_for("/intake"):
        body = zlib.decompressobj(47).decompress(request.body)
        found += [event[kind] for event in map(json.loads, body.splitlines()) if kind in event]
    return found


@case("elastic-apm", "its wrapper program starts us, its handler calls the function's")
def elastic(harness: Harness) -> Observation:
    with HttpSink() as sink:
        program = elastic_wrapper(harness)
        environment = elastic_settings(sink)
        with harness.function("more_function.plain", wrapper=program, environment=environment) as function:
            result = harness.invoke(function, {"order": 7})
            expect("handler", value(result)["handler"], "elasticapm_handler.lambda_handler")
            transaction = only_item("transactions", elastic_events(sink, "transaction"))
            expect("request", transaction["faas"]["execution"], result.request_id)
            expect("result", transaction["result"], "HTTP 2xx")
            expect("cold start", transaction["faas"]["coldstart"], True)
    return f"{transaction['type']} {transaction['name']}, {transaction['result']}"


@case("elastic-apm", "a handler's exception is sent, and reaches the caller")
def elastic_error(harness: Harness) -> Observation:
    with HttpSink() as sink:
        program = elastic_wrapper(harness)
        environment = elastic_settings(sink)
        with harness.function("more_function.fail", wrapper=program, environment=environment) as function:
            expect("errorType", error(harness.invoke(function))["errorType"], "ValueError")
            sent = only_item("errors", elastic_events(sink, "error"))
            expect("message", sent["exception"]["message"], "ValueError: no such order")
    return str(sent["exception"]["message"])


LUMIGO_SETTINGS = {
    "LUMIGO_ORIGINAL_HANDLER": "more_function.plain",
    "LUMIGO_INITIALIZATION_CONNECTION": "false",
    "LUMIGO_TRACER_TOKEN": "",
    "LUMIGO_SWITCH_OFF": "false",
}


@case("lumigo_tracer", "its handler loads and calls the function's, where awslambdaric cannot be imported")
def lumigo(harness: Harness) -> Observation:
    if not harness.runtime.is_aws:
        # As on Lambda, where awslambdaric is not installed: Lumigo falls back on its own copy of the loader.
        (harness.task_root / "awslambdaric.py").write_text("raise ImportError('not on this runtime')\n")
    with harness.function("lumigo_tracer._handler", environment=LUMIGO_SETTINGS) as function:
        result = harness.invoke(function, {"order": 7})
        response = value(result)
        if response["statusCode"] != 200:
            raise Mismatch(f"the handler was not reached: {response}")
        expect_in("log", "packed 7", "\n".join(lines(result)))
    return "the handler was reached"
