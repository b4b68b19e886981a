"""Run the cases with both runtimes, and compare the differences with the accepted ones."""

from __future__ import annotations

import difflib
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterable, List, Set, Tuple

from conformance.expectations import Mismatch
from conformance.suite import MissingRequirement, Observation

from . import accepted, process, record, rules
from .accepted import UNEXPLAINED, Accepted, Group
from .case import Case, Program

Run = process.Run
_MANY = 150  # lines of a difference
_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs" / "differences.md"


class Harness:
    """``accept``: accept the differences that are found; ``close`` writes them."""

    def __init__(self, cases: Iterable[Case], pool: int, *, accept: bool) -> None:
        self._accept = accept
        self._executor = ThreadPoolExecutor(pool)
        self._futures: Dict[Tuple[int, str], Future[Run]] = {}
        self._groups: Dict[str, Group] = {}
        self._checked: Set[str] = set()
        self._rules_seen: Set[str] = set()
        self._shown: List[str] = []
        for case in cases:  # in advance: while one run is compared, the next ones are running
            for runtime in (process.AWS, process.OURS):
                self._submit(case.program, runtime)

    def check(self, case: Case) -> Observation:
        """Raise Mismatch unless the runtimes differ exactly as accepted."""
        theirs, ours = (self._submit(case.program, name) for name in (process.AWS, process.OURS))
        return self._judge(case, theirs.result(), ours.result())

    def expect_shown(self, key: str, cases: Iterable[Case]) -> Observation:
        """Raise Mismatch unless a case shows the difference ``key`` of the table."""
        missing = Mismatch("no case shows it: remove it from differences.json")
        if key in rules.RULES:
            if key not in self._rules_seen:
                if self._checked >= {case.name for case in cases}:
                    raise missing
                raise MissingRequirement("needs all cases, in one process (without -k and -n)")
            return "a rule"
        groups = {case.group for case in cases}
        names = [name for group in groups for name, one in self._group(group).items() if key in one.keys]
        if not names:
            raise missing
        return f"{len(names)} cases"

    def expect_known(self, keys: Set[str], cases: Iterable[Case]) -> Observation:
        """Raise Mismatch if a record belongs to an unknown case, or has a key that is not listed."""
        names: Dict[str, Set[str]] = {}
        for case in cases:
            names.setdefault(case.group, set()).add(case.name)
        count = 0
        for group, known in names.items():
            for name, one in self._group(group).items():
                if name not in known:
                    raise Mismatch(
                        f"{group}: case {name!r} does not exist; use --accept to remove its record"
                    )
                unknown = set(one.keys) - keys
                if unknown:
                    raise Mismatch(f"{group}: {name}: {', '.join(unknown)} is not in differences.json")
                count += 1
        return f"{count} accepted differences"

    def expect_documented(self) -> Observation:
        """Raise Mismatch unless the documentation contains the table."""
        if accepted.as_markdown() not in _PAGE.read_text("utf-8"):
            raise Mismatch(
                f"{_PAGE.name} lists other differences: put the output of "
                "`python -m conformance.differential` there"
            )
        return f"{len(accepted.table())} differences"

    def log(self) -> str:
        """Return the runs of both runtimes in the last case."""
        return "\n".join(self._shown)

    def close(self, cases: Iterable[Case]) -> None:
        """Write the accepted differences, in the order of ``cases`` and without those of removed cases."""
        self._executor.shutdown(cancel_futures=True)
        if self._accept:
            order = [case.name for case in cases]
            for name, group in self._groups.items():
                accepted.write(name, {case: group[case] for case in order if case in group})

    def _submit(self, program: Program, runtime: str) -> Future[Run]:
        key = (id(program), runtime)
        if key not in self._futures:
            self._futures[key] = self._executor.submit(process.run, program, runtime)
        return self._futures[key]

    def _group(self, name: str) -> Group:
        if name not in self._groups:
            self._groups[name] = accepted.read(name)
        return self._groups[name]

    def _judge(self, case: Case, aws_run: Run, our_run: Run) -> Observation:
        self._checked.add(case.name)
        _expect_posts(case, aws_run)
        theirs, ours = _record(case, aws_run), _record(case, our_run)
        self._shown = ["--- AWS's runtime", *accepted.readable(record.lines(theirs))]
        self._shown += ["--- ours", *accepted.readable(record.lines(ours))]
        if theirs.ending == record.NOT_DELIVERED:
            raise Mismatch("an earlier event ended the process: give this case a separate run")
        expected, keys = rules.apply(theirs)
        self._rules_seen |= keys
        diff = accepted.difference(expected, ours)
        found = accepted.our_part(diff)
        known = self._group(case.group).get(case.name, Accepted((UNEXPLAINED,), ()))
        if self._accept:
            self._store(case, Accepted(known.keys, found))
        elif found != known.ours:
            raise Mismatch(_explained(known.ours, found, diff))
        if known.ours and UNEXPLAINED in known.keys:
            raise Mismatch(f"{case.group}: replace `why: ?` with a key of differences.json")
        why = [*(known.keys if found else ()), *sorted(keys)]
        return f"differs: {', '.join(why)}" if why else "equal"

    def _store(self, case: Case, one: Accepted) -> None:
        group = self._group(case.group)
        if one.ours:
            group[case.name] = one
        else:
            group.pop(case.name, None)


def _record(case: Case, run: Run) -> record.Record:
    whole = record.make(run)
    return whole if case.event is None else whole.only(case.event)


def _expect_posts(case: Case, run: Run) -> None:
    """Raise Mismatch if AWS's runtime does not post the body that the case documents."""
    if case.posts is None or case.event is None:
        return
    posts = record.posted(run, case.event)
    if posts != [case.posts]:
        raise Mismatch(f"AWS's runtime was known to post {case.posts!r}, but posts {posts!r}")


def _explained(known: Tuple[str, ...], found: Tuple[str, ...], diff: Tuple[str, ...]) -> str:
    if not found:
        return "the accepted difference no longer shows; use --accept if that is intended"
    lines = list(diff)
    if known:
        lines = list(difflib.unified_diff(known, found, "accepted", "found", lineterm=""))
    more = len(lines) - _MANY
    if more > 0:
        lines = [*lines[:_MANY], f"… {more} more lines"]
    return "\n".join(["not the accepted difference; use --accept if it is intended", *lines])


def recursion_limit() -> None:
    """Raise the limit, because some responses are lists nested 3000 deep."""
    sys.setrecursionlimit(50_000)
