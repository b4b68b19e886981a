"""Show a profile to a person, with advice that follows from its figures."""

from __future__ import annotations

import os
import shutil
import statistics
import textwrap

from lambda_emulator.profiling.import_tree import prune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from lambda_emulator.profiling.import_tree import Import
    from lambda_emulator.profiling.profiler import Profile

WIDEST, NARROWEST = 80, 40
MOST_LINES = 24  # of the tree
LEAST_PART = 0.02  # of the init phase, for a module to be shown
MOST_ADVICE = 3
# From which share of the init phase on, and from how many milliseconds on, something is worth a change.
WORTH, WORTH_MS = 0.1, 15.0
LAMBDA_LIMIT_MS = 10_000
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def advise(profile: Profile) -> list[str]:
    """Return what to do, the most effective first; a line if nothing stands out."""
    init, module = profile.init, profile.module
    found: list[tuple[float, str]] = []

    def matters(ms: float) -> bool:
        return ms >= WORTH_MS and ms >= WORTH * init

    saves = profile.bytecode_saves
    if saves is not None and matters(saves):
        remedy = "`make dist-function` puts it into the zip."
        found.append((saves, f"Deploy bytecode: it saves {saves:.0f} ms. {remedy}"))
    if module is not None:
        own = module.self_us / 1000
        if matters(own):
            remedy = "Move work from the module to the function that needs its result."
            found.append((own, f"{module.name} itself takes {own:.0f} ms, without its imports. {remedy}"))
        for child in module.children:
            ms = child.cumulative_us / 1000
            if matters(ms):
                slow = max(child.walk(), key=lambda one: one.self_us)
                inside = ""
                if slow is not child and slow.self_us > 500 * ms:
                    inside = f", most of it in {slow.name}"
                remedy = "If not every event needs it, import it in the function that uses it."
                found.append((ms, f"{child.name} takes {ms:.0f} ms{inside}. {remedy}"))
    advice = [text for _, text in sorted(found, key=lambda one: -one[0])][:MOST_ADVICE]
    if init > LAMBDA_LIMIT_MS:
        advice.insert(
            0, "Lambda stops the init phase after 10 s, and starts it again within the first invocation."
        )
    if profile.pss_kb > 0.7 * profile.memory_mb * 1024:
        advice.append(
            f"Imports alone fill {profile.pss_kb / 1024:.0f} of {profile.memory_mb} MB."
            " Set a larger memory size, which also brings more processor time."
        )
    return advice or ["Nothing stands out: the interpreter and the runtime take most of the time."]


def as_json(profile: Profile) -> dict[str, Any]:
    saves = profile.bytecode_saves
    return {
        "handler": profile.handler,
        "init_ms": {"median": round(profile.init, 2), "runs": [round(one, 2) for one in profile.init_ms]},
        "bytecode": None
        if saves is None
        else {
            "saves_ms": round(saves, 2),
            "without_ms": [round(one, 2) for one in profile.without_bytecode_ms],
        },
        "memory_kb": {"pss": profile.pss_kb, "rss": profile.rss_kb},
        "imports": [one.as_json() for one in profile.imports],
        "advice": advise(profile),
    }


def show(profile: Profile, stream: TextIO) -> None:
    """Print the profile, as wide as the terminal, at most 80 columns."""
    columns = shutil.get_terminal_size().columns if stream.isatty() else WIDEST
    width = max(NARROWEST, min(WIDEST, columns))
    colour = stream.isatty() and not os.environ.get("NO_COLOR")
    for style, line in _lines(profile, width):
        print(f"{style}{line}{_PLAIN}" if style and colour else line, file=stream)


def _lines(profile: Profile, width: int) -> list[tuple[str, str]]:
    """Return style and text of each line."""
    runs, saves = profile.init_ms, profile.bytecode_saves
    times = f"{min(runs):.0f} to {max(runs):.0f}"
    lines = [
        (_BOLD, f"Init phase {profile.init:7.0f} ms"),
        (_DIM, f"           median of {len(runs)}, {times}"),
    ]
    if saves is not None:
        without = statistics.median(profile.without_bytecode_ms)
        lines += [
            ("", f"Bytecode   {max(saves, 0):7.0f} ms saved"),
            (_DIM, f"           {without:.0f} ms without it"),
        ]
    lines += [
        ("", f"Memory     {profile.pss_kb / 1024:7.0f} MB (PSS)"),
        (_DIM, f"           {profile.rss_kb / 1024:.0f} MB (RSS), after imports"),
        ("", ""),
    ]
    if not profile.imports:
        reason = "This interpreter does not measure imports; CPython does."
        return [*lines, *(("", line) for line in textwrap.wrap(reason, width))]
    bar = max(4, width // 5)
    lines.append((_DIM, f"{'with its':>8} {'itself':>7}"))
    lines.append((_DIM, f"{'imports':>8} {'ms':>7}  {'':{bar}} module"))
    total = sum(one.cumulative_us for one in profile.imports) or 1
    least = LEAST_PART * total
    tree = _flatten(prune(profile.imports, least), 0)
    while len(tree) > MOST_LINES:
        least *= 1.3
        tree = _flatten(prune(profile.imports, least), 0)
    for depth, one in tree:
        filled = "█" * max(1, round(bar * one.cumulative_us / total))
        name = " " * min(depth, 8 if width > 60 else 3) + one.name
        room = width - 8 - 1 - 7 - 2 - bar - 1
        name = name if len(name) <= room else name[: room - 1] + "…"
        lines.append(
            ("", f"{one.cumulative_us / 1000:8.1f} {one.self_us / 1000:7.1f}  {filled:{bar}} {name}")
        )
    lines.append(("", ""))
    for advice in advise(profile):
        lines += [("", line) for line in _wrap(advice, width)]
    return lines


def _flatten(imports: list[Import], depth: int) -> list[tuple[int, Import]]:
    return [pair for one in imports for pair in [(depth, one), *_flatten(one.children, depth + 1)]]


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="→ ", subsequent_indent="  ")
