"""The cases: each application compared with an adapter, its own cases, type checks, known differences."""

from __future__ import annotations

from collections.abc import Callable

from conformance.suite import Observation, Suite, installed_version
from conformance.web import type_checks
from conformance.web.adapters import KNOWN, REQUESTS, Known
from conformance.web.applications import APPLICATIONS, Application, Try
from conformance.web.event_sources import Request
from conformance.web.harness import Harness

SUITE: Suite[Harness] = Suite()


def add_cases(app: Application) -> None:
    """Add the cases of ``app``: first the comparisons, then its own."""
    group = f"{app.package} {installed_version(app.package)}, {app.interface}"
    for request in REQUESTS:
        if request.name not in app.without:
            SUITE.add(group, f"compared with {app.adapter}: {request.name}", comparison(app, request))
    for title, try_it in app.cases:
        SUITE.add(group, title, own(app, try_it))


def comparison(app: Application, request: Request) -> Callable[[Harness], Observation]:
    return lambda harness: harness.compare(app, request)


def own(app: Application, try_it: Try) -> Callable[[Harness], Observation]:
    return lambda harness: try_it(harness.run(app))


def seen(known: Known) -> Callable[[Harness], Observation]:
    return lambda harness: harness.expect_seen(known)


for app in APPLICATIONS:
    add_cases(app)
type_checks.add_cases(SUITE)
for known in KNOWN:
    SUITE.add("known differences", f"{known.adapter}: {', '.join(known.requests)}", seen(known))
