"""The charts: SVG files for light and for dark pages, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib  # type: ignore[import-not-found,unused-ignore]
from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

from benchmarks.aims import floor_of
from benchmarks.contestants import AWS, AWS_PLAIN, BUNDLE, OURS, SERVER
from benchmarks.figures import COLD, MEMORY, WARM, Quantity
from benchmarks.report.results import Results
from benchmarks.scenarios import FUNCTIONS, HELLO

WIDTH_IN = 7.6
ROW_IN = 0.2  # height of a bar
ABOVE_IN = 0.4  # the heading
BELOW_IN = 0.8  # the numbers of the axis and the legend
GAP = 1.0  # between groups, in bars


@dataclass(frozen=True)
class Theme:
    """The colours of a page: text, lines, and those of each contestant."""

    name: str
    text: str
    line: str
    ours: str
    bundle: str
    rival: str
    plain: str
    server: str
    floor: str


LIGHT = Theme("light", "#1f2328", "#d1d9e0", "#0969da", "#54aeff", "#8c959f", "#afb8c1", "#bf8700", "#1f2328")
DARK = Theme("dark", "#f0f6fc", "#3d444d", "#4493f8", "#1f6feb", "#9198a1", "#656c76", "#d29922", "#f0f6fc")


@dataclass(frozen=True)
class Bar:
    """A bar of a group: ``label`` is that of the legend."""

    contestant: str
    label: str
    colour: str  # a field of Theme


BARS = (
    Bar(OURS, "this runtime", "ours"),
    Bar(BUNDLE, "this runtime, bundle", "bundle"),
    Bar(AWS, "AWS's runtime", "rival"),
    Bar(AWS_PLAIN, "AWS's runtime, zip without bytecode", "plain"),
    Bar(SERVER, "uvicorn and an adapter", "server"),
)


@dataclass(frozen=True)
class Group:
    """The bars of one function or interpreter, and the floor that is drawn across them."""

    title: str
    results: Results
    function: str

    def floor(self, quantity: Quantity) -> float | None:
        return self.results.median(self.function, quantity.name, floor_of(self.function, quantity))


def draw_all(results: Sequence[Results], main: Results, folder: Path) -> None:
    """Write the charts into ``folder``, in both themes."""
    matplotlib.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.family": "sans-serif"}
    )
    folder.mkdir(parents=True, exist_ok=True)
    each = [Group(scenario.name, main, scenario.name) for scenario in FUNCTIONS]
    pythons = [Group(one.minor, one, HELLO.name) for one in results]
    for theme in (LIGHT, DARK):
        for name, quantity, groups, heading in (
            ("cold-start", COLD, each, f"Cold start, ms, CPython {main.minor}"),
            ("warm", WARM, each, f"Event to response, µs, CPython {main.minor}"),
            ("memory", MEMORY, each, f"Peak memory, MB, CPython {main.minor}"),
            ("pythons", COLD, pythons, "Cold start of hello, ms, by version of CPython"),
        ):
            bars = BARS if name == "cold-start" else [bar for bar in BARS if bar.contestant != AWS_PLAIN]
            bars = [bar for bar in bars if name != "warm" or bar.contestant != BUNDLE]
            draw(folder / f"{name}-{theme.name}.svg", groups, bars, quantity, heading, theme)


def draw(
    path: Path, groups: Sequence[Group], bars: Sequence[Bar], quantity: Quantity, heading: str, theme: Theme
) -> None:
    """Draw horizontal bars, with their values beside them, and a line at each group's floor."""
    rows = place(groups, bars, quantity)
    if not rows:
        return
    height = (rows[-1][0] + 1) * ROW_IN + ABOVE_IN + BELOW_IN
    figure = Figure(figsize=(WIDTH_IN, height))
    axes = figure.add_axes((0.13, BELOW_IN / height, 0.8, 1 - (ABOVE_IN + BELOW_IN) / height))
    labelled: set[str] = set()
    ticks: dict[str, list[float]] = {}
    for position, group, bar, value in rows:
        label = bar.label if bar.label not in labelled else None
        labelled.add(bar.label)
        axes.barh(position, value, height=0.8, color=getattr(theme, bar.colour), label=label)
        text = f" {value:,.{0 if value >= 100 else quantity.digits}f}"
        axes.text(
            beside_floor(value, group, quantity),
            position,
            text,
            va="center",
            ha="left",
            fontsize=8,
            color=theme.text,
        )
        ticks.setdefault(group.title, []).append(position)
    for group in groups:
        floor = group.floor(quantity)
        if floor is not None and group.title in ticks:
            span = ticks[group.title]
            label = None if "floor" in labelled else "floor: a loop without a runtime"
            labelled.add("floor")
            axes.vlines(floor, span[0] - 0.5, span[-1] + 0.5, color=theme.floor, linewidth=1.2, label=label)
    style(axes, ticks, theme)
    axes.set_title(heading, loc="left", fontsize=10, color=theme.text)
    figure.legend(
        loc="lower left", ncol=3, fontsize=8, frameon=False, labelcolor=theme.text, bbox_to_anchor=(0.02, 0.0)
    )
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def beside_floor(value: float, group: Group, quantity: Quantity) -> float:
    """Return where the text of a bar begins: behind the line of the floor if that would cross the text."""
    floor = group.floor(quantity)
    return floor if floor is not None and value < floor < value * 1.3 else value


def place(
    groups: Sequence[Group], bars: Sequence[Bar], quantity: Quantity
) -> list[tuple[float, Group, Bar, float]]:
    """Return the position and the value of each bar that was measured."""
    rows = []
    position = 0.0
    for group in groups:
        for bar in bars:
            value = group.results.median(group.function, quantity.name, bar.contestant)
            if value is not None:
                rows.append((position, group, bar, value))
                position += 1
        position += GAP
    return rows


def style(axes: Any, ticks: dict[str, list[float]], theme: Theme) -> None:
    """Leave out what is not needed: the frame, the ticks."""
    axes.set_yticks([sum(span) / len(span) for span in ticks.values()], list(ticks), fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.01)
    axes.tick_params(colors=theme.text, length=0, labelsize=9)
    axes.xaxis.grid(True, color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    for spine in axes.spines.values():
        spine.set_visible(False)
