"""Runs the cases and judges them."""

from __future__ import annotations

import difflib
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Tuple

from . import groups, process, record
from .case import Case, Group
from .differences import DIFFERENCES

EQUAL = "ok"
FAILED = "FAILED"

_MANY = 150  # lines of a difference
_LONG = 1500  # characters of one line of a record; longer ones are cut when they are shown


@dataclass(frozen=True)
class Verdict:
    """What became of a case. ``differs`` are the keys of the listed differences it shows."""

    case: Case
    passed: bool
    differs: Tuple[str, ...] = ()
    explanation: Tuple[str, ...] = ()  # for a failure: what was found, line by line

    @property
    def word(self) -> str:
        """The verdict as the report prints it."""
        if not self.passed:
            return FAILED
        return f"{EQUAL} (differs: {', '.join(self.differs)})" if self.differs else EQUAL


def all_cases() -> List[Case]:
    """The cases of every module in ``groups``, in order.

    Raises ValueError if two cases have the same name.
    """
    cases: List[Case] = []
    for module in groups.MODULES:
        found: List[Group] = module.GROUPS
        cases += [case for group in found for case in group.cases]
    seen = set()
    for case in cases:
        if case.name in seen:
            raise ValueError(f"two cases are called {case.name!r}")
        seen.add(case.name)
    return cases


def run(cases: Iterable[Case], runtimes: Tuple[str, ...], pool: int) -> Iterator[Tuple[Case, Dict[str, Run]]]:
    """Run the programs, ``pool`` processes at a time; yield each case, in order, with its runs."""
    cases = list(cases)
    with ThreadPoolExecutor(pool) as executor:
        futures: Dict[Tuple[int, str], Future[Run]] = {}
        for case in cases:
            for runtime in runtimes:
                key = (id(case.program), runtime)
                if key not in futures:
                    futures[key] = executor.submit(process.run, case.program, runtime)
        for case in cases:
            yield case, {runtime: futures[id(case.program), runtime].result() for runtime in runtimes}


def judge(case: Case, runs: Dict[str, Run]) -> Verdict:
    """Compare what the two runtimes did, or, if only one ran, check what is known of it."""
    problems = list(_golden_problems(case, runs))
    if process.AWS not in runs or process.OURS not in runs:
        return Verdict(case, not problems, (), tuple(problems))
    theirs = _record(case, runs[process.AWS])
    ours = _record(case, runs[process.OURS])
    expected, differs = _expected(case, theirs)
    problems += _diff(record.lines(expected), record.lines(ours), listed=bool(differs))
    if expected.ending == record.NOT_DELIVERED:
        problems.append("an earlier event ended the process: give this case a run of its own")
    return Verdict(case, not problems, tuple(differs), tuple(problems))


def unused_differences(verdicts: Iterable[Verdict]) -> List[str]:
    """The keys of listed differences that no case shows."""
    used = {key for verdict in verdicts for key in verdict.differs}
    return [difference.key for difference in DIFFERENCES if difference.key not in used]


def shown(case: Case, run: Run) -> List[str]:
    """The record of a case, to read."""
    return readable(record.lines(_record(case, run)))


def _record(case: Case, run: Run) -> record.Record:
    whole = record.make(run)
    return whole if case.event is None else whole.only(case.event)


def _expected(case: Case, theirs: record.Record) -> Tuple[record.Record, List[str]]:
    """What ours must do, given what AWS's did, and the differences that say so."""
    expected = theirs
    keys = []
    for difference in DIFFERENCES:
        changed = difference.expect(case, expected)
        if changed != expected:
            keys.append(difference.key)
            expected = changed
    return expected, keys


def _golden_problems(case: Case, runs: Dict[str, Run]) -> Iterator[str]:
    if case.posts is None or case.event is None or process.AWS not in runs:
        return
    posts = record.posted(runs[process.AWS], case.event)
    if posts != [case.posts]:
        yield f"AWS's runtime was known to post {case.posts!r}, but posts {posts!r}"


def readable(lines: Iterable[str]) -> List[str]:
    """The lines with those of thousands of characters cut; a checksum shows whether two are the same."""
    return [
        line
        if len(line) <= _LONG
        else f"{line[: _LONG // 2]} …{len(line)} characters, CRC {zlib.crc32(line.encode()):08x}… "
        f"{line[-_LONG // 4 :]}"
        for line in lines
    ]


def _diff(expected: List[str], ours: List[str], *, listed: bool) -> List[str]:
    source = "AWS's, with the listed differences" if listed else "AWS's"
    diff = list(difflib.unified_diff(readable(expected), readable(ours), source, "ours", n=3, lineterm=""))
    more = len(diff) - _MANY
    return diff if more <= 0 else [*diff[:_MANY], f"… {more} more lines"]


Run = process.Run
