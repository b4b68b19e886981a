"""What the runtime costs, in counts that do not depend on how busy the machine is: see tests/costs.py."""

from __future__ import annotations

import sys
import unittest

from tests import costs
from tests.support import PYPY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

# How far a figure may be from the recorded one, as a part of it, and as a number.
TOLERANCES = {
    costs.COLD_START: (0.02, 0),
    costs.INVOCATION: (0.02, 0),
    costs.COLD_CALLS: (0, 0),
    costs.COLD_BYTES: (0.02, 0),
    costs.COLD_PEAK: (0.02, 0),
    costs.COLD_ALLOCATIONS: (0.02, 0),
    costs.ALLOCATIONS: (0, 1),
    costs.BLOCKS_LEFT: (0, 0),
    costs.PEAK: (0, 256),
}
# For a build whose figures are not recorded: at most this part more than another build of its minor version.
UNRECORDED = 0.10


@unittest.skipIf(PYPY, "PyPy compiles while it runs, and has no counts of allocations")
class Costs(unittest.TestCase):
    harness: ClassVar[costs.Harness]

    @classmethod
    def setUpClass(cls) -> None:
        cls.harness = costs.Harness()
        cls.addClassCleanup(cls.harness.close)

    def check(self, measure: Callable[[costs.Harness], costs.Figures]) -> None:
        """Expect the figures that were recorded for this build of Python, or little more than another's."""
        build, everything = costs.this_build(), costs.recorded()
        minor = f"{sys.version_info[0]}.{sys.version_info[1]}."
        similar = [
            figures
            for name, figures in everything.items()
            if name.startswith(minor) and ("free-threaded" in name) == ("free-threaded" in build)
        ]
        if not similar:
            self.skipTest(f"costs.json has no figures of Python {build}: record them with {costs.COMMAND}")
        for name, found in measure(self.harness).items():
            with self.subTest(name):
                part, number = TOLERANCES[name]
                if name in everything.get(build, {}):
                    expected = everything[build][name]
                    lowest, highest = expected * (1 - part) - number, expected * (1 + part) + number
                else:
                    expected = max(figures.get(name, 0) for figures in similar)
                    lowest, highest = float("-inf"), expected * (1 + UNRECORDED) + number
                if not lowest <= found <= highest:
                    self.fail(_explain(name, found, expected, lowest, highest))

    @unittest.skipUnless(costs.can_count_instructions(), "needs valgrind and setarch")
    def test_a_start_and_an_invocation_execute_the_recorded_instructions(self) -> None:
        self.check(costs.measure_instructions)

    @unittest.skipUnless(costs.can_count_system_calls(), "needs strace, and the permission to use it")
    def test_a_start_makes_the_recorded_system_calls(self) -> None:
        self.check(costs.measure_system_calls)

    @unittest.skipUnless(costs.can_count_allocations(), "needs valgrind, setarch and symbols of libc")
    def test_a_start_and_an_invocation_allocate_the_recorded_blocks(self) -> None:
        self.check(costs.measure_allocations)

    def test_a_start_and_an_invocation_allocate_the_recorded_memory(self) -> None:
        self.check(costs.measure_memory)


def _explain(name: str, found: float, expected: float, lowest: float, highest: float) -> str:
    build = costs.this_build()
    of_another = (
        "" if build in costs.recorded() else ", of which costs.json has no figures, but of a similar build"
    )
    return (
        f"\n{name}:\nfound {found}, expected {expected} (from {lowest:.10g} to {highest:.10g})"
        f"\nwith Python {build}{of_another}.\n"
        "If this is not intended, look for a new import, system call, allocation or loop. If it is, record\n"
        f"the figures again with `{costs.COMMAND}`, for each Python, and give the reason in the commit."
    )


if __name__ == "__main__":
    unittest.main()
