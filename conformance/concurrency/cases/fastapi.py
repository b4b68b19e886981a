"""FastAPI in one process: 16 requests at the same time, each of which waits for all others."""

from __future__ import annotations

import json
from typing import Any

from conformance.concurrency.callers import Callers, Reply
from conformance.concurrency.environment import SLOTS
from conformance.concurrency.harness import Harness
from conformance.expectations import Mismatch, expect
from conformance.suite import Observation, case

GROUP = "FastAPI"
HOST = "abc.lambda-url.eu-west-1.on.aws"  # of a function URL, which may stream


def request(harness: Harness, path: str, count: int, mode: str = "async") -> list[Reply]:
    """Send ``count`` requests to ``path``, as many at the same time as there are slots."""
    with harness.environment(
        "fastapi_function.handler", mode, packages="web", cpus=1 if mode == "async" else None
    ) as server:
        callers = Callers(server.port, (event(f"{number:08x}", path) for number in range(count)))
        return callers.run(SLOTS)


def event(token: str, path: str) -> dict[str, Any]:
    http = {"method": "GET", "path": f"/{path}/{token}", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    return {
        "token": token,
        "version": "2.0",
        "rawPath": f"/{path}/{token}",
        "rawQueryString": "",
        "headers": {"host": HOST},
        "requestContext": {"http": http, "domainName": HOST},
        "isBase64Encoded": False,
    }


def body_of(reply: Reply) -> bytes:
    """The body, after the prelude of a streamed HTTP response."""
    prelude, _, body = reply.body.partition(bytes(8))
    if reply.problem or reply.error_type or json.loads(prelude)["statusCode"] != 200:
        raise Mismatch(f"{reply.problem or reply.error_type} {reply.body[:300]!r}")
    return body


@case(GROUP, f"{SLOTS} requests that each wait for all others")
def all_wait(harness: Harness) -> Observation:
    replies = request(harness, "meet", SLOTS)
    found = [json.loads(body_of(reply)) for reply in replies]
    expect("tokens", [one["token"] for one in found], [reply.event["token"] for reply in replies])
    expect("trace ids", [one["trace"] for one in found], [reply.trace for reply in replies])
    expect("request ids", len({one["request_id"] for one in found}), SLOTS)
    return f"{len(found)} responses"


@case(GROUP, f"{SLOTS} streams, of which each ends when all have begun")
def all_stream(harness: Harness) -> Observation:
    for reply in request(harness, "stream", SLOTS):
        token = reply.event["token"]
        expect("body", body_of(reply).decode(), f"{token} begins\n{token} has met {SLOTS}\n")
    return f"{SLOTS} streams"


@case(GROUP, "routes that FastAPI runs in its thread pool see the trace id of their request")
def in_thread_pool(harness: Harness) -> Observation:
    replies = request(harness, "sync", 1000)
    found = [json.loads(body_of(reply)) for reply in replies]
    expect("tokens", [one["token"] for one in found], [reply.event["token"] for reply in replies])
    expect("trace ids", [one["trace"] for one in found], [reply.trace for reply in replies])
    return f"{len(found)} responses, 0 wrong"


@case(GROUP, "a startup in each worker with preload, and routes in the thread pool")
def preloaded(harness: Harness) -> Observation:
    replies = request(harness, "sync", 1000, "preload")
    found = [json.loads(body_of(reply)) for reply in replies]
    expect("tokens", [one["token"] for one in found], [reply.event["token"] for reply in replies])
    expect("trace ids", [one["trace"] for one in found], [reply.trace for reply in replies])
    return f"{len(found)} responses, 0 wrong"
