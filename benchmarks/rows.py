"""The table of medians, their ratio, and the goal."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.measure import Samples
from benchmarks.scenarios import HELLO, PAGE_REQUEST, Scenario

COLD_START_GOAL = 0.50
MEMORY_GOAL = 0.75
WARM_GOAL = 0.75
NAME_WIDTH = 56


@dataclass(frozen=True)
class Row:
    """A quantity of both runtimes; ``goal`` is the largest acceptable ratio, if any."""

    HEAD: ClassVar[str] = f"{'':{NAME_WIDTH}}{'AWS':>9}{'ours':>10}{'ratio':>8}   goal"

    name: str
    unit: str
    aws: float
    ours: float
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.aws

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.ratio <= self.goal

    def __str__(self) -> str:
        figures = f"{self.aws:>9.2f}{self.ours:>10.2f}{self.ratio:>8.2f}"
        return f"{f'{self.name}, {self.unit}':{NAME_WIDTH}}{figures}   {self.verdict()}".rstrip()

    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return f"≤ {self.goal:.2f}  {'ok' if self.is_met else 'MISSED'}"

    def as_json(self) -> dict[str, Any]:
        figures = {"aws": self.aws, "ours": self.ours, "ratio": self.ratio}
        return {"name": self.name, "unit": self.unit, **figures, "goal": self.goal, "met": self.is_met}


def start_rows(scenario: Scenario, aws: Samples, ours: Samples) -> list[Row]:
    """Set goals only for the function without imports: AWS's runtime imports json and logging itself."""
    is_bare = scenario is HELLO
    return [
        Row(
            f"cold start, {scenario.name}",
            "ms",
            median(aws.cold_s) * 1000,
            median(ours.cold_s) * 1000,
            COLD_START_GOAL if is_bare else None,
        ),
        Row(
            f"peak memory, {scenario.name}",
            "MB",
            median(aws.peak_memory_kb) / 1024,
            median(ours.peak_memory_kb) / 1024,
            MEMORY_GOAL if is_bare else None,
        ),
    ]


def warm_rows(scenario: Scenario, aws: Samples, ours: Samples) -> list[Row]:
    """Set goals only for typical events: with a large one, parsing JSON takes nearly all the time."""
    goal = WARM_GOAL if scenario in (HELLO, PAGE_REQUEST) else None
    response = median(aws.response_s) * 1e6, median(ours.response_s) * 1e6
    following = median(aws.next_s) * 1e6, median(ours.next_s) * 1e6
    return [
        Row(f"event to response, {scenario.name}", "µs", *response, goal),
        Row(f"event to next, {scenario.name}", "µs", *following),
    ]


def counted_rows(scenario: Scenario, aws: tuple[int, float], ours: tuple[int, float]) -> list[Row]:
    return [
        Row(f"instructions of a cold start, {scenario.name}", "million", aws[0] / 1e6, ours[0] / 1e6),
        Row(
            f"instructions of an invocation, {scenario.name}",
            "thousand",
            aws[1] / 1e3,
            ours[1] / 1e3,
            WARM_GOAL,
        ),
    ]


def median(samples: list[float]) -> float:
    return statistics.median(samples)
