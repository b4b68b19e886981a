"""Measure the coverage of runtime/ in this process: imported by every Python of .environments/coverage.

Functions get neither our variables nor our arguments, and the emulator kills most of them. So the
settings are here, and the data is saved wherever a process ends. `make coverage` evaluates it.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from pathlib import Path

import coverage  # type: ignore[import-not-found,unused-ignore]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ENVIRONMENT = Path(sys.prefix)
DATA = ENVIRONMENT / "data"
SOURCE = ENVIRONMENT.parent.parent / "runtime" / "lambda_runtime"
SAVE = signal.SIGURG  # a process without a handler ignores it
PATIENCE_S = 1.0

# Each process writes its own file: the name ends with the process id and a random number, also after a fork.
measured = coverage.Coverage(
    data_file=str(DATA / "coverage"), data_suffix=True, config_file=False, branch=True, source=[str(SOURCE)]
)


def start() -> None:
    """Start measuring, and save before each way to end that Python knows."""
    measured.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported"])
    measured.start()
    # Coverage would stop measuring there, but the runtime goes on after the functions registered with atexit.
    atexit.unregister(measured._atexit)
    atexit.register(save)
    for name in ("_exit", "execv", "execve"):
        setattr(os, name, after_saving(getattr(os, name)))
    signal.signal(SAVE, save_and_die)
    os.killpg = kill_group  # the tests run the emulator
    # Coverage only traces the threads of `threading`.
    _thread.start_new_thread = start_thread  # type: ignore[assignment]


def save() -> None:
    try:
        measured.save()
    except Exception:  # for example because a signal interrupted another save
        pass


def after_saving(function: Callable[..., Any]) -> Callable[..., Any]:
    def save_first(*arguments: Any, **options: Any) -> Any:
        save()
        return function(*arguments, **options)

    return save_first


def save_and_die(number: int, frame: object) -> None:
    save()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_group(group: int, number: int, signal_group: Callable[[int, int], None] = os.killpg) -> None:
    """Signal a process group; before SIGKILL, let its processes save."""
    if number == signal.SIGKILL:
        signal_group(group, SAVE)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                signal_group(group, 0)
            except ProcessLookupError:
                return  # all have ended
            time.sleep(0.002)
    signal_group(group, number)


def start_thread(
    function: Callable[..., object],
    arguments: tuple[Any, ...],
    start_new_thread: Callable[..., int] = _thread.start_new_thread,
) -> int:
    def traced() -> None:
        sys.settrace(threading.gettrace())
        function(*arguments)

    return start_new_thread(traced, ())


start()
