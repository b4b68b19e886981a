"""A function that streams as many chunks as its event says, all of one size."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def handler(event: dict[str, int], context: Any) -> Iterator[bytes]:
    chunk = bytes(event["size"])
    for _ in range(event["count"]):
        yield chunk
