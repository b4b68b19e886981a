"""Cases of one suite: declared by a decorator, tried one after the other, a line printed for each."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Generic, TypeVar

from conformance.expectations import Difference
from conformance.listing import Listing

Observation = str  # what was seen, in a few words


class NotHere(Exception):
    """This machine lacks what the case takes; the text says what."""


class Laboratory:
    """Where the cases of a suite are tried."""

    def begin_case(self) -> None:
        """The next case begins."""

    def log(self) -> str:
        """What this case has printed, for whoever has to find out."""
        return ""


Place = TypeVar("Place", bound=Laboratory)


@dataclass(frozen=True)
class Case(Generic[Place]):
    """One thing that must be so."""

    group: str
    title: str
    try_it: Callable[[Place], Observation]


class Suite(Generic[Place]):
    """The cases, in the order in which they were declared."""

    def __init__(self, name: str) -> None:
        self.name = name  # of the module, for `python -m`
        self.cases: list[Case[Place]] = []

    def case(
        self, group: str, title: str
    ) -> Callable[[Callable[[Place], Observation]], Callable[[Place], Observation]]:
        """Add the decorated function. It raises Difference or NotHere, or says what it observed."""

        def add(function: Callable[[Place], Observation]) -> Callable[[Place], Observation]:
            self.add(group, title, function)
            return function

        return add

    def add(self, group: str, title: str, try_it: Callable[[Place], Observation]) -> None:
        """The same, not as a decorator."""
        self.cases.append(Case(group, title, try_it))

    def arrange(self, modules: Sequence[ModuleType]) -> None:
        """Bring the cases into the order of the modules that declare them."""
        names = [module.__name__ for module in modules]
        self.cases.sort(key=lambda one: names.index(one.try_it.__module__))

    def parser(self, description: str | None) -> argparse.ArgumentParser:
        """The options that all suites have; of ``description`` the first line counts."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.name}", description=(description or "").split("\n")[0]
        )
        add = parser.add_argument
        add("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
        add("--verbose", action="store_true", help="print all output with a failure")
        return parser

    def choose(self, options: argparse.Namespace) -> None:
        """Keep the cases that are asked for; ends the program if there are none."""
        self.cases = [one for one in self.cases if options.k in f"{one.group} {one.title}"]
        if not self.cases:
            print(f"{self.name}: no case has {options.k!r} in its name", file=sys.stderr)
            sys.exit(2)

    def run(self, laboratory: Place, options: argparse.Namespace) -> int:
        """Try the cases, print the list; the exit status."""
        listing = Listing([one.title for one in self.cases], verbose=options.verbose)
        for one in self.cases:
            listing.group(one.group)
            laboratory.begin_case()
            try_case(one, laboratory, listing)
        return listing.end()

    def skip(self, reason: str) -> int:
        """Say why none of the cases can be tried here; the exit status."""
        print(f"{reason}. {len(self.cases)} cases are skipped.")
        return Listing([], verbose=False).end()


def try_case(one: Case[Place], laboratory: Place, listing: Listing) -> None:
    began = time.monotonic()
    try:
        observed = one.try_it(laboratory)
    except NotHere as reason:
        listing.skip(one.title, f"skipped: {reason}")
    except Difference as difference:
        listing.failure(one.title, str(difference), laboratory.log())
    except Exception as error:
        # What came out has not even the form that the case looks into, or a tool gave up.
        listing.failure(one.title, f"{type(error).__name__}: {error}", laboratory.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")


def forget_settings(*prefixes: str) -> None:
    """Remove the variables that this computer is configured with, by the beginnings of their names."""
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        del os.environ[name]


def installed_version(package: str) -> str:
    """The version of a distribution that this interpreter has; "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
