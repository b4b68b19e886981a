"""A function without a SIGTERM handler."""

from __future__ import annotations

import atexit
import os
import time

atexit.register(print, "atexit", flush=True)


def sleep(event: float, context: object) -> int:
    time.sleep(event)
    return os.getpid()
