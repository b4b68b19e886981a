"""Start functions on AWS's emulator of managed instances."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from conformance.concurrency.environment import ManagedEnvironment, write_functions
from conformance.sandbox import machine
from conformance.sandbox.machine import Machine
from conformance.servers import ROOT, OurEmulator, Server, Setup
from conformance.suite import MissingRequirement

TIMEOUT_S = 30


class Harness:
    """Start environments, which are to be used with ``with``, for the functions in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._task_root = write_functions(folder / "task")
        self._machine: Machine | None = None
        self._servers: list[Server] = []

    def environment(
        self,
        handler: str,
        mode: str,
        *,
        log_format: str = "JSON",
        packages: str = "",
        cpus: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> ManagedEnvironment:
        """Return ``handler`` in ``mode``, 16 invocations at a time. May raise MissingRequirement."""
        if os.getuid() != 0:
            raise MissingRequirement("AWS's emulator needs root for this: it runs functions as Lambda's user")
        if self._machine is None:
            if machine.unavailable():
                raise MissingRequirement(machine.unavailable())
            self._machine = Machine(self._folder / "machine")
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        server = ManagedEnvironment(
            Setup(ROOT / "bootstrap", self._task_root, handler, TIMEOUT_S),
            folder / "log",
            self._machine,
            variables={
                "LAMBDA_RUNTIME_WORKERS": mode,
                "AWS_LAMBDA_LOG_FORMAT": log_format,
                **(variables or {}),
            },
            packages=packages,
            cpus=cpus,
        )
        self._servers.append(server)
        return server

    def our_emulator(self, handler: str, mode: str, *options: str) -> OurEmulator:
        """Return ``handler`` on our emulator, with ``options`` of its command line."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        setup = Setup(ROOT / "bootstrap", self._task_root, handler, TIMEOUT_S)
        variables = ("--log-format", "JSON", "--no-reload", "--env", f"LAMBDA_RUNTIME_WORKERS={mode}")
        server = OurEmulator(setup, folder / "log", *variables, *options)
        self._servers.append(server)
        return server

    def log(self) -> str:
        """Return the logs of this case's environments."""
        return "".join(server.log.read_text(errors="replace") for server in self._servers)

    def begin_case(self) -> None:
        self._servers.clear()
