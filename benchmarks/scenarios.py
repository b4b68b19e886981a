"""The measured functions, each with its event and the expected response."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from benchmarks.functions.hello import PAGE


@dataclass(frozen=True)
class Scenario:
    """A function in benchmarks/functions, what each runtime needs to serve it, an event, and the response.

    ``response`` is a JSON value: the body if the function responds with HTTP. ``log_line`` is in the log once
    for each event. ``packages`` are the distributions in the task root, besides those that they need.
    """

    name: str
    handler: str
    event: bytes
    response: object
    log_line: bytes = b""
    aws_handler: str = ""  # "" means the same
    packages: tuple[str, ...] = ()
    is_http: bool = False
    server: tuple[str, ...] = ()  # arguments of `python -m` that serve the application on {port}
    has_bundle: bool = False

    @property
    def module(self) -> str:
        return self.handler.partition(".")[0]

    def check(self, body: bytes) -> bool:
        """Return whether ``body`` is the expected response."""
        found = json.loads(body)
        if self.is_http:
            return bool(found["statusCode"] == 200 and json.loads(found["body"]) == self.response)
        return bool(found == self.response)


def http_request() -> dict[str, Any]:
    """Return an event of API Gateway's HTTP APIs (payload version 2.0), 2 to 3 KB."""
    cookie = "session=" + "a1b2c3d4" * 60
    headers = {
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "de,en-US;q=0.7,en;q=0.3",
        "content-length": "0",
        "host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "same-origin",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    claims = {
        "sub": "1f0c3a6e-5d7b-4f1e-9b1a-0c2d4e6f8a0b",
        "scope": "orders/read orders/write",
        "iat": "1763800000",
    }
    context = {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "authorizer": {"jwt": {"claims": claims, "scopes": None}},
        "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "http": {
            "method": "GET",
            "path": "/shops/17/orders",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.7",
            "userAgent": headers["user-agent"],
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "GET /shops/{shop}/orders",
        "stage": "$default",
        "time": "12/Mar/2026:19:03:58 +0000",
        "timeEpoch": 1773342238000,
    }
    return {
        "version": "2.0",
        "routeKey": "GET /shops/{shop}/orders",
        "rawPath": "/shops/17/orders",
        "rawQueryString": "from=2026-01-01&page=3",
        "cookies": [cookie],
        "headers": headers,
        "queryStringParameters": {"from": "2026-01-01", "page": "3"},
        "pathParameters": {"shop": "17"},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def encode(value: object) -> bytes:
    """Encode JSON like AWS's services: compact, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def large_values(size: int) -> dict[str, object]:
    """Return values that have about ``size`` bytes as JSON: text, base64, and nested objects."""
    sentence = 'The café\'s "order" was late.\n'
    nested = [
        {
            "id": f"order-{number:08}",
            "customer": {"id": number % 997, "name": f"customer-{number % 997:05}"},
            "items": [{"sku": f"sku-{number % 31}", "price": number / 100, "gift": number % 3 == 0}],
            "note": None,
        }
        for number in range(size // 136)
    ]
    return {
        "text": sentence * (size // 33),
        "base64": base64.b64encode(bytes(range(256)) * (size * 3 // 4 // 256)).decode(),
        "nested objects": nested,
    }


NAME = {"name": "World"}
GREETING = {"message": "Hello, World!"}
ORDERS = {"shop": 17, "page": 3}
PAGE_HEADERS = {"content-type": "text/html", "x-path": "/shops/17/orders"}
PAGE_RESPONSE = {"statusCode": 200, "headers": PAGE_HEADERS, "body": PAGE}
HTTP_EVENT = encode(http_request())


def greeting(name: str, module: str, *packages: str, log_line: bytes = b"") -> Scenario:
    return Scenario(name, f"{module}.handler", encode(NAME), GREETING, log_line, packages=packages)


HELLO = greeting("hello", "hello")
PAGE_REQUEST = Scenario("2 KB HTTP event", "hello.page", HTTP_EVENT, PAGE_RESPONSE)
FASTAPI = Scenario(
    "FastAPI",
    "fastapi_app.app",
    HTTP_EVENT,
    ORDERS,
    aws_handler="fastapi_mangum.handler",
    packages=("fastapi", "mangum", "uvicorn"),
    is_http=True,
    server=("uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log", "fastapi_app:app"),
    has_bundle=True,
)
FLASK = Scenario(
    "Flask",
    "flask_app.app",
    HTTP_EVENT,
    ORDERS,
    aws_handler="flask_apig_wsgi.handler",
    packages=("flask", "apig-wsgi"),
    is_http=True,
)
POWERTOOLS = Scenario(
    "Powertools",
    "powertools_app.handler",
    HTTP_EVENT,
    ORDERS,
    packages=("aws-lambda-powertools",),
    is_http=True,
)
FUNCTIONS = (
    HELLO,
    greeting("logging", "with_logging", log_line=b"greeting World"),
    greeting("boto3", "with_boto3", "boto3"),
    greeting("pydantic", "with_pydantic", "pydantic"),
    FASTAPI,
    FLASK,
    POWERTOOLS,
    greeting("numpy", "with_numpy", "numpy"),
)
FAILING = Scenario("failing", "hello.failing", encode(NAME), None)
STREAMED = Scenario("stream", "streamed.handler", b"", None)
SIZES = {"1 MB": 1_000_000, "6 MB": 5_900_000}  # Lambda's limit is 6 MB
LARGE_EVENTS = tuple(
    Scenario(f"{label} of {kind}", "hello.echo", encode(value), value)
    for label, size in SIZES.items()
    for kind, value in large_values(size).items()
)
