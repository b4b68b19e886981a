"""The fixtures of the suite: every case is run by AWS's runtime and by ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from conformance.differential.cases import CASES
from conformance.differential.harness import Harness, recursion_limit
from conformance.suite import MissingRequirement, installed_version


@pytest.fixture(scope="session")
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    if sys.version_info < (3, 11):
        raise MissingRequirement(f"needs Python 3.11 or newer, for exception groups: found {sys.version}")
    if not installed_version("awslambdaric"):
        raise MissingRequirement(f"{sys.executable} has no awslambdaric; `make conformance` installs it")
    recursion_limit()
    chosen = {item.name for item in request.session.items}
    # With -n, each worker runs only its share of the cases.
    is_worker = hasattr(request.config, "workerinput")
    early = [case for case in CASES if f"{case.group}: {case.name}" in chosen and not is_worker]
    accept = request.config.getoption("--accept")
    if accept and is_worker:
        raise pytest.UsageError("--accept needs one process: leave out -n")
    made = Harness(early, os.cpu_count() or 1, accept=accept)
    yield made
    made.close(CASES)
