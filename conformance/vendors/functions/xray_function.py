# mypy: ignore-errors
"""Opens subsegments with X-Ray's SDK."""

import urllib.request

from aws_xray_sdk.core import patch, xray_recorder

patch(["httplib"])


@xray_recorder.capture("pack")
def handler(event, context):
    subsegment = xray_recorder.current_subsegment()
    if subsegment is not None:  # None if the trace is not sampled
        subsegment.put_metadata("request", context.aws_request_id)
    return "packed"


@xray_recorder.capture("fail")
def fail(event, context):
    raise ValueError("no such order")


def call_out(event, context):
    """Call an HTTP service, which must receive the trace header."""
    with xray_recorder.in_subsegment("call"), urllib.request.urlopen(event["url"]) as reply:
        return reply.status


@xray_recorder.capture_async("wait")
async def wait(event, context):
    return "waited"
