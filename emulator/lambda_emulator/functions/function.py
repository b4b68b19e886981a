"""Run a function: follow each invocation from the event to its REPORT line.

with Function("hello.handler", "examples") as function:
    result = function.invoke(b'{"name": "world"}')
    print(result.payload)
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

from lambda_emulator.functions.configuration import NO_LIMIT_S, Configuration
from lambda_emulator.functions.environment import (
    COMPLETED,
    EXITED,
    FAILED,
    RESTORE_TIMED_OUT,
    TIMED_OUT,
    Environment,
)
from lambda_emulator.functions.event_queue import EventQueue
from lambda_emulator.functions.hints import Hints
from lambda_emulator.functions.invocation import (
    Call,
    FunctionResponse,
    Invocation,
    Report,
    Result,
    platform_error,
)
from lambda_emulator.functions.log import Frame, Log
from lambda_emulator.functions.platform_log import platform_log
from lambda_emulator.functions.pool import Pool, Stopped, Throttled
from lambda_emulator.functions.source_watcher import SourceWatcher
from lambda_emulator.servers.http_server import describe
from lambda_emulator.servers.runtime_api import Recorded
from lambda_emulator.terminal.request_log import describe as describe_request
from lambda_emulator.terminal.status_line import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    from lambda_emulator.deployment.deployment import Deployment
    from lambda_emulator.functions.log import LogStream
    from lambda_emulator.servers.http_server import Request, Response

__all__ = ["Function", "Result", "Throttled"]

ACCOUNT_ID = "123456789012"
# The Invoke API's status for each type of invocation, also if the function fails.
STATUSES = {"RequestResponse": 200, "Event": 202, "DryRun": 204}

# How long an asynchronous event waits for a free environment before it counts as throttled.
EVENT_PATIENCE_S = 1.0

PACKAGES = Path(__file__).resolve().parents[2]
# `pip install` puts the runtime's package beside this one. In the repository, they are in different folders.
INSTALLED = PACKAGES / "lambda_runtime" / "bootstrap"
BOOTSTRAP = INSTALLED if INSTALLED.is_file() else PACKAGES.parent / "bootstrap"


def _ignore(_value: object) -> None:
    pass


class Function:
    """A Lambda function: up to ``concurrency`` execution environments with one invocation each, or on managed
    instances one environment with ``managed`` slots.

    ``with`` starts the function, including the first init phase, and ends it with all its processes.
    ``invoke`` may be called from many threads; it raises Throttled if all environments are busy.
    """

    def __init__(
        self,
        handler: str,
        task_root: str | os.PathLike[str],
        command: Sequence[str | os.PathLike[str]] | None = None,
        arguments: Sequence[str] = (),
        *,
        invocation_ids: bool = True,
        response_grace_s: float = NO_LIMIT_S,
        reload: bool = False,
        record: bool = True,
        log: Callable[[bytes, str], None] | None = None,
        request_log: Callable[[dict[str, Any]], None] | None = None,
        **settings: Any,
    ) -> None:
        """Configure the function without starting it.

        ``command``: the runtime, by default this interpreter with the emulator's own ``bootstrap``.
        ``settings``: further attributes of Configuration, for example ``timeout_s`` or ``environment``.
        ``invocation_ids``: send an id with each delivery of an event and reject responses with another id.
        ``response_grace_s``: how long a response waits for the runtime to request the next event before it is
        passed to the caller; by default until it does so, or until the timeout.
        ``reload``: use new environments when a source file has changed.
        ``record``: keep the runtime's requests in ``requests``, and the whole log.
        ``log``: called with whole lines of the log, and the id of the request that they belong to, if another
        environment may write as well; ``request_log``: called with the record of each request to the Invoke
        API or the function URL.
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
        self._invocation_ids = invocation_ids
        self._response_grace_s = response_grace_s
        self._listener = log
        self._log = Log(self._show, keep=record)
        self._request_log = request_log
        self._platform = platform_log(self._log.stream(), self._configuration)
        self.hints = Hints(self._platform.hint)
        self._record = self.requests.append if record else _ignore
        # Called at the end of each invocation, with the number of its environment.
        self.on_end: Callable[[Invocation, int], None] = lambda invocation, environment: None
        self._succeeded = self._failed = self._throttled = 0
        self._counting = threading.Lock()
        self._pool = Pool(
            self._configuration,
            self._new_environment,
            self._platform.warning,
            self._watcher() if reload else None,
        )
        self._events = EventQueue(self._configuration, self._begin_event, self.log_error)

    def _watcher(self) -> SourceWatcher | Deployment:
        deployment = self._configuration.deployment
        if deployment is None:
            return SourceWatcher(self._configuration.task_root)
        deployment.warn = self._platform.warning
        return deployment

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    @property
    def initialized(self) -> bool:
        """Whether the newest environment has completed its init phase."""
        newest = self._pool.newest
        return newest is not None and newest.init_outcome == COMPLETED

    @property
    def init_ms(self) -> float:
        """How long the newest environment took to initialize, milliseconds."""
        return 0.0 if self._pool.newest is None else self._pool.newest.init_ms

    @property
    def init_error(self) -> FunctionResponse | None:
        """The error of the newest environment if it failed in the init phase, or ended."""
        newest = self._pool.newest
        if newest is None or newest.init_outcome not in (FAILED, EXITED):
            return None
        if newest.init_error is not None:
            return newest.init_error
        message, error_type = newest.exit_reason()
        return platform_error(error_type, f"Error: {message}")

    @property
    def init_problem(self) -> str:
        """Say in one line why the newest environment has not been initialized, and where the error is."""
        error = self.init_error
        if error is None:
            return f"the init phase did not end within {self._configuration.init_timeout_s:g} seconds"
        place = error.error_place()
        root = self._configuration.task_root + os.sep
        place = place[len(root) :] if place.startswith(root) else place
        return f"{error.error_line()} ({place})" if place else error.error_line()

    @property
    def environments(self) -> list[Environment]:
        """Those whose process has not been ended yet, oldest first."""
        return self._pool.environments

    @property
    def restarts(self) -> int:
        """How many environments have been started after the first."""
        return max(0, self._pool.starts - 1)

    @property
    def pid(self) -> int | None:
        """Process id of the newest environment, even if it has ended; None if it could not be started."""
        return self._pool.newest.pid if self._pool.newest is not None else None

    @property
    def exit_status(self) -> int | None:
        """Exit status of the last process that has ended, negative for a signal; None if none has."""
        newest = self._pool.newest
        return self._pool.exit_status if newest is None or newest.exit_status is None else newest.exit_status

    def log_text(self) -> str:
        """Return the whole log, including init phases and platform lines."""
        return self._log.text().decode("utf-8", "replace")

    def status(self) -> Status:
        """Count events, and measure what the environments use now."""
        environments = self._pool.environments
        usage = [environment.memory.now() for environment in environments]
        return Status(
            busy=sum(len(environment.active) for environment in environments),
            slots=self._configuration.managed or self._configuration.concurrency,
            succeeded=self._succeeded,
            failed=self._failed,
            throttled=self._throttled,
            environments=len(environments),
            processes=sum(processes for processes, _ in usage),
            memory_kb=sum(kb for _, kb in usage),
        )

    def log_error(self, text: str, request_id: str = "") -> None:
        """Log an error that happened between the function and its callers."""
        self._platform.error(text, request_id)

    def log_request(self, request: Request | None, response: Response) -> None:
        """Report a request to the listener; it is not part of the function's log."""
        if self._request_log is not None:
            self._request_log(describe_request(request, response))

    def _show(self, lines: bytes, request_id: str) -> None:
        if self._listener is not None:
            alone = not self._configuration.logs_json and len(self._pool.environments) < 2
            self._listener(lines, "" if alone else request_id)

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
        """Start the first environment and wait for the end of its init phase, successful or not."""
        self._pool.open().initialize(self._configuration.init_timeout_s)

    def close(self) -> None:
        """End all environments, even during an invocation; callers that wait get an error."""
        self._events.close()
        self._pool.close()

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
        """Invoke the function and wait until its response is known or begins, while it may still be running.

        An ``Event`` is queued. Raise Throttled if all environments are busy.
        """
        invocation = self._invocation(call)
        if call.invocation_type == "Event":
            call.request_id, call.trace_id = invocation.request_id, invocation.trace_id  # of all tries
            call.arn = invocation.arn
            self._events.put(call)
        elif call.invocation_type == "DryRun":
            invocation.settle(FunctionResponse(b""))
            invocation.finished.set()
        else:
            try:
                self._begin(invocation)
            except Stopped:
                invocation.settle(platform_error("Sandbox.Failure", "The function has been stopped"))
                invocation.finished.set()
            invocation.wait_for_response()
        status = STATUSES[call.invocation_type]
        return Result(invocation, self._configuration.version, self._response_grace_s, status)

    def _invocation(self, call: Call) -> Invocation:
        invocation = Invocation(call, call.arn or self.arn(qualifier=call.qualifier))
        if self._invocation_ids:
            invocation.invocation_id = str(uuid.uuid4())
        return invocation

    def _begin(
        self, invocation: Invocation, done: Callable[[Invocation], None] = _ignore, patience_s: float = 0.0
    ) -> None:
        """Handle an invocation on a thread, which calls ``done`` at the end.

        Raise Throttled or Stopped, or an OSError or RuntimeError if the system cannot start what it needs.
        """
        try:
            if self._configuration.debugging is not None:
                patience_s = NO_LIMIT_S
            environment = self._pool.acquire(invocation, patience_s)
        except Throttled:
            with self._counting:
                self._throttled += 1
            raise
        thread = threading.Thread(
            target=self._work, args=(invocation, environment, done), name="invocation", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            superfluous = self._pool.release(invocation)
            if superfluous is not None:
                self._pool.dispose(superfluous)
            raise

    def _begin_event(self, call: Call, done: Callable[[Invocation], None]) -> None:
        self._begin(self._invocation(call), done, EVENT_PATIENCE_S)

    # The following methods run on the invocation's thread.

    def _work(
        self, invocation: Invocation, environment: Environment, done: Callable[[Invocation], None]
    ) -> None:
        try:
            self._handle(invocation, environment)
        except Exception as error:  # a bug in the emulator; fail the invocation, so that no caller hangs
            reason = f"the emulator has failed: {describe(error)}"
            self._platform.error(reason, invocation.request_id)
            message = f"RequestId: {invocation.request_id} Error: {reason}"
            invocation.settle(platform_error("Sandbox.Failure", message))
            self._pool.discard(self._pool.environment_of(invocation))
        with self._counting:
            failed = invocation.response is not None and invocation.response.is_error
            self._failed += failed
            self._succeeded += not failed
        self.on_end(invocation, self._pool.environment_of(invocation).number)
        superfluous = self._pool.release(invocation)
        invocation.finished.set()
        done(invocation)
        if superfluous is not None:
            self._pool.dispose(superfluous)

    def _handle(self, invocation: Invocation, environment: Environment) -> None:
        """Handle one invocation up to its REPORT line."""
        managed = bool(self._configuration.managed)
        invocation.cold_start = not environment.used and not managed
        if not managed:
            environment.log.request_id = invocation.request_id
        environment.initialize(self._configuration.init_timeout_s)
        invocation.begin_log(environment.log, len(environment.log) if environment.used else 0)
        environment.platform.start(invocation)
        began = time.monotonic()
        timeout_s = self._configuration.timeout_s
        if environment.init_outcome == TIMED_OUT and not managed:
            # Lambda repeats an init phase that timed out within the first invocation, and within its timeout.
            environment = self._pool.replace(environment, invocation)
            environment.initialize(timeout_s)
            timeout_s -= time.monotonic() - began

        outcome = environment.init_outcome
        if outcome == COMPLETED:
            outcome = environment.run(invocation, timeout_s)
        ended = invocation.ended if outcome == COMPLETED else time.monotonic()
        survives = outcome == COMPLETED or (
            outcome == TIMED_OUT and managed and environment.init_outcome == COMPLETED
        )
        if not survives:
            self._pool.discard(environment)

        snap_start = self._configuration.snap_start
        invocation.report = Report(
            duration_ms=(ended - began) * 1000,
            init_ms=None if environment.used or snap_start or managed else environment.init_ms,
            restore_ms=None if environment.used else environment.restore_ms,
            memory_mb=self._configuration.memory_mb,
            max_memory_mb=environment.max_memory_mb,
        )
        environment.used = True
        unfinished = b"" if managed else environment.log.unfinished
        self._explain(outcome, invocation, environment)
        environment.platform.end(invocation)
        if self._configuration.logs_json:
            self.hints.look_at_log(invocation.log, unfinished)
        self.hints.look_at_memory(environment.max_memory_mb, self._configuration.memory_mb)
        if outcome == TIMED_OUT and environment.stacks is not None:
            place = environment.stacks.place(began)
            self.hints.explain_timeout(self._configuration.timeout_s, place)
        environment.log.request_id = ""
        invocation.end_log()
        environment.forget_log()

    def _explain(self, outcome: str, invocation: Invocation, environment: Environment) -> None:
        """Explain a failed invocation in the log, the report and the response (if there is none yet)."""
        request_id, report = invocation.request_id, invocation.report
        if outcome == COMPLETED:
            return
        if outcome == TIMED_OUT:
            message = f"Task timed out after {self._configuration.timeout_s:.2f} seconds"
            if self._configuration.managed and environment.init_outcome == TIMED_OUT:
                message = f"Init timed out after {self._configuration.init_timeout_s:.2f} seconds"
            environment.platform.timed_out(invocation, message)
            failure = platform_error("Sandbox.Timedout", f"RequestId: {request_id} Error: {message}")
        elif outcome == RESTORE_TIMED_OUT:
            limit = f"{self._configuration.restore_timeout_s:.2f} seconds"
            message = f"RequestId: {request_id} Error: Restore timed out after {limit}"
            failure = platform_error("Runtime.RestoreHookUserTimeout", message)
        elif outcome == FAILED and environment.init_error is not None:
            failure = environment.init_error
        else:
            message, error_type = environment.exit_reason()
            environment.platform.exited(invocation, message, error_type)
            failure = platform_error(error_type, f"RequestId: {request_id} Error: {message}")
        report.status = "timeout" if outcome in (TIMED_OUT, RESTORE_TIMED_OUT) else "error"
        report.error_type = "" if outcome == TIMED_OUT else failure.error_type
        invocation.settle(failure)

    def _new_environment(self, log: LogStream | None) -> Environment:
        with ExitStack() as undo:
            if log is None:
                log = self._log.stream()
                undo.callback(log.close)
            environment = Environment(
                self._configuration,
                log,
                self.frames,
                self._record,
                on_room=self._pool.notify_room,
                on_exit=self._pool.succeed,
                undo=undo,
            )
            undo.pop_all()
        return environment
