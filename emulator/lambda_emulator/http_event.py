"""Describe an HTTP request as an event, in payload format 2.0.

AWS's developer guide describes the format under "Invoking Lambda function URLs". Other details follow events
of real function URLs that the tests of AWS's library for Go contain.
"""

from __future__ import annotations

import base64
import json
import uuid
from datetime import datetime, timezone
from io import BufferedReader, BytesIO
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from lambda_emulator.http_server import Request
from lambda_emulator.invocation import new_trace_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Headers about the connection (RFC 9110, 7.6.1 and 10.1.1), which the event does not contain.
_OF_THE_CONNECTION = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
}

# All other bodies, including forms, are encoded in base64.
_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")

# The characters that a request target may contain (RFC 3986); others are percent-encoded to survive JSON.
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class Endpoint(NamedTuple):
    """The function URL that received a request."""

    url_id: str
    region: str
    port: int

    @property
    def domain_name(self) -> str:
        return f"{self.url_id}.lambda-url.{self.region}.on.aws"


def make_event(request: Request, body: bytes, endpoint: Endpoint, request_id: str, trace_id: str) -> bytes:
    """Return the event as JSON.

    The path stays percent-encoded, as function URLs leave it (API Gateway decodes it). ``requestContext`` has
    a realistic domain name. ``host`` and the ``x-forwarded-`` headers describe the actual connection, so that
    links which an application builds from them lead back to the emulator.
    """
    raw_path, _, query = quote(request.target, safe=_ASCII, errors="surrogateescape").partition("?")
    headers = _headers(request, body, endpoint, trace_id)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _context(request, endpoint, raw_path, request_id),
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
    }
    cookies = [cookie.strip() for cookie in headers.get("cookie", "").split(";")]
    if any(cookies):
        event["cookies"] = [cookie for cookie in cookies if cookie]
    if query:
        event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if body:
        event["body"], event["isBase64Encoded"] = _encode(body, headers.get("content-type", ""))
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")


def typed_request(method: str, target: str) -> bytes:
    """Return the event for a request given on the command line: no body, and only the usual headers."""
    headers = [("Host", "localhost"), ("User-Agent", "emulator"), ("Accept", "*/*")]
    request = Request(BufferedReader(BytesIO()), method, target, "HTTP/1.1", headers)
    request.client = "127.0.0.1"
    return make_event(request, b"", Endpoint("emulator", "us-east-1", 80), str(uuid.uuid4()), new_trace_id())


def _context(request: Request, endpoint: Endpoint, path: str, request_id: str) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    return {
        "accountId": "anonymous",
        "apiId": endpoint.url_id,
        "authentication": None,
        "domainName": endpoint.domain_name,
        "domainPrefix": endpoint.url_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.version,
            "sourceIp": request.client,
            "userAgent": request.header("User-Agent"),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _headers(request: Request, body: bytes, endpoint: Endpoint, trace_id: str) -> dict[str, str]:
    named = [(name.lower(), value) for name, value in request.headers]
    forwarded_for = [value for name, value in named if name == "x-forwarded-for"]
    own = {
        "x-amzn-trace-id": request.header("X-Amzn-Trace-Id") or trace_id.partition(";")[0],
        "x-forwarded-for": ", ".join([*forwarded_for, request.client]),
        "x-forwarded-port": str(endpoint.port),
        "x-forwarded-proto": "http",
    }
    if body:
        own["content-length"] = str(len(body))  # even if the request was chunked
    return {**_joined([(name, value) for name, value in named if name not in _OF_THE_CONNECTION]), **own}


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Merge repeated names: join values with a comma, cookies with a semicolon."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        separator = "; " if name == "cookie" else ","
        joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def _encode(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return the body as text, and whether the text is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # compressed, or in another encoding
    return base64.b64encode(body).decode("ascii"), True
