"""Keep a line about the functions at the bottom of a terminal.

▸ 12/16 busy · 1,834 ok · 3 errors · 0 throttled · 1 environment (17 processes) · 113 MB
"""

from __future__ import annotations

import threading
from dataclasses import astuple, dataclass

from lambda_emulator.terminal.terminal import Screen, columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

# How often the line is rewritten at most, seconds.
INTERVAL_S = 0.25


@dataclass
class Status:
    """What has become of the events of a function, and what it uses now."""

    busy: int = 0
    slots: int = 0
    succeeded: int = 0
    failed: int = 0
    throttled: int = 0
    environments: int = 0
    processes: int = 0
    memory_kb: int = 0

    def __add__(self, other: Status) -> Status:
        return Status(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other))))

    def __str__(self) -> str:
        parts = [
            f"{self.busy}/{self.slots} busy",
            f"{self.succeeded:,} ok",
            _count(self.failed, "error"),
            f"{self.throttled:,} throttled",
            f"{_count(self.environments, 'environment')} ({_count(self.processes, 'process', 'processes')})",
            f"{self.memory_kb / 1024:,.0f} MB",
        ]
        return "▸ " + " · ".join(parts)


class StatusLine:
    """A thread that writes the status to a terminal, between ``with`` and its end."""

    def __init__(self, stream: TextIO, measure: Callable[[], Status]) -> None:
        self._stream = stream
        self._measure = measure
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="status", daemon=True)

    def __enter__(self) -> StatusLine:
        if self._stream.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        Screen.erase_status()

    def _work(self) -> None:
        while not self._closing.wait(INTERVAL_S):
            text = str(self._measure())
            encoding = self._stream.encoding or "ascii"
            try:
                line = text[: columns(self._stream)].encode(encoding, "replace")
                Screen.write_status(self._stream, line)
            except (OSError, ValueError):
                return  # the terminal is gone


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
