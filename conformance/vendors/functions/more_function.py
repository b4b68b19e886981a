# mypy: ignore-errors
"""Smaller tools, each used as its manual shows."""

import contextlib
import logging
import os

with contextlib.suppress(ImportError):
    import boto3

    def call_lambda(event, context):
        """Invoke a function with AWS's SDK, from a function."""
        client = boto3.client(
            "lambda",
            endpoint_url=event["url"],
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )
        response = client.invoke(FunctionName="other", Payload=b"{}")
        return response["StatusCode"]


with contextlib.suppress(ImportError):
    from aws_embedded_metrics import metric_scope

    @metric_scope
    def embedded_metrics(event, context, metrics):
        metrics.set_namespace("Shop")
        metrics.put_metric("Packed", 3, "Count")
        return "packed"

    @metric_scope
    async def embedded_metrics_async(event, context, metrics):
        metrics.set_namespace("Shop")
        metrics.put_metric("Packed", 4, "Count")
        return "packed"


with contextlib.suppress(ImportError):
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )

    def structured(event, context):
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=context.aws_request_id)
        structlog.get_logger().info("packed", order=event["order"])
        return "logged"

    def structured_through_logging(event, context):
        stdlib = structlog.wrap_logger(
            logging.getLogger("shop"), processors=[structlog.processors.JSONRenderer()]
        )
        stdlib.warning("packed", order=event["order"])
        return "logged"


def plain(event, context):
    logging.getLogger("shop").warning("packed %s", event["order"])
    return {"statusCode": 200, "handler": os.environ["_HANDLER"]}


def fail(event, context):
    raise ValueError("no such order")
