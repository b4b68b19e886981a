"""The applications, and the cases for each through its function URL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from conformance.expectations import expect, expect_in
from conformance.suite import Observation, try_again
from conformance.web.adapters import APIG_WSGI, MANGUM, UPLOAD
from conformance.web.event_sources import EVENT_SOURCES, Request
from conformance.web.web_function import Response, WebFunction, expect_pieces

Try = Callable[[WebFunction], Observation]


@dataclass
class Application:
    """One of ``functions/``, the adapter that it is compared with, and its cases in order."""

    package: str
    interface: str
    handler: str
    adapter: str
    without: tuple[str, ...] = ()  # requests of the comparison for which it has no route
    cases: list[tuple[str, Try]] = field(default_factory=list)

    def case(self, title: str) -> Callable[[Try], Try]:
        """Add the decorated function; it raises Mismatch, or returns what it observed."""

        def add(function: Try) -> Try:
            self.cases.append((title, function))
            return function

        return add


FASTAPI = Application("fastapi", "ASGI", "fastapi_function.handler", MANGUM)
STARLETTE = Application("starlette", "ASGI", "starlette_function.handler", MANGUM)
DJANGO_ASGI = Application("Django", "ASGI", "django_function.asgi_handler", MANGUM, ("repeated header",))
FLASK = Application("Flask", "WSGI", "flask_function.handler", APIG_WSGI)
DJANGO_WSGI = Application("Django", "WSGI", "django_function.wsgi_handler", APIG_WSGI, ("repeated header",))
APPLICATIONS = (FASTAPI, STARLETTE, DJANGO_ASGI, FLASK, DJANGO_WSGI)

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def expect_status(response: Response, status: int) -> None:
    expect("status", response.status, status)


def seconds(response: Response) -> str:
    return ", ".join(f"{moment:.2f}" for moment, _ in response.pieces)


@FASTAPI.case("a streaming response arrives piece by piece")
@STARLETTE.case("a streaming response arrives piece by piece, through middleware")
@DJANGO_WSGI.case("a streaming response arrives piece by piece")
def streaming(web: WebFunction) -> Observation:
    response = expect_pieces(lambda: web.request("/stream"), b"0\n", b"1\n", b"2\n")
    return f"after {seconds(response)} s"


@FLASK.case("a streaming response arrives piece by piece, in the request's context")
def streaming_with_context(web: WebFunction) -> Observation:
    lines = [f"{number} of /stream\n".encode() for number in range(3)]
    response = expect_pieces(lambda: web.request("/stream"), *lines)
    return f"after {seconds(response)} s"


@DJANGO_ASGI.case("an asynchronous streaming response arrives piece by piece")
def async_streaming(web: WebFunction) -> Observation:
    response = expect_pieces(lambda: web.request("/async_stream"), b"0\n", b"1\n", b"2\n")
    return f"after {seconds(response)} s"


@FASTAPI.case("server-sent events: the headers arrive before the first event")
def server_sent_events(web: WebFunction) -> Observation:
    pieces = (b"data: one\n\n", b"data: two\n\n")
    response = expect_pieces(lambda: web.request("/sse"), *pieces, after_head=True)
    expect("content type", response.all("content-type"), ["text/event-stream; charset=utf-8"])
    return f"head after {response.head_s:.2f} s, events after {seconds(response)} s"


@FASTAPI.case("the startup has run once, and its state is in each request")
def lifespan(web: WebFunction) -> Observation:
    first, *_, pool = web.request("/events").json()
    expect("first event", first, "startup")
    expect("state", pool, "open")
    expect("events", web.request("/events").json().count("startup"), 1)
    return "startup, open"


@FASTAPI.case("a background task runs when the client has its response")
@STARLETTE.case("a background task runs when the client has its response")
def background(web: WebFunction) -> Observation:
    with TemporaryDirectory() as folder:
        signal_file = Path(folder, "received")  # for which the task waits
        expect("body", web.request(f"/background?{urlencode({'path': signal_file})}").text, "accepted")
        signal_file.touch()
        expect("done before the next request", "worked" in web.request("/events").json(), True)
    return "task done after the response, before the next request"


@FASTAPI.case("a dependency is opened, used and closed")
def dependency(web: WebFunction) -> Observation:
    web.request("/events")
    expect("body", web.request("/depends").json(), "done")
    events = web.request("/events").json()[1:-1]
    expect("events", events, ["opened", "used connection", "closed"])
    return ", ".join(events)


@FASTAPI.case("a file is uploaded")
@FLASK.case("a file is uploaded")
@DJANGO_ASGI.case("a file is uploaded")
def upload(web: WebFunction) -> Observation:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = web.request("/upload", method="POST", body=UPLOAD, headers=headers)
    expect("file", response.json(), {"name": "a.bin", "type": "image/png", "data": [0, 255]})
    return str(response.json())


@FASTAPI.case("request and response cookies work")
@FLASK.case("request and response cookies work")
@DJANGO_WSGI.case("request and response cookies work")
def cookies(web: WebFunction) -> Observation:
    response = web.request("/cookies", headers={"Cookie": "other=1; seen=yes"})
    expect("cookie", response.json(), {"seen": "yes"})
    names = [cookie.partition("=")[0] for cookie in response.all("set-cookie")]
    expect("cookies", names, ["first", "second"])
    return ", ".join(response.all("set-cookie"))


@FASTAPI.case("input that is not valid gets 422")
def validation(web: WebFunction) -> Observation:
    headers = {"Content-Type": "application/json"}
    valid = json.dumps({"name": "é", "price": 1.5}).encode()
    response = web.request("/items", method="POST", body=valid, headers=headers)
    expect("valid", (response.status, response.json()), (200, {"total": 3.0, "name": "é"}))
    response = web.request("/items", method="POST", body=b'{"name": "a", "price": "much"}', headers=headers)
    expect_status(response, 422)
    return str(response.json()["detail"][0]["msg"])


@FASTAPI.case("a WebSocket is refused with a status and a reason")
def websocket(web: WebFunction) -> Observation:
    response = web.request("/socket", headers=WEBSOCKET)
    expect_status(response, 501)
    expect_in("reason", "WebSockets", response.text)
    return f"501 {response.text.strip()}"


@FASTAPI.case("an exception gets 500, and is logged with its trace")
@STARLETTE.case("an exception gets 500, and is logged with its trace")
@FLASK.case("an exception gets 500, and is logged with its trace")
def exception(web: WebFunction) -> Observation:
    response = web.request("/fail")
    expect_status(response, 500)
    web.request("/json")  # by then the application has ended
    log = web.function.log_text()
    expect_in("log", "ValueError: the application fails", log)
    expect_in("trace", "in fail", log)
    return f"500 {response.text.splitlines()[0]}"


@FASTAPI.case("an exception midway cuts the response short, and is in the log")
@FLASK.case("an exception midway cuts the response short, and is in the log")
def midway(web: WebFunction) -> Observation:
    response = web.request("/midway")
    expect("response", (response.status, response.body, response.cut_short), (200, b"begun", True))
    expect_in("log", "ValueError: fails midway", web.function.log_text())
    expect_status(web.request("/json"), 200)
    return "200 begun, then the connection breaks off"


@STARLETTE.case("a file is served, whole and in part")
def file(web: WebFunction) -> Observation:
    whole = web.request("/file")
    part = web.request("/file", headers={"Range": "bytes=3-8"})
    expect_status(part, 206)
    expect("part", part.body, whole.body[3:9])
    return f"{len(whole.body)} bytes; {part.all('content-range')[0]}"


@STARLETTE.case("middleware compresses what is streamed")
def compressed(web: WebFunction) -> Observation:
    response = web.request("/file", headers={"Accept-Encoding": "gzip"})
    expect("content encoding", response.all("content-encoding"), ["gzip"])
    expect("magic", response.body[:2], b"\x1f\x8b")
    return f"{len(response.body)} bytes"


@STARLETTE.case("a mounted application has its root path, and links to itself")
def mounted(web: WebFunction) -> Observation:
    root_path, url = web.request("/inner/page").json()
    expect("root path", root_path, "/inner")
    expect("url", url, f"{web.url.url}inner/page")
    return f"{root_path}, {url}"


@DJANGO_ASGI.case("a synchronous view runs in another thread")
def in_a_thread(web: WebFunction) -> Observation:
    expect("thread", web.request("/thread").json(), {"main": False})
    return "not the main thread"


@DJANGO_WSGI.case("a view runs on the main thread")
def on_the_main_thread(web: WebFunction) -> Observation:
    expect("thread", web.request("/thread").json(), {"main": True})
    return "the main thread"


@DJANGO_ASGI.case("the signal request_finished is sent after each request")
@DJANGO_WSGI.case("the signal request_finished is sent after each request")
def finished(web: WebFunction) -> Observation:
    before = len(web.request("/events").json())
    expect("signals", len(web.request("/events").json()), before + 1)
    return f"{before + 1} signals"


@FLASK.case("a response is closed when it is complete")
def closing(web: WebFunction) -> Observation:
    expect("body", web.request("/closing").text, "one")
    expect("events", web.request("/events").json(), ["closed"])
    return "closed"


@FASTAPI.case("a BUFFERED function URL gives the same responses")
@FLASK.case("a BUFFERED function URL gives the same responses")
def buffered(web: WebFunction) -> Observation:
    handler = web.function.configuration.handler.replace(".handler", ".buffered")
    targets = ("/json", "/cookies", "/picture", "/gzip", "/latin", "/empty", "/stream", "/fail")
    with WebFunction(handler, buffered=True) as other:
        for target in targets:
            expect(target, visible(other.request(target)), visible(web.request(target)))
    return ", ".join(targets)


@FASTAPI.case("handlers around it may await, return or iterate, for every event source")
def around_asgi(web: WebFunction) -> Observation:
    return same_responses(web, ("awaiting", "returning", "iterating"))


@FLASK.case("handlers around it may delegate, return or iterate, for every event source")
def around_wsgi(web: WebFunction) -> Observation:
    return same_responses(web, ("delegating", "returning", "iterating"))


def same_responses(web: WebFunction, around: tuple[str, ...]) -> Observation:
    """Expect that the handlers in ``around`` return the same bytes as the handler that they call."""
    for event_source, make_event in EVENT_SOURCES.items():
        for target in ("/json", "/cookies", "/picture", "/stream", "/missing"):
            event = make_event(Request(target, target=target))
            expected = undated(web.payload(event, "streamed"))
            for name in around:
                expect(f"{name}, {event_source}, {target}", undated(web.payload(event, name)), expected)
    return f"{', '.join(around)}: the same for all {len(EVENT_SOURCES)} event sources"


def undated(payload: bytes) -> bytes:
    """Return the payload without the ``date`` header, whose time may differ by a second."""
    return re.sub(rb"\d\d:\d\d:\d\d GMT", b"GMT", payload)


def visible(response: Response) -> object:
    """Return the response that a client sees, without headers that differ each time."""
    ignored = ("date", "x-amzn-requestid", "content-length", "transfer-encoding")
    headers = sorted((name.lower(), value) for name, value in response.headers if name.lower() not in ignored)
    return response.status, headers, response.body


@FASTAPI.case("the lifespan ends when Lambda ends the environment")
@try_again
def shutdown(_: WebFunction) -> Observation:
    with WebFunction(FASTAPI.handler) as web:
        web.request("/json")
    expect_in("log", "shutdown of FastAPI", web.function.log_text())
    return "shutdown"
