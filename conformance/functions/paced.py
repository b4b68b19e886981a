"""Streams that continue only when their reader allows it, so a buffered response would never end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 5
PAUSE_S = 0.0005


def order_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters: the event or, for a function URL, those of its query."""
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
                raise TimeoutError(f"chunk {number} was not read")
            time.sleep(PAUSE_S)


async def chunks_awaited(event: dict[str, Any], context: Any) -> AsyncIterator[str]:
    """Do the same as an async generator."""
    order = order_of(event)
    for number in range(int(order["chunks"])):
        yield f"chunk {number} at {time.time_ns()}\n"
        deadline = time.monotonic() + PATIENCE_S
        while not Path(order["folder"], str(number)).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"chunk {number} was not read")
            await asyncio.sleep(PAUSE_S)


def stamps(event: int, context: Any) -> Iterator[str]:
    """Yield the time ``event`` times, with pauses in between."""
    for _ in range(event):
        time.sleep(0.005)
        yield f"{time.time_ns()}\n"


def page(event: dict[str, Any], context: Any) -> Iterator[object]:
    """Yield a prelude and a body, for a function URL."""
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
    """Yield ``chunks`` chunks of 64 KiB; a file in ``folder`` contains the number of chunks so far."""
    progress = Path(event["folder"], "taken")
    for number in range(event["chunks"]):
        yield bytes(65_536)
        progress.write_text(str(number + 1))


def finish(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    """Yield ``chunks`` chunks of 64 KiB, then note the end in ``folder``."""
    order = order_of(event)
    try:
        for _ in range(int(order["chunks"])):
            yield bytes(65_536)
    finally:
        Path(order["folder"], "finished").touch()
