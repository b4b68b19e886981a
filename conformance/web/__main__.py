"""Tries web frameworks on this runtime and prints what was observed.

Usage: python -m conformance.web [-k WORD] [--verbose]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack

from conformance import suite
from conformance.expectations import Difference
from conformance.suite import Observation, Suite, forget_settings, installed_version
from conformance.web import type_checks
from conformance.web.applications import APPLICATIONS, Application
from conformance.web.beside import KNOWN, REQUESTS, Comparison, Known
from conformance.web.senders import Request
from conformance.web.site import Site


class Sites(suite.Laboratory):
    """Runs one application at a time, and notes which of the known differences were seen."""

    def __init__(self, stack: ExitStack) -> None:
        self.seen: set[Known] = set()
        self._stack = stack
        self._site: Site | None = None
        self._handler = ""

    def site(self, app: Application) -> Site:
        """The site of ``app``; that of any other is closed."""
        if not installed_version(app.package):
            raise Difference(f"{app.package} is not installed for {sys.executable}")
        if self._site is None or self._handler != app.handler:
            self._stack.close()
            self._handler = app.handler
            self._site = self._stack.enter_context(Site(app.handler))
        return self._site

    def log(self) -> str:
        return self._site.function.log_text() if self._site is not None else ""


SUITE: Suite[Sites] = Suite("conformance.web")


def main() -> int:
    for app in APPLICATIONS:
        declare(app)
    type_checks.add_cases(SUITE)
    options = SUITE.parser(__doc__).parse_args()
    if not options.k:  # they are seen only if all is tried
        for known in KNOWN:
            SUITE.add("what differs, and why", f"{known.adapter}: {', '.join(known.requests)}", seen(known))
    SUITE.choose(options)
    forget_settings("AWS_", "FLASK_", "DJANGO_")
    with ExitStack() as stack:
        return SUITE.run(Sites(stack), options)


def declare(app: Application) -> None:
    """Add the cases of ``app``: first the comparisons, then its own."""
    group = f"{app.package} {installed_version(app.package)}, {app.interface}"
    for request in REQUESTS:
        if request.name not in app.without:
            SUITE.add(group, f"beside {app.adapter}: {request.name}", comparison(app, request))
    for title, try_it in app.cases:
        SUITE.add(group, title, own(app, try_it))


def comparison(app: Application, request: Request) -> Callable[[Sites], Observation]:
    return lambda sites: Comparison(sites.site(app), app.adapter, sites.seen).try_request(request)


def own(app: Application, try_it: Callable[[Site], Observation]) -> Callable[[Sites], Observation]:
    return lambda sites: try_it(sites.site(app))


def seen(known: Known) -> Callable[[Sites], Observation]:
    def try_it(sites: Sites) -> Observation:
        if known not in sites.seen:
            raise Difference(f"was not seen: {known.reason}")
        return known.reason

    return try_it


if __name__ == "__main__":
    sys.exit(main())
