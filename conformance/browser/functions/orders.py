"""The function of the screenshot in the docs."""

from __future__ import annotations

import json
import random
import time
from typing import Any

time.sleep(0.15)  # an import that takes its time
randomly = random.Random(4)
prices: list[bytes] = []


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle orders from a queue; GET /orders/… returns one."""
    time.sleep(randomly.lognormvariate(-4.6, 0.8))
    prices.append(b"x" * randomly.randrange(300_000))
    if "Records" in event:
        orders = [json.loads(record["body"]) for record in event["Records"]]
        for order in orders:
            print(f"[INFO] order {order['id']}: {order['quantity']} x {order['item']}")
        return {"batchItemFailures": [], "handled": len(orders)}
    if event["rawPath"].endswith("/0"):
        raise KeyError("order 0 does not exist")
    return {"id": event["rawPath"].rpartition("/")[2], "status": "shipped"}
