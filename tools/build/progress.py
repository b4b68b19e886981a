"""Show on a terminal what a tool is doing, in one line that the next one replaces."""

from __future__ import annotations

import sys

_CLEAR = "\r\x1b[K"


def show(step: str) -> None:
    """Replace the line by ``step``; without a terminal, print nothing."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{_CLEAR}{step} …")
        sys.stderr.flush()


def clear() -> None:
    """Remove the line, before something is printed that stays."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
