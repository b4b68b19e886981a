"""The fixtures of the suite: what the tools build, and a sandbox to run it in.

The interpreter that runs pytest is packed, with the glibc limit raised to this machine's version.
"""

from __future__ import annotations

import pytest

from conformance.layers.harness import Harness
from conformance.sandbox.machine import require_sandbox
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def of_session(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    require_sandbox()
    forget_settings("AWS_")
    return Harness(tmp_path_factory.mktemp("layers"))


@pytest.fixture
def harness(of_session: Harness) -> Harness:
    of_session.begin_case()
    return of_session
