"""Rows with their figures, ratios and verdicts: as lines of a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.aims import ABOVE_FLOOR, ITSELF, TO_FLOOR, TO_RIVAL, Aim, Row, rows
from benchmarks.contestants import AWS_PLAIN, BUNDLE, OURS, OURS_PLAIN, SERVER
from benchmarks.figures import Figure, Figures, rounded

NAME_WIDTH = 67
FIGURE_WIDTH = 15
RATIO_WIDTH = 8
WORDS = {TO_FLOOR: "floor", TO_RIVAL: "rival", ABOVE_FLOOR: "floor", ITSELF: ""}
SHORT = {OURS_PLAIN: "without bytecode", BUNDLE: "bundle"}
HEAD = (
    f"{'':{NAME_WIDTH}}{'ours':>{FIGURE_WIDTH}}{'floor':>{FIGURE_WIDTH}}{'rival':>{FIGURE_WIDTH}}"
    f"{'/ floor':>{RATIO_WIDTH}}{'/ rival':>{RATIO_WIDTH}}   aims"
)


@dataclass(frozen=True)
class Result:
    """A row with what was measured; ``ours`` and one of the others exist."""

    row: Row
    ours: Figure
    floor: Figure | None
    rival: Figure | None

    def value(self, of: str) -> float | None:
        """Return what an aim limits, or None if it was not measured."""
        ours = self.ours.median
        if of == ITSELF:
            return ours
        base = self.rival if of == TO_RIVAL else self.floor
        if base is None:
            return None
        return ours - base.median if of == ABOVE_FLOOR else ours / base.median

    def verdicts(self) -> Iterator[tuple[Aim, float, bool]]:
        """Yield the aims that were measured, with their values, and whether they are met."""
        for aim in self.row.aims:
            value = self.value(aim.of)
            if value is not None:
                yield aim, value, aim.is_met(value)

    def title(self) -> str:
        """Return the quantity and, unless it is the ordinary case, what is compared."""
        row = self.row
        notes = [] if row.ours == OURS else [SHORT[row.ours]]
        if row.rival == AWS_PLAIN and row.ours != OURS_PLAIN:
            notes.append("rival without bytecode")
        elif row.rival == SERVER:
            notes.append(f"rival: {SERVER} and adapter")
        elif not row.rival:
            notes.append(f"floor: {row.floor}")
        return "; ".join([f"{row.quantity.name}, {row.quantity.unit}", *notes])

    def line(self) -> str:
        figures = "".join(
            f"{self.cell(figure):>{FIGURE_WIDTH}}" for figure in (self.ours, self.floor, self.rival)
        )
        ratios = "".join(f"{ratio_text(self.value(of)):>{RATIO_WIDTH}}" for of in (TO_FLOOR, TO_RIVAL))
        verdicts = "; ".join(self.verdict_text(*verdict) for verdict in self.verdicts())
        return f"{self.title():{NAME_WIDTH}}{figures}{ratios}   {verdicts}".rstrip()

    def cell(self, figure: Figure | None) -> str:
        if figure is None:
            return "-"
        spread = f" ±{figure.spread:3.0%}" if figure.count > 1 else " " * 5
        return f"{figure.median:.{self.row.quantity.digits}f}{spread}"

    def verdict_text(self, aim: Aim, value: float, is_met: bool) -> str:
        sign = "≥" if aim.is_minimum else "≤"
        unit = f" {self.row.quantity.unit}" if aim.of in (ABOVE_FLOOR, ITSELF) else ""
        plus = f"{value:+.2f} " if aim.of == ABOVE_FLOOR else ""
        words = f"{WORDS[aim.of]} " if WORDS[aim.of] else ""
        return f"{words}{plus}{sign} {aim.limit:.2f}{unit} {'ok' if is_met else 'MISSED'}"

    def as_json(self) -> dict[str, Any]:
        row = self.row
        names = {"function": row.function, "quantity": row.quantity.name, "unit": row.quantity.unit}
        compared = {"ours": row.ours, "floor": row.floor, "rival": row.rival}
        aims = [
            {
                "of": aim.of,
                "limit": aim.limit,
                "is_minimum": aim.is_minimum,
                "met": met,
                **rounded({"value": value}),
            }
            for aim, value, met in self.verdicts()
        ]
        return {**names, **compared, "aims": aims}


def results(figures: Figures) -> Iterator[Result]:
    """Yield the rows that were measured: ours, and at least its floor, its rival, or an aim without both."""
    for row in rows():
        ours, floor, rival = (figures.get(row.key(name)) for name in (row.ours, row.floor, row.rival))
        if ours is not None and (floor is not None or rival is not None):
            yield Result(row, ours, floor, rival)


def ratio_text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
