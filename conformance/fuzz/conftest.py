"""Report how many inputs each property was tried with."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.fuzz.properties import EXAMPLES, tried


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if EXAMPLES:
        for one in tried:
            if one.inputs:
                terminalreporter.write_line(f"{one.inputs:>10,} inputs  {one.name}")
        terminalreporter.write_line(f"{sum(one.inputs for one in tried):>10,} inputs in total")
