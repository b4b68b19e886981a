"""aws-lambda-powertools: logs to stdout, segments to X-Ray's daemon, metrics as log lines."""

from __future__ import annotations

import json
from typing import Any

from conformance.expectations import error, expect, expect_in, json_lines, lines, only_item, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case
from conformance.vendors.receivers import XRayDaemon

PACKAGE = "aws-lambda-powertools"
TRACE_ID = "1-5759e988-bd862e3fe1be46a994272793"
TRACE_HEADER = f"Root={TRACE_ID};Parent=53995c3f42cd8ad8;Sampled=1"


@case(PACKAGE, "Logger: one JSON line, with the invocation's facts")
def logger(harness: Harness) -> Observation:
    with harness.function("powertools_function.log") as function:
        first, second = (harness.invoke(function, {"order": 7}, TRACE_HEADER) for _ in range(2))
        expect("result", value(second), "logged")
        entries = [[one for one in json_lines(result) if one.get("order") == 7] for result in (first, second)]
        cold, warm = (only_item("lines", found) for found in entries)
        expect("message", cold["message"], "packed")
        expect("cold_start", [cold["cold_start"], warm["cold_start"]], [True, False])
        expect("function_request_id", cold["function_request_id"], first.request_id)
        expect("function_request_id", warm["function_request_id"], second.request_id)
        expect("function_memory_size", str(cold["function_memory_size"]), "128")
        expect("function_arn", cold["function_arn"], function.arn())
        expect("xray_trace_id", cold["xray_trace_id"], TRACE_ID)
        expect("lines per invocation", len(lines(second)), 2)  # the event, and ours
    return f"function_request_id {warm['function_request_id'][:8]}…, cold_start true then false"


@case(PACKAGE, "Logger: the same with the platform's JSON format and level")
def logger_with_platform_format(harness: Harness) -> Observation:
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with harness.function("powertools_function.log", environment=environment) as function:
        harness.invoke(function, {"order": 7})
        result = harness.invoke(function, {"order": 7})
        expect("result", value(result), "logged")
        entry = only_item("lines", [one for one in json_lines(result) if one.get("order") == 7])
        expect("function_request_id", entry["function_request_id"], result.request_id)
    return f"{len(lines(result))} lines, none doubled"


@case(PACKAGE, "Logger: around a handler that streams", not_on_aws="does not stream")
def streaming_logger(harness: Harness) -> Observation:
    with harness.function("powertools_function.stream") as function:
        result = function.invoke_streaming(b'{"orders": [7, 8]}')
        expect("chunks", b"".join(result), b"packed 7\npacked 8\n")
        entries = [one for one in json_lines(result) if "order" in one]
    expect("orders", [one["order"] for one in entries], [7, 8])
    expect("function_request_id", entries[1]["function_request_id"], result.request_id)
    return "two chunks, two lines"


@case(PACKAGE, "Tracer: subsegments of the handler and of a method reach the daemon")
def tracer(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("powertools_function.observe", environment=environment) as function:
            expect("result", value(harness.invoke(function, {"order": 7}, TRACE_HEADER)), "packed 7")
            segments = daemon.segments(2)  # each is sent when it ends, so the inner one is first
    expect("names", [one["name"] for one in segments], ["## powertools_function.pack", "## observe"])
    expect("trace ids", [one["trace_id"] for one in segments], [TRACE_ID, TRACE_ID])
    inner, outer = segments
    expect("parents", [inner["parent_id"], outer["parent_id"]], [outer["id"], "53995c3f42cd8ad8"])
    expect("annotations", outer["annotations"], {"ColdStart": True, "Service": "orders"})
    expect("annotation", inner["annotations"], {"order": 7})
    return f"{outer['name']} > {inner['name']}"


@case(PACKAGE, "Tracer: a handler's exception is part of its subsegment")
def tracer_error(harness: Harness) -> Observation:
    with XRayDaemon() as daemon:
        environment = {"AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        with harness.function("powertools_function.trace_error", environment=environment) as function:
            payload = error(harness.invoke(function, {}, TRACE_HEADER))
            expect("errorType", payload["errorType"], "ValueError")
            segment = only_item("segments", daemon.segments(1))
            exception = only_item("exceptions", segment["cause"]["exceptions"])
            expect("message", exception["message"], "no such order")
    return f"fault, {exception['type']}: {exception['message']}"


@case(PACKAGE, "Metrics: a line in the embedded metric format")
def metrics(harness: Harness) -> Observation:
    environment = {"POWERTOOLS_TRACE_DISABLED": "1"}
    with harness.function("powertools_function.observe", environment=environment) as function:
        results = [harness.invoke(function, {"order": 7}) for _ in range(2)]
        found = [[one for one in json_lines(result) if "_aws" in one] for result in results]
        expect("metric lines", [len(one) for one in found], [2, 1])  # the cold start has a separate metric
        packed = only_item("metrics", [one for one in found[0] if "Packed" in one])
        expect("value", packed["Packed"], [3.0])
        cold = only_item("cold start metrics", [one for one in found[0] if "ColdStart" in one])
        expect("function_name", cold["function_name"], "function")
        namespace = packed["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    return f"{namespace}: Packed {packed['Packed']}, ColdStart {cold['ColdStart']}"


@case(PACKAGE, "APIGatewayRestResolver routes a REST API's event")
def rest_resolver(harness: Harness) -> Observation:
    event = {
        "path": "/orders/7",
        "httpMethod": "GET",
        "headers": {},
        "requestContext": {"stage": "$default"},
        "queryStringParameters": None,
    }
    with harness.function("powertools_function.serve_rest") as function:
        result = harness.invoke(function, event)
        response = value(result)
        expect("statusCode", response["statusCode"], 200)
        expect("body", json.loads(response["body"]), {"order": "7", "id": result.request_id})
    return f"{response['statusCode']} {response['body'][:14]}…"


@case(PACKAGE, "LambdaFunctionUrlResolver routes a function URL's event")
def url_resolver(harness: Harness) -> Observation:
    event = {
        "version": "2.0",
        "rawPath": "/orders",
        "headers": {"content-type": "application/json"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/orders"}},
        "body": '{"n": 1}',
        "isBase64Encoded": False,
    }
    with harness.function("powertools_function.serve_url") as function:
        response = value(harness.invoke(function, event))
        expect("statusCode", response["statusCode"], 201)
        expect("body", json.loads(response["body"]), {"received": {"n": 1}})
    return f"{response['statusCode']} {response['body']}"


@case(PACKAGE, "BatchProcessor names the records that failed")
def batch(harness: Harness) -> Observation:
    event = {"Records": [record("a", bad=False), record("b", bad=True), record("c", bad=False)]}
    with harness.function("powertools_function.work_off") as function:
        result = harness.invoke(function, event)
        expect("result", value(result), {"batchItemFailures": [{"itemIdentifier": "b"}]})
        everything = harness.invoke(function, {"Records": [record("b", bad=True)]})
        expect("error", error(everything)["errorType"], "BatchProcessingError")
    return f"{value(result)}; BatchProcessingError if all failed"


@case(PACKAGE, "event_source and event_parser give typed events")
def typed_events(harness: Harness) -> Observation:
    with harness.function("powertools_function.count_records") as function:
        expect("records", value(harness.invoke(function, {"Records": [record("a", bad=False)]})), 1)
    with harness.function("powertools_function.parse") as function:
        expect("order", value(harness.invoke(function, {"order": 7})), 7)
        payload = error(harness.invoke(function, {"order": "seven"}))
        expect("errorType", payload["errorType"], "ValidationError")
        expect_in("errorMessage", "order", payload["errorMessage"])
    return "SQSEvent, Order; ValidationError for a bad one"


@case(PACKAGE, "the context has all members of typing.LambdaContext")
def context_type(harness: Harness) -> Observation:
    with harness.function("powertools_function.describe_context") as function:
        found: dict[str, Any] = value(harness.invoke(function))
    expected = {
        "aws_request_id": "str",
        "client_context": "NoneType",
        "function_name": "str",
        "function_version": "str",
        "get_remaining_time_in_millis": "int",
        "identity": "CognitoIdentity",
        "invoked_function_arn": "str",
        "log_group_name": "str",
        "log_stream_name": "str",
        "memory_limit_in_mb": "str",
        "tenant_id": "NoneType",
    }
    expect("members", {name: kind for name, kind in found.items() if name in expected}, expected)
    return f"{len(found)} members"


def record(identifier: str, *, bad: bool) -> dict[str, Any]:
    """Return a message as SQS delivers it."""
    return {
        "messageId": identifier,
        "receiptHandle": "handle",
        "body": json.dumps({"bad": bad}),
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
    }
