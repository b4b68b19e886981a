"""Give a process the part of a CPU that Lambda gives it: with a control group, or else with signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

MB_PER_CPU = 1769  # Lambda's developer guide, "Configure Lambda function memory"
PERIOD_US = 20_000  # of Lambda's CPU quota
CGROUPS = Path("/sys/fs/cgroup")


class Limit(Protocol):
    name: str

    def join(self) -> None:
        """Called in the new process, before exec."""

    def limit(self, pid: int) -> None:
        """Called in this process when the new one has started, and is the leader of its session."""

    def release(self) -> None:
        """Called when the process has ended."""


class Cgroup:
    """A control group with a quota of CPU time; ``settings`` are its files with their contents."""

    def __init__(self, name: str, folder: Path, settings: dict[str, str]) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir()
        try:
            for file, content in settings.items():
                (folder / file).write_text(content)
        except OSError:
            folder.rmdir()
            raise

    def join(self) -> None:
        (self.folder / "cgroup.procs").write_text("0")

    def limit(self, pid: int) -> None:
        pass

    def release(self) -> None:
        pass

    def remove(self) -> None:
        """Remove the group as soon as the kernel has forgotten its last process."""
        for _ in range(100):
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(0.05)


class DutyCycle:
    """Stops a session for the rest of each period with SIGSTOP. Unlike a quota, it also stops what waits."""

    name = "SIGSTOP and SIGCONT"

    def __init__(self, share: float) -> None:
        self.share = share
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def join(self) -> None:
        pass

    def limit(self, pid: int) -> None:
        self.ended.clear()
        self.thread = threading.Thread(target=self.run, args=(pid,), daemon=True)
        self.thread.start()

    def run(self, pid: int) -> None:
        on_s = self.share * PERIOD_US / 1e6
        try:
            while not self.ended.wait(on_s):
                os.killpg(pid, signal.SIGSTOP)
                time.sleep(PERIOD_US / 1e6 - on_s)
                os.killpg(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it has ended

    def release(self) -> None:
        self.ended.set()
        if self.thread is not None:
            self.thread.join()


@contextmanager
def like_memory_size(memory_mb: int) -> Iterator[Limit]:
    """Limit processes to the CPU of a Lambda function with that memory; the memory itself is not limited."""
    share = memory_mb / MB_PER_CPU
    cgroup = new_cgroup(share)
    try:
        yield cgroup or DutyCycle(share)
    finally:
        if cgroup is not None:
            cgroup.remove()


def new_cgroup(share: float) -> Cgroup | None:
    """Return a new control group below this process's own, or None if that is not allowed here."""
    quota_us = round(share * PERIOD_US)
    v1 = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    v2 = {"cpu.max": f"{quota_us} {PERIOD_US}"}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        name = f"{path.strip('/')}/benchmark-{os.getpid()}".lstrip("/")
        try:
            if "cpu" in controllers.split(","):
                return Cgroup("the quota of a control group (version 1)", CGROUPS / controllers / name, v1)
            if not controllers:
                return Cgroup("the quota of a control group (version 2)", CGROUPS / name, v2)
        except OSError:
            continue  # this one is read-only, or does not limit CPU time
    return None
