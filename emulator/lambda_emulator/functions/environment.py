"""Run the function's process the way Lambda does, from its start to its end.

An environment serves many invocations: one after the other, or on managed instances several at the same time.
`pool` decides which and for how long.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

from lambda_emulator.deployment.sandbox import OUTER_PROCESSES
from lambda_emulator.functions.configuration import variables
from lambda_emulator.functions.credentials import CredentialsUnavailable
from lambda_emulator.functions.invocation import exit_reason
from lambda_emulator.functions.log import FrameDecoder, Pipe, PipeReader
from lambda_emulator.functions.memory import MemoryGauge, process_tree
from lambda_emulator.functions.output_socket import OutputSocket
from lambda_emulator.functions.platform_log import platform_log
from lambda_emulator.functions.stacks import BEFORE_VARIABLE, Stacks
from lambda_emulator.functions.stacks import variables as stack_variables
from lambda_emulator.servers.managed_api import ManagedRuntimeApi
from lambda_emulator.servers.runtime_api import RuntimeApi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.functions.credentials import Keys
    from lambda_emulator.functions.invocation import FunctionResponse, Invocation
    from lambda_emulator.functions.log import Frame, LogStream
    from lambda_emulator.servers.runtime_api import Recorded

# The outcomes of an init phase or an invocation.
COMPLETED = "completed"  # the runtime called `next`
FAILED = "failed"  # the runtime reported an init error
EXITED = "exited"
TIMED_OUT = "timed out"  # an init phase is then repeated
RESTORE_TIMED_OUT = "restore timed out"

# How long to wait for a runtime to exit after it has reported an init error.
EXIT_GRACE_S = 10.0

# How often to compare the memory of a process with its limit.
BUSY_INTERVAL_S = 0.02
IDLE_INTERVAL_S = 0.5

# How long to keep reading the requests of a process that has exited.
SETTLE_S = 0.5

# Processes are started by one thread that lives as long as the emulator, because Linux ends them with the
# thread that started them: see `_die_with_the_emulator`, and bubblewrap's --die-with-parent.
_launcher = ThreadPoolExecutor(1, "launcher")
_PR_SET_PDEATHSIG = 1


class Environment:
    """A process of the function, from its start to its end."""

    def __init__(
        self,
        configuration: Configuration,
        log: LogStream,
        frames: list[Frame],
        record: Callable[[Recorded], None],
        *,
        on_room: Callable[[], None],
        on_exit: Callable[[Environment], None],
        undo: ExitStack,
    ) -> None:
        """Start the process.

        ``on_room`` is called when one of several slots is free again, or none will be; ``on_exit`` when the
        process has ended, before its callers learn of it. ``undo`` receives what must be closed if this
        raises, because the system has no more descriptors or threads.
        """
        self.number = 0  # counts the environments of the function; the pool sets it
        self.log = log
        self.platform = platform_log(log, configuration)
        self.active: list[Invocation] = []  # in its slots; the pool's lock protects it
        self.exit_status: int | None = None  # negative: the signal
        self.memory = MemoryGauge()
        self.started = time.monotonic()
        self.init_ms = 0.0
        self.restore_ms: float | None = None  # None without a snapshot
        self._restore_began: float | None = None
        self.init_outcome = ""
        self._initializing = threading.Lock()
        self.used = False  # an invocation has been reported, and the init phase with it
        self.last_used = self.started
        self._configuration = configuration
        self._stopping = threading.Lock()
        self._stopped = False
        self._ended = threading.Event()  # the process has exited; its last requests may still be in flight
        self._on_room = on_room
        self._on_exit = on_exit
        output = Pipe(log.write, undo)
        telemetry = Pipe(FrameDecoder(frames, log).write, undo) if configuration.telemetry else None
        workers = OutputSocket(log.write) if configuration.managed and OutputSocket.available else None
        if workers is not None:
            undo.callback(workers.close)
        callbacks: dict[str, Any] = {
            "record": record,
            "on_pause": self._take_stock,
            "on_restore": self._restore,
            "on_error": self.platform.error,
        }
        if configuration.managed:
            callbacks["on_room"] = on_room
        self.api = (ManagedRuntimeApi if configuration.managed else RuntimeApi)(configuration, **callbacks)
        undo.callback(self.api.close)
        self._launch = configuration.deployment.lease() if configuration.deployment is not None else None
        command, folder, special = configuration.command, configuration.task_root, None
        if self._launch is not None:
            undo.callback(self._release_launch)
            folder, special = str(self._launch.folder), self._launch.variables
        self._outer = OUTER_PROCESSES if self._launch is not None and self._launch.in_sandbox else 0
        if configuration.debugging is not None:
            configuration.debugging.prepare()
        self.start_error: OSError | CredentialsUnavailable | None = None
        self.keys: Keys | None = None
        try:
            self.keys = configuration.credentials.keys() if configuration.credentials is not None else None
        except CredentialsUnavailable as problem:
            self.start_error = problem
        environment = variables(configuration, self.api.address, special, self.keys)
        self.stacks: Stacks | None = None
        pipes = [output] if telemetry is None else [output, telemetry]
        if configuration.locate_timeouts and BEFORE_VARIABLE not in environment:
            self.stacks = Stacks(environment, folder)
            pipes.append(Pipe(self.stacks.write, undo))
            environment.update(stack_variables(configuration.timeout_s, pipes[-1].writer))
        self._outputs: list[Pipe | OutputSocket] = [*pipes] if workers is None else [*pipes, workers]
        if telemetry is not None:
            environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(telemetry.writer)
        if workers is not None:
            environment["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"] = workers.path
        if self._launch is not None:
            command = self._launch.command(environment)
        self._program = command[0]
        self._reader = PipeReader(self._outputs)
        undo.callback(self._reader.stop)
        written_to = output.writer if configuration.debugging is None else configuration.debugging.output
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if self.start_error is not None:
                raise self.start_error
            self._process = _launcher.submit(
                _start,
                configuration.vcpus,
                args=command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL if configuration.debugging is None else None,
                stdout=written_to,
                stderr=written_to,
                pass_fds=[pipe.writer for pipe in pipes[1:]],
                start_new_session=True,  # a separate process group, which can be killed as a whole
            ).result()
            self.memory.watch(self._process.pid, self._outer)
        except (OSError, CredentialsUnavailable) as error:
            self.start_error = error
        except RuntimeError:  # Python is ending, and starts no thread any more
            self.start_error = OSError("the emulator is ending")
        undo.callback(self._signal, signal.SIGKILL)
        for pipe in pipes:
            pipe.close_writer()
        self._watcher = threading.Thread(target=self._watch, name="exit", daemon=True)
        self._watcher.start()
        if configuration.enforce_memory:
            threading.Thread(target=self._enforce_memory, name="memory", daemon=True).start()

    @property
    def has_room(self) -> bool:
        """Whether an event can be handled now, or would explain why none can. Read with the pool's lock."""
        if not isinstance(self.api, ManagedRuntimeApi):
            return not self.active
        with self.api.changed:  # a slot receives its event between the two counts otherwise
            promised = sum(not invocation.delivered for invocation in self.active)
            waits = self.init_outcome != COMPLETED or self.api.closed or self.api.waiting > promised
        return waits and self.has_room_soon

    @property
    def has_room_soon(self) -> bool:
        """Whether a slot is free, or expected to be soon, because its caller waits for nothing any more."""
        busy = sum(not invocation.satisfied for invocation in self.active)
        return busy < (self._configuration.managed or len(self.active) or 1)

    @property
    def is_idle(self) -> bool:
        """Whether it is initialized and has nothing to do. Read with the pool's lock."""
        return bool(self.init_outcome) and not self.active

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def max_memory_mb(self) -> int:
        used = self.memory.max_kb // 1024
        return min(used, self._configuration.memory_mb) if self._configuration.enforce_memory else used

    def forget_log(self) -> None:
        """Drop what no invocation needs any more."""
        end = len(self.log)  # first, because an invocation may begin meanwhile
        starts = [invocation.log_start for invocation in list(self.active)]
        self.log.forget(min([end, *(start for start in starts if start is not None)]))

    @property
    def init_error(self) -> FunctionResponse | None:
        return self.api.init_error

    def initialize(self, timeout_s: float) -> None:
        """Wait for the end of the init phase and of a restore phase, if any, which sets ``init_outcome``."""
        with self._initializing:
            if not self.init_outcome:
                outcome = self._initialize(timeout_s)
                self.last_used = time.monotonic()  # before it counts as idle
                self.init_outcome = outcome
                self._report_init()

    def _initialize(self, timeout_s: float) -> str:
        api = self.api
        with api.changed:
            api.changed.wait_for(lambda: self._restore_began is not None or self._is_initialized(), timeout_s)
            if self._restore_began is None:
                self.init_ms = (time.monotonic() - self.started) * 1000
            else:
                api.changed.wait_for(self._is_initialized, self._configuration.restore_timeout_s)
                self.restore_ms = (time.monotonic() - self._restore_began) * 1000
            if api.init_error is not None:
                api.changed.wait_for(lambda: api.closed, EXIT_GRACE_S)
                return FAILED
            if api.closed:
                return EXITED
            if api.ready:
                return COMPLETED
            return TIMED_OUT if self.restore_ms is None else RESTORE_TIMED_OUT

    def _is_initialized(self) -> bool:
        """Return whether the init phase is over, successfully or not."""
        return self.api.ready or self.api.init_error is not None or self.api.closed

    def _report_init(self) -> None:
        """Log the outcome of the init phase, unless the REPORT line does: a success without a restore."""
        status, error_type = "success", ""
        if self.init_outcome in (TIMED_OUT, RESTORE_TIMED_OUT):
            status = "timeout"
        elif self.init_outcome != COMPLETED:
            status = "error"
            error_type = self.init_error.error_type if self.init_error is not None else self.exit_reason()[1]
        if self.restore_ms is not None:
            self.platform.restore_report(self.restore_ms, status, error_type)
        elif self.init_outcome != COMPLETED or self._configuration.managed:
            self.platform.init_report(self.init_ms, status, error_type)

    def _restore(self) -> None:
        """Mark the end of the init phase: the snapshot is taken, and this process continues from it."""
        self._restore_began = time.monotonic()
        self.init_ms = (self._restore_began - self.started) * 1000
        self.platform.init_report(self.init_ms)
        self.platform.restore_start()

    def run(self, invocation: Invocation, timeout_s: float) -> str:
        """Pass one event to the runtime and wait until it is done with it.

        Return COMPLETED, EXITED or TIMED_OUT.
        """
        api = self.api
        with api.changed:
            if api.closed:
                return EXITED
            invocation.deadline_ms = int((time.time() + timeout_s) * 1000)
            api.offer(invocation)
            api.changed.wait_for(lambda: api.is_done(invocation) or api.closed, timeout_s)
            if api.is_done(invocation):
                return COMPLETED
            if api.closed:
                return EXITED
            api.expire(invocation)
            self._take_stock()
            return TIMED_OUT

    def exit_reason(self) -> tuple[str, str]:
        """Return why the process has ended: a message and an error type."""
        if isinstance(self.start_error, CredentialsUnavailable):
            return f"{self.start_error}. The next event tries again", "Sandbox.Failure"
        if self.start_error is not None:
            reason = os.strerror(self.start_error.errno or 0).lower()
            return f"fork/exec {self._program}: {reason}", "Runtime.InvalidEntrypoint"
        return exit_reason(self.exit_status or 0), "Runtime.ExitError"

    def end(self) -> None:
        """End the process as Lambda does.

        With an extension, send SIGTERM to the process group and wait for ``shutdown_grace_s`` before killing
        it. Without an extension, kill it at once.
        """
        if self.api.extensions and self._signal(signal.SIGTERM):
            self._ended.wait(self._configuration.shutdown_grace_s)
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End the process, and wait until its output and its requests have been read."""
        with self._stopping:
            if self._stopped:
                return
            self.end()
            self._watcher.join()
            self.api.close()
            self._reader.stop()
            self._release_launch()
            self._stopped = True

    def _release_launch(self) -> None:
        if self._launch is not None and self._configuration.deployment is not None:
            self._configuration.deployment.release(self._launch)

    def _signal(self, number: int) -> bool:
        """Signal the whole process group; return False if it no longer exists."""
        if self._process is None or self._process.returncode is not None:
            return False
        group = self._process.pid
        if self._outer:
            # Process 1 of the sandbox leads the group of the function. When it is killed, all others are, and
            # bubblewrap ends after them; if bubblewrap ended first, they would run on for some time.
            group = [group, *process_tree(group)[1:]][:2][-1]
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            return False  # already gone; macOS does not allow signals to a group of zombies
        return True

    def _take_stock(self) -> None:
        """Log the process's output and measure its memory, while the process waits for us."""
        for output in self._outputs:
            output.drain()
        self.memory.sample(certainly=self._configuration.enforce_memory)
        if self._configuration.enforce_memory:
            self._end_if_too_large()

    def _enforce_memory(self) -> None:
        """End the process when it uses more memory than the function has.

        cgroups would need privileges, and limits of a process (RLIMIT_AS, RLIMIT_DATA) count what is only
        reserved, such as the stacks of threads, and raise MemoryError instead of ending the process.
        """
        while not self._ended.wait(
            BUSY_INTERVAL_S if self.active or not self.init_outcome else IDLE_INTERVAL_S
        ):
            self.memory.sample()
            self._end_if_too_large()

    def _end_if_too_large(self) -> None:
        if self.memory.max_kb > self._configuration.memory_mb * 1024:
            self.api.killed = True
            self._signal(signal.SIGKILL)

    def _watch(self) -> None:
        """Wait for the end of the process, then read its last requests and its output."""
        if self._process is None:
            self._ended.set()
        else:
            _, status = os.waitpid(self._process.pid, 0)
            self._signal(signal.SIGKILL)  # its child processes end with the environment
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            if self._outer and code > 128:  # this is how bubblewrap passes on a signal
                code = 128 - code
            self._process.returncode = code  # so that neither subprocess waits for it nor we signal it again
            self._ended.set()
            self.api.settle(SETTLE_S)
            self._take_stock()
            self.exit_status = code
        try:
            self._on_exit(self)
        finally:
            self.api.hang_up()
            self._on_room()  # for the next event, which learns why there is no slot


def _start(vcpus: int | None, **options: Any) -> subprocess.Popen[bytes]:
    with _affinity(vcpus):
        die_with_us = None if _prctl is None else partial(_die_with_the_emulator, _prctl, os.getpid())
        return subprocess.Popen(**options, preexec_fn=die_with_us)


def _die_with_the_emulator(prctl: Callable[..., int], emulator: int) -> None:
    """Let Linux kill this process when the emulator ends, even if that is killed (prctl(2))."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != emulator:
        os._exit(1)


def _find_prctl() -> Callable[..., int] | None:
    try:
        import ctypes  # some Pythons are built without it

        return ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    except (ImportError, OSError, AttributeError):  # or no C library can be loaded
        return None


def _renew_launcher() -> None:
    """Give a process that was forked from this one its own thread."""
    global _launcher
    _launcher = ThreadPoolExecutor(1, "launcher")


_prctl = _find_prctl()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_launcher)


@contextmanager
def _affinity(vcpus: int | None) -> Iterator[None]:
    """Let processes that this thread starts run on ``vcpus`` of its processors."""
    if vcpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:vcpus])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
