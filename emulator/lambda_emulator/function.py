"""Tell the life of a function: its queue of events, its environment, what becomes of each invocation.

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
from lambda_emulator.invocation import Invocation, Report, Result, StreamingResult, platform_error
from lambda_emulator.log import Frame, Log
from lambda_emulator.platform_log import platform_log
from lambda_emulator.runtime_api import Recorded
from lambda_emulator.source_watcher import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from lambda_emulator.http_server import Request, Response

__all__ = ["Function", "Result", "StreamingResult"]

ACCOUNT_ID = "123456789012"
# How many environments may continue after their client has left. One more ends the oldest.
MOST_LEFT = 3

BOOTSTRAP = Path(__file__).resolve().parent.parent.parent / "bootstrap"


class Function:
    """A Lambda function with one execution environment, which handles one invocation at a time.

    When the client of an invocation has left, the invocation continues, but the next event does not wait for
    it: it gets a new environment.

    ``with`` starts it, which includes the init phase; leaving the block ends it and its processes.
    ``invoke`` may be called from many threads; events are handled in the order of the calls.
    """

    def __init__(
        self,
        handler: str,
        task_root: str | os.PathLike[str],
        command: Sequence[str | os.PathLike[str]] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        inherit: Sequence[str] = (),
        credentials: bool = False,
        name: str = "function",
        version: str = "$LATEST",
        memory_mb: int = 128,
        timeout_s: float = 3.0,
        init_timeout_s: float | None = None,
        initialization_type: str = "on-demand",
        restore_timeout_s: float = 10.0,
        shutdown_grace_s: float = 0.5,
        telemetry: bool = False,
        invocation_ids: bool = True,
        max_response_bytes: int = 6_291_556,
        early_413: bool = False,
        answer_grace_s: float = 1.0,
        max_stream_bytes: int = 209_715_200,
        bandwidth: float | None = None,
        reload: bool = False,
        log: Callable[[bytes], None] | None = None,
        request_log: Callable[[str], None] | None = None,
    ) -> None:
        """Describe the function; nothing is started yet.

        ``command`` is the runtime, by default this interpreter and the repository's ``bootstrap``.
        ``environment`` comes on top of what Lambda sets, a value None removes a variable; ``inherit``
        names variables of this machine to pass on, ``credentials`` lets the function use this machine's AWS
        credentials: keys, profiles, SSO. ``init_timeout_s`` is 10 by default, or with the
        ``initialization_type`` "snap-start" what Lambda grants before a snapshot. ``shutdown_grace_s``:
        from SIGTERM to SIGKILL if there is an extension; Lambda has 0.3 if one of them is external.
        ``invocation_ids``: send an id for each delivery of an event and refuse a different one.
        ``early_413``: refuse an oversized response before it is read, as managed instances do.
        ``answer_grace_s``: how long an answer waits for the runtime to ask for the next event before the
        caller gets it. ``bandwidth``: how many bytes per second of a streamed response are let through
        after its first 6 MiB, by default all; Lambda has 2 MiB. ``reload``: restart when a source file
        has changed. ``log`` gets the log as it is written, ``request_log`` a line for each request to
        the Invoke API or the function URL.
        """
        default = [sys.executable, BOOTSTRAP]
        self._configuration = Configuration(
            handler=handler,
            task_root=os.path.abspath(task_root),
            command=[os.fspath(word) for word in [*(command or default), *arguments]],
            environment=environment or {},
            inherit=inherit,
            credentials=credentials,
            name=name,
            version=version,
            memory_mb=memory_mb,
            timeout_s=timeout_s,
            initialization_type=initialization_type,
            restore_timeout_s=restore_timeout_s,
            shutdown_grace_s=shutdown_grace_s,
            telemetry=telemetry,
            max_response_bytes=max_response_bytes,
            early_413=early_413,
            max_stream_bytes=max_stream_bytes,
            bandwidth=bandwidth,
        )
        self.requests: list[Recorded] = []
        self.frames: list[Frame] = []
        usual_s = max(timeout_s, 130.0) if self._configuration.snap_start else 10.0
        self._init_timeout_s = usual_s if init_timeout_s is None else init_timeout_s
        self._invocation_ids = invocation_ids
        self._answer_grace_s = answer_grace_s
        self._sources = Sources(self._configuration.task_root) if reload else None
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
        self._lock = threading.Lock()  # for these, and that no environment is left once it is closed
        self._closed = False

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    @property
    def initialized(self) -> bool:
        """Whether the present environment has come through its init phase."""
        return self._environment is not None and self._environment.init_outcome == COMPLETED

    @property
    def restarts(self) -> int:
        """How often an environment was replaced by a new one."""
        return max(0, self._starts - 1)

    @property
    def pid(self) -> int | None:
        """Process id of the runtime, the last one's if it has ended; None if none could be started."""
        return self._pid

    @property
    def exit_status(self) -> int | None:
        """How the latest process that has ended did so; negative for a signal. None before that."""
        if self._environment is not None and self._environment.exit_status is not None:
            return self._environment.exit_status
        return self._exit_status

    def log_text(self) -> str:
        """Everything logged so far, init phases and platform lines included."""
        return self._log.since(0).decode("utf-8", "replace")

    def log_error(self, text: str, request_id: str = "") -> None:
        """Add a line to the log: something went wrong between the function and its callers."""
        self._platform.error(text, request_id)

    def log_request(self, request: Request, response: Response) -> None:
        """Pass a request to the listener. It does not belong to the function's own log."""
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
        """Start the environment and wait for its init phase, however that ends."""
        self._start_environment(self._init_timeout_s)
        self._worker.start()

    def close(self) -> None:
        """End the environment, in the middle of an invocation if need be; callers that wait get an error."""
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
        """The ARN as an invoker names the function, by default its own name without a qualifier."""
        region = self._configuration.region
        arn = f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name or self._configuration.name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def invoke(
        self,
        event: bytes = b"{}",
        *,
        invocation_type: str = "RequestResponse",
        log_type: str = "None",
        client_context: bytes | None = None,
        cognito_identity: str | None = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        content_type: str = "application/json",
        request_id: str | None = None,
        qualifier: str | None = None,
        arn: str | None = None,
        client_has_left: Callable[[], bool] = lambda: False,
        prompt: bool = False,
    ) -> Result:
        """Put one event in the queue and, unless it is an ``Event``, wait for its result.

        Nothing is judged here: whatever bytes ``event`` has reach the function with ``content_type``.
        ``client_context`` is JSON text in UTF-8, ``cognito_identity`` JSON; ``trace_id`` is the whole
        trace header, made up if None and absent if empty. ``log_type`` is for the Invoke API: the
        result always has its log, which waits for the end of the invocation; unless it is to be ``prompt``:
        then it is there as soon as its payload is, and the function may still work on. While
        ``client_has_left`` says so, the next event need not wait for this one.
        """
        invocation = self._invocation(
            event,
            request_id=request_id,
            qualifier=qualifier,
            arn=arn,
            content_type=content_type,
            trace_id=trace_id,
            client_context=client_context,
            cognito_identity=cognito_identity,
            tenant_id=tenant_id,
            # Nobody ever waits for an ``Event``.
            client_has_left=(lambda: False) if invocation_type == "Event" else client_has_left,
        )
        result = Result(200, invocation.request_id, self._configuration.version)
        if invocation_type == "DryRun":
            result.status = 204
            return result
        self._queue.put(invocation)
        if invocation_type == "Event":
            result.status = 202
            return result
        invocation.answered.wait()
        if not prompt:
            invocation.finished.wait(self._answer_grace_s)
        answer = invocation.answer
        assert answer is not None
        result.payload = answer.body
        result.function_error = "Unhandled" if answer.is_error else None
        result.content_type = answer.content_type
        result.response_mode = answer.response_mode
        result.trailers = answer.trailers
        result.log = invocation.log or self._log.since(invocation.log_start)
        result.report = invocation.report
        return result

    def invoke_streaming(
        self, event: bytes = b"{}", *, invocation_type: str = "RequestResponse", **details: Any
    ) -> StreamingResult:
        """Put one event in the queue and wait until its answer begins, or fails.

        ``details`` are the keywords of `invoke`. There is no ``Event`` that streams.
        """
        invocation = self._invocation(event, streaming=True, **details)
        version = self._configuration.version
        assert invocation.stream is not None
        if invocation_type == "DryRun":
            invocation.stream.end()
            invocation.finished.set()
            return StreamingResult(204, version, invocation, self._log, 0)
        self._queue.put(invocation)
        invocation.stream.wait_for_head()
        return StreamingResult(200, version, invocation, self._log, self._answer_grace_s)

    def _invocation(
        self,
        event: bytes,
        *,
        qualifier: str | None = None,
        arn: str | None = None,
        log_type: str = "None",
        **details: Any,
    ) -> Invocation:
        return Invocation(
            event,
            arn=arn or self.arn(qualifier=qualifier),
            invocation_id=str(uuid.uuid4()) if self._invocation_ids else None,
            **details,
        )

    # From here on everything happens on the thread that works off the queue.

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
            except Exception as error:  # a mistake of the emulator's; nobody shall wait for ever
                reason = f"the emulator has failed: {describe(error)}"
                self._platform.error(reason, invocation.request_id)
                message = f"RequestId: {invocation.request_id} Error: {reason}"
                invocation.settle(platform_error("Sandbox.Failure", message))
                self._stop_environment(self._environment)
                invocation.finished.set()

    def _handle(self, invocation: Invocation) -> None:
        """One invocation, from the queue to its REPORT line."""
        environment = self._ready_environment()
        invocation.log_start = len(self._log) if environment.used else environment.log_start
        self._platform.start(invocation)
        began = time.monotonic()
        timeout_s = self._configuration.timeout_s
        if environment.init_outcome == TIMED_OUT:
            # An init phase that took too long is repeated inside the first invocation, on its time.
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
            self._memory_exceeded = True  # said once: what has been used at most does not become less
            self._platform.warning("More memory was used than the function has: Lambda would have killed it.")
        invocation.finished.set()

    def _explain(self, outcome: str, invocation: Invocation, environment: Environment) -> None:
        """Say in the log, the report and the answer (if there is none yet) why an invocation has failed."""
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

        On Lambda, too, the function continues, and other clients get other environments.
        """
        with self._lock:
            waiting = not self._queue.empty() and not self._closed and environment is self._environment
            if not waiting or not invocation.unwanted:
                return
            self._left[environment] = self._worker
            self._environment = None
            self._worker = threading.Thread(target=self._work, name="function", daemon=True)
            self._worker.start()
            surplus = list(self._left)[:-MOST_LEFT]
        self._platform.warning(
            f"The client of RequestId {invocation.request_id} has left. The function continues, as on Lambda;"
            " the next event gets a new environment."
        )
        for oldest in surplus:
            oldest.end()

    def _ready_environment(self) -> Environment:
        """The environment for the next invocation: the one that waits, or a new one."""
        changed = self._sources.changed() if self._sources is not None else []
        if changed:
            self._stop_environment(self._environment)
            files = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
            self._platform.warning(f"A source file has changed: {files}. A new environment starts.")
        return self._environment or self._start_environment(self._init_timeout_s)

    def _start_environment(self, init_timeout_s: float) -> Environment:
        """Start an environment, in place of the present one, and wait for the end of its init phase."""
        self._stop_environment(self._environment)
        environment = Environment(self._configuration, self._log, self._platform, self.frames, self.requests)
        self._environment = environment
        self._starts += 1
        self._pid = environment.pid
        if self._closed:  # close() may have come too early to see it
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
