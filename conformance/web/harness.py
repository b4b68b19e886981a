"""Run one web application at a time, and record which known differences were seen."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from conformance.expectations import Mismatch
from conformance.suite import MissingRequirement, Observation, installed_version
from conformance.web.adapters import Comparison, Known
from conformance.web.applications import APPLICATIONS, Application
from conformance.web.event_sources import Request
from conformance.web.web_function import WebFunction


class Harness:
    """``stack`` closes the application that is running."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: WebFunction | None = None
        self._handler = ""
        self._compared: set[tuple[str, str]] = set()  # applications' handlers and names of requests
        self._seen: set[Known] = set()

    def run(self, app: Application) -> WebFunction:
        """Return the function that serves ``app``; close that of another application."""
        if not installed_version(app.package):
            raise Mismatch(f"{app.package} is not installed for {sys.executable}")
        if self._running is None or self._handler != app.handler:
            self._stack.close()
            self._handler = app.handler
            self._running = self._stack.enter_context(WebFunction(app.handler))
        return self._running

    def compare(self, app: Application, request: Request) -> Observation:
        """Compare with the adapter's response. Raises Mismatch for an unknown difference."""
        self._compared.add((app.handler, request.name))
        return Comparison(self.run(app), app.adapter, self._seen).try_request(request)

    def expect_seen(self, known: Known) -> Observation:
        """Raise Mismatch unless a comparison has shown ``known``; MissingRequirement if one was not run."""
        for app in APPLICATIONS:
            for name in known.requests:
                is_compared = app.adapter == known.adapter and name not in app.without
                if is_compared and (app.handler, name) not in self._compared:
                    raise MissingRequirement("needs all comparisons, in one process (without -k and -n)")
        if known not in self._seen:
            raise Mismatch(f"was not seen: {known.reason}")
        return known.reason

    def log(self) -> str:
        return self._running.function.log_text() if self._running is not None else ""
