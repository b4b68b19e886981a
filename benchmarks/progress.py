"""Show on a terminal what is being measured, in one line that the next one replaces."""

from __future__ import annotations

import sys


def show_progress(text: str) -> None:
    """Replace the line by ``text``. Empty text removes the line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
