"""Format replies as Lambda's own servers do: JSON without spaces, then a line break."""

from __future__ import annotations

import json

from lambda_emulator.servers.http_server import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def json_reply(status: int, value: Mapping[str, str]) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode() + b"\n"
    return Response(status, body, [("Content-Type", "application/json")])


def accepted() -> Response:
    return json_reply(202, {"status": "OK"})


def refusal(status: int, error_type: str, message: str, *, close: bool = False) -> Response:
    response = json_reply(status, {"errorMessage": message, "errorType": error_type})
    response.close = close
    return response
