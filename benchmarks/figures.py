"""The figures: samples of each quantity, by function and contestant, with median and spread."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Quantity:
    """What is measured, with its unit and the decimal places that mean something."""

    name: str
    unit: str
    digits: int = 1


COLD = Quantity("cold start", "ms")
COLD_CPU = Quantity("CPU of a cold start", "ms")
COLD_128 = Quantity("cold start at 128 MB", "ms", 0)
COLD_512 = Quantity("cold start at 512 MB", "ms", 0)
FIRST = Quantity("first request", "ms", 2)
MEMORY = Quantity("peak memory", "MB")
WARM = Quantity("warm p50", "µs", 0)
WARM_99 = Quantity("warm p99", "µs", 0)
COLD_INSTRUCTIONS = Quantity("instructions of a cold start", "million")
INSTRUCTIONS = Quantity("instructions of an invocation", "thousand")
LARGE = Quantity("event to response", "ms", 2)
FAILURE = Quantity("event to error", "µs", 0)
RESTORE = Quantity("restore to next", "ms", 2)
FIRST_CHUNK = Quantity("event to first chunk", "µs", 0)
RATE = Quantity("throughput of 64 KB pieces", "MB/s", 0)
SMALL_CHUNK = Quantity("cost of a small chunk", "µs", 2)


@dataclass(frozen=True)
class Key:
    """Names a figure: what was measured of which function, served by which contestant."""

    function: str
    quantity: Quantity
    contestant: str


@dataclass(frozen=True)
class Figure:
    """The median and the quartiles of ``count`` samples."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, samples: list[float]) -> Figure:
        low, _, high = (
            statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
        )
        return cls(statistics.median(samples), low, high, len(samples))

    @property
    def spread(self) -> float:
        """Half of the interquartile range, as a part of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


class Figures:
    """The samples of one run of the benchmark."""

    def __init__(self) -> None:
        self.samples: dict[Key, list[float]] = defaultdict(list)

    def add(self, function: str, quantity: Quantity, contestant: str, *values: float) -> None:
        self.samples[Key(function, quantity, contestant)] += values

    def get(self, key: Key | None) -> Figure | None:
        """Return a figure, or None if it was not measured."""
        samples = self.samples.get(key) if key is not None else None
        return Figure.of(samples) if samples else None

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "function": key.function,
                "quantity": key.quantity.name,
                "unit": key.quantity.unit,
                "contestant": key.contestant,
                **rounded(asdict(Figure.of(samples))),
            }
            for key, samples in self.samples.items()
        ]


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Round to five digits: more mean nothing."""
    return {
        name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in values.items()
    }


def percentile(samples: Iterable[float], percent: int) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
