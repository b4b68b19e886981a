"""Run the startup of an ASGI application in the init phase, and its shutdown when the process ends.

Source: https://asgi.readthedocs.io, "Lifespan Protocol".
"""

from __future__ import annotations

import os
import sys

from . import event_loop
from .http_event import ApplicationError
from .standard import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import atexit
    import signal
    from collections.abc import Awaitable, Callable
    from typing import Any

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]
else:
    asyncio, atexit, signal = load("asyncio"), load("atexit"), load("signal")

# How long a shutdown may take: Lambda kills the process 300 ms after SIGTERM.
SHUTDOWN_S = 0.25


class Lifespan:
    """The application's startup and shutdown, in one task that lives as long as the environment."""

    def __init__(self, app: Application, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._process = os.getpid()

    def begin(self, *, required: bool) -> None:
        """Run the startup, and see to it that the shutdown will run; nothing if there are none."""
        if not event_loop.wait_for(self._start(required)):
            return
        atexit.register(self._end)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # With a handler there, the runtime asks Lambda for SIGTERM, and makes the calls of `atexit` then.
            signal.signal(signal.SIGTERM, lambda number, frame: None)

    async def _start(self, required: bool) -> bool:
        """Whether the application has started; False if it does not know this protocol."""
        self._questions: asyncio.Queue[Message] = asyncio.Queue()
        self._replies: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run())
        reply = await self._ask("lifespan.startup")
        if reply["type"] == "lifespan.startup.complete":
            return True
        error = await self._error()
        if reply["type"] == "lifespan.startup.failed" or required:
            reason = reply.get("message") or reply["type"]
            raise error or ApplicationError(self._app, f"has not started: {reason}")
        if error is not None and self._questions.empty():  # it knows the protocol: it has asked
            problem = ApplicationError(self._app, f"has raised {error!r} while it was starting")
            sys.stderr.write(f"{problem}; it is served as it is. With lifespan='on' that is an init error.\n")
        return False

    async def _stop(self) -> None:
        if not self._task.done():
            reply = await self._ask("lifespan.shutdown")
            if reply["type"] != "lifespan.shutdown.complete":
                raise await self._error() or ApplicationError(
                    self._app, f"has not shut down: {reply.get('message') or reply['type']}"
                )

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._app(scope, self._questions.get, self._replies.put)
        finally:
            self._replies.put_nowait({"type": "none, it has ended"})

    async def _ask(self, question: str) -> Message:
        self._questions.put_nowait({"type": question})
        return await self._replies.get()

    async def _error(self) -> BaseException | None:
        """What the task has ended with, or does presently."""
        await asyncio.wait({self._task}, timeout=1)
        if not self._task.done():
            self._task.cancel()
            return None
        return None if self._task.cancelled() else self._task.exception()

    def _end(self) -> None:
        """Run the shutdown, at the end of the process."""
        loop = self._task.get_loop()
        if os.getpid() != self._process or loop.is_closed():
            return  # a child of the process ends, or there is nothing to run it on
        stop = asyncio.wait_for(self._stop(), SHUTDOWN_S)
        if loop.is_running():  # in the middle of an invocation, which another thread ends
            asyncio.run_coroutine_threadsafe(stop, loop).result(SHUTDOWN_S)
        else:
            event_loop.wait_for(stop)
