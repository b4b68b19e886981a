"""Start AWS's emulator or ours with a function, and stop it without leaving processes behind."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
AWS_EMULATOR = ROOT / ".environments" / "conformance" / "bin" / "aws-lambda-rie"

# Files of the task root that the linters of this repository would reject.
GENERATED_MODULES = {"syntax_error.py": "def handler(event, context)\n    return event\n"}

START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 30
END_TIMEOUT_S = 10
# Below the range of Linux's ports for outgoing connections, so that these do not conflict. Each process has
# its own part of them.
FIRST_PORTS = range(10_000, 31_000, 1_500)
MARK = "CONFORMANCE_SERVER"  # a variable whose value marks the processes of one server


def write_task_root(folder: Path) -> Path:
    """Copy the functions to ``folder``, so that no file of this repository is on their search path."""
    shutil.copytree(FUNCTIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in GENERATED_MODULES.items():
        (folder / name).write_text(source)
    return folder


def require_aws_emulator() -> None:
    """Raise ServerError unless AWS's emulator has been fetched."""
    if not AWS_EMULATOR.exists():
        raise ServerError(f"{AWS_EMULATOR} is missing; `make conformance` fetches it")


class ServerError(Exception):
    """A server did not start, or did not stop as it should."""


@dataclass(frozen=True)
class Setup:
    """The function that a server runs."""

    bootstrap: Path  # the runtime, an executable file
    task_root: Path
    handler: str
    timeout_s: int


S = TypeVar("S", bound="Server")


class Server(ABC):
    """A server process, to be used with ``with``; ``url`` is its address for clients."""

    name = ""

    def __init__(self, setup: Setup, log: Path) -> None:
        self.setup = setup
        self.log = log  # its output, including the function's
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mark = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def environment(self) -> dict[str, str]:
        """The server's variables: enough to find `python3`, and none of the user's own."""
        interpreter = str(Path(sys.executable).parent)
        path = os.pathsep.join([interpreter, os.environ.get("PATH", os.defpath)])
        return {"PATH": path, "LANG": "C.UTF-8", MARK: self.mark}

    def folder(self) -> Path:
        return ROOT

    def __enter__(self: S) -> S:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder(),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops the server
            )
        try:
            self.wait_until_listening(self.process)
        except BaseException:
            self.stop(self.process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        left = self.stop(self.process)
        if left and error is None:
            raise ServerError(f"left running: {', '.join(left)}")

    def wait_until_listening(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        ended = (
            f"ended with status {process.returncode}" if process.returncode is not None else "does not listen"
        )
        raise ServerError(f"{self.name} {ended}; its output ends:\n{tail(self.log)}")

    def stop(self, process: subprocess.Popen[bytes]) -> list[str]:
        """Stop the server with SIGTERM, then kill what it left running; return a description of that."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return [f"{self.name}, {STOP_TIMEOUT_S} s after SIGTERM", *end_marked(self.mark)]
        return end_marked(self.mark)


class AwsEmulator(Server):
    """aws-lambda-rie in its classic mode: all settings except addresses are environment variables."""

    name = "AWS's emulator"

    def __init__(self, setup: Setup, log: Path) -> None:
        super().__init__(setup, log)
        self.runtime_api = f"127.0.0.1:{free_port()}"

    def command(self) -> list[str]:
        addresses = [
            f"--runtime-interface-emulator-address=127.0.0.1:{self.port}",
            f"--runtime-api-address={self.runtime_api}",
        ]
        return [str(AWS_EMULATOR), *addresses, str(self.setup.bootstrap), self.setup.handler]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.setup.timeout_s),
            "LAMBDA_TASK_ROOT": str(self.setup.task_root),
        }

    def folder(self) -> Path:
        return self.setup.task_root


class OurEmulator(Server):
    """python -m lambda_emulator serve, as `make serve` runs it, with more ``options`` of its command line."""

    name = "our emulator"

    def __init__(self, setup: Setup, log: Path, *options: str) -> None:
        super().__init__(setup, log)
        self._options = options
        self.url_port = free_port()  # of the function URL

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(ROOT / "emulator")}

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "lambda_emulator", "serve", "--name", "function"),
            *("--handler", self.setup.handler, "--task-root", str(self.setup.task_root)),
            *("--python", sys.executable, "--bootstrap", str(self.setup.bootstrap)),
            *("--port", str(self.port), "--url-port", str(self.url_port)),
            *("--timeout", str(self.setup.timeout_s)),
            *("--env", f"{MARK}={self.mark}"),
            *self._options,
        ]


taken_ports: set[int] = set()
ports_lock = threading.Lock()


def hold_first_port() -> socket.socket:
    """Listen on the first free one of FIRST_PORTS: the ports after it belong to this process."""
    for first in FIRST_PORTS:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", first))
    raise ServerError(f"the ports {list(FIRST_PORTS)} are in use")


held = hold_first_port()  # at once, because tests count descriptors
FIRST_PORT = held.getsockname()[1]
PORTS = range(FIRST_PORT + 1, FIRST_PORT + FIRST_PORTS.step)


def free_port() -> int:
    """Return a port on which nothing listens, a different one for each call."""
    with ports_lock:
        for port in random.sample(PORTS, 200):
            if port not in taken_ports and is_free(port):
                taken_ports.add(port)
                return port
    raise ServerError(f"no free port between {PORTS.start} and {PORTS.stop}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def end_marked(mark: str) -> list[str]:
    """Kill the processes with ``mark`` in their environment; return the names of those still running.

    A process that its parent has just killed may need some time to end.
    """
    deadline = time.monotonic() + END_TIMEOUT_S
    while True:
        late = time.monotonic() > deadline  # before we look, so that what we report is not outdated
        marked = find_marked(mark)
        if late or not marked:
            break
        time.sleep(0.02)
    for pid in marked:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return [f"process {pid} ({name})" for pid, name in marked.items()]


def find_marked(mark: str) -> dict[int, str]:
    """Return process ids and their command lines, from Linux's /proc."""
    entry = f"{MARK}={mark}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode(errors="replace")
        except OSError:  # it has ended, or we may not read it
            continue
    return found


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
