"""Measure the memory of a process and its descendants.

Of a lone process, the kernel knows the peak (VmHWM). The peaks of several processes cannot be added, because
they share pages after a fork: 17 processes that use 112 MB have peaks of 1461 MB. Their proportional set
sizes (PSS) can be added, but must be sampled; together they have used at least the highest peak.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

_PROC = Path("/proc")
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)
_RSS = re.compile(r"^VmRSS:\s*(\d+) kB", re.MULTILINE)
_PSS = re.compile(r"^Pss:\s*(\d+) kB", re.MULTILINE)

# Which part of the time sampling may take: the kernel walks the page tables of every process.
SHARE = 0.05


class MemoryGauge:
    """The memory of an environment's processes."""

    def __init__(self) -> None:
        self.max_kb = 0  # stays 0 if nothing could be measured before the processes ended
        self._pid = self._outer = 0
        self._next = 0.0
        self._lock = threading.Lock()
        self._now = (0, 0)
        self._now_until = 0.0

    def watch(self, pid: int, outer: int = 0) -> None:
        """Measure the process and its descendants, without the ``outer`` ones that surround the rest."""
        self._pid, self._outer = pid, outer

    def _pids(self) -> list[int]:
        return process_tree(self._pid)[self._outer :] if self._pid else []

    def sample(self, *, certainly: bool = False) -> None:
        """Raise the maximum. Without ``certainly``, skip it if another thread does so, or did just before."""
        if not self._pid or (not certainly and time.monotonic() < self._next):
            return
        if self._lock.acquire(blocking=certainly):
            try:
                self._sample()
            finally:
                self._lock.release()

    def _sample(self) -> None:
        began = time.monotonic()
        pids = self._pids()
        if len(pids) > 1:
            self.max_kb = max(self.max_kb, pss_kb(pids), *map(_peak_kb, pids))
            self._next = time.monotonic() + (time.monotonic() - began) / SHARE
        elif pids:
            self.max_kb = max(self.max_kb, _peak_kb(pids[0]))

    def now(self) -> tuple[int, int]:
        """Return how many processes there are, and the memory in KiB that they use now, or did recently."""
        began = time.monotonic()
        if began >= self._now_until:
            pids = self._pids()
            self._now = len(pids), pss_kb(pids)
            self._now_until = time.monotonic() + (time.monotonic() - began) / SHARE
        return self._now


def process_tree(pid: int) -> list[int]:
    """Return the ids of the process and its descendants, without those that have ended."""
    if not (_PROC / "self").exists():
        return [pid]
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []
    found = [children for children in map(_children, threads) if children is not None]
    if not found:
        return []
    return [pid, *(one for children in found for child in children for one in process_tree(child))]


def _children(thread: Path) -> list[int] | None:
    """Return the ids of the processes that a thread has started; None if the thread has ended."""
    try:
        return [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        return None


def pss_kb(pids: list[int]) -> int:
    """Return the sum of the proportional set sizes in KiB; of the peaks if the kernel does not tell them."""
    return sum(_read(pid, "smaps_rollup", _PSS) or _peak_kb(pid) for pid in pids)


def rss_kb(pids: list[int]) -> int:
    """Return the sum of the resident set sizes in KiB, in which shared pages count for each process."""
    return sum(_read(pid, "status", _RSS) or _peak_kb(pid) for pid in pids)


def _peak_kb(pid: int) -> int:
    """Return the peak of a process in KiB; 0 if it has ended. Without /proc, return what it uses now."""
    if (_PROC / "self").exists():
        return _read(pid, "status", _PEAK)
    ps = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(ps.stdout.strip() or 0)


def _read(pid: int, name: str, pattern: re.Pattern[str]) -> int:
    try:
        found = pattern.search((_PROC / str(pid) / name).read_text())
    except OSError:  # it has ended, or belongs to another user
        return 0
    return int(found.group(1)) if found else 0
