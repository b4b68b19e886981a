"""Make the events that AWS services send, for tests and ``run --event NAME``.

Each function returns a new event in the shape that AWS documents: with fixed ids and one fixed time, so that
an event is the same in every run. The arguments are the fields that people change; change others in the
event itself::

    event = sqs({"id": 7}, queue="orders")
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "3"

Bodies, messages and records are text, or values that become JSON. Sources: AWS's developer guides, under
"Using AWS Lambda with …", "Working with events" of each service, and events of real services in the tests of
AWS's library for Go.
"""

from __future__ import annotations

from lambda_emulator.sample_events.records import dynamodb, kinesis, s3, sns, sqs
from lambda_emulator.sample_events.requests import alb, cloudfront, function_url, http_api, rest_api
from lambda_emulator.sample_events.services import cognito, eventbridge, schedule
from lambda_emulator.sample_events.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_emulator.sample_events.values import Event

__all__ = ["EVENTS", "alb", "cloudfront", "cognito", "dynamodb", "eventbridge", "function_url", "http_api"]
__all__ += ["kinesis", "make", "rest_api", "s3", "schedule", "sns", "sqs"]

# By the names that the command line knows.
EVENTS: dict[str, Callable[[], Event]] = {
    "http-api": http_api,
    "rest-api": rest_api,
    "function-url": function_url,
    "alb": alb,
    "cloudfront": cloudfront,
    "sqs": sqs,
    "sns": sns,
    "kinesis": kinesis,
    "dynamodb": dynamodb,
    "s3": s3,
    "eventbridge": eventbridge,
    "schedule": schedule,
    "cognito": cognito,
}


def make(name: str) -> Event:
    """Return the event with this name and its default fields; raise ValueError, which lists the names."""
    return EVENTS[one_of(EVENTS, name, "sample event")]()
