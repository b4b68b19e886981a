"""Serve several invocations at once (lambda-managed-instances-runtime): processes, and slots in each of them.

The process that Lambda starts becomes the parent. It forks workers and replaces those that die. A worker is
the ordinary runtime, or the one in `slots` if it has several slots. The first worker goes ahead: it alone
loads the function and tells the parent whether the handler is async and which modules of the standard library
are loaded. The parent imports these, so that all share their memory, and starts the other workers.

LAMBDA_RUNTIME_WORKERS selects the mode:

    fork      a process for each slot; each loads the function        the default for functions
    preload   the same, but the parent loads the function and forks   with the hooks for SnapStart
    async     a process for each CPU; one event loop in each          the default for async functions
    thread    one process; a thread for each slot
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` adds enum to the memory of each worker
import _socket
import os
import sys
import time

from .. import event_loop, process_exit
from ..connection import Connection
from ..errors import Fault, RuntimeApiError
from ..logs import FunctionLog, replace_standard_streams
from ..stdlib_import import load_stdlib
from .shared_stream import SharedStream, finish_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from ..environment import Settings
    from ..handler import Handler
    from ..runtime_api import Invocation, LambdaRuntimeClient
    from .stack_dump import StackDump

MODES = ("fork", "preload", "thread", "async")
AWS_MODES = {"process": "fork", "thread": "thread", "hybrid": "hybrid"}  # of AWS_LAMBDA_CONCURRENCY_MODE
CONCURRENCY_LIMIT = 1600

# How long workers may take to exit. Lambda kills all processes 300 to 500 ms after SIGTERM.
GRACE_S = 0.3
# A worker that dies is replaced at once, the next time after 0.1 s, then after twice that, and so on, until
# one has lived for a minute.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
STABLE_S = 60.0

_NOTE_BYTES = 128  # for the two ids of an invocation
_EARLY_MODULES = ("fcntl", "mmap", "select")  # that this module loads before the function
_END_SIGNALS = (_signal.SIGTERM, _signal.SIGINT)


class Worker:
    """A worker's view of itself and of its parent, to which it sends lines.

    With ``preload``, this object is in the parent until `note_loaded` returns in the workers.
    """

    def __init__(self, settings: Settings) -> None:
        """Fork the workers, unless the function must be loaded before; this returns only in the workers."""
        self.is_first = True  # this one reports init errors and registers for SIGTERM
        self.index = 0
        self.writer = -1  # the end of a pipe
        self.inode = 0
        self.requests: Any = None  # memory that is shared with the parent
        self.extension_id = "-"
        self._parent = _Parent(settings)
        if self._parent.mode == "preload":
            event_loop.postponed = []
        else:
            self._parent.run(self)
        replace_standard_streams(SharedStream)
        for name in _EARLY_MODULES:
            if any(os.path.exists(f"{settings.task_root}/{name}{suffix}") for suffix in ("", ".py")):
                sys.modules.pop(name, None)  # so that the function imports its own

    def check_settings(self) -> None:
        """Raise Fault if the environment variables for concurrency have values that cannot be used."""
        if self._parent.fault is not None:
            raise self._parent.fault

    def note_loaded(self, client: LambdaRuntimeClient, log: FunctionLog) -> None:
        """With ``preload``, fork the workers; this returns in them."""
        if self._parent.mode != "preload":
            return
        from . import snapstart

        client.connection.close()
        snapstart.before_snapshot()
        loops = event_loop.loops_to_renew()
        _warn_of_shared_state(log, loops)
        self._parent.run(self)
        event_loop.renew_loops(loops)
        client.connect()
        snapstart.after_restore()
        postponed, event_loop.postponed = event_loop.postponed or [], None
        for call in postponed:
            call()

    def serve(
        self,
        process_invocations: Callable[..., NoReturn],
        client: LambdaRuntimeClient,
        handler: Handler,
        log: FunctionLog,
        stack_dump: StackDump | None,
    ) -> NoReturn:
        """Tell the parent that the function is loaded, and run ``process_invocations`` for each slot."""
        parent = self._parent
        parent.settle_mode(is_async=_is_async(handler))
        modules = _stdlib_modules() if self.is_first and parent.mode == "fork" else []
        self._send(f"ready {parent.mode} {self.extension_id} {','.join(modules)}")

        def serve_slot(client: LambdaRuntimeClient, slot: int) -> NoReturn:
            process_invocations(client, handler, log, RequestNote(self.requests, slot, stack_dump))

        count = parent.slots_of(self.index)
        if count == 1:
            serve_slot(client, 0)
        from .slots import Slots

        for _ in range(1, count):
            client.add_sibling()
        slots = Slots(client.siblings, log, is_async=parent.mode == "async")
        slots.stack_dump = stack_dump
        slots.serve(serve_slot)

    def note_api_lost(self) -> None:
        """Tell the parent that the Runtime API cannot be used any more, by another worker either."""
        self._send("lost")

    def _send(self, line: str) -> None:
        data = f"{line}\n".encode()
        try:
            # The function may have closed the descriptor and reused its number.
            while data and os.fstat(self.writer).st_ino == self.inode:
                data = data[os.write(self.writer, data) :]
        except OSError:
            pass


class RequestNote:
    """The ids of the invocation in one slot, where the parent finds them if the worker dies."""

    def __init__(self, memory: Any, slot: int, stack_dump: StackDump | None) -> None:
        self._memory = memory
        self._stack_dump = stack_dump
        self._place = slice(slot * _NOTE_BYTES, (slot + 1) * _NOTE_BYTES)  # empty if it begins with 0

    def begin(self, invocation: Invocation) -> None:
        """Note the ids."""
        ids = f"{invocation.request_id} {invocation.invocation_id or ''}"
        text = ids.encode("utf-8", "replace")[:_NOTE_BYTES]
        self._memory[self._place] = text.ljust(_NOTE_BYTES, b"\0")
        if self._stack_dump is not None:
            self._stack_dump.begin(invocation)

    def end(self) -> None:
        """Clear the note and finish the lines: the invocation is over."""
        finish_lines()
        if self._stack_dump is not None:
            self._stack_dump.end()
        self._memory[self._place.start] = 0


class _Silence:
    """A log for messages that say nothing new."""

    def write_runtime_message(self, message: str, level: str = "ERROR") -> None:
        """Drop the message."""


class _Process:
    """A worker as the parent sees it."""

    def __init__(self, index: int, reader: int, life: int, requests: Any) -> None:
        self.index = index
        self.reader = reader  # the end of a pipe with its messages; -1 when that is closed
        self.life = life  # the end of a pipe that the worker watches, see `_end_with`
        self.requests = requests
        self.received = b""
        self.started_at = time.monotonic()
        self.last_word = ""


class _Parent:
    """The process that Lambda started."""

    def __init__(self, settings: Settings) -> None:
        self.mode = ""  # one of MODES or "hybrid"; empty until the first worker knows the handler
        self.fault: Fault | None = None
        self._log = FunctionLog(settings)
        self._address = settings.runtime_api
        self._output_path = settings.worker_output_path
        self._slots = 1  # of all processes together
        try:
            self._slots = _read_concurrency(settings.concurrency)
            self.mode = _read_mode()
        except Fault as fault:
            self.fault = fault
        self._pid = os.getpid()
        self._running: dict[int, _Process] = {}  # by process id
        self._due = {0: 0.0}  # the workers to start: index and time, by the monotonic clock
        self._is_ready = False  # whether the first worker has loaded the function
        self._delays_s: dict[int, float] = {}  # by index: the wait before the next replacement
        self._status = 1  # of the last worker
        self._extension: Any = None  # the connection on which the internal extension waits, see `shutdown`

    def settle_mode(self, *, is_async: bool) -> None:
        """Choose the default mode, unless the mode is known."""
        self.mode = self.mode or ("async" if is_async else "fork")

    def slots_of(self, index: int) -> int:
        """The slots of a process; those of a remainder go to the first ones."""
        share, rest = divmod(self._slots, self._processes())
        return share + (index < rest)

    def _processes(self) -> int:
        if self.mode in ("async", "hybrid"):
            return min(cpu_count(), self._slots)
        return 1 if self.mode == "thread" else self._slots

    def run(self, worker: Worker) -> None:
        """Start the workers and replace those that die. This returns in them only."""
        select = load_stdlib("select")
        if hasattr(os, "O_ASYNC"):
            load_stdlib("fcntl")  # here once, so that the workers share it, see `_end_with`

        self._before = [(number, _signal.getsignal(number)) for number in (*_END_SIGNALS, _signal.SIGCHLD)]
        for number in _END_SIGNALS:
            _signal.signal(number, lambda number, frame: self._end_all(number))
        _signal.signal(_signal.SIGCHLD, lambda number, frame: None)  # so that the next line works
        self._alarm = os.pipe()
        for descriptor in self._alarm:
            os.set_blocking(descriptor, False)
        self._previous_wakeup = _signal.set_wakeup_fd(self._alarm[1], warn_on_full_buffer=False)
        if self.mode == "preload":
            _freeze()
        while self._running or self._due:
            if self._start_due(worker):
                return
            wait_s = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
            readers = {process.reader: process for process in self._running.values() if process.reader >= 0}
            poll = select.poll()  # `select.select` takes no descriptor above 1023
            for reader in (self._alarm[0], *readers):
                poll.register(reader, select.POLLIN)
            for reader, _ in poll.poll(wait_s if wait_s is None else int(wait_s * 1000) + 1):
                if reader in readers:
                    self._receive(readers[reader])
                else:
                    os.read(reader, 4096)
            self._bury()
            if not self._is_ready and self._has_closed_its_pipe():
                # The function has closed all descriptors, so the first worker cannot say that it is ready.
                self._start_others(self.mode or "fork", "-", "")
        os._exit(self._status or 1)

    def _start_due(self, worker: Worker) -> bool:
        """Fork the workers whose time has come. Returns True in them."""
        for index, due in sorted(self._due.items()):
            if due > time.monotonic():
                continue
            del self._due[index]
            slots = self.slots_of(index) if self.mode else self._slots
            pipes: list[int] = []
            _signal.pthread_sigmask(_signal.SIG_BLOCK, _END_SIGNALS)  # while `_running` may be incomplete
            try:
                requests = _share_memory(slots * _NOTE_BYTES)
                pipes += os.pipe()
                pipes += os.pipe()
                reader, writer, life, watched = pipes
                os.set_blocking(reader, False)
                pid = os.fork()
                if pid == 0:
                    _end_with(self._pid, watched)
                    self._become_worker(worker, index, writer, requests, [reader, life])
                    return True
                self._running[pid] = _Process(index, reader, life, requests)
                pipes = [writer, watched]
            except OSError as error:  # there can be no more processes, or descriptors
                self._replace(index, f"A worker cannot be started: {error.strerror}")
            finally:
                _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _END_SIGNALS)
            for descriptor in pipes:
                os.close(descriptor)
        return False

    def _become_worker(
        self, worker: Worker, index: int, writer: int, requests: Any, inherited: list[int]
    ) -> None:
        """Prepare a new process to be a worker."""
        _signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._before:
            _signal.signal(number, handler)
        for process in self._running.values():
            inherited += [process.life, process.reader]
        for descriptor in (*self._alarm, *inherited):
            if descriptor >= 0:
                os.close(descriptor)
        if self._extension is not None:
            self._extension.close()
        process_exit.serve_from_here()
        if self._output_path:
            _redirect_output(self._output_path)
        worker.is_first = not self._is_ready
        worker.index, worker.requests = index, requests
        worker.writer, worker.inode = writer, os.fstat(writer).st_ino

    def _receive(self, process: _Process) -> None:
        """Read the messages of a worker."""
        try:
            data = os.read(process.reader, 65536)
        except BlockingIOError:  # none
            return
        if not data:  # the worker has ended, or closed the pipe
            os.close(process.reader)
            process.reader = -1
        *lines, process.received = (process.received + data).split(b"\n")
        for line in lines:
            process.last_word, *words = line.decode("utf-8", "replace").split(" ")
            if process.last_word == "ready" and not self._is_ready:
                self._start_others(*words)

    def _has_closed_its_pipe(self) -> bool:
        """Whether the first worker lives without its pipe. One that is ending has half a second for that."""
        for _ in range(50):  # not by the clock, because this process may be stopped meanwhile
            if all(process.reader >= 0 for process in self._running.values()):
                return False
            time.sleep(0.01)
            self._bury()
        return True

    def _start_others(self, mode: str, extension_id: str, modules: str) -> None:
        """Start the other workers, now that the first one is ready."""
        self.mode = mode
        if extension_id != "-":
            from . import shutdown

            try:
                self._extension = shutdown.wait_for_event(extension_id, Connection(self._address))
            except (RuntimeApiError, OSError) as error:
                self._log.write_process_message(f"The SIGTERM handler may never be called: {error}")
        for name in modules.split(",") if modules else ():
            try:
                __import__(name)
            except BaseException:  # it needs something that the function has changed before
                pass
        count = self._processes()
        self._is_ready = True
        self._due.update(dict.fromkeys(range(1, count), 0.0))
        if count > 1:
            _freeze()

    def _bury(self) -> None:
        """Look which workers have ended, and decide what follows."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._running.pop(pid, None)
            if process is None:
                continue  # process 1 also inherits orphans
            if process.reader >= 0:
                self._receive(process)  # its last messages
            for descriptor in (process.reader, process.life):
                if descriptor >= 0:
                    os.close(descriptor)
            if os.WIFEXITED(status):
                self._status = os.WEXITSTATUS(status)
                reason = f"Worker {pid} exited with status {self._status}"
            else:
                number = os.WTERMSIG(status)
                self._status = 128 + number
                reason = f"Worker {pid} was killed by signal {number}{_name_of_signal(number)}"
            memory = process.requests[:]
            texts = [memory[start : start + _NOTE_BYTES] for start in range(0, len(memory), _NOTE_BYTES)]
            notes = [text.rstrip(b"\0").decode("utf-8", "replace").split(" ") for text in texts if text[0]]
            if notes and process.last_word != "lost":
                self._post_errors(notes, reason)
            if notes:
                reason += f" during request {', '.join(note[0] for note in notes)}"
            if not self._is_ready and os.WIFEXITED(status):
                pass  # the first worker has reported why, and Lambda reports the status
            elif process.last_word == "lost" or not self._is_ready:
                self._log.write_process_message(f"{reason}. It is not replaced")
            else:
                if time.monotonic() - process.started_at > STABLE_S:
                    self._delays_s.pop(process.index, None)
                self._replace(process.index, reason)

    def _post_errors(self, notes: list[list[str]], reason: str) -> None:
        """Report the invocations of a worker that died: otherwise their callers would wait for the timeout.

        If the worker has sent a response before, Lambda refuses this.
        """
        from ..diagnostics import Diagnostic
        from ..http1 import Response
        from ..runtime_api import Invocation, LambdaRuntimeClient

        client = LambdaRuntimeClient(self._address, _Silence())  # type: ignore[arg-type]
        for request_id, invocation_id in notes:
            headers = {"lambda-runtime-aws-request-id": request_id}
            if invocation_id:
                headers["lambda-runtime-invocation-id"] = invocation_id
            invocation = Invocation(Response(200, headers, keep_alive=False))
            try:
                client.post_invocation_error(invocation, Diagnostic("Runtime.ExitError", reason))
            except RuntimeApiError:
                pass  # the workers will notice that the Runtime API is gone
        client.connection.close()

    def _replace(self, index: int, reason: str) -> None:
        """Start a worker anew, the first time at once, then after longer and longer waits."""
        delay_s = self._delays_s.get(index, 0.0)
        self._delays_s[index] = min(LONGEST_DELAY_S, max(FIRST_DELAY_S, 2 * delay_s))
        self._due[index] = time.monotonic() + delay_s
        when = f"in {delay_s:g} s" if delay_s else "now"
        self._log.write_process_message(f"{reason}. A new one starts {when}")

    def _end_all(self, number: int) -> NoReturn:
        """Forward a signal to the workers, wait until they have exited, and exit.

        The function may have a SIGTERM handler in each of them.
        """
        _signal_all(self._running, number)
        until = time.monotonic() + GRACE_S
        rest = [pid for pid in self._running if not _has_ended(pid)]
        while rest and time.monotonic() < until:
            time.sleep(0.002)
            rest = [pid for pid in rest if not _has_ended(pid)]
        _signal_all(rest, _signal.SIGKILL)
        os._exit(128 + number)


def _read_concurrency(text: str) -> int:
    """The number of invocations at a time. Raises Fault if it is not a number from 1 to 1600."""
    if text.isdecimal() and 1 <= int(text) <= CONCURRENCY_LIMIT:
        return int(text)
    raise Fault(
        "Runtime.InvalidConfiguration",
        f"AWS_LAMBDA_MAX_CONCURRENCY is {text!r}, expected a number from 1 to {CONCURRENCY_LIMIT}",
    )


def _read_mode() -> str:
    """The mode that the environment selects, or "" for the default. Raises Fault if it does not exist."""
    mode = os.environ.get("LAMBDA_RUNTIME_WORKERS", "")
    aws_mode = os.environ.get("AWS_LAMBDA_CONCURRENCY_MODE", "")
    if not mode and aws_mode in AWS_MODES:
        return AWS_MODES[aws_mode]
    if mode and mode not in MODES:
        problem = f"LAMBDA_RUNTIME_WORKERS is {mode!r}, expected {', '.join(MODES)}"
    elif aws_mode and not mode:
        problem = f"AWS_LAMBDA_CONCURRENCY_MODE is {aws_mode!r}, expected {', '.join(AWS_MODES)}"
    else:
        return mode
    raise Fault("Runtime.InvalidConfiguration", problem)


def cpu_count() -> int:
    """The CPUs that this environment may use: the cgroup's quota, or else those that the system offers it."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup version 2, or "max"
        pass
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    try:  # PyPy: a list such as 0-3,8
        with open("/proc/self/status") as file:
            allowed = next(line.split()[1] for line in file if line.startswith("Cpus_allowed_list"))
        ranges = [one.partition("-") for one in allowed.split(",")]
        return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)
    except (OSError, StopIteration):
        return os.cpu_count() or 1


def _is_async(handler: Any) -> bool:
    """Whether the outermost object is an async function; `asgi.handler` marks what it returns."""
    handler = getattr(handler, "func", handler)  # functools.partial
    if getattr(handler, "is_async", None) is True:
        return True
    code = getattr(handler, "__code__", None)
    if code is None and callable(handler):
        code = getattr(type(handler).__call__, "__code__", None)
    return code is not None and bool(code.co_flags & 0x280)  # CO_COROUTINE, CO_ASYNC_GENERATOR


def _stdlib_modules() -> list[str]:
    """The loaded modules of the standard library, or none if the function has replaced one of these."""
    folder = os.path.join(os.path.dirname(os.__file__), "")
    packages = tuple(folder + name for name in ("site-packages", "dist-packages"))
    names = []
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or getattr(module, "__name__", "") != name:
            continue
        if path.startswith(folder) and not path.startswith(packages):
            names.append(name)
        elif os.path.exists(f"{folder}{name}.py") or os.path.exists(f"{folder}{name}/__init__.py"):
            return []  # in the parent, others would import the original
    return names


def _share_memory(size_bytes: int) -> Any:
    """Memory that a process shares with the children that it forks from now on."""
    return load_stdlib("mmap").mmap(-1, size_bytes)


def _freeze() -> None:
    """Keep the garbage collector of the children from writing to every object: that would copy the memory."""
    import gc

    gc.collect()
    if hasattr(gc, "freeze"):  # not on PyPy
        gc.freeze()


def _warn_of_shared_state(log: FunctionLog, loops: Iterable[Any]) -> None:
    """Log what the function has that does not survive a fork, apart from event loops, which are renewed."""
    found = []
    renewed = {sock.fileno() for loop in loops for sock in (loop._ssock, loop._csock)}
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        names = ", ".join(one.name for one in threading.enumerate() if one is not threading.main_thread())
        found.append(f"threads, which end ({names})")
    sockets = 0
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            if int(number) > 2 and int(number) not in renewed:
                sockets += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        except OSError:  # the one that lists them
            pass
    if sockets:
        found.append(f"{sockets} open socket{'s' if sockets > 1 else ''}, which the workers share")
    if found:
        log.write_runtime_message(
            f"The function was loaded before the fork (preload) and has {' and '.join(found)}. Create them "
            "when they are first needed, or in a hook of snapshot_restore_py.register_after_restore",
            "WARNING",
        )


def _name_of_signal(number: int) -> str:
    try:
        return f" ({load_stdlib('signal').Signals(number).name})"
    except ValueError:  # a real-time signal
        return ""


def _signal_all(workers: Iterable[int], signal_number: int) -> None:
    for process in workers:
        try:
            os.kill(process, signal_number)
        except ProcessLookupError:
            pass  # it has just exited


def _has_ended(process: int) -> bool:
    try:
        return os.waitpid(process, os.WNOHANG)[0] == process
    except ChildProcessError:
        return True  # its status was read before


def _end_with(parent: int, watched: int) -> None:
    """Let the system end this process when its parent is gone, even if that was killed.

    Only the parent has the other end of this pipe, which carries no data. When it closes, the system sends
    SIGIO (fcntl(2), O_ASYNC; Linux does so for pipes), which ends a process that has no handler for it.
    """
    if not hasattr(os, "O_ASYNC"):
        return
    fcntl = load_stdlib("fcntl")
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETFL, fcntl.fcntl(watched, fcntl.F_GETFL) | os.O_ASYNC)
    if os.getppid() != parent:
        os._exit(1)


def _redirect_output(path: str) -> None:
    """Connect stdout and stderr to the platform's log, each with its own connection."""
    for descriptor in (1, 2):
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.connect(path)
        os.dup2(sock.fileno(), descriptor)
        sock.close()
