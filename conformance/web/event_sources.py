"""Create the event of each event source for one HTTP request.

Sources: AWS's developer guides, "Invoking Lambda function URLs", "AWS Lambda proxy integrations for HTTP
APIs", "Lambda proxy integrations in API Gateway" and "Lambda functions as targets" of load balancers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lambda_emulator.sample_events.requests import Sender, alb_event, rest_event
from lambda_emulator.sample_events.values import TIME

Event = dict[str, Any]
CLIENT = "192.0.2.7"  # an address for documentation (RFC 5737)


@dataclass(frozen=True)
class Request:
    """A client's request; ``target`` is percent-encoded, as it is sent."""

    name: str
    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


def function_url(request: Request) -> Event:
    return _payload_2(request, "id.lambda-url.eu-west-1.on.aws", request.path)


def http_api(request: Request) -> Event:
    """An HTTP API decodes the path."""
    return _payload_2(request, "id.execute-api.eu-west-1.amazonaws.com", unquote(request.path))


def rest_api(request: Request) -> Event:
    """A REST API whose address has the stage, which encodes all bodies in base64."""
    domain = "id.execute-api.eu-west-1.amazonaws.com"
    fields = [("Host", domain), *_forwarded("https", "443", request), *request.headers]
    sender = Sender("id", domain, CLIENT, "conformance", "id", TIME)
    body = base64.b64encode(request.body).decode()
    event = rest_event(sender, request.method, request.target, fields, body, bool(body))
    event["requestContext"]["path"] = f"/{event['requestContext']['stage']}{request.path}"
    return event


def balancer(request: Request) -> Event:
    """A load balancer keeps the last of repeated values, and does not decode the query."""
    return _balancer(request, multi_value=False)


def balancer_with_lists(request: Request) -> Event:
    return _balancer(request, multi_value=True)


def _balancer(request: Request, *, multi_value: bool) -> Event:
    fields = [("host", "lb.example.com"), *_forwarded("http", "80", request), *request.headers]
    return alb_event(request.method, request.target, fields, request.body, multi_value=multi_value)


EVENT_SOURCES: dict[str, Callable[[Request], Event]] = {
    "function URL": function_url,
    "HTTP API": http_api,
    "REST API": rest_api,
    "load balancer": balancer,
    "load balancer, lists": balancer_with_lists,
}


def _payload_2(request: Request, domain: str, path: str) -> Event:
    headers = _lists([("host", domain), *_forwarded("https", "443", request), *request.headers])
    cookies = headers.pop("cookie", [])
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": {name.lower(): ",".join(values) for name, values in headers.items()},
        "requestContext": {
            "apiId": "id",
            "domainName": domain,
            "domainPrefix": "id",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": "conformance",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [cookie for value in cookies for cookie in value.split("; ")]
    return {**event, **_body(request.body)} if request.body else event


def _forwarded(scheme: str, port: str, request: Request) -> list[tuple[str, str]]:
    length = [("content-length", str(len(request.body)))] if request.body else []
    forwarded = [("x-forwarded-for", CLIENT), ("x-forwarded-proto", scheme), ("x-forwarded-port", port)]
    return [*forwarded, *length]


def _body(body: bytes) -> Event:
    return {"body": base64.b64encode(body).decode() if body else None, "isBase64Encoded": bool(body)}


def _lists(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists
