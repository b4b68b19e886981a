"""Functions that several invocations run at once. Nothing is imported that takes memory."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WAIT_S = 0.05
WORK_S = 0.005  # of CPU


def hello(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"message": f"Hello, {event['name']}!"}


async def hello_async(event: dict[str, str], context: Any) -> dict[str, str]:
    return hello(event, context)


def sleep(event: dict[str, str], context: Any) -> dict[str, str]:
    time.sleep(WAIT_S)
    return hello(event, context)


async def sleep_async(event: dict[str, str], context: Any) -> dict[str, str]:
    import asyncio  # only this function needs it

    await asyncio.sleep(WAIT_S)
    return hello(event, context)


def compute(event: dict[str, str], context: Any) -> dict[str, str]:
    """Use the CPU of this thread: what other threads use does not count."""
    until_s = time.thread_time() + WORK_S
    while time.thread_time() < until_s:
        sum(range(1000))
    return hello(event, context)


async def compute_async(event: dict[str, str], context: Any) -> dict[str, str]:
    return compute(event, context)
