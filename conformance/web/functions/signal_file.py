"""Wait for the client, which creates a file."""

# mypy: ignore-errors

import asyncio
import os
import time

PATIENCE_S = 10


async def appears(path):
    """Wait until the file exists. Raise TimeoutError if it does not appear."""
    deadline = time.monotonic() + PATIENCE_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} does not appear")
        await asyncio.sleep(0.01)
