"""A function that validates its event with a model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field  # type: ignore[import-not-found,unused-ignore]


class Greeting(BaseModel):  # type: ignore[misc,unused-ignore]
    name: str = Field(min_length=1)
    language: str = "en"


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    return {"message": f"Hello, {Greeting.model_validate(event).name}!"}
