"""The fixtures of the suite: web applications behind function URLs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conformance.suite import forget_settings
from conformance.web.harness import Harness


@pytest.fixture(scope="session")
def harness() -> Iterator[Harness]:
    forget_settings("AWS_", "FLASK_", "DJANGO_")
    with ExitStack() as stack:
        yield Harness(stack)
