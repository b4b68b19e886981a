"""Functions that stream, and async functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

MEGABYTE = bytes(1_000_000)


def count(event: int, context: Any) -> Iterator[str]:
    """Yield the numbers below ``event``, a line each."""
    for number in range(event):
        yield f"{number}\n"


def page(event: object, context: Any) -> Iterator[object]:
    yield {"statusCode": 201, "headers": {"content-type": "text/plain"}, "cookies": ["a=1", "b=2"]}
    yield "the body, "
    yield b"\x00\xff"


def fail_midway(event: object, context: Any) -> Iterator[str]:
    yield "the beginning"
    if event is not None:
        raise ValueError(f"no such order: {event}")


def fail_first(event: object, context: Any) -> Iterator[str]:
    if event is not None:
        raise ValueError(f"no such order: {event}")
    yield "still here"


def megabytes(event: int, context: Any) -> Iterator[bytes]:
    for _ in range(event):
        yield MEGABYTE


async def double(event: int, context: Any) -> int:
    await asyncio.sleep(0)
    return event * 2


async def fail_awaited(event: object, context: Any) -> None:
    await asyncio.sleep(0)
    raise ValueError(f"no such order: {event}")


async def count_awaited(event: int, context: Any) -> AsyncIterator[str]:
    for number in range(event):
        await asyncio.sleep(0)
        yield f"{number}\n"


def fail_because(event: str, context: Any) -> None:
    """Fail for a reason."""
    orders: dict[str, str] = {}
    try:
        orders[event]
    except KeyError as error:
        raise ValueError(f"no such order: {event}") from error
