"""A function that does not want to know of its end."""

from __future__ import annotations

import atexit
import os
import time

atexit.register(print, "atexit", flush=True)


def sleep(event: float, context: object) -> int:
    time.sleep(event)
    return os.getpid()
