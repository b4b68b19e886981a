"""Read what a function answers to an HTTP event: an envelope, or a prelude before a stream."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from lambda_emulator.http_server import is_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lambda_emulator.http_server import Fields

# The content type which says that a streamed response begins with a prelude: JSON, then eight NULs.
INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response"
DELIMITER = bytes(8)
PRELUDE_LIMIT = 16 * 1024  # bytes, delimiter included; that of API Gateway, which is the one documented

# Headers about one connection (RFC 9110, 7.6.1; also those that begin with "proxy-"): the server delimits
# bodies by itself and ends connections when it wants to.
_OF_THE_CONNECTION = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

_TOO_DEEP = "JSON nested more deeply than the emulator can follow"


class BadAnswer(Exception):
    """The function's answer is no HTTP response; the text says what was found and what was expected."""


@dataclass
class Head:
    """Status and headers as the function wants them; ``dropped`` are headers about the connection."""

    status: int
    headers: Fields
    dropped: Fields = field(default_factory=list)


def read_prelude(parts: Iterator[bytes]) -> tuple[Head, bytes]:
    """Take the prelude off a stream: the head it describes, and what the body begins with."""
    data = b""
    for part in parts:
        data += part
        prelude, delimiter, beginning = data[:PRELUDE_LIMIT].partition(DELIMITER)
        if delimiter:
            return _read_json(prelude), beginning + data[PRELUDE_LIMIT:]
        if len(data) >= PRELUDE_LIMIT:
            raise BadAnswer(
                f"no eight NULs within the first {PRELUDE_LIMIT} bytes, where the prelude must end"
            )
    raise BadAnswer(f"the stream ended after {len(data)} bytes, before the eight NULs that end the prelude")


def _read_json(prelude: bytes) -> Head:
    try:
        members = json.loads(prelude.decode("utf-8"))
    except ValueError as error:
        raise BadAnswer(f"the prelude is not JSON: {error}") from error
    except RecursionError as error:
        raise BadAnswer(f"the prelude is {_TOO_DEEP}") from error
    if not isinstance(members, dict):
        raise BadAnswer(f"the prelude is {_kind(members)}, not an object")
    return read_head(members, default_type="application/octet-stream")


def read_envelope(payload: bytes) -> tuple[Head, bytes]:
    """Interpret a buffered response: an object with ``statusCode`` is an envelope, other JSON the body."""
    try:
        value = json.loads(payload.decode("utf-8"))
    except ValueError as error:
        if DELIMITER in payload:
            raise BadAnswer(
                "it is a stream with an HTTP head, but the URL is BUFFERED: let it stream, or answer with "
                "statusCode and body in one object, as asgi.handler(app, streaming=False) does"
            ) from error
        raise BadAnswer(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise BadAnswer(f"it is {_TOO_DEEP}") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        return Head(200, [("content-type", "application/json")]), payload
    value.pop("multiValueHeaders", None)  # is for API Gateway
    body = value.get("body") or ""
    if not isinstance(body, str):
        raise BadAnswer(f"body is {_kind(body)}, not a string")
    encoded = body.encode("utf-8", "surrogatepass")
    if value.get("isBase64Encoded") is True:
        try:
            encoded = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise BadAnswer(f"body is not the base64 that isBase64Encoded announces: {error}") from error
    return read_head(value, default_type="application/json"), encoded


def read_head(members: dict[str, Any], default_type: str) -> Head:
    """``statusCode``, ``headers``, ``multiValueHeaders`` (which win), ``cookies``; all may be absent."""
    status = members.get("statusCode", 200)
    # AWS says nothing of the range for function URLs. For API Gateway's HTTP APIs it has 200 to 599
    # (CreateIntegration, responseParameters); 1xx makes a client wait for more (RFC 9110, 15.2).
    if not isinstance(status, int) or not 200 <= status <= 599:
        interim = isinstance(status, int) and 100 <= status < 200
        hint = "; 1xx only announces a response, and another would have to follow" if interim else ""
        raise BadAnswer(f"statusCode is {json.dumps(status)[:200]}, not a number from 200 to 599{hint}")
    several = {name: _strings(name, values) for name, values in _object(members, "multiValueHeaders").items()}
    wanted = {name: [_string(name, value)] for name, value in _object(members, "headers").items()}
    overruled = {name.lower() for name in several}
    wanted = {name: values for name, values in wanted.items() if name.lower() not in overruled}
    wanted.update(several)
    wanted["set-cookie"] = wanted.get("set-cookie", []) + _strings("cookies", members.get("cookies") or [])
    headers = [(name, value) for name, values in wanted.items() for value in values]
    for name, value in headers:
        if not is_field(name, value):
            found = f"{json.dumps(name)}: {json.dumps(value)}"
            raise BadAnswer(f"{found[:200]} cannot be an HTTP header")
    dropped = [(name, value) for name, value in headers if _is_about_connection(name.lower())]
    headers = [header for header in headers if header not in dropped]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", default_type))
    return Head(status, headers, dropped)


def _is_about_connection(name: str) -> bool:
    return name in _OF_THE_CONNECTION or name.startswith("proxy-")


def _object(members: dict[str, Any], key: str) -> dict[str, Any]:
    value = members.get(key) or {}
    if not isinstance(value, dict):
        raise BadAnswer(f"{key} is {_kind(value)}, not an object")
    return value


def _strings(name: str, values: Any) -> list[str]:
    if not isinstance(values, list):
        raise BadAnswer(f"{name} is {_kind(values)}, not an array of strings")
    return [_string(name, value) for value in values]


def _string(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise BadAnswer(f"{name} is {_kind(value)}, not a string")


def _kind(value: Any) -> str:
    """What JSON calls it."""
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "null")
