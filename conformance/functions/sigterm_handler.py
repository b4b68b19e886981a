"""A function with a SIGTERM handler."""

from __future__ import annotations

import atexit
import os
import signal
import time


def say(what: str) -> None:
    print(f"{what} in {os.getpid()}", flush=True)


signal.signal(signal.SIGTERM, lambda number, frame: say("hook"))
atexit.register(say, "atexit")


def sleep(event: float, context: object) -> int:
    time.sleep(event)
    return os.getpid()
