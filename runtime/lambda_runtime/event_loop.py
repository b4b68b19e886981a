"""Wait for what an ``async`` handler returns, on one event loop that lives as long as the environment.

Not a loop for each invocation: clients and pools that a function keeps between invocations belong to the
loop they were made on, and tasks it left behind go on with the next one.
"""

from __future__ import annotations

from .standard import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any

_loop: AbstractEventLoop | None = None


def wait_for(awaitable: Any) -> Any:
    """The result of ``awaitable``; what it raises goes through."""
    global _loop
    if _loop is None or _loop.is_closed():
        asyncio = load("asyncio")
        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    return _loop.run_until_complete(awaitable)
