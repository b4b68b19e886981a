"""The pytest plugin: the fixture ``lambda_function``, and the log of functions in reports of failed tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lambda_emulator.testing import LambdaFunctions

TASK_ROOT = "lambda_task_root"
FUNCTIONS = pytest.StashKey["LambdaFunctions"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "the folder with the function's code, for the fixture lambda_function (default: the rootdir)"
    parser.addini(TASK_ROOT, text, default=".")


@pytest.fixture(scope="session")
def lambda_function(pytestconfig: pytest.Config) -> Iterator[LambdaFunctions]:
    """Start functions under the real runtime, once per session for each handler with its options.

    ``lambda_function("app.handler", timeout=10).invoke({"id": 7})``. The arguments are those of
    `lambda_emulator.testing.LambdaFunction`.
    """
    from lambda_emulator.testing import LambdaFunctions  # not for sessions that do not use the fixture

    functions = LambdaFunctions(pytestconfig.rootpath / pytestconfig.getini(TASK_ROOT))
    pytestconfig.stash[FUNCTIONS] = functions
    yield functions
    functions.close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for function in item.config.stash.get(FUNCTIONS, ()):
        function.take_log()  # of earlier tests


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Add what functions logged during a test to the report of its failure, unless the exception has it."""
    report = (yield).get_result()
    if report.failed and not (call.excinfo is not None and call.excinfo.typename == "FunctionFailed"):
        for function in item.config.stash.get(FUNCTIONS, ()):
            log = function.take_log()
            if log:
                report.sections.append((f"Lambda log of {function.handler}", log.replace("\r", "\n")))
