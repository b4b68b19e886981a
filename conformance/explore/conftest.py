"""The fixtures of the suite: `make explore-lambda-environment`, built and run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conformance.explore.engine import Engine, EngineError
from conformance.explore.harness import Harness
from conformance.servers import require_aws_emulator


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    require_aws_emulator()
    with ExitStack() as stack:
        engine, no_engine = None, ""
        try:
            engine = stack.enter_context(Engine())
        except EngineError as error:
            no_engine = f"no container engine: {error}"
        yield Harness(tmp_path_factory.mktemp("explore"), engine, no_engine)
