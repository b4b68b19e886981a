"""Notice where people stumble, and tell them in one line what was found and what to do.

Each cause is reported once for each function. A hint appears where the log does, but is not part of it.
"""

from __future__ import annotations

import json
import re
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# From which part of the memory size on a larger event could be too much.
MUCH_MEMORY = 0.9
# How much of the function's text a hint repeats.
EXCERPT = 60

# Text with an object after it, on one line, and the members by which the object is a record of a logger.
_GLUED = re.compile(rb'^([^{\r\n][^\r\n]*?)(\{"[^\r\n]*\})\r?$', re.MULTILINE)
_RECORD = {"timestamp", "level"}


class Hints:
    """What one function's emulator has noticed."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._shown: set[Hashable] = set()
        self._lock = threading.Lock()

    def _hint(self, cause: Hashable, text: str) -> None:
        with self._lock:
            if cause in self._shown:
                return
            self._shown.add(cause)
        self._show(text)

    def look_at_body(self, beginning: bytes) -> None:
        """Look at what a streaming function URL sends as the body."""
        if b'"statusCode"' in beginning and "statusCode" in _object(beginning):
            self._hint(
                "envelope",
                'The client received {"statusCode": …} as the body, because this function URL streams.'
                " Yield that dict first, without its body, and then the body; or use --invoke-mode BUFFERED,"
                " AWS's default.",
            )

    def look_at_log(self, log: bytes, unfinished: bytes) -> None:
        """Look at the JSON log of an invocation; ``unfinished`` is its last line if that has no end."""
        found = (line[1] for line in _GLUED.finditer(log) if _object(line[2]).keys() >= _RECORD)
        glued = next(found, b"")
        if not glued and not unfinished:
            return
        excerpt = (glued or unfinished).decode("utf-8", "replace")[-EXCERPT:]
        what = "stands before a JSON record on one line" if glued else "is sent without a line end"
        self._hint(
            "unfinished line",
            f"{excerpt!r} {what}, so CloudWatch does not read the line as JSON. End each print with a line"
            " break, or use logging.",
        )

    def look_at_memory(self, used_mb: int, limit_mb: int) -> None:
        """Look at the peak, which may be above the limit, as that is not always enforced."""
        if limit_mb * MUCH_MEMORY < used_mb:
            self._hint(
                ("memory", used_mb > limit_mb),
                f"The function used {used_mb} of {limit_mb} MB ({used_mb / limit_mb:.0%}). Lambda kills a"
                " function that uses more than its memory size: raise it (--memory), or use less.",
            )

    def explain_timeout(self, timeout_s: float, place: str) -> None:
        """``place``: where the function was, or "" if it is unknown."""
        if place:
            self._hint(
                ("timeout", place),
                f"Shortly before the time limit of {timeout_s:g} s, the function was {place}. Set a shorter"
                " limit for what takes long there, or raise --timeout.",
            )


def _object(text: bytes) -> dict[str, object]:
    """Return a JSON object, empty if the text is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
