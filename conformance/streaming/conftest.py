"""The fixtures of the suite: functions on AWS's emulator and on ours."""

from __future__ import annotations

import pytest

from conformance.servers import require_aws_emulator
from conformance.streaming.harness import Harness
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def of_session(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    require_aws_emulator()
    forget_settings("AWS_")
    return Harness(tmp_path_factory.mktemp("streaming"))


@pytest.fixture
def harness(of_session: Harness) -> Harness:
    of_session.begin_case()
    return of_session
