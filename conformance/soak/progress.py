"""Show progress on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line that shows how many invocations are done, at most four times a second."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._shown_s = 0.0

    def show(self, done: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._shown_s > 0.25:
            self._shown_s = time.monotonic()
            sys.stderr.write(f"\r\033[K{self._name}: {done:,} of {self._total:,}")
            sys.stderr.flush()

    def clear(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
