"""What the page invokes: a function that does what its event asks for, and one that streams."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'></textarea></pre>"
    " \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202egnp.exe {{7*7}} \u2028"
)


def handler(event: dict[str, Any], context: object) -> Any:
    """Echo the event, fail, wait for a file, or return markup."""
    if "fail" in event:
        raise ValueError(event["fail"])
    if "hostile" in event:
        print(HOSTILE)
        if event["hostile"] == "error":
            raise type("<b>Bold</b>", (Exception,), {})(HOSTILE)
        return HOSTILE
    if "wait" in event:
        wait(event["wait"])
    print("handling", len(event), "members")
    return event


def stream(event: dict[str, Any], context: object) -> Iterator[str]:
    """Stream one part, and the rest when the file exists."""
    print("streaming")
    yield "the first part, "
    wait(event["wait"])
    if "fail" in event:
        raise ValueError("midway")
    yield "the größte, "
    yield "and the last"


def wait(path: str) -> None:
    """Wait until a file exists."""
    while not os.path.exists(path):
        time.sleep(0.01)
