"""The tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.aims import ABOVE_FLOOR, ITSELF, TO_FLOOR, floor_of
from benchmarks.contestants import (
    AWS,
    AWS_PLAIN,
    BUNDLE,
    INTERPRETER,
    JSON_ALONE,
    JSON_LOOP,
    LOOP,
    OURS,
    OURS_PLAIN,
    SENDALL,
    SERVER,
)
from benchmarks.figures import (
    COLD,
    COLD_128,
    COLD_512,
    COLD_CPU,
    COLD_INSTRUCTIONS,
    FAILURE,
    FIRST,
    FIRST_CHUNK,
    INSTRUCTIONS,
    LARGE,
    MEMORY,
    RATE,
    RESTORE,
    SMALL_CHUNK,
    WARM,
    WARM_99,
    Quantity,
)
from benchmarks.report.results import Results
from benchmarks.scenarios import FASTAPI, FUNCTIONS, HELLO, LARGE_EVENTS, PAGE_REQUEST

Table = list[Sequence[str]]
NAMES = {OURS: "this one", AWS: "AWS's runtime", SERVER: "uvicorn and an adapter"}


def conditions(results: list[Results]) -> str:
    """Return where and with what the figures were measured."""
    one = results[-1]
    machine = one.machine
    load = max(result.machine["load"] for result in results)
    pythons = ", ".join(result.python.split()[1] for result in results)
    packages = ", ".join(f"{name} {number}" for name, number in one.packages.items())
    return (
        f"Measured on {machine['cpus']} CPUs of a machine with {machine['cpu']} ({machine['architecture']}, "
        f"{machine['kernel']}) with CPython {pythons}. "
        f"The load average before was at most {load}.\nPackages: {packages}.\n"
    )


def aims(results: list[Results]) -> str:
    """Return each aim with the value of each interpreter; bold where it is missed."""
    values: dict[tuple[str, str], dict[str, str]] = {}
    for one in results:
        for row in one.rows:
            for aim in row["aims"]:
                words = f"{aim_name(row, aim['of'])}"
                sign = "≥" if aim["is_minimum"] else "≤"
                shown = f"{aim['value']:.2f}"
                values.setdefault((words, f"{sign} {aim['limit']:g}"), {})[one.minor] = (
                    shown if aim["met"] else f"**{shown}**"
                )
    minors = [one.minor for one in results]
    lines: Table = [("ratio", "aim", *minors)]
    lines += [
        (name, limit, *(found.get(minor, "") for minor in minors)) for (name, limit), found in values.items()
    ]
    return markdown(lines)


def aim_name(row: dict[str, str], of: str) -> str:
    """Return what an aim compares, for example ``hello, cold start: AWS's runtime``."""
    ours = "" if row["ours"] == OURS else f" {row['ours'].removeprefix('ours ')}"
    name = f"{row['function']}, {row['quantity']}{ours}"
    if of == ITSELF:
        return f"{name}, {row['unit']}"
    if of == ABOVE_FLOOR:
        return f"{name}: more than the {row['floor']}, {row['unit']}"
    base = row["floor"] if of == TO_FLOOR else row["rival"].replace("AWS's", "AWS's runtime")
    return f"{name}: {base}"


def functions(one: Results) -> str:
    """Return what each function needs, beside AWS's runtime and the floor."""
    lines: Table = [("", "floor", "this one", "AWS's runtime", "ratio")]
    for quantity, ours, aws, note in (
        (COLD, OURS, AWS, ""),
        (COLD, OURS_PLAIN, AWS_PLAIN, " without bytecode"),
        (COLD_CPU, OURS, AWS, ""),
        (FIRST, OURS, AWS, ""),
        (MEMORY, OURS, AWS, ""),
        (WARM, OURS, AWS, ""),
        (WARM_99, OURS, AWS, ""),
        (COLD_INSTRUCTIONS, OURS, AWS, ""),
        (INSTRUCTIONS, OURS, AWS, ""),
    ):
        lines.append((f"**{quantity.name}{note}, {quantity.unit}**", "", "", "", ""))
        for scenario in (*FUNCTIONS, PAGE_REQUEST):
            floor = floor_of(scenario.name, quantity) if ours == OURS else ""
            lines.append(compared(one, scenario.name, quantity, floor, ours, aws, scenario.name))
    return markdown([line for line in lines if any(line[1:]) or line[0].startswith("*")])


def compared(
    one: Results, function: str, quantity: Quantity, floor: str, ours: str, rival: str, title: str
) -> Sequence[str]:
    cells = [cell(one, function, quantity, name) for name in (floor, ours, rival)]
    return title, *cells, ratio(one, function, quantity, ours, rival)


def cell(one: Results, function: str, quantity: Quantity, contestant: str) -> str:
    value = one.median(function, quantity.name, contestant)
    return "" if value is None else f"{value:,.{quantity.digits}f}"


def ratio(one: Results, function: str, quantity: Quantity, ours: str, rival: str) -> str:
    mine, other = (one.median(function, quantity.name, name) for name in (ours, rival))
    return "" if mine is None or not other else f"{mine / other:.2f}"


def hello(one: Results) -> str:
    """Return the function that imports nothing beside each of its floors."""
    names = (INTERPRETER, LOOP, JSON_LOOP, OURS, AWS)
    lines: Table = [("", *(NAMES.get(name, name) for name in names))]
    for quantity in (COLD, MEMORY, WARM, COLD_INSTRUCTIONS, INSTRUCTIONS):
        cells = (cell(one, HELLO.name, quantity, name) for name in names)
        lines.append((f"{quantity.name}, {quantity.unit}", *cells))
    return markdown(lines)


def fastapi(one: Results) -> str:
    """Return FastAPI served in each way."""
    served = (
        ("this one with a bundle", BUNDLE),
        ("this one", OURS),
        ("this one without bytecode", OURS_PLAIN),
        ("Mangum on AWS's runtime", AWS),
        ("Mangum on AWS's runtime without bytecode", AWS_PLAIN),
        ("uvicorn and an adapter", SERVER),
        ("floor: a socket loop that imports the application", JSON_LOOP),
    )
    quantities = (COLD, COLD_CPU, COLD_512, COLD_128, FIRST, MEMORY, WARM, WARM_99)
    lines: Table = [("", *(f"{quantity.name}, {quantity.unit}" for quantity in quantities))]
    for title, name in served:
        lines.append((title, *(cell(one, FASTAPI.name, quantity, name) for quantity in quantities)))
    return markdown(lines) + f"\nThe CPU of 512 MB and 128 MB is limited with {one.limit}.\n"


def large(one: Results) -> str:
    """Return large events that are sent back."""
    lines: Table = [("event to response, ms", JSON_ALONE, JSON_LOOP, "this one", "AWS's runtime", "ratio")]
    for scenario in LARGE_EVENTS:
        names = (JSON_ALONE, JSON_LOOP, OURS, AWS)
        cells = (cell(one, scenario.name, LARGE, name) for name in names)
        lines.append((scenario.name, *cells, ratio(one, scenario.name, LARGE, OURS, AWS)))
    return markdown(lines)


def others(one: Results) -> str:
    """Return failures, restores and streams."""
    lines: Table = [("", "floor", "this one", "AWS's runtime", "ratio")]
    for function, quantity, floor, rival in (
        ("failing", FAILURE, "", AWS),
        (HELLO.name, RESTORE, "", AWS),
        ("stream", FIRST_CHUNK, SENDALL, ""),
        ("stream", RATE, SENDALL, ""),
        ("stream", SMALL_CHUNK, SENDALL, ""),
    ):
        title = f"{function}: {quantity.name}, {quantity.unit}"
        lines.append(compared(one, function, quantity, floor, OURS, rival, title))
    return markdown(lines)


def markdown(lines: Table) -> str:
    head, *rest = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(
        "".join(f"| {cell} " if cell else "| " for cell in line) + "|\n" for line in (head, rule, *rest)
    )
