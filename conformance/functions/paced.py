"""Streams that go on only when their reader lets them: nobody can mistake a response that was collected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 5
PAUSE_S = 0.0005


def order_of(event: dict[str, Any]) -> dict[str, Any]:
    """What is wanted: the event, or the parameters of its query if it comes from a function URL."""
    order: dict[str, Any] = event.get("queryStringParameters", event)
    return order


def chunks(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Yield ``chunks`` lines, each with the time (Unix time, nanoseconds) at which it is yielded.

    After each it waits for a file of that number in ``folder``.
    """
    order = order_of(event)
    for number in range(int(order["chunks"])):
        yield f"chunk {number} at {time.time_ns()}\n"
        deadline = time.monotonic() + PATIENCE_S
        while not Path(order["folder"], str(number)).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody has read chunk {number}")
            time.sleep(PAUSE_S)


async def chunks_awaited(event: dict[str, Any], context: Any) -> AsyncIterator[str]:
    """The same as an asynchronous generator."""
    order = order_of(event)
    for number in range(int(order["chunks"])):
        yield f"chunk {number} at {time.time_ns()}\n"
        deadline = time.monotonic() + PATIENCE_S
        while not Path(order["folder"], str(number)).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody has read chunk {number}")
            await asyncio.sleep(PAUSE_S)


def stamps(event: int, context: Any) -> Iterator[str]:
    """Yield ``event`` times the time, with pauses in which nothing else happens."""
    for _ in range(event):
        time.sleep(0.005)
        yield f"{time.time_ns()}\n"


def page(event: dict[str, Any], context: Any) -> Iterator[object]:
    """What has a head and a body, for a function URL."""
    query = event.get("queryStringParameters", {})
    method = event["requestContext"]["http"]["method"]
    yield {
        "statusCode": 201,
        "headers": {"content-type": "text/plain; charset=utf-8", "x-method": method},
        "cookies": ["a=1; Path=/", "b=2"],
    }
    yield "die Größe, "
    if "fail" in query:
        raise ValueError("midway")
    yield b"\x00\xff"


def count_what_is_taken(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    """Yield ``chunks`` times 64 KiB; a file in ``folder`` tells how many were taken so far."""
    progress = Path(event["folder"], "taken")
    for number in range(event["chunks"]):
        yield bytes(65_536)
        progress.write_text(str(number + 1))


def finish(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    """Yield ``chunks`` times 64 KiB, and say in ``folder`` that it came to its end."""
    order = order_of(event)
    try:
        for _ in range(int(order["chunks"])):
            yield bytes(65_536)
    finally:
        Path(order["folder"], "finished").touch()
