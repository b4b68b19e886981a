"""The command line of the differential suite."""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import List

from . import process, suite
from .case import Case
from .differences import as_markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
_RECURSION_LIMIT = 50_000  # some answers are lists in lists, 3000 deep


def main(arguments: List[str] | None = None) -> int:
    """Run the cases that are asked for; return the exit status, 0 if all passed."""
    options = _parse(arguments)
    if options.differences:
        print(as_markdown())
        return 0
    sys.setrecursionlimit(_RECURSION_LIMIT)
    cases = [case for case in suite.all_cases() if _is_chosen(case, options.word)]
    if options.list:
        for case in cases:
            print(f"{case.group}: {case.name}")
        return 0
    if not cases:
        print(f"no group or case holds {options.word!r}; --list shows them all", file=sys.stderr)
        return 2
    missing = _what_is_missing()
    if missing:
        print(missing, file=sys.stderr)
        return 2
    runtimes = (options.only,) if options.only else (process.AWS, process.OURS)
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"awslambdaric {_aws_version()} and ours, on {interpreter}")
    started = time.monotonic()
    verdicts: List[suite.Verdict] = []
    width = max((len(case.name) for case in cases), default=0)
    group_width = max((len(case.group) for case in cases), default=0)
    is_each_shown = options.each or options.verbose or bool(options.word)
    print(f"\n{'group':<{group_width}}  cases  equal  differ  failed")
    for group, judged in itertools.groupby(
        suite.run(cases, runtimes, options.pool), key=lambda result: result[0].group
    ):
        of_group = []
        for case, runs in judged:
            verdict = suite.judge(case, runs)
            of_group.append(verdict)
            if is_each_shown or not verdict.passed:
                print(f"  {case.name:<{width}}  {verdict.word}", flush=True)
                _print_indented(verdict.explanation)
            if options.verbose:
                for runtime in runtimes:
                    _print_indented([f"--- {runtime}", *suite.shown(case, runs[runtime])])
        _print_row(group, group_width, of_group)
        verdicts += of_group
    failed = sum(not verdict.passed for verdict in verdicts)
    is_whole = not options.word and not options.only
    for key in suite.unused_differences(verdicts) if is_whole else []:
        print(f"the listed difference {key!r} is shown by no case: remove it")
        failed += 1
    if is_whole and as_markdown() not in PAGE.read_text(encoding="utf-8"):
        print("docs/differences.md lists other differences: put the output of --differences there")
        failed += 1
    print(f"\n{len(verdicts)} cases in {time.monotonic() - started:.0f} s")
    print(f"{sum(verdict.passed for verdict in verdicts)} passed, {failed} failed")
    return 1 if failed else 0


def _what_is_missing() -> str:
    """What this interpreter lacks to run the cases, as a sentence; empty if it has all."""
    if sys.version_info < (3, 11):
        return f"The differential suite needs Python 3.11 or newer, for exception groups: found {sys.version}"
    if not _aws_version():
        return f"{sys.executable} has no awslambdaric; `make conformance` makes an environment that has"
    return ""


def _aws_version() -> str:
    try:
        return metadata.version("awslambdaric")
    except metadata.PackageNotFoundError:
        return ""


def _parse(arguments: List[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.differential", description=__doc__)
    parser.add_argument("-k", dest="word", default="", help="only cases whose group or name holds this text")
    parser.add_argument("--list", action="store_true", help="list the cases and run nothing")
    parser.add_argument(
        "--only", choices=(process.OURS, process.AWS), help="run one runtime, compare nothing"
    )
    parser.add_argument("--each", action="store_true", help="print a line for each case, also if it passed")
    parser.add_argument("--verbose", action="store_true", help="print what each runtime did")
    parser.add_argument("--pool", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument(
        "--differences", action="store_true", help="print the accepted differences as a Markdown table"
    )
    return parser.parse_args(arguments)


def _is_chosen(case: Case, word: str) -> bool:
    return word.lower() in f"{case.group}: {case.name}".lower()


def _print_indented(lines: object) -> None:
    assert isinstance(lines, (list, tuple))
    for line in lines:
        print(f"      {line}")


def _print_row(group: str, width: int, verdicts: List[suite.Verdict]) -> None:
    """Group, cases, equal, listed differences, failures."""
    failed = sum(not verdict.passed for verdict in verdicts)
    differ = sum(verdict.passed and bool(verdict.differs) for verdict in verdicts)
    equal = len(verdicts) - failed - differ
    print(f"{group:<{width}}  {len(verdicts):>5}  {equal:>5}  {differ:>6}  {failed:>6}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
