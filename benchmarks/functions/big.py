"""A large function: an SDK with a client, numpy, and about 30 MB of Python objects."""

from __future__ import annotations

import gc
from typing import Any

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy  # type: ignore[import-not-found,import-untyped,unused-ignore]

RECORD_COUNT = 80_000

client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
weights = numpy.arange(1000)
records = {
    f"order-{number:08}": {"customer": f"customer-{number:08}", "price": number / 100, "quantity": number}
    for number in range(RECORD_COUNT)
}


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    """Look a record up. With "do" in the event, read every object or collect garbage before."""
    if event.get("do") == "read":
        for record in records.values():
            for _ in record.items():
                pass
    elif event.get("do") == "collect":
        gc.collect()
    record = records["order-00000017"]
    assert client.meta.region_name == "us-east-1" and weights[17] == record["quantity"]
    return {"message": f"Hello, {event['name']}!"}


async def handler_async(event: dict[str, str], context: Any) -> dict[str, str]:
    return handler(event, context)
