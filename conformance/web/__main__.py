"""Tries web frameworks on this runtime and prints what was observed.

Usage: python -m conformance.web [-k WORD] [--verbose]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing
from conformance.web.applications import APPLICATIONS, Application
from conformance.web.beside import KNOWN, REQUESTS, Comparison, Known
from conformance.web.senders import Request
from conformance.web.site import Site

Try = Callable[[Site, set[Known]], str]


def main() -> int:
    options = parse_arguments()
    for name in [name for name in os.environ if name.startswith(("AWS_", "FLASK_", "DJANGO_"))]:
        del os.environ[name]  # whatever this computer is configured for
    chosen = {app.handler: choose(app, options.k) for app in APPLICATIONS}
    titles = [title for cases in chosen.values() for title, _ in cases]
    if not titles:
        print(f"conformance.web: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    listing = Listing(titles, verbose=options.verbose)
    seen: set[Known] = set()
    for app in APPLICATIONS:
        if chosen[app.handler]:
            try_application(app, chosen[app.handler], listing, seen)
    if not options.k:
        list_known(seen, listing)
    return listing.end()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.web", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument("--verbose", action="store_true", help="print the log with a failure")
    return parser.parse_args()


def choose(app: Application, word: str) -> list[tuple[str, Try]]:
    """The cases of ``app`` that are asked for: first the comparisons, then its own."""
    requests = [request for request in REQUESTS if request.name not in app.without]
    cases = [(f"beside {app.adapter}: {request.name}", comparison(app, request)) for request in requests]
    cases += [(title, own(try_it)) for title, try_it in app.cases]
    return [(title, try_it) for title, try_it in cases if word in f"{app.package} {app.interface} {title}"]


def comparison(app: Application, request: Request) -> Try:
    return lambda site, seen: Comparison(site, app.adapter, seen).try_request(request)


def own(try_it: Callable[[Site], str]) -> Try:
    return lambda site, seen: try_it(site)


def try_application(
    app: Application, cases: list[tuple[str, Try]], listing: Listing, seen: set[Known]
) -> None:
    listing.group(f"{app.package} {installed_version(app.package)}, {app.interface}")
    if not installed_version(app.package):
        for title, _ in cases:
            listing.failure(title, f"{app.package} is not installed for {sys.executable}", "")
        return
    with Site(app.handler) as site:
        for title, try_it in cases:
            try:
                listing.ok(title, try_it(site, seen))
            except Difference as difference:
                listing.failure(title, str(difference), site.function.log_text())
            except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
                # What came out has not even the form that the case looks into.
                listing.failure(title, f"{type(error).__name__}: {error}", site.function.log_text())


def list_known(seen: set[Known], listing: Listing) -> None:
    """The table of differences: each must have been seen."""
    listing.group("what differs, and why")
    for known in KNOWN:
        title = f"{known.adapter}: {', '.join(known.requests)}"
        if known in seen:
            listing.ok(title, known.reason)
        else:
            listing.failure(title, f"was not seen: {known.reason}", "")


def installed_version(package: str) -> str:
    """Its version; "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
