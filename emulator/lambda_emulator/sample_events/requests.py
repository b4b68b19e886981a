"""Make the events of HTTP requests: API Gateway, function URLs, load balancers, CloudFront."""

from __future__ import annotations

import http.client
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from lambda_emulator.sample_events.values import (
    ACCOUNT_ID,
    CLIENT,
    REGION,
    REQUEST_ID,
    TIME,
    TIME_MS,
    TRACE_ID,
    as_base64,
    as_bytes,
    one_of,
)
from lambda_emulator.servers.http_event import encode_body, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lambda_emulator.sample_events.values import Event

PROXY = "/{proxy+}"  # the resource for all paths
EDGE_EVENTS = ("viewer-request", "origin-request", "origin-response", "viewer-response")


class Sender(NamedTuple):
    """Who sends a request, to which API and when: fixed in a sample, real in a request that is served."""

    api_id: str
    host: str
    client: str
    user_agent: str
    request_id: str
    time: datetime


def http_api(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    route: str = "$default",
    path_parameters: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
) -> Event:
    """An HTTP API of API Gateway, payload format 2.0.

    ``target`` is the path and the query as a client sends them, percent-encoded. ``route``: the route key,
    such as ``GET /items/{id}``. ``authorizer``: for example ``{"jwt": {"claims": {"sub": "7"}}}``.
    """
    event = _format_2("api-id", "execute-api.us-east-1.amazonaws.com", method, target, headers, body)
    become_http_api(event)
    event["routeKey"] = event["requestContext"]["routeKey"] = route
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if authorizer is not None:
        event["requestContext"]["authorizer"] = dict(authorizer)
    return event


def become_http_api(event: Event) -> None:
    """Change the event of a function URL into that of an HTTP API, which decodes the path."""
    event["rawPath"] = event["requestContext"]["http"]["path"] = unquote(event["rawPath"])
    event["requestContext"]["accountId"] = ACCOUNT_ID


def function_url(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    authorizer: Mapping[str, Any] | None = None,
) -> Event:
    """A function URL. Arguments as for `http_api`; ``authorizer`` is ``{"iam": {…}}`` with AWS_IAM."""
    event = _format_2("url-id", "lambda-url.us-east-1.on.aws", method, target, headers, body)
    if authorizer is not None:
        event["requestContext"].update(authorizer=dict(authorizer), accountId=ACCOUNT_ID)
    return event


def rest_api(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    resource: str = PROXY,
    path_parameters: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    stage: str = "prod",
) -> Event:
    """A REST API of API Gateway with a Lambda proxy integration, payload format 1.0.

    ``resource``: its path with variables, such as ``/items/{id}``. ``body``: ``bytes`` are sent in base64.
    ``authorizer``: for example ``{"claims": {"sub": "7"}}`` of Cognito.
    """
    host = "api-id.execute-api.us-east-1.amazonaws.com"
    data, headers = _body(body, headers)
    fields = [("Host", host), *_forwarded("https"), *headers.items()]
    text = as_base64(data) if isinstance(body, bytes) else data.decode()
    sender = Sender("api-id", host, CLIENT, "sample", REQUEST_ID, TIME)
    event = rest_event(sender, method, target, fields, text, isinstance(body, bytes) and bool(data))
    context = event["requestContext"]
    context.update(path=f"/{stage}{event['path']}", stage=stage)
    event["resource"] = context["resourcePath"] = resource
    if path_parameters is not None or resource != PROXY:
        event["pathParameters"] = dict(path_parameters) if path_parameters else None
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    return event


def rest_event(
    sender: Sender, method: str, target: str, fields: list[tuple[str, str]], body: str, encoded: bool
) -> Event:
    """Return the event of a REST API with a custom domain, whose address does not have the stage."""
    path, query = _split(target)
    headers, parameters = _lists(fields), _lists(parse_qsl(query, keep_blank_values=True))
    return {
        "resource": PROXY,
        "path": path,
        "httpMethod": method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(parameters) or None,
        "multiValueQueryStringParameters": parameters or None,
        "pathParameters": {"proxy": path[1:]} if path != "/" else None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "a1b2c3",
            "resourcePath": PROXY,
            "httpMethod": method,
            "extendedRequestId": "JJbxmplHYosFVYQ=",
            "requestTime": sender.time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "path": path,
            "accountId": ACCOUNT_ID,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": sender.api_id,
            "requestTimeEpoch": int(sender.time.timestamp() * 1000),
            "requestId": sender.request_id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": sender.client,
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": sender.user_agent,
                "user": None,
            },
            "domainName": sender.host,
            "apiId": sender.api_id,
        },
        "body": body or None,
        "isBase64Encoded": encoded,
    }


def alb(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    multi_value: bool = False,
) -> Event:
    """An Application Load Balancer. It does not decode the query.

    ``multi_value``: as with the target group's attribute ``lambda.multi_value_headers.enabled``.
    """
    data, headers = _body(body, headers)
    host = "sample-1234567890.us-east-1.elb.amazonaws.com"
    fields = [("host", host), *_forwarded("http"), *headers.items()]
    return alb_event(method, target, fields, data, multi_value=multi_value)


def alb_event(
    method: str, target: str, fields: list[tuple[str, str]], body: bytes, *, multi_value: bool = False
) -> Event:
    path, query = _split(target)
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    headers, parameters = _lists(_lower(fields)), _lists([(name, value) for name, _, value in pairs])
    event: Event = {
        "requestContext": {
            "elb": {
                "targetGroupArn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:"
                "targetgroup/sample/6d0ecf831eec9f09"
            }
        },
        "httpMethod": method,
        "path": path,
    }
    if multi_value:
        event.update(multiValueQueryStringParameters=parameters, multiValueHeaders=headers)
    else:
        event.update(queryStringParameters=_last(parameters), headers=_last(headers))
    content_type = _last(headers).get("content-type", "text/")
    event["body"], event["isBase64Encoded"] = encode_body(body, content_type)
    return event


def cloudfront(
    event_type: str = "viewer-request",
    *,
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Event:
    """Lambda@Edge: ``viewer-request``, ``origin-request``, ``origin-response`` or ``viewer-response``.

    ``status``: that of the response, if the event has one.
    """
    one_of(EDGE_EVENTS, event_type, "CloudFront event")
    uri, query = _split(target)
    host = "d111111abcdef8.cloudfront.net"
    request: Event = {
        "clientIp": CLIENT,
        "headers": _edge_headers({"Host": host, "User-Agent": "sample", "Accept": "*/*", **(headers or {})}),
        "method": method,
        "querystring": query,
        "uri": uri,
    }
    if event_type.startswith("origin-"):
        request["origin"] = {
            "custom": {
                "customHeaders": {},
                "domainName": "example.org",
                "keepaliveTimeout": 5,
                "path": "",
                "port": 443,
                "protocol": "https",
                "readTimeout": 30,
                "sslProtocols": ["TLSv1", "TLSv1.1", "TLSv1.2"],
            }
        }
    cf: Event = {
        "config": {
            "distributionDomainName": host,
            "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": event_type,
            "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
        },
        "request": request,
    }
    if event_type.endswith("-response"):
        cf["response"] = {
            "headers": _edge_headers({"Content-Type": "text/html", "Server": "sample"}),
            "status": str(status),
            "statusDescription": http.client.responses.get(status, ""),
        }
    return {"Records": [{"cf": cf}]}


def _format_2(
    api_id: str, domain: str, method: str, target: str, headers: Mapping[str, str] | None, body: object
) -> Event:
    """Return an event in payload format 2.0, with the path as it is sent."""
    path, query = _split(target)
    host = f"{api_id}.{domain}"
    data, headers = _body(body, headers)
    named = joined(
        [("host", host), ("user-agent", "sample"), *_lower([*_forwarded("https"), *headers.items()])]
    )
    cookies = [cookie.strip() for cookie in named.pop("cookie", "").split(";") if cookie.strip()]
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": named,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": api_id,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": named["user-agent"],
            },
            "requestId": REQUEST_ID,
            "routeKey": "$default",
            "stage": "$default",
            "time": TIME.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": TIME_MS,
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = joined(parse_qsl(query, keep_blank_values=True))
    if data:
        event["body"], event["isBase64Encoded"] = encode_body(data, named["content-type"])
    return event


def _split(target: str) -> tuple[str, str]:
    """Return path and query of a request target; raise ValueError if that is not a path (RFC 9112, 3.2.1)."""
    if not target.startswith("/"):
        raise ValueError(f"The target is {target!r}, expected a path that begins with a slash: '/{target}'")
    path, _, query = target.partition("?")
    return path, query


def _body(body: object, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    """Return the body as bytes, and the headers with its type and length."""
    headers = dict(headers or {})
    if body is None:
        return b"", headers
    data, names = as_bytes(body), {name.lower() for name in headers}
    if "content-type" not in names:
        plain = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
        headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else plain
    if "content-length" not in names:
        headers["Content-Length"] = str(len(data))
    return data, headers


def _forwarded(scheme: str) -> list[tuple[str, str]]:
    """Return the headers that AWS adds to a request."""
    port = {"https": "443", "http": "80"}[scheme]
    values = [("X-Amzn-Trace-Id", TRACE_ID), ("X-Forwarded-For", CLIENT)]
    return [*values, ("X-Forwarded-Port", port), ("X-Forwarded-Proto", scheme)]


def _lower(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in fields]


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def _last(lists: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in lists.items()}


def _edge_headers(headers: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    fields: dict[str, list[dict[str, str]]] = {}
    for name, value in headers.items():
        fields.setdefault(name.lower(), []).append({"key": name, "value": value})
    return fields
