"""Several requests at once, ``async``: ``make run HANDLER=async_fetch.handler EVENT='{"urls": ["https://…"]}'``.

Without URLs it asks a server of its own, three times, which takes half a second for each answer.
"""

import asyncio
import time
from urllib.request import urlopen

server = None


async def handler(event, context):
    """Fetch all the URLs of the event, and say how long that took."""
    urls = event.get("urls") or [await slow_url()] * 3
    began = time.monotonic()
    pages = await asyncio.gather(*[fetch(url) for url in urls])
    return {"pages": pages, "seconds": round(time.monotonic() - began, 1)}


async def fetch(url):
    """Fetch in a thread: `urlopen` waits, and all else would have to."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, read, url)
    except OSError as error:
        return {"url": url, "error": str(error)}


def read(url):
    with urlopen(url, timeout=10) as response:
        return {"url": url, "status": response.status, "bytes": len(response.read())}


async def slow_url():
    """Start the server when first needed; on the same event loop it serves later invocations, too."""
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
