# mypy: ignore-errors
"""One handler with all kinds of results. Each invocation repeats what it received and what it sees.

The event: ``kind`` names the result, ``token`` identifies the invocation, ``pause_s`` and ``size`` vary it.
"""

import asyncio
import logging
import os
import time

logging.getLogger().setLevel(logging.INFO)
KINDS = ("return", "raise", "stream", "after")


def describe(event, context, before):
    """Log, print in two parts, and return what this invocation sees."""
    logging.info("logged %s", event["token"])
    print("printed", end=" ")
    print(event["token"], "x" * event["size"])
    return {
        "token": event["token"],
        "request_id": context.aws_request_id,
        "trace_before": before,
        "trace_after": os.environ.get("_X_AMZN_TRACE_ID"),
        "process": os.getpid(),
        "text": "x" * event["size"],
    }


def respond(event, context, seen):
    if event["kind"] == "raise":
        raise ValueError(f"{seen['token']} {seen['request_id']} {seen['trace_before']} {seen['trace_after']}")
    if event["kind"] == "after":
        context.after_response(note, event["token"])
    return seen


def note(token):
    logging.info("after %s", token)


def parts(seen):
    """The response in pieces, for a stream."""
    return [f"{name}={value}\n" for name, value in seen.items()]


def handler(event, context):
    before = os.environ.get("_X_AMZN_TRACE_ID")
    time.sleep(event["pause_s"])
    seen = describe(event, context, before)
    if event["kind"] == "stream":
        return stream(event, seen)
    return respond(event, context, seen)


def stream(event, seen):
    for part in parts(seen):
        yield part
        time.sleep(event["pause_s"] / 4)
    logging.info("streamed %s", event["token"])


async def awaited(event, context):
    before = os.environ.get("_X_AMZN_TRACE_ID")
    await asyncio.sleep(event["pause_s"])
    seen = await asyncio.ensure_future(described(event, context, before))
    if event["kind"] == "stream":
        return stream_awaited(event, seen)
    return respond(event, context, seen)


async def described(event, context, before):
    return describe(event, context, before)


async def stream_awaited(event, seen):
    for part in parts(seen):
        yield part
        await asyncio.sleep(event["pause_s"] / 4)
    logging.info("streamed %s", event["token"])


def dying(event, context):
    """Stream; the process may end in the middle, as when it is out of memory."""
    yield event["token"]
    time.sleep(event["pause_s"])
    if event["dies"]:
        os.kill(os.getpid(), 9)
    yield " ends"
