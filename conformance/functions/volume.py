"""Long streams, and the memory that they need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any


def megabyte(number: int) -> bytes:
    """Return a new block of a million different bytes, which needs memory as long as it is kept."""
    return (b"%09d\n" % number) * 100_000


def stream(event: int, context: Any) -> Iterator[object]:
    """Yield ``event`` megabytes, then a line with the peak memory of this process in KiB."""
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
