"""Run the declared cases of a suite with pytest.

    make conformance                                       # everything
    .environments/conformance/bin/python -m pytest conformance/streaming -k boto -v

The conftest.py of each suite defines the fixture ``harness``, which is passed to its cases.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Generator
from types import FunctionType
from typing import Any

import pytest

from conformance.expectations import Mismatch, shorten
from conformance.suite import ATTRIBUTE, Case, Suite

OBSERVATION_LENGTH = 90
LOG_LINES = 60  # the last lines of a failure's log


class Item(pytest.Function):
    """A declared case. Its title is its id; ``-k`` also matches its group."""

    case: Case

    def reportinfo(self) -> tuple[str, int | None, str]:
        code = getattr(self.case.function, "__code__", None)
        return str(self.path), code.co_firstlineno - 1 if code else None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        # The message is enough; the stack trace would show only the helper that compared.
        if isinstance(excinfo.value, Mismatch):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--runtime",
        default="bootstrap",
        help="emulators/ and vendors/: bootstrap (ours, the default), awslambdaric (AWS's: a check of the "
        "cases), or a program",
    )
    parser.addoption(
        "--base",
        action="append",
        default=[],
        metavar="RECIPE=IMAGE|FOLDER",
        help="packages/: the base of a recipe: an image to pull, or a folder with a root file system",
    )
    parser.addoption(
        "--accept",
        action="store_true",
        help="differential/: rewrite the accepted differences; review the change in Git",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Handle SIGTERM like Ctrl-C, so that every server is stopped; and Ctrl-C also in the background.

    Run a case that fails once more: real clients, containers and a browser share a busy machine. The summary
    shows both what failed and that it passed then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    if getattr(config.option, "reruns", None) is None:
        config.option.reruns = 1


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    if isinstance(obj, Suite):
        return [item(collector, one) for one in obj.cases]
    if isinstance(obj, FunctionType) and obj.__module__ == collector.obj.__name__:
        return [item(collector, one) for one in vars(obj).get(ATTRIBUTE, [])] or None
    return None


def item(collector: pytest.Module | pytest.Class, case: Case) -> Item:
    def run(harness: object, record_property: Any) -> None:
        record_property("observed", case.function(harness))

    made: Item = Item.from_parent(collector, name=f"{case.group}: {case.title}", callobj=run)
    made.case = case
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add the harness's log to a failure; report a skipped case at its own location."""
    report = yield
    if report.skipped and isinstance(item, Item):
        report.longrepr = (str(item.path), (item.reportinfo()[1] or 0) + 1, report.longrepr[2])
    if report.failed and isinstance(item, Item):
        log = getattr(item.funcargs.get("harness"), "log", str)()
        if log:
            report.sections.append(("log", "\n".join(log.splitlines()[-LOG_LINES:])))
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show the observation of a case with ``-v``."""
    observed = dict(getattr(report, "user_properties", ())).get("observed")
    if report.when == "call" and report.passed and observed:
        return "passed", ".", f"PASSED  {shorten(str(observed), OBSERVATION_LENGTH)}"
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what failed at first and then passed, and the line that `.ci/run` counts."""
    if config.option.collectonly:
        return
    passed = {report.nodeid for report in terminalreporter.stats.get("passed", ())}
    for report in terminalreporter.stats.get("rerun", ()):
        if report.nodeid in passed:
            terminalreporter.write_line(f"UNSTABLE: {report.nodeid} failed, then passed:")
            for text in (report.longreprtext, *(text for _, text in report.sections)):
                terminalreporter.write_line(text)
    counts = Counter({key: len(found) for key, found in terminalreporter.stats.items()})
    terminalreporter.write_line(f"{counts['passed']} passed, {counts['failed'] + counts['error']} failed")
