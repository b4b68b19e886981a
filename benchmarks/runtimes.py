"""The two runtimes, installed as on Lambda, and the processes that are measured."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.cpu_limit import Limit
from benchmarks.runtime_api import RuntimeApi, UnexpectedRequest
from benchmarks.task_roots import ROOT, compile_folder, copy_packages, copy_sources

CPUCLOCK_SCHED = 2  # of the kernel's clock ids: the CPU time of all threads of a process
PROGRAMS = Path(__file__).resolve().parent / "programs"


@dataclass(frozen=True)
class Runtime:
    """A runtime; ``command`` precedes the handler's name."""

    name: str
    command: tuple[str, ...]
    handler_is_argument: bool  # otherwise it is only in _HANDLER

    def command_for(self, handler: str) -> list[str]:
        return [*self.command, handler] if self.handler_is_argument else list(self.command)


class Installation:
    """An interpreter without packages but AWS's runtime, and this runtime as a layer, all with bytecode."""

    def __init__(self, folder: Path) -> None:
        self.python = new_interpreter(folder / "python")
        (site_packages,) = folder.glob("python/lib/python*/site-packages")
        copy_packages(("awslambdaric",), site_packages)
        compile_folder(self.python, site_packages)
        layer = folder / "opt"
        copy_sources(ROOT / "runtime", layer / "runtime")
        shutil.copy(ROOT / "bootstrap", layer)
        compile_folder(self.python, layer)
        self.programs = folder / "programs"
        copy_sources(PROGRAMS, self.programs)
        subprocess.run([self.python, "-m", "compileall", "-q", "-b", str(self.programs)], check=True)
        self.aws = Runtime("AWS's", (self.python, "-m", "awslambdaric"), handler_is_argument=True)
        self.ours = Runtime("ours", (self.python, str(layer / "bootstrap")), handler_is_argument=False)

    def program(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs one of benchmarks/programs from its bytecode."""
        return [self.python, str(self.programs / f"{name}.pyc"), *arguments]


def new_interpreter(folder: Path) -> str:
    """Create a virtual environment of this interpreter that has no packages. Returns its program."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


@dataclass(frozen=True)
class Contestant:
    """What serves a function. ``name`` is that of its figures."""

    name: str
    command: Sequence[str]
    handler: str
    task_root: Path
    echoes: bool = False  # it responds with the event
    has_adapter: bool = False  # what is measured is the child of the process


class RuntimeProcess:
    """A process of a contestant with its own Runtime API, to be used in a ``with`` block.

    ``wrapper`` is a command that runs the command which follows it, such as a profiler. ``limit`` limits its
    CPU.
    """

    def __init__(
        self,
        contestant: Contestant,
        *,
        wrapper: Sequence[str] = (),
        limit: Limit | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.contestant = contestant
        self.command = [*wrapper, *contestant.command]
        self.limit = limit
        self.process: subprocess.Popen[bytes] | None = None
        self.api = RuntimeApi(self.exit_status)
        settings = environment(contestant.handler, contestant.task_root, self.api.address)
        self.environment = {**settings, **(variables or {})}
        self.log = tempfile.TemporaryFile()

    def __enter__(self) -> RuntimeProcess:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.contestant.task_root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=None if self.limit is None else self.limit.join,
        )
        if self.limit is not None:
            self.limit.limit(self.process.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended
        self.process.wait()
        if self.limit is not None:
            self.limit.release()
        self.api.close()
        if isinstance(error, UnexpectedRequest):
            error.args = (f"{self.contestant.name}: {error}; its log ends: {self.logged()[-2000:].decode()}",)
        self.log.close()

    def exit_status(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def logged(self) -> bytes:
        self.log.seek(0)
        return self.log.read()

    def pid(self) -> int:
        """Return the process that serves the function: the web server behind an adapter."""
        assert self.process is not None
        pid = self.process.pid
        if self.contestant.has_adapter:
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def cpu_s(self) -> float:
        """Return the CPU time of all threads in nanosecond resolution; /proc has only 1/100 s."""
        return time.clock_gettime(~self.pid() << 3 | CPUCLOCK_SCHED)

    def peak_memory_mb(self) -> float:
        return peak_memory_mb(self.pid())


def peak_memory_mb(pid: int) -> float:
    """Return the peak of the resident memory: VmHWM in Linux's /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / 1024
    raise UnexpectedRequest("the process exited after its response")


def environment(handler: str, task_root: Path, address: str) -> dict[str, str]:
    """Return the variables that Lambda sets on an OS-only runtime, as far as the runtimes read them."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "hello",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]8476a536",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "_HANDLER": handler,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # makes the order of sets, and so the instruction counts, reproducible
    }
