"""Run a program once with one of the two runtimes, and record everything that it does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List

from . import case
from .recorder import Received, Recorder

AWS = "aws"
OURS = "ours"

REPOSITORY = Path(__file__).resolve().parents[2]

_LIMIT_S = 20.0  # for a whole run; the longest take two seconds on a busy machine
_SIGTERM_S = 2.0  # Lambda's limit for a runtime with external extensions

# The variables of every run: Lambda's, and those of the operating system that a process needs.
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_NAME": "differential",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/differential",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[7]0123456789abcdef",
    "AWS_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": ":UTC",
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of a process's outputs at one point in time, in bytes."""

    stdout: int
    stderr: int
    telemetry: int


@dataclass(frozen=True, eq=False)
class Run:
    """The whole run of one process. ``marks`` are the sizes of its outputs at each ``next``."""

    runtime: str
    program: case.Program
    task_root: str
    address: str  # of the Runtime API
    requests: List[Received]
    stdout: bytes
    stderr: bytes
    telemetry: bytes
    provider_streams: List[bytes]  # the data sent to the provider socket, by connection
    marks: List[Sizes]
    started_us: int  # Unix time, microseconds
    ended_us: int
    ending: str  # "waits for the next event", "exit status 1", "killed by signal 9" …


def run(program: case.Program, runtime: str) -> Run:
    """Run ``program`` with ``runtime``, AWS or OURS, until all events are handled."""
    folder = Path(tempfile.mkdtemp(prefix="differential-"))
    try:
        return _Process(program, runtime, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Process:
    """One process, its outputs (files, so that their sizes can be read at any time) and its server."""

    def __init__(self, program: case.Program, runtime: str, folder: Path) -> None:
        self._program = program
        self._runtime = runtime
        self._folder = folder
        self._task_root = folder / "task"
        self._marks: List[Sizes] = []
        self._over = threading.Event()  # all events are handled, or the process has ended

    def run(self) -> Run:
        _write_files(self._task_root, self._program.files)
        for name in ("stdout", "stderr", "telemetry"):
            (self._folder / name).touch()
        recorder = Recorder(self._program, self._mark, self._over)
        started_us = time.time_ns() // 1000
        with _provider(self._folder / "provider", is_used=self._program.provider_socket) as streams:
            try:
                ending = self._run_process(recorder)
            finally:
                recorder.close()
        return Run(
            runtime=self._runtime,
            program=self._program,
            task_root=str(self._task_root),
            address=recorder.address,
            requests=list(recorder.requests),
            stdout=self._read("stdout"),
            stderr=self._read("stderr"),
            telemetry=self._read("telemetry"),
            provider_streams=streams,
            marks=list(self._marks),
            started_us=started_us,
            ended_us=time.time_ns() // 1000,
            ending=ending,
        )

    def _run_process(self, recorder: Recorder) -> str:
        with contextlib.ExitStack() as stack:
            outputs = {
                name: stack.enter_context((self._folder / name).open("ab", buffering=0))
                for name in ("stdout", "stderr", "telemetry")
            }
            telemetry_fd = outputs["telemetry"].fileno() if self._program.telemetry else None
            # A worker replaces its stdout by a socket; before, it must be a pipe, as on Lambda.
            piped = self._program.provider_socket
            process = subprocess.Popen(
                _command(self._runtime, self._program.handler),
                cwd=self._task_root,
                env=self._environment(recorder.address, telemetry_fd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else outputs["stdout"],
                stderr=subprocess.PIPE if piped else outputs["stderr"],
                pass_fds=() if telemetry_fd is None else (telemetry_fd,),
                start_new_session=True,
            )
        threading.Thread(target=self._await_exit, args=(process,), daemon=True).start()
        try:
            return self._ending(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
                if pipe is not None:
                    with pipe:
                        (self._folder / name).write_bytes(pipe.read())

    def _await_exit(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._over.set()

    def _ending(self, process: subprocess.Popen[bytes]) -> str:
        if not self._over.wait(_LIMIT_S):
            return f"still busy after {_LIMIT_S:.0f} s"
        waits = process.poll() is None
        if waits and self._program.ending == case.SIGTERM:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_SIGTERM_S)
            waits = process.poll() is None
        elif waits and self._program.ending != case.WAIT:
            # The server ended the run with its response to `next`, which the process must receive.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LIMIT_S)
            waits = process.poll() is None
        return "waits for the next event" if waits else _exit_text(process.returncode)

    def _environment(self, address: str, telemetry_fd: int | None) -> Dict[str, str]:
        variables: Dict[str, str | None] = dict(_ENVIRONMENT)
        variables["AWS_LAMBDA_RUNTIME_API"] = address
        variables["LAMBDA_TASK_ROOT"] = str(self._task_root)
        variables["_HANDLER"] = self._program.handler
        if telemetry_fd is not None:
            variables["_LAMBDA_TELEMETRY_LOG_FD"] = str(telemetry_fd)
        if self._program.provider_socket:
            variables["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"] = str(self._folder / "provider")
        variables.update(self._program.environment)
        present = {name: value for name, value in variables.items() if value is not None}
        return {name: value.replace("$TASK_ROOT", str(self._task_root)) for name, value in present.items()}

    def _mark(self) -> None:
        sizes = [(self._folder / name).stat().st_size for name in ("stdout", "stderr", "telemetry")]
        self._marks.append(Sizes(*sizes))

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def _command(runtime: str, handler: str) -> List[str]:
    if runtime == AWS:
        return [sys.executable, "-m", "awslambdaric", handler]
    return [sys.executable, str(REPOSITORY / "bootstrap")]


def _exit_text(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by signal {-status}"


def _write_files(task_root: Path, files: Dict[str, case.Source]) -> None:
    task_root.mkdir()
    for name, content in files.items():
        path = task_root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


@contextlib.contextmanager
def _provider(path: Path, *, is_used: bool) -> Iterator[List[bytes]]:
    """Create a Unix socket for the function's output, like that of the platform's log collector.

    The data is read after the process has ended; until then it fits into the kernel's buffers. After the
    ``with`` block the list contains it, by connection.
    """
    streams: List[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        if is_used:
            listener.bind(str(path))
            listener.listen()
        yield streams
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # no more connections
            while is_used:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    streams.append(stream.read())
