"""Streams that fail in many ways.

Their log lines stay below 64 KiB: after a longer line, AWS's emulator of managed instances stops reading a
function's output, and the function blocks at the next line.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn


def stream(way: str | None, context: Any) -> Iterator[str]:
    """Yield the process id, then fail in ``way``, a name below, if given."""
    print(f"about to fail by {way}")
    yield f"process {os.getpid()}"
    if way:
        WAYS[way]()


def before(way: str | None, context: Any) -> Iterator[str]:
    """Fail before anything is yielded."""
    if way:
        WAYS[way]()
    yield f"process {os.getpid()}"


def raise_plainly() -> NoReturn:
    raise ValueError("midway")


def raise_long_message() -> NoReturn:
    raise ValueError("é" * 20_000)


def raise_control_characters() -> NoReturn:
    raise ValueError("\x01" * 9_000)  # six characters each in JSON


def raise_halves_of_characters() -> NoReturn:
    raise ValueError("\ud800" * 3_000)


def raise_long_name() -> NoReturn:
    raise type("E" * 5_000, (Exception,), {})("message " * 1_000)


def raise_non_ascii_name() -> NoReturn:
    raise type("Größe" * 500, (Exception,), {})("中" * 3_000)


def raise_deep() -> NoReturn:
    def call(left: int) -> NoReturn:
        if left % 2:  # two alternating lines, because repetitions of one line are not shown
            call(left - 1)
        if left:
            call(left - 1)
        raise ValueError("deep")

    call(300)


def raise_endlessly() -> NoReturn:
    raise_endlessly()


def raise_in_long_line() -> NoReturn:
    code = "raise ValueError('in a long line')" + " " * 3_000 + "# é"
    exec(compile(code, "name" * 500 + ".py", "exec"))
    raise AssertionError


def raise_chain() -> NoReturn:
    try:
        raise ValueError("message " * 100)
    except ValueError as error:
        cause: Exception = error
    for number in range(20):
        try:
            raise KeyError(f"number {number} " * 50) from cause
        except KeyError as error:
            cause = error
    raise cause


def raise_group() -> NoReturn:
    members = [ValueError(f"member {number} " * 30) for number in range(100)]
    raise ExceptionGroup("group", members)  # type: ignore[name-defined] # noqa: F821


def raise_with_notes() -> NoReturn:
    error = ValueError("noted")
    for number in range(50):
        error.add_note(f"note {number} " * 100)  # type: ignore[attr-defined,unused-ignore]
    raise error


def leave() -> NoReturn:
    sys.exit(3)


def die() -> NoReturn:
    os._exit(5)


def hang() -> None:
    time.sleep(60)


WAYS = {
    "an exception": raise_plainly,
    "a long message": raise_long_message,
    "control characters": raise_control_characters,
    "halves of characters": raise_halves_of_characters,
    "a class name of 5,000 letters": raise_long_name,
    "a class name of many umlauts": raise_non_ascii_name,
    "300 frames": raise_deep,
    "endless recursion": raise_endlessly,
    "a line of 3,000 characters": raise_in_long_line,
    "a chain of 20 causes": raise_chain,
    "a group of 100": raise_group,
    "50 long notes": raise_with_notes,
    "sys.exit": leave,
    "os._exit": die,
    "hanging": hang,
}
ERRORS = tuple(name for name in WAYS if name not in ("sys.exit", "os._exit", "hanging"))
