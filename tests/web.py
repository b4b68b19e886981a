"""Helpers of tests over HTTP: a function with a URL, and a client that records when each piece arrives."""

from __future__ import annotations

import base64
import json
import os
import time
from http.client import HTTPConnection, IncompleteRead
from urllib.parse import urlsplit

from lambda_emulator.servers.function_url import FunctionUrl

from tests.support import PATIENCE_S, Function, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Response:
    """An HTTP response: status, headers in order with lower-case names, and the pieces of the body."""

    def __init__(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = headers
        self.pieces: list[tuple[float, bytes]] = []  # with the seconds after the request was sent
        self.cut_short = False  # the connection closed before the end of the body

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str | None:
        return next((value for field, value in self.headers if field == name), None)

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field == name]


class WebTestCase(FunctionTestCase):
    """A test of a function that is called over HTTP."""

    def url(self, function: Function, invoke_mode: str = "RESPONSE_STREAM") -> str:
        function_url = FunctionUrl(function, invoke_mode=invoke_mode)
        self.addCleanup(function_url.close)
        return function_url.url

    def request(
        self,
        url: str,
        target: str = "/",
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        note_in: str = "",
    ) -> Response:
        """Make a request and read the whole response.

        ``note_in``: a folder that gets an empty file for the headers and each piece: ``0``, ``1`` …
        """
        connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        began = time.monotonic()
        connection.request(method, target, body, dict(headers or {}))
        raw = connection.getresponse()
        response = Response(raw.status, [(name.lower(), value) for name, value in raw.getheaders()])
        try:
            while True:
                if note_in:
                    open(os.path.join(note_in, str(len(response.pieces))), "w").close()
                piece = raw.read1(65_536)
                if not piece:
                    return response
                response.pieces.append((time.monotonic() - began, piece))
        except (IncompleteRead, ConnectionError):
            response.cut_short = True
            return response


def url_event(
    method: str = "GET", path: str = "/", body: str | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An event of a function URL, payload format 2.0."""
    domain = "id.lambda-url.us-east-1.on.aws"
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "test",
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": domain, **(headers or {})},
        "requestContext": {"domainName": domain, "stage": "$default", "http": http},
        "isBase64Encoded": False,
    }
    return event if body is None else {**event, "body": body}


# One request, ``GET /a``, from each event source.
EVENTS: dict[str, dict[str, Any]] = {
    "function URL": url_event(path="/a"),
    "HTTP API": {
        **url_event(path="/a"),
        "requestContext": {
            "domainName": "api.example.com",
            "stage": "$default",
            "http": {"method": "GET", "path": "/a"},
        },
    },
    "HTTP API, payload 1.0": {
        "version": "1.0",
        "httpMethod": "GET",
        "path": "/a",
        "headers": {},
        "requestContext": {},
    },
    "REST API": {
        "httpMethod": "GET",
        "path": "/a",
        "headers": {},
        "requestContext": {"path": "/a", "stage": "prod", "domainName": "api.example.com"},
    },
    "load balancer": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "GET",
        "path": "/a",
        "headers": {},
    },
    "load balancer, lists": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "GET",
        "path": "/a",
        "multiValueHeaders": {"host": ["lb"]},
    },
}


def read_response(payload: bytes, *, streamed: bool) -> tuple[int, str, str]:
    """Return status, header ``x-own`` and text of a response: a stream with a prelude, or an envelope."""
    if streamed:
        head, body = split_prelude(payload)
    else:
        head = json.loads(payload)
        body = head["body"].encode()
        if head["isBase64Encoded"]:
            body = base64.b64decode(body)
    values = head.get("headers") or head["multiValueHeaders"]
    return head["statusCode"], "".join(values["x-own"]), body.decode()


def split_prelude(response: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the prelude and the body of a streamed response as the runtime sends it."""
    head, nulls, body = response.partition(bytes(8))
    if not nulls:
        raise AssertionError(f"no prelude: {response[:200]!r}")
    return json.loads(head), body
