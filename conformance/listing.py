"""Prints the list of cases: group by group, a line each, the count at the end."""

from __future__ import annotations

import os
import sys

from conformance.expectations import shorten

GREEN, RED, PLAIN = "\033[32m", "\033[31m", "\033[0m"
OBSERVATION_LENGTH = 90
LOG_LINES = 60  # of a failure, the last ones


class Listing:
    """The lines, and the count of the cases."""

    def __init__(self, titles: list[str], *, verbose: bool) -> None:
        self.passed = 0
        self.failed = 0
        self._width = max(map(len, titles), default=0) + 2
        self._verbose = verbose
        self._group = ""
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def group(self, name: str) -> None:
        """What the following lines belong to; printed when it changes."""
        if name != self._group:
            self._group = name
            print(name, flush=True)

    def ok(self, title: str, observation: str) -> None:
        self.passed += 1
        self._line("ok", title, shorten(observation, OBSERVATION_LENGTH))

    def failure(self, title: str, problem: str, log: str) -> None:
        self.failed += 1
        self._line("FAILED", title, "")
        print(f"          {problem}", flush=True)
        if self._verbose:
            for line in log.splitlines()[-LOG_LINES:]:
                print(f"          | {line}", flush=True)

    def skip(self, title: str, reason: str) -> None:
        self._line("-", title, reason)

    def end(self) -> int:
        """Print the count; the exit status."""
        print(f"\n{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0

    def _line(self, word: str, title: str, rest: str) -> None:
        padded = f"{word:8}"
        if self._coloured and word != "-":
            padded = f"{GREEN if word == 'ok' else RED}{padded}{PLAIN}"
        print(f"  {padded}{title:{self._width}}{rest}".rstrip(), flush=True)
