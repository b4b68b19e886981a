"""Cases of one suite: declared by a decorator, tried one after the other, a line printed for each."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from conformance.vendors.expectations import Difference
from conformance.vendors.listing import Listing

Observation = str  # what was seen, in a few words


class NotHere(Exception):
    """This machine lacks what the case takes; the text says what."""


class HasLog(Protocol):
    """Where cases are tried."""

    def log(self) -> str:
        """What was printed last, for whoever has to find out."""
        ...


Laboratory = TypeVar("Laboratory", bound=HasLog)


@dataclass(frozen=True)
class Case(Generic[Laboratory]):
    """One thing that must be so."""

    group: str
    title: str
    try_it: Callable[[Laboratory], Observation]


class Suite(Generic[Laboratory]):
    """The cases, in the order in which they were declared."""

    def __init__(self, name: str) -> None:
        self.name = name  # of the module, for `python -m`
        self.cases: list[Case[Laboratory]] = []

    def case(
        self, group: str, title: str
    ) -> Callable[[Callable[[Laboratory], Observation]], Callable[[Laboratory], Observation]]:
        """Add the decorated function. It raises Difference or NotHere, or says what it observed."""

        def add(function: Callable[[Laboratory], Observation]) -> Callable[[Laboratory], Observation]:
            self.cases.append(Case(group, title, function))
            return function

        return add

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

    def run(self, laboratory: Laboratory, options: argparse.Namespace) -> int:
        """Try the cases, print the list; the exit status."""
        listing = Listing([one.title for one in self.cases], verbose=options.verbose)
        for one in self.cases:
            listing.group(one.group)
            try_case(one, laboratory, listing)
        return listing.end()


def try_case(one: Case[Laboratory], laboratory: Laboratory, listing: Listing) -> None:
    began = time.monotonic()
    try:
        observed = one.try_it(laboratory)
    except NotHere as reason:
        listing.skip(one.title, str(reason))
    except (Difference, subprocess.TimeoutExpired) as difference:
        listing.failure(one.title, str(difference), laboratory.log())
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # What came out has not even the form that the case looks into.
        listing.failure(one.title, f"{type(error).__name__}: {error}", laboratory.log())
    else:
        listing.ok(one.title, f"{observed}  ({time.monotonic() - began:.1f} s)")
