"""What the benchmark measures, section by section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import instructions, measure
from benchmarks.contestants import OURS, SENDALL, Contestants
from benchmarks.cpu_limit import like_memory_size
from benchmarks.figures import COLD_128, COLD_512, Figures
from benchmarks.runtimes import Contestant, Installation
from benchmarks.scenarios import (
    FAILING,
    FASTAPI,
    FUNCTIONS,
    HELLO,
    LARGE_EVENTS,
    PAGE_REQUEST,
    STREAMED,
    Scenario,
)
from benchmarks.task_roots import TaskRoots

LARGE_REPETITIONS = 15
LIMITED_RUNS = {128: 3, 512: 5}  # starts at 128 MB take up to 15 s
STREAM_RUNS = 5
SECTIONS = (*(scenario.name for scenario in FUNCTIONS), "limits", "large", "failing", "restore", "stream")


@dataclass
class Effort:
    """How often to measure."""

    runs: int
    invocations: int
    counts_instructions: bool


class Suite:
    """Measures the sections; ``limit`` says how the CPU was limited."""

    def __init__(self, installation: Installation, roots: TaskRoots, effort: Effort) -> None:
        self.installation = installation
        self.contestants = Contestants(installation, roots)
        self.effort = effort
        self.figures = Figures()
        self.limit = ""

    def measure(self, section: str) -> None:
        """Measure one of SECTIONS; raise MissingPackage if the environment lacks one of its packages."""
        others: dict[str, Callable[[], None]] = {
            "limits": self.limits,
            "large": self.large,
            "failing": self.failing,
            "restore": self.restore,
            "stream": self.stream,
        }
        if section in others:
            return others[section]()
        for scenario in FUNCTIONS:
            if scenario.name == section:
                self.function(scenario)

    def function(self, scenario: Scenario) -> None:
        """Measure the starts, memory, warm invocations and instructions of a function."""
        pair = self.contestants.pair(scenario)
        plain = self.contestants.pair_without_bytecode(scenario)
        others = self.contestants.others(scenario)
        floors = [self.contestants.json_loop(scenario)]
        uncompiled = plain if scenario.has_bundle else []
        bundles = [one for one in others if not one.has_adapter]
        counted = [(scenario, contestant) for contestant in (*pair, *uncompiled, *bundles, *floors)]
        if scenario is HELLO:
            floors.append(self.contestants.loop(scenario))
            counted.append((scenario, floors[-1]))
            measure.interpreter_starts(self.figures, self.installation, scenario.name, self.effort.runs * 2)
        runs = self.effort.runs * 2 if scenario is HELLO else self.effort.runs
        measure.starts(self.figures, [*pair, *plain, *others, *floors], scenario, runs)
        self.warm(scenario, [*pair, *others, *floors])
        if scenario is HELLO:
            page = [*self.contestants.pair(PAGE_REQUEST), self.contestants.json_loop(PAGE_REQUEST)]
            self.warm(PAGE_REQUEST, page)
            counted += [(PAGE_REQUEST, contestant) for contestant in page]
        if self.effort.counts_instructions:
            instructions.count_all(self.figures, counted)

    def warm(self, scenario: Scenario, contestants: list[Contestant]) -> None:
        measure.warm(self.figures, contestants, scenario, self.effort.invocations)

    def limits(self) -> None:
        """Measure the cold starts of two functions with the CPU that small functions have."""
        for memory_mb, quantity in ((128, COLD_128), (512, COLD_512)):
            runs = min(self.effort.runs, LIMITED_RUNS[memory_mb])
            with like_memory_size(memory_mb) as limit:
                self.limit = limit.name
                for scenario in (HELLO, FASTAPI):
                    plain = self.contestants.pair_without_bytecode(scenario)[1:]
                    rivals = [*self.contestants.pair(scenario), *plain, *self.contestants.others(scenario)]
                    floor = self.contestants.json_loop(scenario)
                    measure.limited_starts(self.figures, [*rivals, floor], scenario, runs, limit, quantity)

    def large(self) -> None:
        """Measure large events that the function returns."""
        repetitions = min(self.effort.runs * 2, LARGE_REPETITIONS)
        for scenario in LARGE_EVENTS:
            contestants = [*self.contestants.pair(scenario), self.contestants.json_loop(scenario)]
            measure.json_alone(self.figures, self.installation, scenario, repetitions)
            measure.large_events(self.figures, contestants, scenario, repetitions)
            measure.json_alone(self.figures, self.installation, scenario, repetitions)

    def failing(self) -> None:
        measure.failures(self.figures, self.contestants.pair(FAILING), FAILING, self.effort.invocations)

    def restore(self) -> None:
        measure.restores(self.figures, self.contestants.pair(HELLO), self.effort.runs)

    def stream(self) -> None:
        """Measure streams. AWS's runtime for Python cannot stream, so there is only a floor."""
        ours = [one for one in self.contestants.pair(STREAMED) if one.name == OURS]
        floor = self.contestants.floor(SENDALL, "stream_loop", STREAMED)
        runs = min(self.effort.runs, STREAM_RUNS)
        measure.streams(self.figures, [*ours, floor], runs)
