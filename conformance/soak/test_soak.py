"""A slice of `make soak`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.soak import emulator, runtime


@pytest.mark.parametrize("soak", [runtime.soak, emulator.soak], ids=["runtime", "emulator"])
def test_nothing_is_lost_or_doubled_and_nothing_grows(soak: Callable[[int], list[str]]) -> None:
    print("\n".join(soak(3000)))
