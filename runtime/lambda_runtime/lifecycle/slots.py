"""Serve several invocations in one process: each slot is a thread with the ordinary loop and a connection.

The main thread runs the event loop, on which the coroutines of all slots run, and Python's signal handlers.
What belongs to one invocation is in context variables: a thread has its own, and a task those of the thread
that created it.
"""

from __future__ import annotations

import os
import sys
import time

from .. import environment, event_loop, process_exit
from ..stdlib_import import load_stdlib
from . import shared_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn

    from ..logs import FunctionLog
    from ..runtime_api import LambdaRuntimeClient
    from .stack_dump import StackDump

ContextVar = load_stdlib("contextvars").ContextVar
threading = load_stdlib("threading")

BLOCKED_S = 0.25  # a loop that does not begin a coroutine for so long is reported
GRACE_S = 1.0  # after its deadline, an awaited coroutine is cancelled, and any invocation is reported
CANCEL_S = 1.0  # for what it does then
# What the runtime may import later. It does so here, because two threads must not do it at the same time.
MODULES = ("binascii", "json", "re", "select", "traceback", "warnings")
LOOP_MODULES = ("asyncio",)  # the same for coroutines; other functions save 6 MB
TICK_S = 1.0  # how often the main thread looks for invocations after their deadline

# As the main thread has: with less, nested JSON in an event can end CPython 3.13. musl's default is 1 MB.
STACK_BYTES = 8 * 1024 * 1024

_request_id: Any = ContextVar("lambda_runtime.request_id", default="")
_tenant_id: Any = ContextVar("lambda_runtime.tenant_id", default=None)
_trace_id: Any = ContextVar("lambda_runtime.trace_id", default=None)


class Slots:
    """The slots of this process, and the loop that they share."""

    def __init__(self, clients: Sequence[LambdaRuntimeClient], log: FunctionLog, *, is_async: bool) -> None:
        """``clients``: one for each slot; ``is_async``: the handler needs the loop at once."""
        self._clients = clients
        self._log = log
        self._client_of: dict[int, LambdaRuntimeClient] = {}  # by thread
        self._loop: AbstractEventLoop | None = None
        self._loop_wanted = is_async
        self._loop_ready = threading.Event()
        self._wake = threading.Event()  # the main thread has something to do
        self._error: BaseException | None = None  # what ended a slot
        self._reported: set[str] = set()  # requests after their deadline that still run
        self._warned = False
        self._tick_due = float("inf")  # by the monotonic clock
        self.stack_dump: StackDump | None = None  # its timer is set for one invocation at a time

    def serve(self, process: Callable[[LambdaRuntimeClient, int], NoReturn]) -> NoReturn:
        """Run ``process`` in a thread for each slot. Raises the error with which one of them ends."""
        for name in (*MODULES, *LOOP_MODULES) if self._loop_wanted else MODULES:
            load_stdlib(name)
        process_exit.is_shared = True
        event_loop.submit, event_loop.main_thread = self.submit, process_exit.get_ident()
        self._log.ids = _Ids()
        shared_stream.writer = lambda: _request_id.get() or process_exit.get_ident()
        _share_environ()
        before = threading.stack_size(STACK_BYTES)
        for slot, client in enumerate(self._clients):
            threading.Thread(
                target=self._run, args=(process, client, slot), name=f"slot-{slot}", daemon=True
            ).start()
        threading.stack_size(before)
        while self._error is None:
            if self._loop_wanted:
                self._run_loop()
            else:
                self._wake.wait(self._clients[0].look_up_s or TICK_S)
                self._report_overruns()
        raise self._error

    def _run(self, process: Callable[..., NoReturn], client: LambdaRuntimeClient, slot: int) -> None:
        self._client_of[process_exit.get_ident()] = client
        try:
            process(client, slot)
        except BaseException as error:
            if process_exit.in_child():
                process_exit.exit_now(process_exit.exit_status(error))  # its only thread ends here
            self._error = error
            self._wake.set()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)

    def _run_loop(self) -> None:
        """Run the loop until a slot has ended, or the function stops it: then the caller runs it again."""
        for name in LOOP_MODULES:  # in this thread, while the slots that need it wait
            load_stdlib(name)
        self._loop = event_loop.current()
        self._loop_ready.set()
        if self._error is not None:  # of a slot that could not stop this loop yet
            return
        self._tick(self._loop)
        self._loop.run_forever()
        self._ticking.cancel()

    def _tick(self, loop: AbstractEventLoop) -> None:
        """Let Python call signal handlers from time to time, and look for overruns."""
        self._report_overruns()
        wait_s = self._clients[0].look_up_s or TICK_S
        self._tick_due = time.monotonic() + wait_s
        self._ticking = loop.call_later(wait_s, self._tick, loop)

    def submit(self, awaitable: Any) -> Any:
        """Let the loop of the main thread await ``awaitable``, and wait for the result in this thread."""
        if not self._loop_wanted:
            self._loop_wanted = True
            self._wake.set()
        self._loop_ready.wait()
        assert self._loop is not None
        call = _Call(awaitable, self._loop)
        self._loop.call_soon_threadsafe(call.begin)  # with less CPU than run_coroutine_threadsafe
        if not call.ended.acquire(timeout=BLOCKED_S):
            if not call.begun:
                self._warn_of_blocked_loop(lambda: not call.begun)
            if not self._wait_for_end(call):
                self._loop.call_soon_threadsafe(call.cancel)
                if call.begun:  # it may be streaming, and its end must come before the error
                    call.ended.acquire(timeout=CANCEL_S)
                raise TimeoutError(
                    f"Cancelled, because it was still running {GRACE_S:g} s after the deadline"
                )
        return call.result()

    def _wait_for_end(self, call: _Call) -> bool:
        """Wait until a call has ended or its time is over; from time to time, look whether the loop turns."""
        while not self._warned:
            left_s = self._time_left()
            if 0 <= left_s <= TICK_S:
                break
            if call.ended.acquire(timeout=TICK_S):
                return True
            if self._is_overdue() and sum(client.invocation is not None for client in self._clients) > 1:
                self._warn_of_blocked_loop(self._is_overdue)
        ended: bool = call.ended.acquire(timeout=self._time_left())
        return ended

    def _is_overdue(self) -> bool:
        """Whether the loop has not turned when it should have."""
        return time.monotonic() > self._tick_due + BLOCKED_S

    def _time_left(self) -> float:
        """The seconds that the invocation of this thread may still be awaited, -1 without a limit."""
        client = self._client_of.get(process_exit.get_ident())
        invocation = client.invocation if client is not None else None
        if invocation is None or not invocation.deadline_ms:
            return -1
        left_s = invocation.deadline_ms / 1000 + GRACE_S - time.time()
        return max(0.0, left_s) if left_s < 1e6 else -1

    def _warn_of_blocked_loop(self, is_blocked: Callable[[], bool]) -> None:
        """Report once what blocks the event loop while other invocations wait to begin or to continue.

        A machine that is busy delays everything. So the function must be there before and after another wait.
        """
        before = self._running_task(), bool(self._place_in_function())
        process_exit.sleep(BLOCKED_S / 5)
        task, place = self._running_task(), self._place_in_function()
        if self._warned or not is_blocked() or not place or (task, True) != before:
            return
        self._warned = True
        request_id = _request_of(task)
        self._warn(
            request_id,
            f"The event loop has been blocked for {BLOCKED_S * 1000:.0f} ms while other invocations wait: "
            f"{place}{request_id and f', during request {request_id}'}. Await instead of blocking "
            "(asyncio.to_thread), or set LAMBDA_RUNTIME_WORKERS=fork",
        )

    def _warn(self, request_id: str, message: str) -> None:
        """Log a warning about a request that is not the one of this thread."""
        token = _request_id.set(request_id)
        self._log.write_runtime_message(message, "WARNING")
        _request_id.reset(token)

    def _running_task(self) -> Any:
        """The task that the loop executes now, or None."""
        return load_stdlib("asyncio").current_task(self._loop)

    def _place_in_function(self) -> str:
        """The line of the function that the main thread executes, or "" if it is not in the function."""
        frame = sys._current_frames().get(threading.main_thread().ident)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(os.environ.get("LAMBDA_TASK_ROOT", "/")):
                return f"{path}, line {frame.f_lineno}, in {frame.f_code.co_name}"
            frame = frame.f_back
        return ""

    def _report_overruns(self) -> None:
        """Log each invocation that is still running after its deadline: its slot is not free."""
        if self.stack_dump is not None:
            self.stack_dump.renew()
        now_ms = (time.time() - GRACE_S) * 1000
        running = [client.invocation for client in self._clients]
        late = [one for one in running if one is not None and 0 < one.deadline_ms < now_ms]
        reported, self._reported = self._reported, {one.request_id for one in late}
        for invocation in late:
            if invocation.request_id not in reported:
                self._warn(
                    invocation.request_id,
                    f"Request {invocation.request_id} is still running {GRACE_S:g} s after its deadline, and "
                    "keeps its slot",
                )


def _request_of(task: Any) -> str:
    """The request that a task belongs to, as far as Python can tell."""
    get_context = getattr(task, "get_context", None)  # since Python 3.12
    if get_context is not None:
        return str(get_context().get(_request_id, ""))
    return task.get_name() if task is not None else ""


class _Call:
    """One awaited object. Its exception is a value: SystemExit would otherwise end the loop of all slots."""

    def __init__(self, awaitable: Any, loop: AbstractEventLoop) -> None:
        self.begun = False
        self.ended = threading.Lock()  # released at the end
        self.ended.acquire()
        self._awaitable = awaitable
        self._loop = loop
        self._task: Any = None
        self._value: Any = None
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Create the task, on the loop, in the context of the thread that waits."""
        try:
            self._task = self._loop.create_task(self._run())
            self._task.set_name(_request_id.get())  # for the warning and for debuggers
            self._task.add_done_callback(self._end)
        except BaseException as error:  # in the function's task factory
            self._error = error
            self.ended.release()

    def cancel(self) -> None:
        """Cancel the task, on the loop."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        self.begun = True
        try:
            self._value = await self._awaitable
        except BaseException as error:
            self._error = error

    def _end(self, task: Any) -> None:
        if task.cancelled():  # before it began
            self._error = load_stdlib("asyncio").CancelledError()
        self.ended.release()

    def result(self) -> Any:
        """The result of the awaitable. Raises its exception."""
        if self._error is not None:
            raise self._error
        return self._value


class _Ids:
    """The ids of the invocation of the caller, like `FunctionLog`."""

    request_id = property(lambda self: _request_id.get(), lambda self, value: _request_id.set(value))
    tenant_id = property(lambda self: _tenant_id.get(), lambda self, value: _tenant_id.set(value))


class _TraceVariables:
    """Stands for `os.environ` in `environment.set_trace_id`, without the variables that C code reads.

    Those belong to the process. A child process would inherit the trace id of another invocation.
    """

    def __setitem__(self, name: str, value: str) -> None:
        _trace_id.set(os.fsencode(value))

    def __delitem__(self, name: str) -> None:
        _trace_id.set(None)

    def __contains__(self, name: str) -> bool:
        return _trace_id.get() is not None


_TRACE_KEY = os.fsencode(environment.TRACE_ID)


class _Variables(dict):  # type: ignore[type-arg]
    """The data of `os.environ`, in which the trace id is that of the invocation of the caller.

    So the X-Ray SDK, botocore, OpenTelemetry and Powertools find it where they look for it.
    """

    def __getitem__(self, key: bytes) -> bytes:
        if key != _TRACE_KEY:
            value: bytes = dict.__getitem__(self, key)
            return value
        trace_id: bytes | None = _trace_id.get()
        if trace_id is None:
            raise KeyError(key)
        return trace_id

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if key == _TRACE_KEY:
            _trace_id.set(value)
        else:
            dict.__setitem__(self, key, value)

    def __delitem__(self, key: bytes) -> None:
        if key != _TRACE_KEY:
            dict.__delitem__(self, key)
        elif _trace_id.get() is None:
            raise KeyError(key)
        else:
            _trace_id.set(None)

    def __contains__(self, key: object) -> bool:
        return _trace_id.get() is not None if key == _TRACE_KEY else dict.__contains__(self, key)

    def __iter__(self) -> Iterator[bytes]:
        names = list(dict.keys(self))  # in one step, because another thread may add a variable
        if _trace_id.get() is not None:
            names.append(_TRACE_KEY)
        return iter(names)

    def __len__(self) -> int:
        return dict.__len__(self) + (_trace_id.get() is not None)

    def items(self) -> Any:
        return [(key, self[key]) for key in self]


def _share_environ() -> None:
    """Let `os.environ` show each invocation its own trace id."""
    os.environ.pop(environment.TRACE_ID, None)
    environment.trace_variables = _TraceVariables()  # type: ignore[assignment]
    data = getattr(os.environ, "_data", None)  # an implementation detail of CPython and PyPy
    if type(data) is dict:
        os.environ._data = os.environb._data = _Variables(data)  # type: ignore[attr-defined]
