"""A function that creates an SDK's client while it loads, as AWS advises."""

from __future__ import annotations

from typing import Any

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]

client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"message": f"Hello, {event['name']}!"}
