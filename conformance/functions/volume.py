"""Long streams, and what they cost in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any


def megabyte(number: int) -> bytes:
    """A million bytes that are different each time, and new: who keeps them, pays for them."""
    return (b"%09d\n" % number) * 100_000


def stream(event: int, context: Any) -> Iterator[object]:
    """Yield ``event`` megabytes, then a line with the most memory that this process has had, in KiB."""
    for number in range(event):
        yield megabyte(number)
    yield f"{peak_kib()}\n"


async def stream_awaited(event: int, context: Any) -> AsyncIterator[object]:
    for number in range(event):
        yield megabyte(number)
    yield f"{peak_kib()}\n"


def peak_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
