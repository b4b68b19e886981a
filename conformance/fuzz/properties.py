"""Declare properties: how many inputs each is tried with, how long one may take, what is counted."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

ROOT = Path(__file__).resolve().parent.parent.parent

# Inputs of each property; `make fuzz` sets them. Without it the inputs are few, and the same each time.
EXAMPLES = int(os.environ.get("EXAMPLES") or 0)
FEW = 500

HANG_S = 20  # no input takes longer, unless something waits for ever


class Hang(Exception):
    """An input took longer than HANG_S."""


@dataclass
class Tried:
    """What was tried of one property."""

    name: str
    inputs: int = 0


tried: list[Tried] = []


def holds_for(*inputs: Any, cost: int = 1) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Turn a check of one input into a test of many.

    ``cost``: how much slower than others the check is. It is tried with as many times fewer inputs. A check
    that also tries variants of an input returns how many it has tried.
    """

    def declare(check: Callable[..., int | None]) -> Callable[..., None]:
        count = Tried(f"{check.__module__.rpartition('.')[2][5:]}: {check.__name__[5:].replace('_', ' ')}")
        tried.append(count)

        @functools.wraps(check)
        def one(*arguments: Any, **named: Any) -> None:
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
            try:
                count.inputs += check(*arguments, **named) or 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _show_progress(count)

        signal.signal(signal.SIGALRM, _report_hang)
        tested: Any = given(*inputs)
        test: Callable[..., None] = _settings(cost)(tested(one))
        return test

    return declare


def _settings(cost: int) -> Any:
    wanted = (EXAMPLES or FEW) // cost
    database: ExampleDatabase | None = None
    phases = [phase for phase in Phase if phase is not Phase.explain]
    if EXAMPLES:
        database = DirectoryBasedExampleDatabase(ROOT / ".hypothesis")
    return settings(
        max_examples=max(1, wanted),
        derandomize=not EXAMPLES,
        database=database,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def _report_hang(signum: int, frame: object) -> None:
    raise Hang(f"still busy after {HANG_S} s")


_shown_s = 0.0


def _show_progress(count: Tried) -> None:
    """Show the inputs so far, once a second, if somebody watches."""
    global _shown_s
    if EXAMPLES and sys.stderr.isatty() and time.monotonic() - _shown_s > 1:
        _shown_s = time.monotonic()
        sys.stderr.write(f"\r\033[K{count.name}: {count.inputs:,} inputs")
        sys.stderr.flush()
