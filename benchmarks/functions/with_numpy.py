"""A function that computes with arrays."""

from __future__ import annotations

from typing import Any

import numpy  # type: ignore[import-not-found,import-untyped,unused-ignore]

weights = numpy.arange(1000.0)


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    assert weights.sum() == 499_500
    return {"message": f"Hello, {event['name']}!"}
