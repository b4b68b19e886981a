# mypy: ignore-errors
"""An application made with FastAPI, in which each request waits until all others have begun."""

import asyncio
import os

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from lambda_runtime import asgi

SLOTS = int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])
app = FastAPI()
begun = set()
all_begun = asyncio.Event()


async def meet(token):
    begun.add(token)
    if len(begun) == SLOTS:
        all_begun.set()
    await all_begun.wait()


@app.get("/meet/{token}")
async def get(token: str, request: Request):
    await meet(token)
    context = request.scope["aws.context"]
    return {"token": token, "request_id": context.aws_request_id, "trace": os.environ["_X_AMZN_TRACE_ID"]}


@app.get("/stream/{token}")
async def stream(token: str):
    async def words():
        yield f"{token} begins\n"
        await meet(token)
        yield f"{token} has met {len(begun)}\n"

    return StreamingResponse(words(), media_type="text/plain")


@app.get("/sync/{token}")
def sync(token: str):
    """FastAPI runs this in a thread of its pool."""
    return {"token": token, "trace": os.environ.get("_X_AMZN_TRACE_ID")}


handler = asgi.handler(app)
