"""Draw a tree of imports as an SVG: a bar's width is its time, what a module imports hangs below it."""

from __future__ import annotations

import zlib
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambda_emulator.profiling.import_tree import Import

WIDTH, ROW, TEXT, TOP = 1200, 18, 11, 40  # pixels
CHARACTER = 6.6  # the width of one
LEAST_WIDTH = 0.3  # of a bar that can be seen


def draw(title: str, imports: list[Import]) -> str:
    """Return the text of the SVG."""
    total = sum(one.cumulative_us for one in imports) or 1
    bars: list[str] = []
    depth = _row(imports, 0.0, WIDTH / total, 0, total, bars)
    height = TOP + depth * ROW + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
            f' height="{height}" font-family="monospace" font-size="{TEXT}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="6" y="24" font-size="15">{escape(title)}</text>',
            *bars,
            "</svg>\n",
        ]
    )


def _row(imports: list[Import], left: float, scale: float, depth: int, total: int, bars: list[str]) -> int:
    """Add the bars of modules beside each other, and those below them; return the number of rows."""
    deepest = depth
    for one in imports:
        width = one.cumulative_us * scale
        if width >= LEAST_WIDTH:
            bars.append(_bar(one, left, TOP + depth * ROW, width, total))
            deepest = max(deepest, _row(one.children, left, scale, depth + 1, total, bars), depth + 1)
        left += width
    return deepest


def _bar(one: Import, left: float, top: int, width: float, total: int) -> str:
    hue = 20 + zlib.crc32(one.name.partition(".")[0].encode()) % 200  # a package has one colour
    letters = int((width - 6) / CHARACTER)
    name = one.name if len(one.name) <= letters else one.name[: max(0, letters - 1)] + "…"
    label = f'<text x="{left + 3:.1f}" y="{top + 13}">{escape(name)}</text>' if letters > 3 else ""
    hint = (
        f"{one.name}: {one.cumulative_us / 1000:.1f} ms ({100 * one.cumulative_us / total:.0f} %),"
        f" itself {one.self_us / 1000:.1f} ms"
    )
    box = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue},70%,75%)"'
    return f"<g><title>{escape(hint)}</title><rect {box}/>{label}</g>"
