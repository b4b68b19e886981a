"""The cases: each project in the three ways of deployment, through a function URL and an HTTP API."""

from __future__ import annotations

import asyncio
import gzip
import json
import re

from lambda_emulator import sample_events

from conformance.expectations import error, expect, expect_in, value
from conformance.sandbox.deployments import IMAGE, MANAGED, OS_ONLY, Deployment
from conformance.sandbox.harness import Harness, case
from conformance.suite import Observation
from conformance.web.projects.mcp_client import use_tools
from conformance.web.projects.site import Site, deployed
from conformance.web.web_function import Response, expect_pieces

GROUP = "Unmodified projects"
WAYS = (MANAGED, OS_ONLY, IMAGE)
FORM = "application/x-www-form-urlencoded"
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="a.bin"'
UPLOAD = b"--x\r\n%b\r\n\r\n\x00\xff\x80\r\n--x--\r\n" % DISPOSITION


def expect_page(response: Response, status: int, *texts: str) -> None:
    expect(f"status, with the body {response.body[:200]!r}", response.status, status)
    for text in texts:
        expect_in("body", text, response.text)


def expect_redirect(response: Response, location: str) -> None:
    expect("redirect", (response.status in (302, 307), response.all("location")), (True, [location]))


def expect_countdown(site: Site, target: str, first: str = "ready") -> None:
    """Expect two lines: the second arrives later, if the event source streams."""
    lines = [f"{first}\n".encode(), b"go\n"]
    if site.streams:
        response = expect_pieces(lambda: site.get(target), *lines)
    else:
        response = site.get(target)
        expect("body", response.body, b"".join(lines))
    expect_page(response, 200)


@case(GROUP, "FastAPI, app.main.app", WAYS)
def fastapi(harness: Harness, deployment: Deployment) -> Observation:
    options = {"LAMBDA_RUNTIME_EVENTS": "/queue", "LAMBDA_RUNTIME_COMPRESS": "true"}
    with deployed(harness, deployment, "fastapi", "app.main.app", **options) as project:
        for site in project.sites:
            expect_redirect(site.get("/"), "/items/")
            expect_page(site.get("/items/"), 200, '"warehouse":"north"')  # the state of the lifespan
            expect_redirect(site.get("/items?a=1"), f"{site.origin}/items/?a=1")
            expect_page(site.get("/items/plumbus", user_agent="me"), 200, '"count":7,"for":"me"')
            expect_page(site.get("/items/portal%20gun"), 404, '{"detail":"Item not found"}')
            item = '{"name": "dürüm", "price": 8}'.encode()
            expect_page(site.post("/items/", item, "application/json"), 201, '"dürüm","price_with_tax":10.0')
            expect_page(site.post("/items/", b"{}", "application/json"), 422, '"Field required"')
            expect_page(site.get("/docs"), 200, "<title>Warehouse - Swagger UI</title>")
            expect_countdown(site, "/countdown")
            schema = site.get("/openapi.json", accept_encoding="gzip")
            expect("encoding", schema.all("content-encoding"), [] if site.streams else ["gzip"])
            body = schema.body if site.streams else gzip.decompress(schema.body)
            expect("title", json.loads(body)["info"]["title"], "Warehouse")
        event = sample_events.sqs("1", "2")
        expect("response to SQS", value(project.invoke(event)), {"batchItemFailures": []})
        event["Records"][1]["body"] = "broken"
        expect("response to SQS", error(project.invoke(event))["errorType"], "ErrorStatus")
    return "pages, JSON, a stream, gzip, SQS"


@case(GROUP, "Starlette, main.app", WAYS)
def starlette(harness: Harness, deployment: Deployment) -> Observation:
    with deployed(harness, deployment, "starlette", "main.app") as project:
        for site in project.sites:
            expect_page(site.get("/"), 200, "<h1>Hello, world!</h1><p>Visit 1</p>")
            expect_page(site.get("/"), 200, "Visit 2")  # the session is a cookie
            expect_page(site.get("/nowhere"), 404, "<h1>No page /nowhere</h1>")
            expect_countdown(site, "/countdown")
            upload = site.post("/upload", UPLOAD, "multipart/form-data; boundary=x")
            expect("upload", upload.json(), {"name": "a.bin", "size": 3})
            style = site.get("/static/style.css")
            expect_page(style, 200, "rebeccapurple")
            expect_page(site.get("/static/style.css", if_none_match=style.all("etag")[0]), 304)
    return "sessions, an upload, a stream, static files"


@case(GROUP, "Flask, flaskr.create_app()", WAYS)
def flask(harness: Harness, deployment: Deployment) -> Observation:
    options = {"LAMBDA_RUNTIME_ERROR_STATUSES": "500-599"}
    with deployed(harness, deployment, "flask", "flaskr.create_app()", **options) as project:
        for site in project.sites:
            expect_page(site.get("/"), 200, 'href="/static/style.css"', "<h1>Posts</h1>")
            expect_page(site.get("/static/style.css"), 200, "rebeccapurple")
            expect_page(site.get("/n%C3%B6where"), 404, "<h1>No page /nöwhere</h1>")
            expect_redirect(site.post("/create", "title=Grüße+%26+more".encode(), FORM), "/")
            expect_page(site.get("/"), 200, "<p>Saved Grüße &amp; more</p>")  # the message is in a cookie
            expect_countdown(site, "/countdown?word=steady", "steady")
        url, _ = project.sites
        expect_page(url.post("/create", b"", FORM), 400)
        expect_page(url.get("/fail"), 502)
        expect_in("log", "GET /fail with status 500", project.function.log_text())
    return "templates, flashed messages, a stream, static files, a failed invocation"


@case(GROUP, "Django, mysite.asgi.application", WAYS)
def django_asgi(harness: Harness, deployment: Deployment) -> Observation:
    return django(harness, deployment, "mysite.asgi.application", "/async_countdown/")


@case(GROUP, "Django, mysite.wsgi.application", WAYS)
def django_wsgi(harness: Harness, deployment: Deployment) -> Observation:
    return django(harness, deployment, "mysite.wsgi.application", "/countdown/")


def django(harness: Harness, deployment: Deployment, handler: str, countdown: str) -> Observation:
    settings = {"DJANGO_SETTINGS_MODULE": "mysite.production", "LAMBDA_RUNTIME_EVENTS": "/queue/"}
    with deployed(harness, deployment, "django", handler, **settings) as project:
        for site in project.sites:
            page = site.get("/")
            expect_page(page, 200, "<h1>Guest book</h1>")
            token = re.findall('name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[0]
            form = f"csrfmiddlewaretoken={token}&name=Ada+%C3%A9".encode()
            expect_redirect(site.post("/", form, FORM, origin=site.origin), "/?signed=Ada%20%C3%A9")
            expect_page(site.get("/?signed=Ada%20%C3%A9"), 200, "<p>Thank you, Ada é!</p>")
            expect_page(site.post("/", form, FORM, origin="https://other.example"), 403, "CSRF")
            expect_redirect(site.get("/admin/"), "/admin/login/?next=/admin/")
            expect_page(site.get("/admin/login/"), 200, "<title>Log in | Django site admin</title>")
            expect_page(site.get("/nowhere"), 404, "<h1>Not Found</h1>")
            expect_countdown(site, countdown)
        event = sample_events.sqs("1")
        failures = [{"itemIdentifier": event["Records"][0]["messageId"]}]
        expect("response to SQS", value(project.invoke(event)), {"batchItemFailures": failures})
    return "templates, forms, CSRF, admin, a stream, SQS"


@case(GROUP, "FastMCP, server.app, with server-sent events", WAYS)
def fastmcp_sse(harness: Harness, deployment: Deployment) -> Observation:
    return fastmcp(harness, deployment, as_json="false")


@case(GROUP, "FastMCP, server.app, with JSON", WAYS)
def fastmcp_json(harness: Harness, deployment: Deployment) -> Observation:
    return fastmcp(harness, deployment, as_json="true")


def fastmcp(harness: Harness, deployment: Deployment, *, as_json: str) -> Observation:
    settings = {"FASTMCP_STATELESS_HTTP": "true", "FASTMCP_JSON_RESPONSE": as_json}
    with deployed(harness, deployment, "fastmcp", "server.app", **settings) as project:
        url, api = project.sites
        for mode in ("legacy", "auto"):  # with initialize; the later protocol, without
            asyncio.run(use_tools(f"{url.origin}/mcp", mode, streams=as_json == "false"))
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = "application/json, text/event-stream"
        response = api.post("/mcp", json.dumps(call).encode(), "application/json", accept=accept)
        expect_page(response, 200)
        message = response.text if as_json == "true" else response.text.partition("data: ")[2]
        expect("tools", len(json.loads(message)["result"]["tools"]), 2)
        expect_page(url.get("/mcp", accept="text/event-stream"), 405)  # nothing to wait for
    return "initialize, tools, progress, a resource"
