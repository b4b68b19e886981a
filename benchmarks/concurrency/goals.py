"""The table of what several slots need, with a column for each mode, and the goals."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

AWS, FORK, PRELOAD, THREAD, ASYNC = COLUMNS = ("AWS", "fork", "preload", "thread", "async")
NAME_WIDTH = 60
COLUMN_WIDTH = 10


@dataclass(frozen=True)
class Quantity:
    """What is measured, with its unit and the decimal places that mean something."""

    name: str
    unit: str
    digits: int


MEMORY_IDLE = Quantity("memory when all slots poll", "MB", 1)
MEMORY_AFTER_LOAD = Quantity("memory after load", "MB", 1)
MEMORY_AFTER_READING = Quantity("memory after each worker has read all objects", "MB", 1)
GROWTH_BY_COLLECTION = Quantity("memory growth by a gc.collect in each worker", "%", 1)
FIRST_POLL = Quantity("start until the first slot polls", "s", 3)
FIRST_POLL_CPU = Quantity("CPU until the first slot polls", "s", 3)
ALL_POLL = Quantity("start until all slots poll", "s", 3)
ALL_POLL_CPU = Quantity("CPU until all slots poll", "s", 3)
INVOCATION_CPU = Quantity("CPU of an invocation", "µs", 0)
RATE = Quantity("throughput", "/s", 0)


class Figures:
    """The samples of all quantities, by function and mode."""

    def __init__(self) -> None:
        self.samples: dict[tuple[Quantity, str, str], list[float]] = defaultdict(list)

    def add(self, quantity: Quantity, value: float, *, function: str, mode: str) -> None:
        self.samples[quantity, function, mode].append(value)

    def median(self, quantity: Quantity, function: str, mode: str) -> float | None:
        samples = self.samples.get((quantity, function, mode))
        return statistics.median(samples) if samples else None

    def rows(self, function: str) -> list[str]:
        """Return the lines of the table for ``function``: a median for each mode that was measured."""
        quantities = dict.fromkeys(quantity for quantity, name, _ in self.samples if name == function)
        return [self.row(quantity, function) for quantity in quantities]

    def row(self, quantity: Quantity, function: str) -> str:
        medians = [self.median(quantity, function, mode) for mode in COLUMNS]
        texts = ("-" if median is None else f"{median:.{quantity.digits}f}" for median in medians)
        columns = "".join(f"{text:>{COLUMN_WIDTH}}" for text in texts)
        return f"{f'{quantity.name}, {quantity.unit}':{NAME_WIDTH}}{columns}"

    def as_json(self) -> list[dict[str, Any]]:
        keys = dict.fromkeys((quantity, function) for quantity, function, _ in self.samples)
        return [
            {
                "name": quantity.name,
                "unit": quantity.unit,
                "function": function,
                **{mode: self.median(quantity, function, mode) for mode in COLUMNS},
            }
            for quantity, function in keys
        ]


@dataclass(frozen=True)
class Goal:
    """An acceptable ratio of a mode to ``base``, or an acceptable value if there is no base."""

    mode: str
    quantity: Quantity
    function: str
    limit: float
    base: str | None = AWS
    is_minimum: bool = False

    def value(self, figures: Figures) -> float | None:
        """Return the ratio, or None if it was not measured."""
        ours = figures.median(self.quantity, self.function, self.mode)
        if self.base is None or ours is None:
            return ours
        base = figures.median(self.quantity, self.function, self.base)
        return ours / base if base else None

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.is_minimum else value <= self.limit

    def line(self, value: float) -> str:
        name = f"{self.mode}: {self.quantity.name}, {self.function}"
        if self.base is None:
            name += f", {self.quantity.unit}"
        elif self.base != AWS:
            name += f", to {self.base}"
        limit = f"{'≥' if self.is_minimum else '≤'} {self.limit:.2f}"
        return f"{name:{NAME_WIDTH}}{value:>{COLUMN_WIDTH}.2f}   {limit:<9}{self.verdict(value)}"

    def verdict(self, value: float) -> str:
        return "ok" if self.is_met(value) else "MISSED"

    def as_json(self, value: float) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "name": self.quantity.name,
            "function": self.function,
            "base": self.base,
            "value": value,
            "goal": self.limit,
            "met": self.is_met(value),
        }


GOALS = (
    Goal(FORK, MEMORY_IDLE, "hello", 0.75),
    Goal(FORK, MEMORY_IDLE, "asyncio", 0.5),
    Goal(FORK, MEMORY_IDLE, "big", 0.96),
    Goal(FORK, ALL_POLL_CPU, "asyncio", 0.4),
    Goal(FORK, FIRST_POLL, "asyncio", 0.4),
    Goal(FORK, FIRST_POLL, "big", 0.2),
    Goal(PRELOAD, MEMORY_IDLE, "big", 0.12),
    Goal(PRELOAD, MEMORY_AFTER_READING, "big", 0.45),
    Goal(PRELOAD, GROWTH_BY_COLLECTION, "big", 15, base=None),
    Goal(THREAD, MEMORY_IDLE, "big", 0.10),
    Goal(THREAD, ALL_POLL_CPU, "big", 0.10),
    Goal(ASYNC, MEMORY_IDLE, "big", 0.10),
    Goal(ASYNC, ALL_POLL_CPU, "big", 0.10),
    Goal(FORK, INVOCATION_CPU, "hello", 0.9),
    Goal(THREAD, INVOCATION_CPU, "hello", 0.7),
    Goal(ASYNC, INVOCATION_CPU, "hello", 0.9),
    Goal(ASYNC, RATE, "sleep", 0.9, base=FORK, is_minimum=True),
)
