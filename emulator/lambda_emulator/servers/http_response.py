"""Read a function's response to an HTTP event: an envelope, or a prelude before a stream."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from lambda_emulator.servers.http_server import is_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lambda_emulator.servers.http_server import Fields

# The content type of a streamed response that begins with a prelude: JSON, then eight NUL bytes.
INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response"
DELIMITER = bytes(8)
PRELUDE_LIMIT = 16 * 1024  # bytes, including the delimiter; documented for API Gateway only

# Headers about one connection (RFC 9110, 7.6.1), together with those that begin with "proxy-". The server
# frames bodies and closes connections itself.
_OF_THE_CONNECTION = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

_TOO_DEEP = "JSON nested more deeply than the emulator can parse"


class InvalidResponse(Exception):
    """The function's response is not a valid HTTP response; the message says what was found and expected."""


@dataclass
class Prelude:
    """Status and headers of a function's HTTP response.

    ``dropped`` are headers about the connection, ``ignored`` the members that the source does not read.
    """

    status: int
    headers: Fields
    dropped: Fields = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    description: str = ""


def read_prelude(parts: Iterator[bytes]) -> tuple[Prelude, bytes]:
    """Read the prelude of a stream; return it with the first bytes of the body."""
    data = b""
    for part in parts:
        data += part
        prelude, delimiter, beginning = data[:PRELUDE_LIMIT].partition(DELIMITER)
        if delimiter:
            return _read_json(prelude), beginning + data[PRELUDE_LIMIT:]
        if len(data) >= PRELUDE_LIMIT:
            raise InvalidResponse(
                f"the first {PRELUDE_LIMIT} bytes do not contain the eight NUL bytes that end the prelude"
            )
    raise InvalidResponse(
        f"the stream ended after {len(data)} bytes, before the eight NUL bytes that end the prelude"
    )


def _read_json(prelude: bytes) -> Prelude:
    try:
        members = json.loads(prelude.decode("utf-8"))
    except ValueError as error:
        raise InvalidResponse(f"the prelude is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidResponse(f"the prelude is {_TOO_DEEP}") from error
    if not isinstance(members, dict):
        raise InvalidResponse(f"the prelude is {_kind(members)}, not an object")
    return _read_members(members, default_type="application/octet-stream")


def read_envelope(
    payload: bytes, *, multi_value: bool = False, cookies: bool = True, needs_status: bool = False
) -> tuple[Prelude, bytes]:
    """Read a buffered response: an object with ``statusCode`` is an envelope, any other JSON is the body.

    ``multi_value``: read ``multiValueHeaders``, as REST APIs do; function URLs do not. ``cookies``: read
    ``cookies``. ``needs_status``: a response without ``statusCode`` is invalid.
    """
    try:
        value = json.loads(payload.decode("utf-8"))
    except ValueError as error:
        if DELIMITER in payload:
            raise InvalidResponse(
                "it is a stream that begins with a prelude, but the URL is BUFFERED: use RESPONSE_STREAM, or "
                "return one object with statusCode and body, as asgi.handler(app, streaming=False) does"
            ) from error
        raise InvalidResponse(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidResponse(f"it is {_TOO_DEEP}") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        if needs_status:
            found = "an object without it" if isinstance(value, dict) else _kind(value)
            raise InvalidResponse(f"it is {found}, not an object with statusCode")
        return Prelude(200, [("content-type", "application/json")]), payload
    unread = {"multiValueHeaders": not multi_value, "cookies": not cookies}
    ignored = [name for name in unread if unread[name] and value.pop(name, None)]
    body = value.get("body") or ""
    if not isinstance(body, str):
        raise InvalidResponse(f"body is {_kind(body)}, not a string")
    encoded = body.encode("utf-8", "surrogatepass")
    if value.get("isBase64Encoded") is True:
        try:
            encoded = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise InvalidResponse(f"isBase64Encoded is true, but body is not base64: {error}") from error
    prelude = _read_members(value, default_type="application/json")
    prelude.ignored = ignored
    prelude.description = str(value.get("statusDescription") or "")
    return prelude, encoded


def _read_members(members: dict[str, Any], default_type: str) -> Prelude:
    """Read ``statusCode``, ``headers``, ``multiValueHeaders`` (which take precedence) and ``cookies``.

    All are optional.
    """
    status = members.get("statusCode", 200)
    # AWS does not document the range for function URLs. For API Gateway's HTTP APIs it is 200 to 599
    # (CreateIntegration, responseParameters); after 1xx, a client waits for another response (RFC 9110,
    # 15.2).
    if not isinstance(status, int) or not 200 <= status <= 599:
        interim = isinstance(status, int) and 100 <= status < 200
        hint = "; 1xx is an interim response, which needs another one to follow" if interim else ""
        raise InvalidResponse(f"statusCode is {json.dumps(status)[:200]}, not a number from 200 to 599{hint}")
    overriding = {
        name: _strings(name, values) for name, values in _object(members, "multiValueHeaders").items()
    }
    fields = {name: [_string(name, value)] for name, value in _object(members, "headers").items()}
    overruled = {name.lower() for name in overriding}
    fields = {name: values for name, values in fields.items() if name.lower() not in overruled}
    fields.update(overriding)
    fields["set-cookie"] = fields.get("set-cookie", []) + _strings("cookies", members.get("cookies") or [])
    headers = [(name, value) for name, values in fields.items() for value in values]
    for name, value in headers:
        if not is_field(name, value):
            found = f"{json.dumps(name)}: {json.dumps(value)}"
            raise InvalidResponse(f"{found[:200]} is not a valid HTTP header")
    dropped = [(name, value) for name, value in headers if _is_about_connection(name.lower())]
    headers = [header for header in headers if header not in dropped]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", default_type))
    return Prelude(status, headers, dropped)


def _is_about_connection(name: str) -> bool:
    return name in _OF_THE_CONNECTION or name.startswith("proxy-")


def _object(members: dict[str, Any], key: str) -> dict[str, Any]:
    value = members.get(key) or {}
    if not isinstance(value, dict):
        raise InvalidResponse(f"{key} is {_kind(value)}, not an object")
    return value


def _strings(name: str, values: Any) -> list[str]:
    if not isinstance(values, list):
        raise InvalidResponse(f"{name} is {_kind(values)}, not an array of strings")
    return [_string(name, value) for value in values]


def _string(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise InvalidResponse(f"{name} is {_kind(value)}, not a string")


def _kind(value: Any) -> str:
    """Return JSON's name for the type of a value."""
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "null")
