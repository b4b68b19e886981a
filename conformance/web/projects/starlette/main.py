import asyncio
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def homepage(request: Request):
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    return HTMLResponse(f"<h1>{request.state.greeting}</h1><p>Visit {visits}</p>")


async def upload(request: Request):
    async with request.form() as form:
        file = form["file"]
        return JSONResponse({"name": file.filename, "size": len(await file.read())})


async def countdown(request: Request):
    async def lines():
        yield "ready\n"
        await asyncio.sleep(0.2)
        yield "go\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def not_found(request: Request, error: HTTPException):
    return HTMLResponse(f"<h1>No page {request.url.path}</h1>", status_code=error.status_code)


@asynccontextmanager
async def lifespan(app: Starlette):
    yield {"greeting": "Hello, world!"}


app = Starlette(
    routes=[
        Route("/", homepage),
        Route("/upload", upload, methods=["POST"]),
        Route("/countdown", countdown),
        Mount("/static", StaticFiles(directory="static"), name="static"),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="change me")],
    exception_handlers={404: not_found},
    lifespan=lifespan,
)
