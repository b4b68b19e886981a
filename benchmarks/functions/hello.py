"""Functions that import nothing, so that what is measured is the runtime."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would be a part of what is measured
if TYPE_CHECKING:
    from typing import Any

PAGE = "<p>" + "0123456789" * 90 + "</p>"


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"message": f"Hello, {event['name']}!"}


def page(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Responses a request of API Gateway with about 1 KB."""
    path = event["requestContext"]["http"]["path"]
    return {"statusCode": 200, "headers": {"content-type": "text/html", "x-path": path}, "body": PAGE}


def echo(event: Any, context: Any) -> Any:
    return event


def failing(event: dict[str, str], context: Any) -> None:
    raise ValueError(f"there is nobody named {event['name']}")
