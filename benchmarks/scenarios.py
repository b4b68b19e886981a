"""The measured functions, each with its event and the expected response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.functions.hello import PAGE


@dataclass(frozen=True)
class Scenario:
    """A handler in benchmarks/functions, an event, and the expected response.

    ``response`` is a JSON value; ``log_line`` is in the log once for each event.
    """

    name: str
    handler: str
    event: bytes
    response: object
    log_line: bytes = b""


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


def orders(count: int) -> dict[str, Any]:
    """Return records like those of a queue or a batch job, about 150 bytes each."""
    return {
        "orders": [
            {
                "id": f"order-{number:08}",
                "customer": f"customer-{number % 997:05}",
                "quantity": number % 7,
                "price": number / 100,
                "tags": ["new", "gift"] if number % 3 else [],
                "note": None,
            }
            for number in range(count)
        ]
    }


def encode(value: object) -> bytes:
    """Encode JSON like AWS's services: compact, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


NAME = {"name": "World"}
GREETING = {"message": "Hello, World!"}
PAGE_HEADERS = {"content-type": "text/html", "x-path": "/shops/17/orders"}
ORDER_COUNT = 8_500  # 1 MB

HELLO = Scenario("small event", "hello.handler", encode(NAME), GREETING)
PAGE_REQUEST = Scenario(
    "2 KB HTTP event",
    "hello.page",
    encode(http_request()),
    {"statusCode": 200, "headers": PAGE_HEADERS, "body": PAGE},
)
ORDERS = Scenario(
    "1 MB event",
    "hello.total",
    encode(orders(ORDER_COUNT)),
    sum(number % 7 for number in range(ORDER_COUNT)),
)
LOGGING = Scenario("with logging", "with_logging.handler", encode(NAME), GREETING, b"greeting World")
JSON = Scenario(
    "with json",
    "with_json.handler",
    encode(NAME),
    {"statusCode": 200, "body": json.dumps(GREETING)},
)
