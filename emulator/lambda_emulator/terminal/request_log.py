"""Describe a request from outside with its response: as a record for programs, as a line for a person.

14:02:31  200    12 ms     17 B  3f2a9c1e  GET /orders?id=7  cold start
"""

from __future__ import annotations

import time
import unicodedata

from lambda_emulator.servers.history import EXCERPT, label
from lambda_emulator.servers.http_server import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.invocation import Result
    from lambda_emulator.servers.http_server import Request, Response

# On a terminal with fewer columns, the line has neither the size nor the request id.
WIDE = 72
INDENT = " " * 10  # of a second line, below the status
SHORT_ID = 8


def describe(request: Request | None, response: Response) -> dict[str, Any]:
    """Return what is known: a request that is not valid HTTP has no target, a refused one no request id."""
    about = request.about if request is not None else {}
    result: Result | None = about.get("result")
    record = {
        "requestId": find(response.headers, "x-amzn-RequestId"),
        "function": about.get("function", ""),
        "method": _printable(request.method) if request is not None else "",
        "target": _printable(request.target) if request is not None else "",
        "event": _printable(_kind(about["event"])) if "event" in about else "",
        "status": response.status,
        "durationMs": round((time.monotonic() - request.began) * 1000, 3) if request is not None else 0,
        "bytes": response.sent,
        "coldStart": bool(result and result.cold_start) or "",
        "error": _printable(result.error_line()) if result is not None else "",
        "note": _printable(response.note, 1000),
    }
    return {name: value for name, value in record.items() if value != ""}


def request_line(record: dict[str, Any], clock: str, name: str = "", columns: int | None = None) -> str:
    """Return a line of at most ``columns``; what does not fit into it becomes a second one.

    ``name``: that of the function, padded, if the terminal shows several.
    """
    figures = [clock, str(record["status"]), f"{_duration(record['durationMs']):>7}"]
    if columns is None or columns >= WIDE:
        figures += [f"{_size(record['bytes']):>7}", f"{record.get('requestId', '')[:SHORT_ID]:<{SHORT_ID}}"]
    beginning = ("  " if len(figures) > 3 else " ").join([*figures, ""])
    what = " ".join(record[key] for key in ("method", "target") if key in record) or "not an HTTP request"
    if "event" in record:  # of the Invoke API, whose paths are all alike
        what = record["event"] if name else f"{record['function']} {record['event']}"
    if name:
        what = f"{record.get('function', ''):<{len(name)}}  {what}"
    remarks = ", ".join(
        ["cold start"] * ("coldStart" in record) + [record[key] for key in ("error", "note") if key in record]
    )
    line = f"{beginning}{what}  {remarks}".rstrip()
    if columns is None or _width(line) <= columns:
        return line
    lines = [_clipped(f"{beginning}{what}", columns)]
    return "\n".join(lines + [_clipped(INDENT + remarks, columns)] * bool(remarks))


def _kind(event: bytes) -> str:
    """Return what a person recognizes: ``sqs``, ``GET /orders``, or ``event``."""
    return label(event if len(event) <= EXCERPT else b"") or "event"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _printable(text: str, limit: int = 200) -> str:
    """Escape control characters in a client's text, which could change the terminal's state."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:limit])
    return shown if len(text) <= limit else f"{shown}…"


def _width(text: str) -> int:
    """Return how many columns a text takes: characters of East Asian scripts take two (UAX 11)."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _clipped(text: str, columns: int) -> str:
    if _width(text) <= columns:
        return text
    while _width(text) >= columns:
        text = text[:-1]
    return f"{text}…"
