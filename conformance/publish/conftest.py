"""The fixtures of the suite: AWS CLI and AWS SAM, and an account on this machine for them.

The commands of the README build on each other: `-k README` runs all of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from conformance.publish.account import REGION, Account, copy_sources
from conformance.publish.harness import ROOT, Harness
from conformance.sandbox import machine
from conformance.sandbox.machine import Machine
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    forget_settings("AWS_", "SAM_")
    os.environ.update(MOTO_IAM_LOAD_MANAGED_POLICIES="true", AWS_DEFAULT_REGION=REGION)
    for logger in ("werkzeug", "moto"):  # of each request, of URLs in stacks, which moto does not know
        logging.getLogger(logger).setLevel(logging.ERROR)
    no_sandbox = machine.unavailable()
    folder = tmp_path_factory.mktemp("publish")
    sandbox = None if no_sandbox else Machine(folder / "machine")
    (folder / "functions").mkdir()
    source = copy_sources(ROOT, folder / "source")
    with Account(folder / "functions", sandbox) as account:
        yield Harness(source, account, no_sandbox)
