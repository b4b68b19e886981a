"""Type checks of the tests of a function, with a handler that has annotations.

The lines with ``type: ignore`` must be errors.
"""

from __future__ import annotations

import unittest
from typing import Any

from lambda_emulator.testing import LambdaFunction, LambdaFunctions, events, make_context
from lambda_runtime.context import LambdaContext


class OtherContext:
    """A context class of another package, such as those of awslambdaric and Powertools."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        return 0


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    context.after_response(print, "done")
    return {"id": event["id"], "left": context.get_remaining_time_in_millis()}


def other_handler(event: dict[str, Any], context: OtherContext) -> str:
    return context.aws_request_id


def test_of_a_unit() -> None:
    context = make_context("orders", remaining_ms=[5000, 100], memory_mb=512)
    assert handler({"id": 7}, context) == {"id": 7, "left": 5000}
    assert len(context.after_response_calls) == 1
    context.run_after_response()
    assert other_handler({}, make_context())
    handler({}, "no context")  # type: ignore[arg-type]
    make_context(remaining_ms="100")  # type: ignore[arg-type]


def test_of_the_function(lambda_function: LambdaFunctions) -> None:
    response = lambda_function("app.handler", env={"TABLE": "orders"}, timeout=10).invoke(
        events.sqs({"id": 7})
    )
    assert response.payload == {"id": 7}
    assert response.error is None and response.duration_ms < 1000
    number: int = response.log  # type: ignore[assignment]
    assert number


def test_of_requests(lambda_function: LambdaFunctions) -> None:
    response = lambda_function("app.handler").request("GET", "/orders/7", source=events.http_api)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["id"] == 7


class Orders(unittest.TestCase):
    def test_of_the_function(self) -> None:
        with LambdaFunction("app.handler", "src", env={"TABLE": "orders"}) as function:
            self.assertEqual(function.invoke({"id": 7}).chunks, [b"{}"])
        LambdaFunction("app.handler", env=["TABLE"])  # type: ignore[arg-type]
