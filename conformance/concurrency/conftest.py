"""The fixtures of the suite: one environment that serves several invocations at a time."""

from __future__ import annotations

import pytest

from conformance.concurrency.harness import Harness
from conformance.servers import require_aws_emulator
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def of_session(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    require_aws_emulator()
    forget_settings("AWS_", "DD_", "OTEL_", "SENTRY_")
    return Harness(tmp_path_factory.mktemp("concurrency"))


@pytest.fixture
def harness(of_session: Harness) -> Harness:
    of_session.begin_case()
    return of_session
