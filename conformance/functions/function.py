"""The functions that the cases invoke: one handler for each behaviour."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

invocations = 0


def echo(event: object, context: Any) -> object:
    return event


def greet(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"greeting": f"Grüße, {event['name']}! 你好 😀"}


def count(event: object, context: Any) -> int:
    """Return the number of events that this environment has handled, including this one."""
    global invocations
    invocations += 1
    return invocations


def fail(event: dict[str, str], context: Any) -> None:
    raise ValueError(f"no such order: {event['order']}")


def exit_by_sys(status: int | None, context: Any) -> str:
    if status is not None:
        sys.exit(status)
    return "still here"


def exit_at_once(status: int | None, context: Any) -> str:
    if status is not None:
        os._exit(status)
    return "still here"


def sleep(seconds: float, context: Any) -> float:
    time.sleep(seconds)
    return seconds


def grow(size: int, context: Any) -> str:
    """Return a text that takes ``size`` bytes as JSON, including its two quotes."""
    return "x" * (size - 2)


def raw(event: object, context: Any) -> bytes:
    return b"\x00not text\xff"


def say(event: str, context: Any) -> None:
    print(f"the function says {event}")


def describe_client(event: object, context: Any) -> dict[str, object]:
    caller = context.client_context
    return {"title": caller.client.app_title, "custom": caller.custom, "env": caller.env}


def describe_tenant(event: object, context: Any) -> object:
    return context.tenant_id


def describe_arn(event: object, context: Any) -> object:
    return context.invoked_function_arn
