# mypy: ignore-errors
"""A function without OpenTelemetry; the wrapper instruments it."""

import sys


def handler(event, context):
    return {"statusCode": 200, "main": sys.argv[0].rpartition("/")[2], "order": event.get("order")}


def fail(event, context):
    raise ValueError("no such order")


async def wait(event, context):
    return "waited"
