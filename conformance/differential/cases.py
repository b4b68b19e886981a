"""The cases of all groups, and checks of the table of accepted differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import List

from conformance.suite import Observation, Suite

from . import accepted, groups
from .case import Case, Group
from .harness import Harness

SUITE: Suite[Harness] = Suite()


def all_cases() -> List[Case]:
    """Return the cases of every module in ``groups``, in order.

    Raises ValueError if two cases have the same name.
    """
    cases: List[Case] = []
    for module in groups.MODULES:
        found: List[Group] = module.GROUPS
        cases += [case for group in found for case in group.cases]
    seen = set()
    for case in cases:
        if case.name in seen:
            raise ValueError(f"two cases have the name {case.name!r}")
        seen.add(case.name)
    return cases


CASES = all_cases()
KEYS = [row["key"] for row in accepted.table()]


def checked(case: Case) -> Callable[[Harness], Observation]:
    return lambda harness: harness.check(case)


def shown(key: str) -> Callable[[Harness], Observation]:
    return lambda harness: harness.expect_shown(key, CASES)


for case in CASES:
    SUITE.add(case.group, case.name, checked(case))
TABLE = "accepted differences"
for key in KEYS:
    SUITE.add(TABLE, f"{key} shows in a case", shown(key))
SUITE.add(TABLE, "every record belongs to a case", lambda harness: harness.expect_known(set(KEYS), CASES))
SUITE.add(TABLE, "the documentation lists them", lambda harness: harness.expect_documented())
