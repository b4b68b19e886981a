"""Describe an HTTP request as an event, in payload format 2.0.

AWS's developer guide describes the format under "Invoking Lambda function URLs". Other details follow events
of real function URLs that the tests of AWS's library for Go contain.
"""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.servers.http_server import Request

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


def make_event(
    request: Request, body: bytes, endpoint: Endpoint, request_id: str, trace_id: str
) -> dict[str, Any]:
    """Return the event of a function URL.

    The path stays percent-encoded, as function URLs leave it (API Gateway decodes it). ``requestContext`` has
    a realistic domain name. ``host`` and the ``x-forwarded-`` headers describe the actual connection, so that
    links which an application builds from them lead back to the emulator.
    """
    raw_path, _, query = ascii_target(request).partition("?")
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
        event["queryStringParameters"] = joined(parse_qsl(query, keep_blank_values=True))
    if body:
        event["body"], event["isBase64Encoded"] = encode_body(body, headers.get("content-type", ""))
    return event


def ascii_target(request: Request) -> str:
    return quote(request.target, safe=_ASCII, errors="surrogateescape")


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
    return joined([(name.lower(), value) for name, value in sent_fields(request, body, endpoint, trace_id)])


def sent_fields(request: Request, body: bytes, endpoint: Endpoint, trace_id: str) -> list[tuple[str, str]]:
    """Return the headers of the request, and those that AWS adds; without those about the connection."""
    forwarded_for = [value for name, value in request.headers if name.lower() == "x-forwarded-for"]
    own = {
        "X-Amzn-Trace-Id": request.header("X-Amzn-Trace-Id") or trace_id.partition(";")[0],
        "X-Forwarded-For": ", ".join([*forwarded_for, request.client]),
        "X-Forwarded-Port": str(endpoint.port),
        "X-Forwarded-Proto": "http",
    }
    if body:
        own["Content-Length"] = str(len(body))  # even if the request was chunked
    replaced = {*_OF_THE_CONNECTION, *(name.lower() for name in own)}
    return [*(field for field in request.headers if field[0].lower() not in replaced), *own.items()]


def joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Merge repeated names: join values with a comma, cookies with a semicolon."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: ("; " if name == "cookie" else ",").join(several) for name, several in values.items()}


def encode_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return the body as text, and whether the text is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # compressed, or in another encoding
    return base64.b64encode(body).decode("ascii"), True
