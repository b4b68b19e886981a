"""Run commands in a shell that uses the account."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conformance.expectations import Mismatch, shorten
from conformance.publish.account import Account

PATIENCE_S = 120
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Done:
    """The outcome of some commands."""

    status: int
    output: str
    errors: str

    def succeeded(self) -> Done:
        """Return this outcome. Raises Mismatch if the commands failed."""
        if self.status != 0:
            raise Mismatch(f"status {self.status}: {shorten((self.output + self.errors).strip()[-600:])}")
        return self


class Harness:
    """A copy of the sources, an account, and the reason if functions cannot run on this machine."""

    def __init__(self, source: Path, account: Account, no_sandbox: str) -> None:
        self.source = source
        self.account = account
        self.no_sandbox = no_sandbox
        self._variables = source.parent / "variables"  # variables that earlier commands have set
        self._last = Done(0, "", "")

    def type(self, commands: str) -> Done:
        """Run commands in a shell until one fails; their variables are kept for the next commands."""
        script = "\n".join(
            [
                "set -euo pipefail",
                f"[ ! -e '{self._variables}' ] || . '{self._variables}'",
                "set -a",
                commands,
                f"export -p > '{self._variables}'",
            ]
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.source,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        self._last = Done(done.returncode, output, errors)
        return self._last

    def environment(self) -> dict[str, str]:
        """Return the variables of a user who has configured AWS CLI for the account."""
        own = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {**own, "PATH": path, "PYTHON": sys.executable, **self.account.environment()}

    def log(self) -> str:
        return self._last.output + self._last.errors + self.account.log()
