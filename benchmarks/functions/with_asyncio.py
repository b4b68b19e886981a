"""A function that imports a large part of the standard library, as most functions do indirectly."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"message": f"Hello, {event['name']}!"}


async def handler_async(event: dict[str, str], context: Any) -> dict[str, str]:
    await asyncio.sleep(0)
    return handler(event, context)
