"""The page has no violations of WCAG that axe-core can find, and fits a phone."""

from __future__ import annotations

import pytest

from conformance.browser.conftest import Open
from conformance.browser.harness import Emulator


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit: Open, server: Emulator, scheme: str) -> None:
    one = visit(server, scheme=scheme)
    assert one.violations() == []
    one.invoke('{"a": 1}')
    assert one.violations() == []
    one.page.fill("#event", "{")
    one.page.click("#format")
    one.page.click("#tab-http")
    one.page.click("#request")
    one.text("#outcome").to_contain_text("HTTP 200")
    assert one.violations() == []
    one.page.click("#tab-event")
    one.invoke('{"fail": "x"}', "error")
    assert one.violations() == []


def test_fits_a_phone(visit: Open, server: Emulator) -> None:
    one = visit(server, width=360)
    one.invoke(f'{{"long": "{"x" * 2000}"}}')
    assert one.page.evaluate("document.documentElement.scrollWidth") == 360
    one.page.click("#tab-http")
    one.page.click("#request")
    one.text("#outcome").to_contain_text("HTTP 200")
    assert one.page.evaluate("document.documentElement.scrollWidth") == 360
    assert one.violations() == []
