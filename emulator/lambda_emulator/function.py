"""Run a function: its queue of events, its execution environment, the outcome of each invocation.

with Function("hello.handler", "examples") as function:
    result = function.invoke(b'{"name": "world"}')
    print(result.payload)
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import uuid
from pathlib import Path

from lambda_emulator.configuration import Configuration
from lambda_emulator.environment import (
    COMPLETED,
    FAILED,
    RESTORE_TIMED_OUT,
    TIMED_OUT,
    Environment,
)
from lambda_emulator.http_server import describe
from lambda_emulator.invocation import Call, FunctionResponse, Invocation, Report, Result, platform_error
from lambda_emulator.log import Frame, Log
from lambda_emulator.platform_log import platform_log
from lambda_emulator.runtime_api import Recorded
from lambda_emulator.source_watcher import SourceWatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    from lambda_emulator.http_server import Request, Response

__all__ = ["Function", "Result"]

ACCOUNT_ID = "123456789012"
# How many environments may continue after their client has left; beyond that, the oldest is ended.
MOST_ABANDONED = 3

# The Invoke API's status for each type of invocation, also if the function fails.
STATUSES = {"RequestResponse": 200, "Event": 202, "DryRun": 204}

BOOTSTRAP = Path(__file__).resolve().parent.parent.parent / "bootstrap"


class Function:
    """A Lambda function with one execution environment, which handles one invocation at a time.

    When the client of an invocation leaves, the invocation continues, and the next event gets a new
    environment instead of waiting for it.

    ``with`` starts the function, including the init phase, and ends it with all its processes. ``invoke`` may
    be called from many threads; events are handled in the order of the calls.
    """

    def __init__(
        self,
        handler: str,
        task_root: str | os.PathLike[str],
        command: Sequence[str | os.PathLike[str]] | None = None,
        arguments: Sequence[str] = (),
        *,
        init_timeout_s: float | None = None,
        invocation_ids: bool = True,
        response_grace_s: float = 1.0,
        reload: bool = False,
        log: Callable[[bytes], None] | None = None,
        request_log: Callable[[str], None] | None = None,
        **settings: Any,
    ) -> None:
        """Configure the function without starting it.

        ``command``: the runtime, by default this interpreter with the repository's ``bootstrap``.
        ``settings``: further attributes of Configuration, for example ``timeout_s`` or ``environment``.
        ``init_timeout_s``: 10 by default; with the ``initialization_type`` "snap-start", Lambda's limit for
        the phase before a snapshot.
        ``invocation_ids``: send an id with each delivery of an event and reject responses with another id.
        ``response_grace_s``: how long a response waits for the runtime to request the next event before it is
        passed to the caller.
        ``reload``: restart the environment when a source file has changed.
        ``log``: called with each piece of the log; ``request_log``: called with a line for each request to
        the Invoke API or the function URL.
        """
        default = [sys.executable, BOOTSTRAP]
        self._configuration = Configuration(
            handler=handler,
            task_root=os.path.abspath(task_root),
            command=[os.fspath(word) for word in [*(command or default), *arguments]],
            **settings,
        )
        self.requests: list[Recorded] = []
        self.frames: list[Frame] = []
        usual_s = max(self._configuration.timeout_s, 130.0) if self._configuration.snap_start else 10.0
        self._init_timeout_s = usual_s if init_timeout_s is None else init_timeout_s
        self._invocation_ids = invocation_ids
        self._response_grace_s = response_grace_s
        self._source_watcher = SourceWatcher(self._configuration.task_root) if reload else None
        self._log = Log(log)
        self._request_log = request_log
        self._platform = platform_log(self._log, self._configuration)
        self._environment: Environment | None = None
        self._starts = 0
        self._memory_exceeded = False
        self._pid: int | None = None
        self._exit_status: int | None = None
        self._queue: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="function", daemon=True)
        self._left: dict[Environment, threading.Thread] = {}  # whose clients have left, oldest first
        self._lock = threading.Lock()  # protects `_left`, and keeps it empty after close()
        self._closed = False

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    @property
    def initialized(self) -> bool:
        """Whether the current environment has completed its init phase."""
        return self._environment is not None and self._environment.init_outcome == COMPLETED

    @property
    def restarts(self) -> int:
        """How often a new environment has replaced another."""
        return max(0, self._starts - 1)

    @property
    def pid(self) -> int | None:
        """Process id of the runtime (or of the last one if it has ended); None if none could be started."""
        return self._pid

    @property
    def exit_status(self) -> int | None:
        """Exit status of the last process that has ended, negative for a signal; None if none has."""
        if self._environment is not None and self._environment.exit_status is not None:
            return self._environment.exit_status
        return self._exit_status

    def log_text(self) -> str:
        """Return the whole log, including init phases and platform lines."""
        return self._log.since(0).decode("utf-8", "replace")

    def log_error(self, text: str, request_id: str = "") -> None:
        """Log an error that happened between the function and its callers."""
        self._platform.error(text, request_id)

    def log_request(self, request: Request, response: Response) -> None:
        """Report a request to the listener; it is not part of the function's log."""
        if self._request_log is not None:
            self._request_log(self._platform.request(request, response))

    def __enter__(self) -> Function:
        try:
            self.start()
        except BaseException:  # Ctrl-C during the init phase
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the environment and wait for the end of its init phase, successful or not."""
        self._start_environment(self._init_timeout_s)
        self._worker.start()

    def close(self) -> None:
        """End the environment, even during an invocation; callers that wait get an error."""
        with self._lock:
            self._closed = True
            left = dict(self._left)
        self._queue.put(None)
        for environment in [*left, self._environment]:
            if environment is not None:
                environment.end()
        for worker in [*left.values(), self._worker]:
            if worker.is_alive():
                worker.join()
        self._stop_environment(self._environment)

    def arn(self, name: str | None = None, qualifier: str | None = None) -> str:
        """Return the function's ARN, by default with its own name and without a qualifier."""
        region = self._configuration.region
        arn = f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name or self._configuration.name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def invoke(self, event: bytes = b"{}", **details: Any) -> Result:
        """Invoke the function and wait for the end of the invocation, with its whole log.

        ``details`` are further attributes of `Call`. An ``Event`` is only queued.
        """
        result = self.call(Call(event, **details))
        if result.status == 200:
            result.wait_for_end()
        return result

    def invoke_streaming(self, event: bytes = b"{}", **details: Any) -> Result:
        """Invoke the function and wait until its response begins, or fails. An ``Event`` cannot stream."""
        return self.call(Call(event, streaming=True, **details))

    def call(self, call: Call) -> Result:
        """Queue one event and, unless it is an ``Event``, wait until its response is known or begins.

        The function may still be running then.
        """
        invocation = Invocation(call, call.arn or self.arn(qualifier=call.qualifier))
        if self._invocation_ids:
            invocation.invocation_id = str(uuid.uuid4())
        if call.invocation_type == "DryRun":
            invocation.settle(FunctionResponse(b""))
            invocation.finished.set()
        else:
            self._queue.put(invocation)
        if call.invocation_type == "RequestResponse":
            invocation.wait_for_response()
        status = STATUSES[call.invocation_type]
        return Result(invocation, self._configuration.version, self._log, self._response_grace_s, status)

    # The following methods run on the thread that handles the queue.

    def _work(self) -> None:
        while threading.current_thread() is self._worker:
            invocation = self._queue.get()
            if invocation is None:
                return
            if self._closed:
                invocation.settle(platform_error("Sandbox.Failure", "The function has been stopped"))
                invocation.finished.set()
                continue
            try:
                self._handle(invocation)
            except Exception as error:  # a bug in the emulator; fail the invocation, so that no caller hangs
                reason = f"the emulator has failed: {describe(error)}"
                self._platform.error(reason, invocation.request_id)
                message = f"RequestId: {invocation.request_id} Error: {reason}"
                invocation.settle(platform_error("Sandbox.Failure", message))
                self._stop_environment(self._environment)
                invocation.finished.set()

    def _handle(self, invocation: Invocation) -> None:
        """Handle one invocation, from the queue to its REPORT line."""
        environment = self._ready_environment()
        invocation.log_start = len(self._log) if environment.used else environment.log_start
        self._platform.start(invocation)
        began = time.monotonic()
        timeout_s = self._configuration.timeout_s
        if environment.init_outcome == TIMED_OUT:
            # Lambda repeats an init phase that timed out within the first invocation, and within its timeout.
            environment = self._start_environment(timeout_s)
            timeout_s -= time.monotonic() - began

        outcome = environment.init_outcome
        if outcome == COMPLETED:
            outcome = environment.run(invocation, timeout_s, lambda: self._make_room(invocation, environment))
        ended = environment.api.idle_since if outcome == COMPLETED else time.monotonic()
        if outcome != COMPLETED or environment is not self._environment:
            self._stop_environment(environment)

        invocation.report = Report(
            duration_ms=(ended - began) * 1000,
            init_ms=None if environment.used or self._configuration.snap_start else environment.init_ms,
            restore_ms=None if environment.used else environment.restore_ms,
            memory_mb=self._configuration.memory_mb,
            max_memory_mb=environment.max_memory_mb,
        )
        environment.used = True
        self._explain(outcome, invocation, environment)
        self._platform.end(invocation)
        invocation.log = self._log.since(invocation.log_start)
        if environment.max_memory_mb > self._configuration.memory_mb and not self._memory_exceeded:
            self._memory_exceeded = True  # warn once: a peak never decreases
            self._platform.warning("More memory was used than the function has: Lambda would have killed it.")
        invocation.finished.set()

    def _explain(self, outcome: str, invocation: Invocation, environment: Environment) -> None:
        """Explain a failed invocation in the log, the report and the response (if there is none yet)."""
        request_id, report = invocation.request_id, invocation.report
        if outcome == COMPLETED:
            return
        if outcome == TIMED_OUT:
            message = f"Task timed out after {self._configuration.timeout_s:.2f} seconds"
            self._platform.timed_out(invocation, message)
            failure = platform_error("Sandbox.Timedout", f"RequestId: {request_id} Error: {message}")
        elif outcome == RESTORE_TIMED_OUT:
            limit = f"{self._configuration.restore_timeout_s:.2f} seconds"
            message = f"RequestId: {request_id} Error: Restore timed out after {limit}"
            failure = platform_error("Runtime.RestoreHookUserTimeout", message)
        elif outcome == FAILED and environment.init_error is not None:
            failure = environment.init_error
        else:
            message, error_type = environment.exit_reason()
            self._platform.exited(invocation, message, error_type)
            failure = platform_error(error_type, f"RequestId: {request_id} Error: {message}")
        report.status = "timeout" if outcome in (TIMED_OUT, RESTORE_TIMED_OUT) else "error"
        report.error_type = "" if outcome == TIMED_OUT else failure.error_type
        invocation.settle(failure)

    def _make_room(self, invocation: Invocation, environment: Environment) -> None:
        """Start another thread and environment for the next event if the client of this one has left.

        This is what Lambda does: the function continues, and other clients get other environments.
        """
        with self._lock:
            waiting = not self._queue.empty() and not self._closed and environment is self._environment
            if not waiting or not invocation.unwanted:
                return
            self._left[environment] = self._worker
            self._environment = None
            self._worker = threading.Thread(target=self._work, name="function", daemon=True)
            self._worker.start()
            surplus = list(self._left)[:-MOST_ABANDONED]
        self._platform.warning(
            f"The client of RequestId {invocation.request_id} has left. The function continues, as on Lambda;"
            " the next event gets a new environment."
        )
        for oldest in surplus:
            oldest.end()

    def _ready_environment(self) -> Environment:
        """Return the environment for the next invocation: the current one, or a new one."""
        changed = self._source_watcher.changed() if self._source_watcher is not None else []
        if changed:
            self._stop_environment(self._environment)
            files = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
            self._platform.warning(f"A source file has changed: {files}. A new environment starts.")
        return self._environment or self._start_environment(self._init_timeout_s)

    def _start_environment(self, init_timeout_s: float) -> Environment:
        """Replace the current environment by a new one, and wait for the end of its init phase."""
        self._stop_environment(self._environment)
        environment = Environment(self._configuration, self._log, self._platform, self.frames, self.requests)
        self._environment = environment
        self._starts += 1
        self._pid = environment.pid
        if self._closed:  # close() may have run before this environment was known
            environment.end()
        environment.init(init_timeout_s)
        return environment

    def _stop_environment(self, environment: Environment | None) -> None:
        if environment is None:
            return
        if environment is self._environment:
            self._environment = None
        environment.stop()
        self._exit_status = environment.exit_status
        with self._lock:
            self._left.pop(environment, None)
