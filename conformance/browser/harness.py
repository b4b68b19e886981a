"""A browser, the emulator that it looks at, and the checks that many cases share."""

from __future__ import annotations

import os
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-not-found,import-untyped,unused-ignore]
from playwright.sync_api import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    Browser,
    Page,
    Playwright,
    expect,
)

from conformance.servers import ROOT, OurEmulator, Setup

FUNCTIONS = Path(__file__).parent / "functions"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_S = 20  # the machine may be busy


class Emulator(OurEmulator):
    """The emulator with the functions ``function`` and ``stream``."""

    first = "function"
    mode: tuple[str, ...] = ("--concurrency", "4")

    def command(self) -> list[str]:
        words = super().command()
        at = words.index("--name")
        words[at : at + 2] = self.mode
        words[words.index("--handler") + 1] = f"{self.first}={self.setup.handler}"
        return [*words, "--handler", "stream=page_function.stream"]

    def invoke(self, event: str) -> bytes:
        """Invoke ``function`` as another client, and wait for the end of the invocation."""
        url = f"{self.url}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, event.encode(), {"X-Amz-Log-Type": "Tail"})  # needs the end
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            body: bytes = reply.read()
            return body


def find_browser() -> str | None:
    """Return the path of Chromium, if it is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def launch(playwright: Playwright, program: str) -> Browser:
    """Start Chromium. Its sandbox does not work for root, for example in CI's container."""
    return playwright.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)


def emulator(folder: Path, port: int | None = None) -> Emulator:
    """Return an emulator with a copy of the functions in ``folder``."""
    task_root = folder / "functions"
    if not task_root.exists():
        shutil.copytree(FUNCTIONS, task_root, ignore=shutil.ignore_patterns("__pycache__"))
    server = Emulator(Setup(ROOT / "bootstrap", task_root, "page_function.handler", 20), folder / "log")
    if port is not None:
        server.port, server.url = port, f"http://127.0.0.1:{port}"
    return server


class Visit:
    """The page in a new browser profile, with what went wrong in it."""

    def __init__(self, browser: Browser, url: str, *, width: int = 1280, scheme: str = "light") -> None:
        self._context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self._context.set_default_timeout(TIMEOUT_S * 1000)
        expect.set_options(timeout=TIMEOUT_S * 1000)
        self.page: Page = self._context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.open(url)

    def _note(self, message: Any) -> None:
        # Chromium also logs each request that fails, for example because the server is gone.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def open(self, url: str) -> None:
        self.page.goto(url)
        expect(self.page.locator("#connection")).to_have_text("Connected")
        expect(self.page.locator("#samples option")).not_to_have_count(0)

    def close(self) -> None:
        self._context.close()
        assert not self.problems, self.problems

    def text(self, selector: str) -> Any:
        """Return expectations about the text of an element."""
        return expect(self.page.locator(selector))

    def invoke(self, event: str, outcome: str = "success") -> None:
        """Type an event, invoke the function, and wait for the outcome and the figures."""
        self.page.fill("#event", event)
        self.page.click("#invoke")
        self.text("#outcome").to_contain_text(f"{outcome} after")
        self.text("#figures").to_contain_text("Duration")
        self.text("#log").to_contain_text("REPORT")

    def violations(self) -> list[str]:
        """Return what axe-core finds, with its rules for WCAG and its best practices."""
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found
            for node in one["nodes"]
        ]
