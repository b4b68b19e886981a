"""An application made with Starlette, with its middleware."""

# mypy: ignore-errors

import asyncio
import gzip
from pathlib import Path

from choose import choose
from lambda_runtime import asgi
from mangum import Mangum
from signal_file import appears
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

events = []


async def get_json(request):
    return JSONResponse({"text": "é ✓", "numbers": [1, 2.5, None]})


async def echo(request):
    headers = [[name, value] for name, value in request.headers.items() if name.startswith("x-own")]
    return JSONResponse(
        {
            "method": request.method,
            "path": request.path_params["rest"],
            "query": request.query_params.multi_items(),
            "headers": sorted(headers),
            "cookies": request.cookies,
            "body": list(await request.body()),
            "client": request.client.host,
        }
    )


async def where(request):
    return JSONResponse({"url": str(request.url), "json": str(request.url_for("get_json"))})


async def set_cookies(request):
    response = PlainTextResponse("two cookies")
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2")
    return response


async def many(request):
    response = PlainTextResponse("two links")
    for value in ("</a>; rel=preload", "</b>; rel=preload"):
        response.headers.append("link", value)
    return response


async def picture(request):
    return Response(b"\x89PNG\r\n\x00\xff", media_type="image/png")


async def gzipped(request):
    data = gzip.compress(b"text " * 100, mtime=0)
    return Response(data, media_type="text/plain", headers={"Content-Encoding": "gzip"})


async def latin(request):
    return Response("é".encode("latin-1"), headers={"content-type": "text/plain; charset=iso-8859-1"})


async def untyped(request):
    return Response(b"no type")


async def empty(request):
    return Response(status_code=204)


async def redirect(request):
    return RedirectResponse("/json")


async def form(request):
    return JSONResponse({"word": (await request.form())["word"]})


async def upload(request):
    file = (await request.form())["file"]
    return JSONResponse({"name": file.filename, "type": file.content_type, "data": list(await file.read())})


async def fail(request):
    raise ValueError("the application fails")


async def file(request):
    return FileResponse(Path(__file__).with_name("choose.py"), media_type="text/plain")


async def stream(request):
    async def words():
        for number in range(3):
            await asyncio.sleep(0.15 if number else 0)
            yield f"{number}\n"

    return StreamingResponse(words(), media_type="text/plain")


async def background(request):
    async def work():
        await appears(request.query_params["path"])
        await asyncio.sleep(0.2)  # longer than the next request, which must wait
        events.append("worked")

    return PlainTextResponse("accepted", background=BackgroundTask(work))


async def get_events(request):
    return JSONResponse(events)


class Stamp(BaseHTTPMiddleware):
    """The middleware that runs the application in a separate task."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = "yes"
        return response


async def inner(request):
    return JSONResponse([request.scope["root_path"], str(request.url_for("inner:page"))])


ROUTES = [
    Route("/json", get_json),
    Route("/echo/{rest:path}", echo, methods=["GET", "POST", "PUT", "PATCH"]),
    Route("/where", where),
    Route("/cookies", set_cookies),
    Route("/many", many),
    Route("/picture", picture),
    Route("/gzip", gzipped),
    Route("/latin", latin),
    Route("/untyped", untyped),
    Route("/empty", empty),
    Route("/redirect", redirect),
    Route("/form", form, methods=["POST"]),
    Route("/upload", upload, methods=["POST"]),
    Route("/fail", fail),
    Route("/file", file),
    Route("/stream", stream),
    Route("/background", background),
    Route("/events", get_events),
    Mount("/inner", routes=[Route("/page", inner, name="page")], name="inner"),
]

app = Starlette(routes=ROUTES, middleware=[Middleware(Stamp), Middleware(GZipMiddleware, minimum_size=300)])
handler = choose(asgi.handler(app), asgi.handler(app, streaming=False), Mangum(app, lifespan="off"))
