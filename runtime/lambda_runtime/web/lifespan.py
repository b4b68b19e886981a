"""Run the startup of an ASGI application in the init phase, and its shutdown when the process exits.

Source: https://asgi.readthedocs.io, "Lifespan Protocol".
"""

from __future__ import annotations

import os
import time

from .. import event_loop, process_exit, stdlib_import
from ..stdlib_import import load_stdlib
from .http_event import ApplicationError, log_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import atexit
    import functools
    import signal
    import threading
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from typing import Any, Union

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[Any]]  # Any: frameworks give messages different types
else:
    asyncio, atexit = load_stdlib("asyncio"), load_stdlib("atexit")
    functools, signal, threading = load_stdlib("functools"), load_stdlib("signal"), load_stdlib("threading")

CHOICES = ("auto", "on", "off")
STARTUP = ("lifespan.startup.complete", "lifespan.startup.failed")
SHUTDOWN = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")
# How long a shutdown may take: Lambda kills the process 300 ms after SIGTERM.
SHUTDOWN_S = 0.25
_shared: list[Lifespan] = []
_lock = threading.Lock()  # for handlers and loops in several threads


def lifespan_of(app: Application, choice: str) -> Lifespan:
    """Return the lifespan that all handlers of ``app`` share or, with ``"off"``, one that does nothing."""
    if choice not in CHOICES:
        raise ValueError(f"lifespan is {choice!r}, expected 'auto', 'on' or 'off'")
    with _lock:
        lifespan = next((one for one in _shared if _is_same(one._app, app)), None)
        if lifespan is None or choice == "off":
            lifespan = Lifespan(app, choice)
            if choice != "off":
                _shared.append(lifespan)
        elif choice == "on":
            lifespan.demand()
    return lifespan


def _is_same(one: Application, other: Application) -> bool:
    """Whether both are the same application. Each access to a bound method creates another object."""
    function = getattr(one, "__func__", None)
    return one is other or (
        function is not None
        and function is getattr(other, "__func__", None)
        and one.__self__ is getattr(other, "__self__", None)  # type: ignore[attr-defined]
    )


class Lifespan:
    """The startup and shutdown of an application, on each event loop that serves its requests."""

    def __init__(self, app: Application, choice: str) -> None:
        self._app = app
        self._choice = choice
        self._runs: dict[asyncio.AbstractEventLoop, Run] = {}  # threads may have their own loops

    def demand(self) -> None:
        """Start again with ``"on"``, unless the lifespan has started."""
        self._choice = "on"
        for run in list(self._runs.values()):
            if run.starting is None and not run.has_started:
                self._forget(run)

    def begin_on_load(self) -> None:
        """Run the startup now, if this is the init phase.

        Elsewhere, for example in a test, importing a module must not run anything: there the first request
        runs the startup, see `state`.
        """
        if self._choice == "off" or not _is_init_phase():
            return
        if event_loop.postponed is not None:  # each worker has its own connections
            event_loop.postponed.append(self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        event_loop.wait_for(self.state())
        if self._runs_here() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # If there is a handler, the runtime makes Lambda send SIGTERM, and then calls the `atexit`
            # functions.
            signal.signal(signal.SIGTERM, self._wait_for_atexit)

    def _wait_for_atexit(self, number: int, frame: Any) -> None:
        """Handle SIGTERM: exit if this is a child process; otherwise `atexit` runs the shutdown."""
        if os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    async def state(self) -> dict[str, Any]:
        """Return the state for one request. Runs the startup first if it has not run on this loop."""
        if self._choice == "off":
            return {}
        loop = asyncio.get_running_loop()
        run = self._runs.get(loop)
        if run is None:
            for other in list(self._runs):
                if other.is_closed():  # for example by asyncio.run
                    self._runs.pop(other, None)
            run = Run(self._app, loop)
            run.starting = asyncio.ensure_future(run.start(lambda: self._choice == "on"))
            run.starting.add_done_callback(functools.partial(self._note_startup, run))
            self._runs[loop] = run
        if run.starting is not None:
            await self._wait_for_startup(run, run.starting)
        return run.state.copy()

    async def _wait_for_startup(self, run: Run, starting: asyncio.Future[bool]) -> None:
        """Wait for a startup. If this request is cancelled, the startup continues for others that wait."""
        run.waiting += 1
        try:
            await asyncio.wait({starting})
        finally:
            run.waiting -= 1
            if not run.waiting and not starting.done():
                self._forget(run)
                starting.cancel()
        starting.result()  # raises the error of the startup

    def _note_startup(self, run: Run, starting: asyncio.Future[bool]) -> None:
        if starting.cancelled() or starting.exception() is not None:
            self._forget(run)
            run.task.cancel()
            return
        run.starting = None
        if run.has_started:
            self._process = run.process
            with _lock:
                atexit.unregister(self._end)
                atexit.register(self._end)

    def _forget(self, run: Run) -> None:
        """Let the next request on the loop run the startup."""
        if self._runs.get(run.loop) is run:
            del self._runs[run.loop]

    def _runs_here(self) -> list[Run]:
        """What has started in this process, not in the one that forked it, and can be shut down."""
        runs = [run for run in list(self._runs.values()) if run.has_started and not run.loop.is_closed()]
        return [run for run in runs if run.process == os.getpid()]

    def _end(self) -> None:
        """Run the shutdown on each loop when the process exits."""
        limit = process_exit.time_left(SHUTDOWN_S)
        until = time.monotonic() + limit
        for run, stop in [(run, run.begin_stop()) for run in self._runs_here()]:
            if asyncio.isfuture(stop):
                left = max(0.0, until - time.monotonic())
                run.loop.run_until_complete(asyncio.wait({stop}, timeout=left))
            while not stop.done() and not run.loop.is_closed() and time.monotonic() < until:
                time.sleep(0.002)
            if run.loop.is_closed() or stop.cancelled():
                continue  # asyncio.run has ended, which cancels all tasks
            if not stop.done():
                log_problem(f"{ApplicationError(self._app, f'has not shut down within {limit:.2f} s')}.")
                continue
            error = stop.exception()
            if error is not None:
                log_problem(f"{run.problem(error, 'while it was shutting down')}.", error)


class Run:
    """The lifespan on one event loop, in one task that lives as long as the loop."""

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.process = os.getpid()
        self.state: dict[str, Any] = {}
        self.starting: asyncio.Future[bool] | None = None  # None after the startup
        self.waiting = 0  # the requests that wait for the startup
        self.has_started = False  # stays False if the application does not support the protocol
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._replies: asyncio.Queue[Message] = asyncio.Queue()
        self._expected: tuple[str, ...] = STARTUP  # what the application may send next
        self._stopping = False
        self.task = asyncio.ensure_future(self._run())
        event_loop.exclude_from_drain(self.task)

    async def start(self, is_required: Callable[[], bool]) -> bool:
        """Run the startup. Returns False if the application does not support the protocol."""
        reply = await self._request("lifespan.startup")
        if reply["type"] == "lifespan.startup.complete":
            self.task.add_done_callback(self._note_end)
            self.has_started = True
            return True
        error = await self._error()
        if reply["type"] == "lifespan.startup.failed" or is_required():
            reason = reply.get("message") or reply["type"]
            raise error or ApplicationError(self._app, f"has not started: {reason}")
        # An application that received the message, or sent one, supports the protocol.
        if error is not None and (self._inbox.empty() or isinstance(error, ApplicationError)):
            problem = self.problem(error, "while it was starting")
            log_problem(
                f"{problem}; requests are served without it. With lifespan='on', this is an init error.",
                error,
            )
        return False

    def begin_stop(self) -> Union[Future[None], asyncio.Future[None]]:
        """Begin the shutdown, from a thread that may not be the one of the loop."""
        if self.loop.is_running():  # during an invocation, while another thread ends the process
            return asyncio.run_coroutine_threadsafe(self._stop(), self.loop)
        return asyncio.ensure_future(self._stop(), loop=self.loop)

    async def _stop(self) -> None:
        """Run the shutdown. Raises its error."""
        self._stopping = True
        if not self.task.done():
            reply = await self._request("lifespan.shutdown")
            if reply["type"] != "lifespan.shutdown.complete":
                raise await self._error() or ApplicationError(
                    self._app, f"has not shut down: {reply.get('message') or reply['type']}"
                )

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._inbox.get, self._send)
        finally:
            self._replies.put_nowait({"type": "the application has returned"})

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind in self._expected:
            self._expected = SHUTDOWN if kind == "lifespan.startup.complete" else ()
        elif kind.startswith("lifespan.") or self._expected is not STARTUP:
            expected = " or ".join(self._expected) or "nothing more"
            raise ApplicationError(self._app, f"has sent {kind}, expected {expected}")
        # Any other message, at the start, is a reply too: the application treats this scope as a request.
        self._replies.put_nowait(message)
        await asyncio.sleep(0)  # let the reply be read, even if the application sends without end

    async def _request(self, message_type: str) -> Message:
        self._inbox.put_nowait({"type": message_type})
        return await self._replies.get()

    async def _error(self) -> BaseException | None:
        """The exception of the task, which ends within a second."""
        await asyncio.wait({self.task}, timeout=1)
        if not self.task.done():
            self.task.cancel()
            return None
        return None if self.task.cancelled() else self.task.exception()

    def _note_end(self, task: asyncio.Future[None]) -> None:
        """Log the error of a task that ended before the shutdown."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._stopping and not isinstance(error, SystemExit):
            problem = self.problem(error, "in its lifespan, after the startup")
            log_problem(f"{problem}; requests are still served.", error)

    def problem(self, error: BaseException, when: str) -> BaseException:
        if isinstance(error, ApplicationError):
            return error
        return ApplicationError(self._app, f"has raised {error!r} {when}")


def _is_init_phase() -> bool:
    """Whether this runtime is loading the function, and the event loop is free."""
    return (
        bool(stdlib_import.function_folders)  # set only in a process that serves a function
        and threading.current_thread() is threading.main_thread()
        and asyncio._get_running_loop() is None
    )
