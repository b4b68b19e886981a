"""Streams that can only end while another stream is running."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 5


def stream(event: dict[str, int], context: Any) -> Iterator[str]:
    """Yield, wait until the stream ``other`` has also yielded, and continue. They share /tmp."""
    mine, other = event["mine"], event["other"]
    yield f"{mine} has "
    Path(f"/tmp/overlapping-{mine}").touch()
    deadline = time.monotonic() + PATIENCE_S
    while not Path(f"/tmp/overlapping-{other}").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other} has not started")
        time.sleep(0.001)
    yield f"met {other}"
