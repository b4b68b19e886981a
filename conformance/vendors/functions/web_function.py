# mypy: ignore-errors
"""Web applications behind adapters: ASGI by Mangum, WSGI by apig-wsgi."""

import contextlib

starts = 0


def asgi_handler(event, context):
    raise AssertionError("replaced below, if Mangum is there")


with contextlib.suppress(ImportError):
    from mangum import Mangum
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    @contextlib.asynccontextmanager
    async def lifespan(app):
        global starts
        starts += 1
        yield

    async def order(request):
        aws = request.scope["aws.context"]
        return JSONResponse(
            {
                "order": request.path_params["number"],
                "query": dict(request.query_params),
                "request": aws.aws_request_id,
                "starts": starts,
            },
            headers={"X-Shop": "yes"},
        )

    async def echo(request):
        return JSONResponse({"echo": await request.json()})

    async def picture(request):
        return StreamingResponse(iter([b"\x89PNG", b"\xff\x00"]), media_type="image/png")

    app = Starlette(
        routes=[
            Route("/orders/{number:int}", order),
            Route("/echo", echo, methods=["POST"]),
            Route("/picture", picture),
        ],
        lifespan=lifespan,
    )
    asgi_handler = Mangum(app, lifespan="auto")

with contextlib.suppress(ImportError):
    from apig_wsgi import make_lambda_handler

    def wsgi_app(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        start_response("201 Created", [("Content-Type", "text/plain; charset=utf-8"), ("X-Shop", "yes")])
        yield f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} ".encode()
        yield body + " ✓".encode()

    wsgi_handler = make_lambda_handler(wsgi_app)
