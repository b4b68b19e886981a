"""Take the screenshot in docs/: ``python -m conformance.browser``. To halve it, use ``pngquant``."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import sync_playwright  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.browser.harness import FUNCTIONS, Emulator, Visit, find_browser, launch
from conformance.servers import ROOT, Setup

TARGET = ROOT / "docs" / "page.png"
BODY = json.dumps({"id": 1042, "item": "teapot", "quantity": 2})


class Orders(Emulator):
    """The emulator with a function that resembles a real one."""

    first = "orders"


def main() -> None:
    program = find_browser()
    if program is None:
        sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        setup = Setup(ROOT / "bootstrap", FUNCTIONS, "orders.handler", 20)
        with launch(playwright, program) as browser, Orders(setup, Path(folder, "log")) as server:
            url = f"http://127.0.0.1:{server.url_port}/orders"

            def get(number: int) -> None:
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(f"{url}/{number if number % 29 else 0}").close()

            for threads, numbers in ((1, range(1, 40)), (3, range(40, 75))):
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(get, numbers))
            one = Visit(browser, server.url)
            one.page.select_option("#source", label="sqs")
            event = json.loads(one.page.input_value("#event"))
            event["Records"][0] = {**event["Records"][0], "body": BODY}
            one.invoke(json.dumps(event, indent=2))
            one.page.evaluate("document.getElementById('event').scrollTop = 0")
            height = one.page.evaluate(
                "document.querySelector('.scroll').getBoundingClientRect().top + scrollY + 120"
            )
            one.page.set_viewport_size({"width": 1280, "height": int(height)})
            one.page.screenshot(path=TARGET)
            one.close()
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
