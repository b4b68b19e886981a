"""Use the FastMCP project with the client of MCP's own SDK."""

from __future__ import annotations

import time

from mcp import Client  # type: ignore[import-not-found,unused-ignore]

from conformance.expectations import expect
from conformance.web.web_function import APART_S, ATTEMPTS


async def use_tools(url: str, mode: str, *, streams: bool) -> None:
    """Call its tools. ``mode``: "legacy" begins with initialize, "auto" with the protocol of 2026 without it.

    ``streams``: whether the progress of a call arrives before its result.
    """
    moments: list[float] = []

    async def note_progress(done: float, total: float | None, message: str | None) -> None:
        expect("progress", (done, total, message), (1, 2, "thinking"))
        moments.append(time.monotonic())

    async with Client(url, mode=mode) as client:
        expect("server", client.server_info.name, "Calculator")
        tools = (await client.list_tools()).tools
        expect("tools", [tool.name for tool in tools], ["add", "search"])
        result = await client.call_tool("add", {"a": 1, "b": 2})
        expect("1 + 2", result.structured_content, {"result": 3})
        failed = await client.call_tool("add", {"a": "x", "b": 2})
        expect("a wrong argument is an error", failed.is_error, True)
        expected = [True] if streams else []
        for _ in range(ATTEMPTS):  # a client that was stopped for a while receives both at once
            moments.clear()
            answer = await client.call_tool("search", {"question": "q"}, progress_callback=note_progress)
            before = [time.monotonic() - moment > APART_S for moment in moments]
            if before == expected:
                break
        expect("progress before the result", before, expected)
        expect("answer", answer.content[0].text, "The answer to 'q' is 42")
        resource = (await client.read_resource("config://version")).contents[0]
        expect("resource", resource.text, "1.0")
