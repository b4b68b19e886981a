"""The invocations of a soak test: which there are, and what each must bring back."""

from __future__ import annotations

import json
from dataclasses import dataclass

# One of each is one round. An error of 100,000 characters and a stream of 1 MB are rare, as in life.
ROUND = (
    *(("value", 10),) * 30,
    *(("value", 2_000),) * 10,
    ("value", 100_000),
    *(("error", 10),) * 5,
    ("error", 20_000),
    *(("stream", 100),) * 4,
    ("stream", 50_000),
)
LARGE_EVERY = 5_000
LARGE_BYTES = 1_000_000


@dataclass(frozen=True)
class Invocation:
    """One event and its response."""

    number: int
    kind: str  # value, error, stream, print or wait
    size: int

    def event(self, trace: str) -> bytes:
        """The event; the function checks that it sees this trace id."""
        return json.dumps(
            {"kind": self.kind, "number": self.number, "size": self.size, "trace": trace}
        ).encode()

    @property
    def path(self) -> str:
        """The same event for a function URL."""
        return f"/{self.kind}/{self.number}/{self.size}"

    def check(self, body: bytes) -> None:
        """Raise Broken if ``body`` does not answer this event."""
        try:
            value = json.loads(body)
            if self.kind == "error":
                right = value["errorMessage"] == f"{self.number} {'x' * self.size}"
            else:
                text = "x" * (0 if self.kind == "print" else self.size)
                right = value == {"number": self.number, "text": text}
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            raise Broken(f"invocation {self.number} ({self.kind}, {self.size}) brought back {body[:200]!r}")


class Broken(Exception):
    """A promise was broken: what was found, and what was expected."""


def trace_id(number: int) -> str:
    return f"Root=1-5bef4de7-{number:024x};Parent=9a9197af755a6419;Sampled=0"


def invocation(number: int) -> Invocation:
    kind, size = ROUND[number % len(ROUND)]
    if number % LARGE_EVERY == LARGE_EVERY - 1 and kind != "error":
        size = LARGE_BYTES
    return Invocation(number, kind, size)
