"""Find out where the function was at its time limit, in the stacks that its runtime writes shortly before.

The runtime writes what `faulthandler` does, if the variables below ask for it. Other runtimes ignore them.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BEFORE_VARIABLE = "LAMBDA_RUNTIME_DUMP_STACKS_MS"
DESCRIPTOR_VARIABLE = "_LAMBDA_RUNTIME_DUMP_STACKS_FD"

# When the stacks are written: early enough to arrive before the function is killed.
BEFORE_MS = 100
BEFORE_SHARE = 0.1  # of a short time limit

KEPT_BYTES = 64 * 1024
LINES_SHOWN = 3

_BEGINNING = b"Timeout ("
_THREAD = re.compile(r"^(?:Current t|T)hread 0x.*$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
_RUNTIME = f"{os.sep}lambda_runtime{os.sep}"
_CALL = ("main.py", "call_handler")  # the runtime's function that calls the handler


def variables(timeout_s: float, descriptor: int) -> dict[str, str]:
    """Return the variables that make the runtime write stacks to ``descriptor``."""
    before_ms = max(1, int(min(BEFORE_MS, timeout_s * 1000 * BEFORE_SHARE)))
    return {BEFORE_VARIABLE: str(before_ms), DESCRIPTOR_VARIABLE: str(descriptor)}


class Stacks:
    """The stacks that one environment has written last."""

    def __init__(self, environment: Mapping[str, str], folder: str) -> None:
        """``folder``: where this machine has what the function sees as its task root."""
        self._task_root = os.path.realpath(environment["LAMBDA_TASK_ROOT"])
        self._roots = [environment["LAMBDA_TASK_ROOT"], self._task_root]
        self._folder = folder
        self._text = b""
        self._written = 0.0

    def write(self, data: bytes) -> None:
        text = self._text + data
        self._text = text[max(0, text.rfind(_BEGINNING)) :][-KEPT_BYTES:]
        self._written = time.monotonic()

    def place(self, since: float) -> str:
        """Describe where the function was, if stacks were written after the monotonic time ``since``."""
        if self._written < since:
            return ""
        threads = [list(_frames(text)) for text in _THREAD.split(self._text.decode("ascii", "replace"))]
        # An async handler of several slots runs on a thread that does not call the handler.
        threads.sort(key=_calls_handler, reverse=True)
        for frames in threads:
            own = [frame for frame in frames if self._is_own(frame[0])]
            if own:
                return "at " + ", called from ".join(map(self._describe, own[:LINES_SHOWN]))
        if threads and _calls_handler(threads[0]):
            return "waiting in an await, not running its own code"
        return ""

    def _is_own(self, path: str) -> bool:
        inside = any(path.startswith(root + os.sep) for root in self._roots)
        return inside and _RUNTIME not in path and "-packages" + os.sep not in path

    def _describe(self, frame: tuple[str, int, str]) -> str:
        path, number, function = frame
        root = next(root for root in self._roots if path.startswith(root + os.sep))
        name = os.path.relpath(path, root)
        return f"{name}, line {number}, in {function}{self._source(name, number)}"

    def _source(self, name: str, number: int) -> str:
        try:
            line = Path(self._folder, name).read_text("utf-8").splitlines()[number - 1].strip()
        except (OSError, ValueError, IndexError):
            return ""
        # PyPy knows only the first line of the function.
        return f" ({line})" if line and not line.startswith(("def ", "async def ", "@")) else ""


def _frames(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and function, the innermost first. `faulthandler` escapes what is not ASCII."""
    for path, number, function in _FRAME.findall(text):
        yield path.encode().decode("unicode_escape"), int(number), function


def _calls_handler(frames: list[tuple[str, int, str]]) -> bool:
    return any(_RUNTIME in path and (os.path.basename(path), name) == _CALL for path, _, name in frames)
