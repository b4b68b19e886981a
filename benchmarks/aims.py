"""The rows of the result, each between its floor and its rival, and the aims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    Key,
    Quantity,
)
from benchmarks.scenarios import FASTAPI, FUNCTIONS, HELLO, LARGE_EVENTS, PAGE_REQUEST

TO_FLOOR = "floor"  # our figure divided by the floor's
ABOVE_FLOOR = "above floor"  # our figure less the floor's
TO_RIVAL = "rival"
ITSELF = "itself"


@dataclass(frozen=True)
class Aim:
    """The largest acceptable value of what ``of`` names, or the smallest one."""

    of: str
    limit: float
    is_minimum: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.is_minimum else value <= self.limit


@dataclass(frozen=True)
class Row:
    """A figure of this runtime beside its floor and its rival, where they exist."""

    function: str
    quantity: Quantity
    ours: str
    floor: str = ""
    rival: str = ""
    aims: tuple[Aim, ...] = ()

    def key(self, contestant: str) -> Key | None:
        return Key(self.function, self.quantity, contestant) if contestant else None


MEASURED = (COLD, COLD_CPU, FIRST, MEMORY, WARM, WARM_99, COLD_INSTRUCTIONS, INSTRUCTIONS)
SMALL_EVENT_AIMS = (Aim(TO_RIVAL, 0.6), Aim(TO_FLOOR, 1.5))
AIMS = {
    (HELLO.name, COLD): (Aim(TO_RIVAL, 0.45),),
    (HELLO.name, WARM): SMALL_EVENT_AIMS,
    (PAGE_REQUEST.name, WARM): SMALL_EVENT_AIMS,
    (FASTAPI.name, MEMORY): (Aim(TO_RIVAL, 0.95),),
    (FASTAPI.name, WARM): (Aim(TO_RIVAL, 0.6),),
    (FASTAPI.name, INSTRUCTIONS): (Aim(TO_RIVAL, 0.6),),
}


def floor_of(function: str, quantity: Quantity) -> str:
    """Return the usual floor. One that imports json is above this runtime at the start of hello."""
    is_start = quantity in (COLD, COLD_CPU, COLD_INSTRUCTIONS, MEMORY)
    return LOOP if function == HELLO.name and is_start else JSON_LOOP


def rows() -> Iterator[Row]:
    """Yield all rows in the order of the result; rows that were not measured are left out there."""
    for scenario in (*FUNCTIONS, PAGE_REQUEST):
        for quantity in MEASURED:
            yield from rows_of(scenario.name, quantity)
    for scenario in LARGE_EVENTS:
        yield Row(scenario.name, LARGE, OURS, JSON_ALONE, AWS, (Aim(TO_RIVAL, 0.9), Aim(TO_FLOOR, 1.1)))
        yield Row(scenario.name, LARGE, OURS, JSON_LOOP)
    yield Row("failing", FAILURE, OURS, "", AWS, (Aim(TO_RIVAL, 0.9),))
    yield Row(HELLO.name, RESTORE, OURS, "", AWS)
    yield Row("stream", FIRST_CHUNK, OURS, SENDALL)
    yield Row("stream", RATE, OURS, SENDALL, "", (Aim(TO_FLOOR, 0.7, is_minimum=True),))
    yield Row("stream", SMALL_CHUNK, OURS, SENDALL, "", (Aim(ITSELF, 15),))


def rows_of(function: str, quantity: Quantity) -> Iterator[Row]:
    """Yield the rows of a quantity of one function: equal conditions first."""
    is_hello, is_fastapi = function == HELLO.name, function == FASTAPI.name
    aims = AIMS.get((function, quantity), ())
    if is_hello and quantity is COLD:
        yield Row(function, quantity, OURS, LOOP, AWS, (*aims, Aim(TO_FLOOR, 1.3)))
        yield Row(function, quantity, OURS, INTERPRETER)
    elif is_hello and quantity is MEMORY:
        yield Row(function, quantity, OURS, INTERPRETER, AWS, (Aim(TO_RIVAL, 0.68), Aim(ABOVE_FLOOR, 1.0)))
    else:
        yield Row(function, quantity, OURS, floor_of(function, quantity), AWS, aims)
    if is_hello and quantity in (COLD, COLD_CPU, COLD_INSTRUCTIONS):
        yield Row(function, quantity, OURS, JSON_LOOP)
    if quantity in (COLD, COLD_CPU, FIRST, COLD_INSTRUCTIONS):
        yield Row(function, quantity, OURS_PLAIN, "", AWS_PLAIN)
    if quantity is COLD:
        yield Row(function, quantity, OURS, "", AWS_PLAIN)
    if is_fastapi and quantity in (COLD_CPU, COLD_INSTRUCTIONS):
        yield Row(function, quantity, BUNDLE, "", AWS_PLAIN)
    if is_fastapi and quantity is COLD:
        yield Row(function, quantity, BUNDLE, JSON_LOOP, AWS, (Aim(TO_RIVAL, 0.85),))
        yield Row(function, quantity, BUNDLE, "", AWS_PLAIN, (Aim(TO_RIVAL, 0.35),))
    elif is_fastapi and quantity in (MEMORY, COLD_CPU, COLD_INSTRUCTIONS):
        yield Row(function, quantity, BUNDLE, JSON_LOOP, AWS)
    if is_fastapi and quantity not in (COLD_INSTRUCTIONS, INSTRUCTIONS):
        yield Row(function, quantity, BUNDLE if quantity is COLD else OURS, "", SERVER)
    if quantity is COLD:
        for limited in (COLD_128, COLD_512):
            yield Row(function, limited, OURS, JSON_LOOP, AWS)
            yield Row(function, limited, OURS, "", AWS_PLAIN)
            yield Row(function, limited, BUNDLE, JSON_LOOP, AWS)
            yield Row(function, limited, BUNDLE, "", AWS_PLAIN)
            yield Row(function, limited, BUNDLE, "", SERVER)
