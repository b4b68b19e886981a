"""The responses to an invocation: as a client received them, and as expected."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any

# The parts of a payload and a request id that differ between invocations.
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Response:
    """The response to one invocation as one client shows it; None for parts that it lacks or hides."""

    status: int | None = None
    function_error: str | None = None
    executed_version: str | None = None
    payload: bytes | None = None
    log: str | None = None
    api_error: str | None = None  # the exception's name in AWS's API, or the status if it has none


class Payload(ABC):
    """An expected payload: ``accepts`` compares, ``str()`` describes it."""

    @abstractmethod
    def accepts(self, payload: bytes) -> bool:
        """Return whether the payload is as expected."""


@dataclass(frozen=True)
class Json(Payload):
    """Equal as JSON: runtimes may escape characters and add spaces."""

    value: object

    def accepts(self, payload: bytes) -> bool:
        found = parse(payload)
        return type(found) is type(self.value) and found == self.value

    def __str__(self) -> str:
        return f"the JSON {shorten(json.dumps(self.value, ensure_ascii=False))}"


@dataclass(frozen=True)
class Raw(Payload):
    """Equal byte by byte."""

    value: bytes

    def accepts(self, payload: bytes) -> bool:
        return payload == self.value

    def __str__(self) -> str:
        return f"the bytes {shorten(repr(self.value))}"


@dataclass(frozen=True)
class Error(Payload):
    """An error object: its type, its whole message as a regular expression, and its other members.

    A stackTrace among ``keys`` must be a list of texts; which ones depends on the runtime.
    """

    type: str
    message: str
    keys: tuple[str, ...] = ()

    def accepts(self, payload: bytes) -> bool:
        found = parse(payload)
        if not isinstance(found, dict) or set(found) != {"errorType", "errorMessage", *self.keys}:
            return False
        trace = found.get("stackTrace", [])
        is_trace = isinstance(trace, list) and all(isinstance(entry, str) for entry in trace)
        is_message = re.fullmatch(self.message, str(found["errorMessage"]), re.DOTALL) is not None
        return is_trace and is_message and found["errorType"] == self.type

    def __str__(self) -> str:
        members = ", ".join(("errorType", "errorMessage", *self.keys))
        return f"an error {self.type} with the message /{self.message}/ and the members {members}"


@dataclass(frozen=True)
class Expected:
    """An expected response, with the same fields as :class:`Response`; ``log`` is a regular expression."""

    status: int | None = 200
    function_error: str | None = None
    executed_version: str | None = "$LATEST"
    payload: Payload | None = None
    log: str | None = None
    api_error: str | None = None


def differences(expected: Expected, found: Response) -> list[str]:
    """Return a sentence for each field that is not as expected."""
    return [
        f"{field.name}: expected {describe(getattr(expected, field.name))}, "
        f"found {describe(getattr(found, field.name))}"
        for field in fields(Response)
        if not is_met(getattr(expected, field.name), getattr(found, field.name), field.name)
    ]


def is_met(expected: object, found: Any, field: str) -> bool:
    if expected is None or found is None:
        return expected is found
    if isinstance(expected, Payload):
        return expected.accepts(found)
    if field == "log":
        return re.fullmatch(str(expected), found, re.DOTALL) is not None
    return bool(expected == found)


def disagreements(one: Response, other: Response, uncompared: set[str]) -> list[str]:
    """Return a sentence for each field in which two servers' responses differ, except for ids."""
    sentences = []
    for field in fields(Response):
        left, right = without_ids(getattr(one, field.name)), without_ids(getattr(other, field.name))
        if field.name not in uncompared and left != right:
            sentences.append(f"{field.name}: AWS's {describe(left)}, ours {describe(right)}")
    return sentences


def without_ids(value: object) -> object:
    return UUID.sub(b"<id>", value) if isinstance(value, bytes) else value


def parse(payload: bytes) -> object:
    """Return the JSON value; for bytes that are not JSON, an object that equals no JSON value."""
    try:
        return json.loads(payload)
    except ValueError:
        return object()


def describe(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Payload):
        return str(value)
    if isinstance(value, (bytes, str)):
        return shorten(repr(value))
    return repr(value)


def shorten(text: str, width: int = 300) -> str:
    """Return the beginning and the end of a long text, and its length."""
    if len(text) <= width:
        return text
    half = width // 2
    return f"{text[:half]} … {text[-half:]} ({len(text):,} characters)"
