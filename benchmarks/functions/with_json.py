"""A function that makes JSON itself, as one behind API Gateway does."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def handler(event: dict[str, str], context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps({"message": f"Hello, {event['name']}!"})}
