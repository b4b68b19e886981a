"""Start the runtime as on managed instances: one environment for several invocations at a time."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from tests.scripted_server import Request, RuntimeApiServer, accepted, event_bytes, reply_bytes
from tests.support import BOOTSTRAP, PATIENCE_S, ROOT, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import Any

NO_DEADLINE = "Lambda-Runtime-Deadline-Ms: 0"  # so that no overrun is logged on a busy machine

# The arguments of Python that start the runtime without its time limits after SIGTERM, which are too short on
# a busy machine.
LENIENT_BOOTSTRAP = (
    "-c",
    f"""
import runpy, sys
sys.path.insert(0, {str(ROOT / "runtime")!r})
from lambda_runtime.lifecycle import shutdown, workers
workers.GRACE_S = shutdown.GRACE_S = shutdown.TOTAL_S = {PATIENCE_S}
runpy.run_path({str(BOOTSTRAP)!r}, run_name="__main__")
""",
)


class SharedServer(RuntimeApiServer):
    """A Runtime API with one queue of events for as many workers as ask, and the Extensions API.

    ``responses``: the paths below /runtime/ and the bodies, decoded if they are JSON.
    """

    def __init__(self, *, has_events: bool = True) -> None:
        self._has_events = has_events
        self.events: queue.Queue[tuple[str, object, tuple[str, ...]] | None] = queue.Queue()
        self.responses: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.idle = threading.Semaphore(0)  # released by each call of `next`
        self.registrations: list[int] = []  # their statuses
        self.invocation_ids: dict[str, str | None] = {}  # of the responses, by request id
        self.extension_waits = threading.Semaphore(0)  # released by each call of the extension's `next`
        super().__init__(self._reply)

    def send(self, request_id: str, value: object = None, *headers: str) -> None:
        """Queue an event, with a trace id that repeats the request id."""
        self.events.put((request_id, value, headers))

    def _reply(self, request: Request) -> bytes | None:
        if request.path.endswith("/extension/register"):
            status = 403 if self.registrations else 200
            self.registrations.append(status)
            return reply_bytes(status, b"", f"Lambda-Extension-Identifier: {'1' * 32}")
        if request.path.endswith("/extension/event/next"):
            self.extension_waits.release()
            return b""  # no event ever comes
        if request.method == "POST":
            try:
                body = json.loads(request.body)
            except ValueError:
                body = request.body
            if "/invocation/" in request.path:
                echoed = request.headers.get("lambda-runtime-invocation-id")
                self.invocation_ids[request.path.split("/")[-2]] = echoed
            self.responses.put((request.path.partition("/runtime/")[2], body))
            return accepted().data
        self.idle.release()
        if not self._has_events:
            return b""
        event = self.events.get()
        if event is None:
            return None
        request_id, value, headers = event
        trace = f"Lambda-Runtime-Trace-Id: Root={request_id}"
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        data = event_bytes(request_id, body, trace, *headers)
        if headers:  # a deadline replaces the usual one
            ours = rb"(Lambda-Runtime-Deadline-Ms: \d+)"
            data = re.sub(ours + rb"(.*)\r\n" + ours, rb"\1\2", data, flags=re.DOTALL)
        return data


class Environment:
    """The processes of one environment with their Runtime API."""

    def __init__(self, server: SharedServer, process: subprocess.Popen[bytes], log: str) -> None:
        self.server = server
        self.process = process
        self.send = server.send
        self._log = log  # the path of a file

    def log(self) -> str:
        """What the processes have written to stdout and stderr so far."""
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def next_response(self) -> tuple[str, Any]:
        """The path below /runtime/ and the body of the next response or error."""
        return self.server.responses.get(timeout=PATIENCE_S)

    def responses(self, count: int) -> dict[str, Any]:
        """The next responses by request id. Fails if one is an error."""
        found = {}
        for _ in range(count):
            path, body = self.next_response()
            kind, request_id, what = path.split("/")
            if (kind, what) != ("invocation", "response"):
                raise AssertionError(f"{path}: {body}\n{self.log()}")
            found[request_id] = body
        return found

    def wait_for_log(self, pattern: str) -> str:
        """Wait until ``pattern`` is in the log; return what matches."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            match = re.search(pattern, self.log())
            if match:
                return match.group()
            time.sleep(0.01)
        raise AssertionError(f"{pattern!r} is not in the log:\n{self.log()}")

    def wait_until_idle(self, count: int) -> None:
        """Wait until ``count`` slots have asked for an event, since the start or the last call."""
        for _ in range(count):
            if not self.server.idle.acquire(timeout=PATIENCE_S):
                raise AssertionError(f"a slot does not ask for an event\n{self.log()}")


class WorkerTestCase(FunctionTestCase):
    """A test of several invocations at a time."""

    def launch(
        self,
        source: str,
        count: int | str,
        mode: str = "",
        *,
        files: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        cpus: int = 1,
        command: Collection[str] = (str(BOOTSTRAP),),
        prefix: Collection[str] = (),
        output: Any = None,
    ) -> Environment:
        """Start an environment for ``count`` invocations at a time, which ends with the test."""
        server = SharedServer()
        root = self.write({"function.py": source, **(files or {})})
        log = os.path.join(self.write({}), "log")
        environment = {
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "AWS_LAMBDA_MAX_CONCURRENCY": str(count),
            "LAMBDA_TASK_ROOT": root,
            "LAMBDA_RUNTIME_WORKERS": mode,
            "_HANDLER": "function.handler",
            **(variables or {}),
        }
        with open(log, "wb") as opened:
            process = subprocess.Popen(
                [*prefix, *pinned(cpus), sys.executable, *command],
                cwd=root,
                env=environment,
                stdout=output or opened,
                stderr=output or opened,
                start_new_session=True,
            )

        def stop() -> None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            for _ in range(64):
                server.events.put(None)
            server.close()

        self.addCleanup(stop)
        return Environment(server, process, log)

    def wait_for_file(self, path: Path) -> None:
        """Wait until the function has created this file."""
        until = time.monotonic() + PATIENCE_S
        while not path.exists():
            self.assertLess(time.monotonic(), until, f"{path.name} was not created")
            time.sleep(0.01)

    def assertEnded(self, workers: Collection[int]) -> None:
        """Expect that these processes end."""
        deadline = time.monotonic() + PATIENCE_S
        while any(is_alive(worker) for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual([worker for worker in workers if is_alive(worker)], [])


def pinned(cpus: int) -> list[str]:
    """The command that makes a program use only so many CPUs, where the system has it."""
    if shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", ",".join(map(str, usable_cpus()[:cpus]))]


def usable_cpus() -> list[int]:
    """The numbers of the CPUs that this process may use. PyPy has no `os.sched_getaffinity`."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def is_alive(process: int) -> bool:
    """Whether the process runs; False for one that nobody has waited for."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or it has just gone
        return os.path.isdir("/proc") is False
