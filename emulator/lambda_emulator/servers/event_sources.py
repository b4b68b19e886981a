"""Know how each source of HTTP events describes a request, and how it reads the function's response.

AWS's developer guides describe them under "Invoking Lambda function URLs", "AWS Lambda proxy integrations for
HTTP APIs", "Lambda proxy integrations in API Gateway" and "Lambda functions as targets" of load balancers.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from io import BufferedReader, BytesIO
from typing import NamedTuple

from lambda_emulator.functions.invocation import new_trace_id
from lambda_emulator.sample_events.requests import Sender, alb_event, become_http_api, rest_event
from lambda_emulator.sample_events.values import as_base64
from lambda_emulator.servers.http_event import Endpoint, ascii_target, make_event, sent_fields
from lambda_emulator.servers.http_server import Request, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Tuple

    from lambda_emulator.sample_events.values import Event

    Fields = Sequence[Tuple[str, str]]
    Make = Callable[[Request, bytes, Endpoint, str, str], Event]

FUNCTION_URL = "function-url"
MEGABYTE = 1024 * 1024


class EventSource(NamedTuple):
    """What differs between the sources. The defaults are those of a function URL."""

    title: str
    make: Make
    failed: tuple[int, str, str]  # status, type and body of the response if the function fails
    throttled: int = 429
    can_stream: bool = True
    needs_status: bool = False  # else a response without statusCode is the body
    reads_multi_value: bool = False  # multiValueHeaders
    reads_cookies: bool = True
    reads_description: bool = False  # statusDescription
    limit: int = 0  # of the request's body and of the response, bytes; 0: Lambda's own

    def failure(self, status: int = 0) -> Response:
        """Return the response of a source whose function has failed."""
        usual, content_type, body = self.failed
        return Response(status or usual, body.encode(), [("Content-Type", content_type)])


def _http_api(request: Request, body: bytes, endpoint: Endpoint, request_id: str, trace_id: str) -> Event:
    event = make_event(request, body, endpoint, request_id, trace_id)
    become_http_api(event)
    event["requestContext"].update(
        apiId=_api_id(endpoint), domainPrefix=_api_id(endpoint), domainName=_domain(endpoint)
    )
    return event


def _rest_api(request: Request, body: bytes, endpoint: Endpoint, request_id: str, trace_id: str) -> Event:
    """Text is sent as it is, other bodies in base64, as if all binaryMediaTypes were configured for them."""
    sender = Sender(
        _api_id(endpoint),
        _domain(endpoint),
        request.client,
        request.header("User-Agent"),
        request_id,
        datetime.now(timezone.utc),
    )
    try:
        text, encoded = body.decode("utf-8"), False
    except UnicodeDecodeError:
        text, encoded = as_base64(body), True
    fields = sent_fields(request, body, endpoint, trace_id)
    return rest_event(sender, request.method, ascii_target(request), fields, text, encoded)


def _alb(request: Request, body: bytes, endpoint: Endpoint, request_id: str, trace_id: str) -> Event:
    """Without multi-value headers, the default of target groups."""
    return alb_event(
        request.method, ascii_target(request), sent_fields(request, body, endpoint, trace_id), body
    )


def _api_id(endpoint: Endpoint) -> str:
    return endpoint.url_id[:10]  # as long as the service's


def _domain(endpoint: Endpoint) -> str:
    return f"{_api_id(endpoint)}.execute-api.{endpoint.region}.amazonaws.com"


_BAD_GATEWAY = """<html>\r
<head><title>502 Bad Gateway</title></head>\r
<body>\r
<center><h1>502 Bad Gateway</h1></center>\r
</body>\r
</html>\r
"""

# By the names that the command line knows.
EVENT_SOURCES = {
    FUNCTION_URL: EventSource(
        "the function URL", make_event, (502, "text/plain; charset=utf-8", "Internal Server Error")
    ),
    "http-api": EventSource(
        "the HTTP API",
        _http_api,
        (500, "application/json", '{"message":"Internal Server Error"}'),
        500,
        False,
    ),
    "rest-api": EventSource(
        "the REST API",
        _rest_api,
        (502, "application/json", '{"message": "Internal server error"}'),
        500,
        needs_status=True,
        reads_multi_value=True,
        reads_cookies=False,
    ),
    "alb": EventSource(
        "the load balancer",
        _alb,
        (502, "text/html", _BAD_GATEWAY),
        502,
        can_stream=False,
        needs_status=True,
        reads_cookies=False,
        reads_description=True,
        limit=MEGABYTE,
    ),
}


def encode_event(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")


def typed_request(
    source: EventSource, method: str, target: str, headers: Fields = (), body: bytes | None = None
) -> bytes:
    """Return the event for a request given on the command line.

    Headers that are missing get the values that curl would send, also the type of a form for a body.
    """
    usual = [("Host", "localhost"), ("User-Agent", "emulator"), ("Accept", "*/*")]
    if body is not None:
        usual.append(("Content-Type", "application/x-www-form-urlencoded"))
    given = {name.lower() for name, _ in headers}
    fields = [field for field in usual if field[0].lower() not in given]
    fields += headers
    request = Request(BufferedReader(BytesIO()), method, target, "HTTP/1.1", fields)
    request.client = "127.0.0.1"
    endpoint = Endpoint("emulator", "us-east-1", 80)
    return encode_event(source.make(request, body or b"", endpoint, str(uuid.uuid4()), new_trace_id()))
