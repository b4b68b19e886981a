"""A function that logs a line for each event."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

logger = logging.getLogger()
logger.setLevel("INFO")


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    logger.info("greeting %s", event["name"])
    return {"message": f"Hello, {event['name']}!"}
