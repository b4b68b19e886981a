"""Helpers for the expectations of a case: a function's result, log and error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambda_emulator.functions.function import Result

PLATFORM_LINES = ("START ", "END ", "REPORT ", "INIT_REPORT ")


class Mismatch(Exception):
    """An expectation was not met."""


def expect(what: str, found: object, expected: object) -> None:
    """Raise Mismatch unless ``found`` equals ``expected``."""
    if found != expected:
        raise Mismatch(f"{what}: expected {expected!r}, found {found!r}")


def expect_in(what: str, expected: str, text: str) -> None:
    """Raise Mismatch unless ``text`` holds ``expected``."""
    if expected not in text:
        raise Mismatch(f"{what}: expected {expected!r} in {shorten(text)!r}")


def only_item(what: str, items: Sequence[Any]) -> Any:
    """Return the only item. Raises Mismatch if there are none or several."""
    if len(items) != 1:
        raise Mismatch(f"{what}: expected one, found {len(items)}: {shorten(repr(items))}")
    return items[0]


def value(result: Result) -> Any:
    """Return the function's response. Raises Mismatch if it failed."""
    if result.function_error:
        raise Mismatch(f"the function failed: {shorten(result.payload.decode('utf-8', 'replace'))}")
    return json.loads(result.payload)


def error(result: Result) -> dict[str, Any]:
    """Return the error that the caller received. Raises Mismatch if there was none."""
    if not result.function_error:
        raise Mismatch(f"expected an error, the function returned {shorten(repr(result.payload))}")
    payload: dict[str, Any] = json.loads(result.payload)
    return payload


def lines(result: Result) -> list[str]:
    """Return the function's log lines in this invocation, without the platform's."""
    text = result.log.decode("utf-8", "replace")
    return [line for line in text.split("\n") if line and not line.startswith(PLATFORM_LINES)]


def json_lines(result: Result) -> list[dict[str, Any]]:
    """Return those lines that are JSON objects, parsed."""
    return [json.loads(line) for line in lines(result) if line.startswith("{")]


def shorten(text: str, length: int = 600) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
