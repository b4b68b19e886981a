"""The fixtures of the suite: functions that use vendors' packages, on our runtime or on AWS's."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import forget_settings
from conformance.vendors.harness import AWS, OURS, Harness


@pytest.fixture
def harness(pytestconfig: pytest.Config, tmp_path: Path) -> Harness:
    forget_settings("AWS_", "DD_", "OTEL_", "SENTRY_")
    runtime = AWS if pytestconfig.getoption("--runtime") == AWS.name else OURS
    return Harness(runtime, tmp_path)
