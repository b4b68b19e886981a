"""Run coroutines on one event loop that lives as long as the environment.

All invocations share the loop, because clients and pools that a function keeps belong to the loop on which
they were created, and because background tasks resume with the next invocation. If the function created a
loop while it was loaded and made it the current one, that loop is used.
"""

from __future__ import annotations

import sys
from time import monotonic

from . import process_exit
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Any

TURN_S = 0.01  # long enough for another thread to write a signal to the loop
TURNS = 10  # more iterations than a loop needs from reading a signal to calling the callback

_STOPPED = "Event loop stopped before Future completed."  # the message of asyncio and of uvloop

# Awaits on the loop of the main thread, for other threads; `slots` sets both.
submit: Callable[[Any], Any] | None = None
main_thread: int | None = None
# What needs the loop and must wait until the function's process was forked; None if it will not be. `workers`
# sets it.
postponed: list[Callable[[], None]] | None = None
_excluded: list[Any] = []
_loop: AbstractEventLoop | None = None


class Pending:
    """An awaitable that has its own future, so that no task needs to wait for it."""

    def begin(self, loop: AbstractEventLoop) -> Any:
        """Return the future to wait for, or a task, on ``loop``, which is not running."""
        return load_stdlib("asyncio").ensure_future(self, loop=loop)


def wait_for(awaitable: Any) -> Any:
    """Return the result of ``awaitable``. Its exceptions propagate.

    If something else interrupts the wait, such as a signal handler that raises, ``awaitable`` is cancelled,
    so that it does not continue in a later invocation.
    """
    if submit is not None and process_exit.get_ident() != main_thread:
        return submit(awaitable)
    asyncio = load_stdlib("asyncio")
    loop = current()
    future: Any = None
    try:
        if isinstance(awaitable, Pending):
            future = awaitable.begin(loop)
        else:
            future = asyncio.ensure_future(awaitable, loop=loop)
        future.add_done_callback(_stop_in_child)
        while True:
            try:
                return loop.run_until_complete(future)
            except RuntimeError as error:
                # Many functions stop their loop on SIGTERM. The handler may still return a response.
                if process_exit.end_at is None or str(error) != _STOPPED:
                    raise
    except BaseException:
        if future is None:  # a signal handler raised when the task had been created, or before
            future = next((task for task in asyncio.all_tasks(loop) if task.get_coro() is awaitable), None)
        if future is not None and not future.done():
            future.cancel()
            loop.run_until_complete(asyncio.wait([future], timeout=1))
        elif future is not None and not future.cancelled() and future.exception() is None:
            # The loop is about to stop, but something else has ended it. This must not end its next run.
            loop.call_soon(loop.stop)
            loop.run_forever()
        raise


def _stop_in_child(future: Any) -> None:
    """Stop the loop in a process that the function forked: on Python 3.15, SystemExit does not stop it."""
    if process_exit.in_child():
        future.get_loop().stop()


def is_running() -> bool:
    """Whether the caller runs on the loop."""
    return _loop is not None and load_stdlib("asyncio")._get_running_loop() is _loop


def exclude_from_drain(task: Any) -> None:
    """Exclude a task that ends only with the process, so that `drain` does not wait for it."""
    _excluded.append(task)
    task.add_done_callback(_excluded.remove)


def drain(seconds: float, signal: int | None = None) -> None:
    """Run pending callbacks, and tasks for at most ``seconds``, unless the loop is running now.

    ``signal`` is raised on the loop first. Creates no task, because the function may cancel all tasks.
    """
    asyncio = load_stdlib("asyncio")
    loop = current()
    if loop.is_running():
        return
    if signal is not None:
        loop.call_soon(load_stdlib("signal").raise_signal, signal)
    until = monotonic() + seconds
    _run(loop, min(seconds, TURN_S))
    tasks = asyncio.all_tasks(loop).difference(_excluded)
    while tasks and monotonic() < until:
        for task in tasks:
            task.add_done_callback(lambda _: loop.stop())
        _run(loop, until - monotonic())
        tasks = asyncio.all_tasks(loop).difference(_excluded)


def _run(loop: AbstractEventLoop, seconds: float) -> None:
    """Run the loop until it is stopped or the time is over, but at least for some iterations."""
    timer = loop.call_later(max(0.0, seconds), _stop_after, loop, TURNS)
    loop.run_forever()
    timer.cancel()


def _stop_after(loop: AbstractEventLoop, turns: int) -> None:
    if turns:
        loop.call_soon(_stop_after, loop, turns - 1)
    else:
        loop.stop()


def current() -> AbstractEventLoop:
    """The loop to use: the previous one, else the one that the function created, else a new one."""
    global _loop
    if _loop is None or _loop.is_closed():
        asyncio, warnings = load_stdlib("asyncio"), load_stdlib("warnings")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns, and creates a loop, if there is none
            try:
                _loop = asyncio.get_event_loop()
            except RuntimeError:  # there is none: always on Python 3.14, before only after asyncio.run
                _loop = None
        if _loop is None or _loop.is_closed() or _loop.is_running():  # in another thread
            _loop = asyncio.new_event_loop()
            asyncio.set_event_loop(_loop)
    return _loop


async def wait_fd(descriptor: int) -> None:
    """Wait until ``descriptor`` is writable or readable."""
    loop = load_stdlib("asyncio").get_running_loop()
    future = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_writer(descriptor, wake)
    loop.add_reader(descriptor, wake)
    try:
        await future
    finally:
        loop.remove_writer(descriptor)
        loop.remove_reader(descriptor)


def loops_to_renew() -> list[Any]:
    """The event loops that exist before this process is forked, except those of uvloop."""
    module = sys.modules.get("asyncio.selector_events")
    kind = getattr(module, "BaseSelectorEventLoop", None)
    if kind is None:
        return []
    objects = load_stdlib("gc").get_objects()
    loops = [one for one in objects if issubclass(type(one), kind) and not one.is_closed()]
    if loops and issubclass(type(current()), kind) and _loop not in loops:
        loops.append(_loop)
    return loops


def renew_loops(loops: list[Any]) -> None:
    """Give this process its own parts of loops that it shares with the process that forked it."""
    for loop in loops:
        _renew(loop)
    if _loop is not None:
        load_stdlib("asyncio").set_event_loop(_loop)  # since Python 3.12, asyncio forgets it


def _renew(loop: Any) -> None:
    """Replace the selector (epoll) and the sockets that wake it up.

    If processes share them, the system wakes up one that waits, perhaps another one: then the result of a
    thread is never noticed. asyncio has no public method for this.
    """
    signal = load_stdlib("signal")
    selector = type(loop._selector)()
    for key in list(loop._selector.get_map().values()):
        selector.register(key.fileobj, key.events, key.data)
    loop._selector.close()
    loop._selector = selector
    previous = loop._csock.fileno()
    loop._close_self_pipe()
    loop._make_self_pipe()
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(loop._csock.fileno() if wakeup == previous else wakeup)
