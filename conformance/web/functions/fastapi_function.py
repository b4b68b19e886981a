"""An application made with FastAPI."""

# mypy: ignore-errors

import asyncio
import contextlib
import gzip
from typing import Annotated

from choose import choose
from fastapi import (
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Request,
    Response,
    UploadFile,
    WebSocket,
)
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from lambda_runtime import asgi
from mangum import Mangum
from pydantic import BaseModel
from signal_file import appears

events = []


@contextlib.asynccontextmanager
async def lifespan(app):
    events.append("startup")
    yield {"pool": "open"}
    print("shutdown of FastAPI")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


async def connection():
    events.append("opened")
    try:
        yield "connection"
    finally:
        events.append("closed")


@app.get("/json")
async def get_json():
    return {"text": "é ✓", "numbers": [1, 2.5, None]}


@app.post("/items")
async def create(item: Item):
    return {"total": item.price * 2, "name": item.name}


@app.api_route("/echo/{rest:path}", methods=["GET", "POST", "PUT", "PATCH"])
async def echo(rest: str, request: Request):
    return {
        "method": request.method,
        "path": rest,
        "query": request.query_params.multi_items(),
        "headers": sorted([name, text] for name, text in request.headers.items() if name.startswith("x-own")),
        "cookies": request.cookies,
        "body": list(await request.body()),
        "client": request.client.host,
    }


@app.get("/where")
async def where(request: Request):
    return {"url": str(request.url), "json": str(request.url_for("get_json"))}


@app.get("/cookies")
async def set_cookies(response: Response, seen: Annotated[str | None, Cookie()] = None):
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2")
    return {"seen": seen}


@app.get("/many")
async def many(response: Response):
    for value in ("</a>; rel=preload", "</b>; rel=preload"):
        response.headers.append("link", value)
    return "two links"


@app.get("/picture")
async def picture():
    return Response(b"\x89PNG\r\n\x00\xff", media_type="image/png")


@app.get("/gzip")
async def gzipped():
    data = gzip.compress(b"text " * 100, mtime=0)
    return Response(data, media_type="text/plain", headers={"Content-Encoding": "gzip"})


@app.get("/latin")
async def latin():
    return Response("é".encode("latin-1"), headers={"content-type": "text/plain; charset=iso-8859-1"})


@app.get("/untyped")
async def untyped():
    return Response(b"no type")


@app.get("/empty", status_code=204)
async def empty():
    return None


@app.get("/redirect")
async def redirect():
    return RedirectResponse("/json")


@app.post("/form")
async def form(word: Annotated[str, Form()]):
    return {"word": word}


@app.post("/upload")
async def upload(file: Annotated[UploadFile, File()]):
    data = await file.read()
    return {"name": file.filename, "type": file.content_type, "data": list(data)}


@app.get("/fail")
async def fail():
    raise ValueError("the application fails")


@app.get("/stream")
async def stream(count: int = 3):
    async def words():
        for number in range(count):
            await asyncio.sleep(0.15 if number else 0)
            yield f"{number}\n"

    return StreamingResponse(words(), media_type="text/plain")


@app.get("/sse")
async def sse():
    async def messages():
        await asyncio.sleep(0.3)  # the browser has received the headers before
        yield "data: one\n\n"
        await asyncio.sleep(0.15)
        yield "data: two\n\n"

    return StreamingResponse(messages(), media_type="text/event-stream")


@app.get("/midway")
async def midway():
    def words():
        yield "begun"
        raise ValueError("fails midway")

    return StreamingResponse(words(), media_type="text/plain")


@app.get("/background")
async def background(tasks: BackgroundTasks, path: str):
    async def work():
        await appears(path)
        await asyncio.sleep(0.2)  # longer than the next request, which must wait
        events.append("worked")

    tasks.add_task(work)
    return PlainTextResponse("accepted", background=tasks)


@app.get("/depends")
async def depends(resource: Annotated[str, Depends(connection)]):
    events.append(f"used {resource}")
    return "done"


@app.get("/events")
async def get_events(request: Request):
    found = [*events, request.state.pool]
    del events[1:]
    return found


@app.websocket("/socket")
async def socket(websocket: WebSocket):
    await websocket.accept()


buffered = asgi.handler(app, streaming=False)
web = asgi.handler(app)


async def awaiting(event, context):
    return await web(event, context)


async def returning(event, context):
    return web(event, context)


async def iterating(event, context):
    async for part in web(event, context):
        yield part


around = {"awaiting": awaiting, "returning": returning, "iterating": iterating}
handler = choose(web, buffered, Mangum(app, lifespan="off"), **around)
