"""Powertools' event handler with one route."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import (  # type: ignore[import-not-found,unused-ignore]
    APIGatewayHttpResolver,
)

app = APIGatewayHttpResolver()


@app.get("/shops/<shop>/orders")  # type: ignore[misc,untyped-decorator,unused-ignore]
def orders(shop: str) -> dict[str, int]:
    return {"shop": int(shop), "page": int(app.current_event.query_string_parameters["page"])}


def handler(event: dict[str, Any], context: Any) -> Any:
    return app.resolve(event, context)
