"""A streaming ASGI web application: run ``make serve HANDLER=asgi_app.handler`` and open its function URL.

Without a browser:
    make run HANDLER=asgi_app.handler EVENT='GET /clock'

With FastAPI, the last line is the same. This example is a tiny framework without dependencies.
"""

import asyncio
import json
import time
from urllib.parse import parse_qsl

from lambda_runtime import asgi


class App:
    """A minimal framework: a function for each path, called with the query's parameters."""

    def __init__(self):
        self.routes = {}

    def get(self, path):
        """Decorate a function that returns a JSON value, or an async generator of text."""
        return lambda function: self.routes.setdefault(path, function)

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http"
        route = self.routes.get(scope["path"], not_found)
        result = route(**dict(parse_qsl(scope["query_string"].decode())))
        streamed = hasattr(result, "__anext__")
        headers = [(b"content-type", b"text/plain" if streamed else b"application/json")]
        status = 404 if route is not_found else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if streamed:
            async for text in result:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            await send({"type": "http.response.body"})
        else:
            await send({"type": "http.response.body", "body": json.dumps(await result).encode()})


async def not_found(**parameters):
    return {"detail": "Not Found"}


app = App()


@app.get("/")
async def index(name="world"):
    return {"message": f"Hello, {name}!", "try": ["/?name=Ada", "/clock", "/clock?ticks=3"]}


@app.get("/clock")
async def clock(ticks="5"):
    for _ in range(int(ticks)):
        yield time.strftime("It is %H:%M:%S.\n")
        await asyncio.sleep(0.4)


handler = asgi.handler(app)
