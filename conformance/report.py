"""Prints the results: a line for each case, a column for each server and client."""

from __future__ import annotations

import os
import sys
import time

from conformance.cases import Case
from conformance.clients import Client
from conformance.deviations import reasons
from conformance.runner import Trial

CHECKS = ("AWS's", "ours", "equal")  # for each client: AWS's emulator, our emulator, their answers compared
WIDTH = 8
GREEN, RED, PLAIN = "\033[32m", "\033[31m", "\033[0m"


class Report:
    """The table, and the counts of its cells."""

    def __init__(self, clients: list[Client], cases: list[Case], *, verbose: bool) -> None:
        self.clients = clients
        self.verbose = verbose
        self.passed = 0
        self.failed = 0
        self.started = time.monotonic()
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.name_width = max(len(case.name) for case in cases) + 2
        self.head()

    def head(self) -> None:
        group = WIDTH * len(CHECKS)
        self.line("", "".join(f"{client.name:{group}}" for client in self.clients))
        self.line("case", "".join(f"{check:{WIDTH}}" for _ in self.clients for check in CHECKS))

    def row(self, case: Case, trials: list[Trial]) -> None:
        """The case's line, below it what was wrong, if anything."""
        cells, details = "", []
        for client, trial in zip(self.clients, trials):
            for check, problems, log in checks(trial):
                cells += self.cell(problems)
                details += [f"    {client.name}, {check}: {problem}" for problem in problems or ()]
                if problems and self.verbose:
                    details += [f"    | {line}" for line in log.splitlines()]
        if case.not_on_aws_emulator:
            cells += f"(AWS's emulator: {case.not_on_aws_emulator})"
        self.line(case.name, cells)
        for detail in details:
            print(detail, flush=True)

    def cell(self, problems: tuple[str, ...] | None) -> str:
        if problems is None:
            return f"{'-':{WIDTH}}"
        word, colour = ("FAILED", RED) if problems else ("ok", GREEN)
        self.failed += bool(problems)
        self.passed += not problems
        padding = " " * (WIDTH - len(word))
        return f"{colour}{word}{PLAIN}{padding}" if self.coloured else word + padding

    def line(self, name: str, cells: str) -> None:
        print(f"{name:{self.name_width}}{cells}".rstrip(), flush=True)

    def end(self) -> None:
        print("\nAWS's emulator, in its classic mode, is known to differ from Lambda and from ours: it")
        for reason in reasons():
            print(f"  - {reason}")
        print(f"\n{time.monotonic() - self.started:.0f} s")
        print(f"{self.passed} passed, {self.failed} failed")


def checks(trial: Trial) -> list[tuple[str, tuple[str, ...] | None, str]]:
    """Name, problems (None: not checked) and the server's last lines, in the order of the columns."""
    aws_problems = trial.aws.problems if trial.aws else None
    aws_log = trial.aws.server_log if trial.aws else ""
    return [
        ("AWS's emulator", aws_problems, aws_log),
        ("our emulator", trial.ours.problems, trial.ours.server_log),
        ("compared", trial.disagreements if trial.aws else None, ""),
    ]
