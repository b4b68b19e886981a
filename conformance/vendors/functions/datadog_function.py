# mypy: ignore-errors
"""Logs, and sends a metric to Datadog; its own wrapper is the function's handler."""

import logging

from datadog_lambda.metric import lambda_metric

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    logging.info("packed %s", event["order"])
    lambda_metric("shop.packed", 3, tags=["kind:book"])
    return {"statusCode": 200, "body": "packed"}


def fail(event, context):
    raise ValueError("no such order")
