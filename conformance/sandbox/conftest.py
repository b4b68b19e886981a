"""The fixtures of the suite: the runtime in sandboxes that resemble Lambda.

With an interpreter that has awslambdaric, the cases also compare with AWS's runtime.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.sandbox.harness import Harness
from conformance.sandbox.machine import Machine, require_sandbox
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def sandbox_machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    require_sandbox()
    forget_settings("AWS_")
    return Machine(tmp_path_factory.mktemp("sandbox") / "machine")


@pytest.fixture
def harness(sandbox_machine: Machine, tmp_path: Path) -> Harness:
    return Harness(sandbox_machine, tmp_path)
