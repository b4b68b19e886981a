"""Events of every source, changed in any way, as requests of ASGI and WSGI applications."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from typing import Any

from hypothesis import example
from hypothesis import strategies as st
from lambda_emulator.sample_events import EVENTS
from lambda_runtime import asgi, codec, wsgi
from lambda_runtime.web.http_event import NoHttpRequest

from conformance.fuzz.mutations import JSON_CHANGES, JSON_VALUES, change_json
from conformance.fuzz.properties import holds_for
from tests.runtime.test_http_event import (
    balancer_event,
    http_api_1_event,
    http_api_event,
    rest_event,
    url_event,
)

SOURCES: tuple[Any, ...] = (
    url_event(),
    http_api_event("/prod/a b", "prod"),
    http_api_event("/a", "prod", "example.com"),
    http_api_1_event("/prod/é", "prod"),
    rest_event(),
    rest_event("/", "/prod"),
    balancer_event(),
    balancer_event(lists=True),
)
SERVICES = (*SOURCES, *(make() for make in EVENTS.values()))
loop = asyncio.new_event_loop()
seen: dict[str, Any] = {}


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    seen["scope"], seen["body"] = scope, (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok"})


def wsgi_app(environ: Any, start_response: Any) -> Any:
    seen["environ"] = environ
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


class Context:
    """The part of Lambda's context that the bridges use."""

    tenant_id = None


ASGI = asgi.handler(asgi_app, lifespan="off", streaming=False)
WSGI = wsgi.handler(wsgi_app, streaming=False)
POSTED = asgi.handler(asgi_app, lifespan="off", events="/events")


def check_scope(scope: Any, body: Any) -> None:
    """Check the types and the invariants that ASGI demands."""
    for name in ("method", "http_version", "scheme", "path", "root_path"):
        assert type(scope[name]) is str, name
    assert scope["method"] == scope["method"].upper()
    for name in ("raw_path", "query_string"):
        assert type(scope[name]) is bytes, name
        assert all(0x20 < byte < 0x7F for byte in scope[name]), (name, scope[name])
    assert scope["path"].startswith(
        scope["root_path"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    )
    for name, value in scope["headers"]:
        assert type(name) is type(value) is bytes
        assert name == name.lower() or not name.isascii()
    client, (host, port) = scope["client"], scope["server"]
    assert client is None or (type(client[0]) is str and client[1] == 0), client
    assert type(host) is str and 0 <= port <= 99999
    assert type(body) is bytes


def check_environ(environ: Any) -> None:
    """Check that PEP 3333's variables are native strings of Latin-1."""
    for name, value in environ.items():
        if not name.startswith(("wsgi.", "aws.")):
            assert type(value) is str, name
            value.encode("latin-1")


def check(event: Any) -> None:
    seen.clear()
    try:
        response = loop.run_until_complete(ASGI(event, Context()))
        other = WSGI(event, Context())
    except NoHttpRequest as error:
        assert str(error)
        loop.run_until_complete(POSTED(event, Context()))
        assert seen["scope"]["path"] == "/events"
        assert json.dumps(json.loads(seen["body"])) == json.dumps(event)
        return
    assert response["statusCode"] == other["statusCode"] and response["statusCode"] in (200, 400, 501)
    if response["statusCode"] == 200:
        check_scope(seen["scope"], seen["body"])
        check_environ(seen["environ"])
    codec.encode_response(response)
    codec.encode_response(other)


@holds_for(st.one_of(st.builds(change_json, st.sampled_from(SERVICES), JSON_CHANGES), JSON_VALUES))
@example({**url_event(), "requestContext": {"http": {"method": 7}}})
def test_any_event_is_a_right_request_or_a_400_or_not_http(event: Any) -> None:
    check(event)


TEXT = st.text(st.characters(), max_size=20)
HEADERS = st.dictionaries(st.text(st.characters(), min_size=1, max_size=10), TEXT, max_size=4)


@holds_for(
    st.integers(0, len(SOURCES) - 1),
    st.fixed_dictionaries(
        {},
        optional={
            "rawPath": TEXT,
            "path": TEXT,
            "rawQueryString": TEXT,
            "httpMethod": TEXT,
            "headers": HEADERS,
            "multiValueHeaders": st.dictionaries(TEXT, st.lists(TEXT, max_size=3), max_size=3),
            "queryStringParameters": st.dictionaries(TEXT, TEXT, max_size=3),
            "multiValueQueryStringParameters": st.dictionaries(TEXT, st.lists(TEXT, max_size=3), max_size=3),
            "cookies": st.lists(TEXT, max_size=3),
            "body": st.one_of(TEXT, st.binary(max_size=20).map(lambda body: base64.b64encode(body).decode())),
            "isBase64Encoded": st.booleans(),
        },
    ),
)
def test_any_text_in_an_event_is_a_right_request_or_a_400(source: int, changes: dict[str, Any]) -> None:
    event = {**copy.deepcopy(SOURCES[source]), **changes}
    check(json.loads(json.dumps(event)))
