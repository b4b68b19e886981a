# mypy: ignore-errors
"""Vendors' tools, each used as its manual shows. A handler returns what its tool knows of the invocation.

TOOL selects the one that is imported. ``before`` and ``after`` are what it says before and after a pause, in
which other invocations run.
"""

import asyncio
import json
import os
import time

TOOL = os.environ["TOOL"]


def both(look):
    """A sync handler and an async one, which call ``look`` before and after a pause."""

    def handler(event, context):
        before = look(event, context)
        time.sleep(event["pause_s"])
        return {"request_id": context.aws_request_id, "before": before, "after": look(event, context)}

    async def awaited(event, context):
        before = look(event, context)
        await asyncio.sleep(event["pause_s"])
        return {"request_id": context.aws_request_id, "before": before, "after": look(event, context)}

    return handler, awaited


if TOOL == "botocore":
    import boto3
    from botocore.awsrequest import AWSResponse

    client = boto3.client(
        "lambda", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )

    class Raw:
        def __init__(self, body):
            self.body = body

        def stream(self, **options):
            yield self.body

        def read(self, size=-1):
            body, self.body = self.body, b""
            return body

    def respond(request, **arguments):
        """Take the place of the network: return the header that would be sent."""
        header = request.headers["X-Amzn-Trace-Id"]
        header = header.decode() if isinstance(header, bytes) else header
        return AWSResponse(request.url, 200, {}, Raw(json.dumps({"header": header}).encode()))

    client.meta.events.register("before-send.lambda.Invoke", respond)

    def look(event, context):
        return json.loads(client.invoke(FunctionName="other")["Payload"].read())["header"]

    handler, awaited = both(look)

if TOOL == "xray":
    from aws_xray_sdk.core import xray_recorder

    def describe(subsegment, context):
        subsegment.put_metadata("request", context.aws_request_id)
        return subsegment.trace_id

    def look(event, context):
        with xray_recorder.in_subsegment("look") as subsegment:
            return describe(subsegment, context)

    handler, awaited = both(look)

    def around(event, context):
        with xray_recorder.in_subsegment("around") as subsegment:
            before = describe(subsegment, context)
            time.sleep(event["pause_s"])
            after = describe(xray_recorder.current_subsegment(), context)
        return {"request_id": context.aws_request_id, "before": before, "after": after}

    async def around_awaited(event, context):
        async with xray_recorder.in_subsegment_async("around") as subsegment:
            before = describe(subsegment, context)
            await asyncio.sleep(event["pause_s"])
            current = xray_recorder.current_subsegment()
            after = current and describe(current, context)
        return {"request_id": context.aws_request_id, "before": before, "after": after}


if TOOL == "opentelemetry":
    from opentelemetry import trace
    from opentelemetry.propagators.aws import AwsXRayPropagator
    from opentelemetry.propagators.aws.aws_xray_propagator import AwsXRayLambdaPropagator
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    tracer = trace.get_tracer("shop")

    def root():
        """The trace that the current span belongs to, as the propagator passes it on."""
        carrier = {}
        AwsXRayPropagator().inject(carrier)
        return carrier["X-Amzn-Trace-Id"].split(";")[0]

    def handler(event, context):
        parent = AwsXRayLambdaPropagator().extract({})
        with tracer.start_as_current_span("work", context=parent):
            before = root()
            time.sleep(event["pause_s"])
            return {"request_id": context.aws_request_id, "before": before, "after": root()}

    async def awaited(event, context):
        parent = AwsXRayLambdaPropagator().extract({})
        with tracer.start_as_current_span("work", context=parent):
            before = root()
            await asyncio.sleep(event["pause_s"])
            return {"request_id": context.aws_request_id, "before": before, "after": root()}


if TOOL == "powertools":
    from aws_lambda_powertools import Logger, Tracer

    logger = Logger(service="orders")
    pt_tracer = Tracer(service="orders")

    @pt_tracer.capture_method
    def pack(event, context):
        pt_tracer.put_annotation(key="token", value=event["token"])
        return pt_tracer.provider.current_subsegment().trace_id

    def look(event, context):
        logger.info("packed", extra={"token": event["token"]})
        return pack(event, context)

    plain_handler, plain_awaited = both(look)
    handler = logger.inject_lambda_context(plain_handler)
    awaited = logger.inject_lambda_context(plain_awaited)

    def look_with_own_keys(event, context):
        logger.thread_safe_append_keys(request=context.aws_request_id)
        logger.info("packed", extra={"token": event["token"]})
        return pack(event, context)

    safe, safe_awaited = both(look_with_own_keys)

if TOOL == "sentry":
    import sentry_sdk
    from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

    def show(event, hint):
        """Print the event in place of sending it."""
        said = (event.get("logentry") or {}).get("message") or event.get("message")
        if said is None:
            said = event["exception"]["values"][-1]["value"]
        entry = {
            "said": said,
            "request": event["extra"]["lambda"]["aws_request_id"],
            "tag": event["tags"].get("token"),
        }
        print("SENTRY", json.dumps(entry))

    sentry_sdk.init(
        dsn="https://key@sentry.invalid/1",
        integrations=[AwsLambdaIntegration()],
        before_send=show,
        traces_sample_rate=0.0,
    )

    def look(event, context):
        sentry_sdk.set_tag("token", event["token"])
        sentry_sdk.capture_message(event["token"])

    succeed, succeed_awaited = both(look)

    def handler(event, context):
        succeed(event, context)
        raise ValueError(event["token"])

    async def awaited(event, context):
        await succeed_awaited(event, context)
        raise ValueError(event["token"])


if TOOL == "datadog":
    import logging

    from ddtrace import tracer as dd_tracer

    logging.getLogger().setLevel(logging.INFO)

    def look(event, context):
        logging.getLogger().info("packed %s", event["token"])
        span = dd_tracer.current_span()
        return span and format(span.trace_id, "x")

    handler, awaited = both(look)
