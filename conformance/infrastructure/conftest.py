"""The fixture of the suite: a copy of examples/infrastructure beside a layer, and an account for AWS CLI."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.infrastructure.harness import ROOT, Harness
from conformance.publish.account import REGION, Account, copy_sources
from conformance.suite import forget_settings


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    forget_settings("AWS_", "SAM_", "SLS_", "CDK_")
    os.environ["AWS_DEFAULT_REGION"] = REGION  # for AWS SAM's translator
    for logger in ("werkzeug", "moto"):  # a line for each request
        logging.getLogger(logger).setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("infrastructure")
    copy_sources(ROOT / "examples", folder / "examples")
    build = [sys.executable, str(ROOT / "tools" / "layer.py"), "--bytecode", "none"]
    subprocess.run(
        [*build, "--output", str(folder / "layers" / "lambda.zip")], check=True, stdout=subprocess.DEVNULL
    )
    with Account(folder, None) as account:
        yield Harness(Path(folder, "examples", "infrastructure"), account)
