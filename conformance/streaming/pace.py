"""Hold a stream until its reader has read each chunk: see the function ``paced.chunks``."""

from __future__ import annotations

import re
import time
from pathlib import Path

from conformance.expectations import Mismatch
from conformance.streaming.readers import Reader

CHUNKS = 5
LINE = re.compile(r"chunk (\d+) at (\d+)")


class Pace:
    """A folder whose files let a function continue, chunk by chunk."""

    def __init__(self, folder: Path, chunks: int = CHUNKS) -> None:
        self._folder = folder
        self._chunks = chunks

    @property
    def order(self) -> dict[str, object]:
        """Return the event for the function."""
        return {"folder": str(self._folder), "chunks": self._chunks}

    def read(self, reader: Reader) -> str:
        """Read each chunk while the function waits after it. Raises Mismatch if one is missing."""
        delays_ms = []
        for number, line in enumerate(reader.lines()):
            read_ns = time.time_ns()
            match = LINE.fullmatch(line)
            if match is None or int(match[1]) != number:
                raise Mismatch(f"expected chunk {number}, found {line!r}")
            delays_ms.append((read_ns - int(match[2])) / 1e6)
            Path(self._folder, str(number)).touch()
        if len(delays_ms) != self._chunks:
            raise Mismatch(f"expected {self._chunks} chunks while they were made, found {len(delays_ms)}")
        return (
            f"{self._chunks} chunks, {min(delays_ms):.1f} to {max(delays_ms):.1f} ms after they were yielded"
        )


def finishes(folder: Path, timeout_s: float = 20) -> bool:
    """Wait for the function ``paced.finish``; return whether it ran to its end in time."""
    deadline = time.monotonic() + timeout_s
    while not (folder / "finished").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return (folder / "finished").exists()
