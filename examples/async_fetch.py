"""Concurrent requests, ``async``: ``make run HANDLER=async_fetch.handler EVENT='{"urls": ["https://…"]}'``.

Without URLs, it sends three requests to its own server, which takes half a second for each response.
"""

import asyncio
import time
from urllib.request import urlopen

server = None


async def handler(event, context):
    """Fetch all URLs in the event, and return how long it took."""
    urls = event.get("urls") or [await slow_url()] * 3
    began = time.monotonic()
    pages = await asyncio.gather(*[fetch(url) for url in urls])
    return {"pages": pages, "seconds": round(time.monotonic() - began, 1)}


async def fetch(url):
    """Fetch in a thread, because `urlopen` would block the event loop."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, read, url)
    except OSError as error:
        return {"url": url, "error": str(error)}


def read(url):
    with urlopen(url, timeout=10) as response:
        return {"url": url, "status": response.status, "bytes": len(response.read())}


async def slow_url():
    """Start the server on first use; the event loop keeps it running for later invocations."""
    global server
    if server is None:
        server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    return f"http://{host}:{port}/"


async def answer_slowly(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.5)
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
    writer.close()
