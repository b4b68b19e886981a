"""Wait for what is ``async``, on one event loop that lives as long as the environment.

Not a loop for each invocation: clients and pools that a function keeps between invocations belong to the
loop they were made on, and tasks it left behind go on with the next one. For the same reason a loop that the
function has made while it was loaded, and has made the current one, is this loop.
"""

from __future__ import annotations

from time import monotonic

from . import process_exit
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any

TURN_S = 0.01  # long enough for another thread to hand on a signal that it has received
TURNS = 10  # of the loop, more than it needs from noticing a signal to the last callback, however slow it is

_STOPPED = "Event loop stopped before Future completed."  # the words of asyncio, and of uvloop

_excluded: list[Any] = []
_loop: AbstractEventLoop | None = None


def wait_for(awaitable: Any) -> Any:
    """The result of ``awaitable``; what it raises goes through.

    Should anything else interrupt the wait (a signal handler that raises), ``awaitable`` is cancelled: it
    must not go on in the middle of a later invocation.
    """
    asyncio = load_stdlib("asyncio")
    loop = _current()
    future = asyncio.ensure_future(awaitable, loop=loop)
    try:
        while True:
            try:
                return loop.run_until_complete(future)
            except RuntimeError as error:
                # After SIGTERM many stop their loop; the handler may answer all the same.
                if process_exit.end_at is None or str(error) != _STOPPED:
                    raise
    except BaseException:
        if not future.done():
            future.cancel()
            loop.run_until_complete(asyncio.wait([future], timeout=1))
        raise


def is_running() -> bool:
    """Whether this is called by something that runs on the loop."""
    return _loop is not None and _loop.is_running()


def exclude_from_drain(task: Any) -> None:
    """Note a task that ends only with the process: nobody is to wait for it."""
    _excluded.append(task)


def drain(seconds: float, signal: int | None = None) -> None:
    """Give pending callbacks their turn, and tasks at most ``seconds``, if the loop is not running now.

    First ``signal`` is raised, if there is one. No task of ours takes part: what the function does in the
    end may be to cancel all tasks, or to stop the loop.
    """
    asyncio = load_stdlib("asyncio")
    loop = _current()
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
    """Run the loop until somebody stops it, or the time is over; some turns in any case."""
    timer = loop.call_later(max(0.0, seconds), _stop_after, loop, TURNS)
    loop.run_forever()
    timer.cancel()


def _stop_after(loop: AbstractEventLoop, turns: int) -> None:
    if turns:
        loop.call_soon(_stop_after, loop, turns - 1)
    else:
        loop.stop()


def _current() -> AbstractEventLoop:
    """The loop that is kept; at first the one that the function has made, or a new one."""
    global _loop
    if _loop is None or _loop.is_closed():
        asyncio, warnings = load_stdlib("asyncio"), load_stdlib("warnings")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there may be none yet: Python 3.12 would warn, and make one
            try:
                _loop = asyncio.get_event_loop()
            except RuntimeError:  # since Python 3.14 that is all it does; before, after asyncio.run
                _loop = None
        if _loop is None or _loop.is_closed() or _loop.is_running():  # in a thread of the function
            _loop = asyncio.new_event_loop()
            asyncio.set_event_loop(_loop)
    return _loop


async def wait_fd(descriptor: int) -> None:
    """Wait until ``descriptor`` can be written to, or has something to read."""
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
