"""The fixtures of the suite: the built package, and the images of the recipes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conformance.explore.engine import Engine, EngineError
from conformance.packages.harness import ROOT, Harness

NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".environments", ".pythons", ".venv", "layers", "__pycache__", ".*_cache"
)


@pytest.fixture(scope="session")
def harness(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("packages")
        shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
        engine, no_engine = None, ""
        try:
            engine = stack.enter_context(Engine())
        except EngineError as error:
            no_engine = f"no container engine: {error}"
        bases = dict(base.split("=", 1) for base in pytestconfig.getoption("--base"))
        yield Harness(folder, folder / "source", engine, no_engine, bases)
