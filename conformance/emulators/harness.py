"""Run an invocation once on both emulators, for all cases that check its outcome."""

from __future__ import annotations

from pathlib import Path

from conformance.emulators.clients import Client
from conformance.emulators.runner import Runtime, Trial, try_case
from conformance.emulators.steps import Case


class Harness:
    """``runtime`` runs the functions in ``task_root``."""

    def __init__(self, runtime: Runtime, task_root: Path) -> None:
        self._runtime = runtime
        self._task_root = task_root
        self._last: tuple[Case, Client, Trial] | None = None

    def trial(self, case: Case, client: Client) -> Trial:
        """Return the outcome on both; only the last one is kept, because some are megabytes."""
        if self._last is None or self._last[0] is not case or self._last[1] is not client:
            self._last = case, client, try_case(case, client, self._runtime, self._task_root)
        return self._last[2]

    def log(self) -> str:
        """Return the last lines of both servers."""
        if self._last is None:
            return ""
        trial = self._last[2]
        return (trial.aws.server_log if trial.aws else "") + trial.ours.server_log
