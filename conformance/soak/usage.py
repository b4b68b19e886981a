"""What a process uses: memory, descriptors, threads (from Linux's /proc)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.soak.mix import Broken

SETTLE_S = 5  # how long the threads of the last invocation may need to end


@dataclass(frozen=True)
class Usage:
    """What a process uses at one time."""

    memory_bytes: int  # RssAnon: without the pages of files
    descriptors: int
    threads: int


def usage(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Usage(
        int(fields["RssAnon"].split()[0]) * 1024, len(os.listdir(process / "fd")), int(fields["Threads"])
    )


class Growth:
    """How processes have grown since their warm-up."""

    def __init__(self, name: str, pids: Sequence[int], limit_bytes: int) -> None:
        self.name, self.limit_bytes = name, limit_bytes
        self.before = {pid: usage(pid) for pid in pids}

    def report(self, expected_bytes: int = 0) -> str:
        """Return the figures; raise Broken if the growth beyond what is expected is above the limit.

        Processes that have ended meanwhile do not count: the emulator ends those that are idle.
        """
        pids = [pid for pid in self.before if os.path.exists(f"/proc/{pid}/status")]
        before, after = sum_of([self.before[pid] for pid in pids]), sum_of([usage(pid) for pid in pids])
        deadline = time.monotonic() + SETTLE_S
        while is_busier(after, before) and time.monotonic() < deadline:
            time.sleep(0.05)
            after = sum_of([usage(pid) for pid in pids])
        grown = after.memory_bytes - before.memory_bytes
        text = f"{self.name}: {grown / 1e6:+.2f} MB"
        if expected_bytes:
            text += f", at most {expected_bytes / 1e6:.2f} MB of it for the trace ids"
        text += f" (now {after.memory_bytes / 1e6:.1f} MB"
        text += f", {after.descriptors} descriptors, {after.threads} threads)"
        if not pids:
            raise Broken(f"{self.name}: all of its processes have ended")
        if grown - expected_bytes > self.limit_bytes:
            raise Broken(f"{text}; expected at most {self.limit_bytes / 1e6:g} MB more")
        if is_busier(after, before):
            expected = f"{before.descriptors} descriptors and {before.threads} threads"
            raise Broken(f"{text}; expected {expected}, as after the warm-up")
        return text


def is_busier(one: Usage, other: Usage) -> bool:
    return one.descriptors > other.descriptors or one.threads > other.threads


def sum_of(usages: Sequence[Usage]) -> Usage:
    return Usage(
        sum(one.memory_bytes for one in usages),
        sum(one.descriptors for one in usages),
        sum(one.threads for one in usages),
    )
