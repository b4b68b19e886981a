"""The results of one interpreter, as `python -m benchmarks --json` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"


class Results:
    """The figures of one interpreter."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.python: str = content["python"]  # CPython 3.13.0
        self.machine: dict[str, Any] = content["machine"]
        self.packages: dict[str, str] = content["packages"]
        self.limit: str = content["cpu limit"]
        self.rows: list[dict[str, Any]] = content["rows"]
        self._figures = {
            (figure["function"], figure["quantity"], figure["contestant"]): figure
            for figure in content["figures"]
        }

    @property
    def minor(self) -> str:
        """Return for example ``3.13``."""
        return self.python.split()[1].rpartition(".")[0]

    def median(self, function: str, quantity: str, contestant: str) -> float | None:
        figure = self._figures.get((function, quantity, contestant))
        return None if figure is None else float(figure["median"])

    def quartiles(self, function: str, quantity: str, contestant: str) -> tuple[float, float] | None:
        figure = self._figures.get((function, quantity, contestant))
        return None if figure is None else (float(figure["low"]), float(figure["high"]))


def read_all() -> list[Results]:
    """Return the results of all interpreters, oldest first."""
    found = [Results(json.loads(path.read_text(encoding="utf-8"))) for path in RESULTS.glob("*.json")]
    return sorted(found, key=lambda one: [int(part) for part in one.minor.split(".")])


def main_result(results: list[Results]) -> Results:
    """Return the interpreter whose figures are shown in full: the newest one that has all functions."""
    complete = [one for one in results if one.median("FastAPI", "cold start", "ours") is not None]
    return next((one for one in complete if one.minor == "3.13"), (complete or results)[-1])
