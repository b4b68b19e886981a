"""datadog-lambda: its handler calls the function's, and adds trace ids to the function's logs."""

from __future__ import annotations

import re

from conformance.expectations import error, expect, expect_in, json_lines, lines, only_item, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case

PACKAGE = "datadog-lambda"
HANDLER = "datadog_lambda.handler.handler"
SETTINGS = {
    "DD_LAMBDA_HANDLER": "datadog_function.handler",
    "DD_FLUSH_TO_LOG": "true",  # metrics as log lines: no network
    "DD_TRACE_ENABLED": "true",
    "DD_SERVICE": "shop",
    "DD_LOCAL_TEST": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
}


@case(PACKAGE, "text logs: the line contains the ids of its trace")
def text_correlation(harness: Harness) -> Observation:
    with harness.function(HANDLER, environment=SETTINGS) as function:
        result = harness.invoke(function, {"order": 7})
        expect("result", value(result), {"statusCode": 200, "body": "packed"})
        line = only_item("lines", [one for one in lines(result) if one.endswith("packed 7")])
        found = re.fullmatch(
            r"\[INFO\]\t[-0-9T:.]+Z\t([-0-9a-f]+)\t\[dd\.trace_id=(\w+) dd\.span_id=(\w+)\]\tpacked 7", line
        )
        expect("form of the line", bool(found), True)
        assert found
        expect("request id", found[1], result.request_id)
        expect("ids that say nothing", [one for one in found.groups() if one in ("0", "None")], [])
    return str(line).split("\t")[3]


@case(PACKAGE, "JSON logs: the ids are members of the object")
def json_correlation(harness: Harness) -> Observation:
    environment = {**SETTINGS, "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    with harness.function(HANDLER, environment=environment) as function:
        result = harness.invoke(function, {"order": 7})
        expect("result", value(result), {"statusCode": 200, "body": "packed"})
        entry = only_item("lines", [one for one in json_lines(result) if one.get("message") == "packed 7"])
        expect("requestId", entry["requestId"], result.request_id)
        ids = {name: entry[name] for name in ("dd.trace_id", "dd.span_id")}
        expect("service", entry["dd.service"], "shop")
        expect("ids that say nothing", [one for one in ids.values() if one in ("0", "", None)], [])
    return ", ".join(f"{name} {one[:8]}…" for name, one in ids.items())


@case(PACKAGE, "metrics are flushed to the log, the invocation's own among them")
def metrics(harness: Harness) -> Observation:
    with harness.function(HANDLER, environment=SETTINGS) as function:
        first, second = (harness.invoke(function, {"order": 7}) for _ in range(2))
        found = [{one["m"]: one for one in json_lines(result) if "m" in one} for result in (first, second)]
        expect("value", found[0]["shop.packed"]["v"], 3.0)
        invocations = [one["aws.lambda.enhanced.invocations"] for one in found]
        expect("cold starts", ["cold_start:true" in one["t"] for one in invocations], [True, False])
        expect_in("tags", "functionname:function", " ".join(invocations[0]["t"]))
    return ", ".join(sorted(found[1]))


@case(PACKAGE, "a handler's exception reaches the caller, and is counted")
def handler_error(harness: Harness) -> Observation:
    environment = {**SETTINGS, "DD_LAMBDA_HANDLER": "datadog_function.fail"}
    with harness.function(HANDLER, environment=environment) as function:
        result = harness.invoke(function, {})
        expect("errorType", error(result)["errorType"], "ValueError")
        found = [one["m"] for one in json_lines(result) if "m" in one]
        expect("counted", "aws.lambda.enhanced.errors" in found, True)
    return "ValueError, aws.lambda.enhanced.errors"
