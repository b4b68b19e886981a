"""Responds in the way that the event names, always with its number."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any


def handler(event: dict[str, Any], context: object) -> Any:
    if "requestContext" in event:  # from the function URL
        kind, number, size = event["rawPath"].strip("/").split("/")
        event = {"kind": kind, "number": int(number), "size": int(size)}
    kind, number, size = event["kind"], event["number"], event["size"]
    if kind == "error":
        raise ValueError(f"{number} {'x' * size}")
    if kind == "wait":
        time.sleep(1)
    if kind == "print":
        for _ in range(size // 1000):
            print("x" * 999)
        size = 0
    if kind == "stream":
        return stream(number, size)
    if os.environ["_X_AMZN_TRACE_ID"] != event.get("trace", os.environ["_X_AMZN_TRACE_ID"]):
        raise RuntimeError(f"the trace id is {os.environ['_X_AMZN_TRACE_ID']!r}")
    return {"number": number, "text": "x" * size}


def stream(number: int, size: int) -> Iterator[str]:
    yield f'{{"number": {number}, "text": "'
    for start in range(0, size, 10_000):
        yield "x" * min(10_000, size - start)
    yield '"}'
