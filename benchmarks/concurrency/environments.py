"""An environment with several slots: its processes, their memory and their CPU time."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.runtime_api import SharedRuntimeApi
from benchmarks.runtimes import CPUCLOCK_SCHED, Runtime, environment


@dataclass(frozen=True)
class Mode:
    """A runtime, and how it serves several invocations at once."""

    name: str
    runtime: Runtime
    workers: str = ""  # LAMBDA_RUNTIME_WORKERS

    def handler(self, handler: str) -> str:
        """Return the async variant of the handler for the mode that is meant for it."""
        return f"{handler}_async" if self.workers == "async" else handler


class SharedEnvironment:
    """The processes of a runtime and a Runtime API for all slots, to be used in a ``with`` block."""

    def __init__(self, mode: Mode, handler: str, task_root: Path, slots: int, cpus: int) -> None:
        handler = mode.handler(handler)
        self.command = mode.runtime.command_for(handler)
        self.task_root = task_root
        self.api = SharedRuntimeApi(self.exit_status)
        self.environment = {
            **environment(handler, task_root, self.api.address),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_MAX_CONCURRENCY": str(slots),
        }
        if mode.workers:
            self.environment["LAMBDA_RUNTIME_WORKERS"] = mode.workers
        self.cpus = cpus
        self.process: subprocess.Popen[bytes] | None = None
        self.log = tempfile.TemporaryFile()
        self.started_s = 0.0

    def __enter__(self) -> SharedEnvironment:
        all_cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(all_cpus)[-self.cpus :])  # the new process inherits it
        try:
            self.started_s = time.perf_counter()
            self.process = subprocess.Popen(
                self.command,
                cwd=self.task_root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, all_cpus)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes: the workers of AWS's runtime do not end with their parent."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while self.processes():
            time.sleep(0.01)
        self.api.close()
        self.log.close()

    def exit_status(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def logged(self) -> str:
        """Return the end of what the processes have written."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-2000:]

    def processes(self) -> list[int]:
        """Return the process ids of the session that the first process leads."""
        assert self.process is not None
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if self.is_ours(pid)]

    def is_ours(self, pid: int) -> bool:
        assert self.process is not None
        try:
            state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:4]
        except OSError:  # it has just exited
            return False
        return int(session) == self.process.pid and state != "Z"

    def cpu_s(self) -> float:
        """Return the CPU time of all processes in nanosecond resolution; /proc has only 1/100 s."""
        return sum(time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED) for pid in self.processes())

    def memory_mb(self) -> float:
        """Return the proportional set size: a page that N processes share counts 1/N for each."""
        return sum(map(proportional_kb, self.processes())) / 1024


def proportional_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0])
    raise OSError(f"/proc/{pid}/smaps_rollup has no line Pss")
