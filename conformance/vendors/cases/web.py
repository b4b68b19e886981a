"""Mangum and apig-wsgi: a web application behind API Gateway, in payload version 2.0."""

from __future__ import annotations

import base64
import json
from typing import Any

from conformance.expectations import expect, value
from conformance.suite import Observation
from conformance.vendors.harness import Harness, case

MANGUM = "mangum"
APIG_WSGI = "apig-wsgi"


@case(MANGUM, "an ASGI application responds, with query, headers and context")
def asgi(harness: Harness) -> Observation:
    with harness.function("web_function.asgi_handler") as function:
        result = harness.invoke(function, http_event("GET", "/orders/7", query="a=1"))
        response = value(result)
        expect("statusCode", response["statusCode"], 200)
        expect("header", response["headers"]["x-shop"], "yes")
        body = json.loads(response["body"])
        expect("body", body, {"order": 7, "query": {"a": "1"}, "request": result.request_id, "starts": 1})
    return f"{response['statusCode']}, the request's id in its scope"


@case(MANGUM, "invocation after invocation on one event loop, bodies in and out")
def asgi_again(harness: Harness) -> Observation:
    with harness.function("web_function.asgi_handler") as function:
        for number in range(3):
            event = http_event("POST", "/echo", body=json.dumps({"n": number}))
            expect(
                "body", json.loads(value(harness.invoke(function, event))["body"]), {"echo": {"n": number}}
            )
        picture = value(harness.invoke(function, http_event("GET", "/picture")))
        expect("isBase64Encoded", picture["isBase64Encoded"], True)
        expect("picture", base64.b64decode(picture["body"]), b"\x89PNG\xff\x00")
    return "3 posts, 1 picture"


@case(APIG_WSGI, "a WSGI application responds, with body and status")
def wsgi(harness: Harness) -> Observation:
    with harness.function("web_function.wsgi_handler") as function:
        response = value(harness.invoke(function, http_event("POST", "/shop", query="a=1", body="höi")))
        expect("statusCode", response["statusCode"], 201)
        expect("body", response["body"], "POST /shop?a=1 höi ✓")
        expect("header", response["headers"]["x-shop"], "yes")
    return f"{response['statusCode']} {response['body']}"


def http_event(method: str, path: str, query: str = "", body: str | None = None) -> dict[str, Any]:
    """Return an event of API Gateway's HTTP API, payload version 2.0."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "shop.example", "content-type": "application/json", "x-forwarded-proto": "https"},
        "requestContext": {
            "stage": "$default",
            "domainName": "shop.example",
            "requestId": "id",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
        },
        "isBase64Encoded": False,
    }
    return event if body is None else {**event, "body": body}
