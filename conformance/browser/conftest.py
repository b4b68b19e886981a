"""The fixtures of the suite: one browser, one emulator for the cases that do not end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    Browser,
    sync_playwright,
)

from conformance.browser.harness import PROGRAMS, Emulator, Visit, emulator, find_browser, launch
from conformance.suite import forget_settings

Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    with sync_playwright() as playwright, launch(playwright, program) as started:
        yield started


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    forget_settings("AWS_")
    with emulator(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open pages that must not report any problem."""
    opened: list[Visit] = []

    def open_page(server: Emulator, **options: object) -> Visit:
        opened.append(Visit(browser, server.url, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_page
    for one in opened:
        one.close()


@pytest.fixture
def signal_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file for which the function waits. It remains after the test, so that the function can see it."""
    path = tmp_path_factory.mktemp("signal") / "go on"
    yield path
    path.touch()
