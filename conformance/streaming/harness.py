"""Start functions on the servers."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from conformance.sandbox import machine
from conformance.sandbox.machine import Machine
from conformance.servers import ROOT, AwsEmulator, OurEmulator, Server, Setup, write_task_root
from conformance.streaming.managed import AwsManagedEmulator
from conformance.suite import MissingRequirement

TIMEOUT_S = 10  # of an invocation, by default


class Harness:
    """Start servers, which are to be used with ``with``, for the functions in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.task_root = write_task_root(folder / "task")
        self._folder = folder
        self._numbers = itertools.count()
        self._servers: list[Server] = []
        self._machine: Machine | None = None

    def ours(self, handler: str, *options: str, timeout_s: int = TIMEOUT_S) -> OurEmulator:
        """Return ``handler`` on our emulator, with a function URL that streams, and with ``options``."""
        server = OurEmulator(self._setup(handler, timeout_s), self._new_log(), *options)
        self._servers.append(server)
        return server

    def aws(
        self, handler: str, *, timeout_s: int = TIMEOUT_S, bootstrap: Path = ROOT / "bootstrap"
    ) -> AwsEmulator:
        """Return ``handler`` on AWS's emulator, one invocation at a time."""
        server = AwsEmulator(Setup(bootstrap, self.task_root, handler, timeout_s), self._new_log())
        self._servers.append(server)
        return server

    def aws_managed(self, handler: str, *, timeout_s: int = TIMEOUT_S) -> AwsManagedEmulator:
        """Return ``handler`` on AWS's emulator, two invocations at a time; may raise MissingRequirement."""
        if os.getuid() != 0:
            raise MissingRequirement("AWS's emulator needs root for this: it runs functions as Lambda's user")
        if self._machine is None:
            if machine.unavailable():
                raise MissingRequirement(machine.unavailable())
            self._machine = Machine(self._folder / "machine")
        setup = self._setup(handler, timeout_s)
        server = AwsManagedEmulator(setup, self._new_log(), self._machine)
        self._servers.append(server)
        return server

    def new_folder(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def bootstrap(self, module: str) -> Path:
        """Create a runtime that consists of one of our modules."""
        path = self.new_folder() / "bootstrap"
        path.write_text(f"#!/bin/sh\nexec python3 '{self.task_root / module}.py'\n")
        path.chmod(0o755)
        return path

    def log(self) -> str:
        """Return the logs of this case's servers."""
        return "".join(server.log.read_text(errors="replace") for server in self._servers)

    def begin_case(self) -> None:
        self._servers.clear()

    def _setup(self, handler: str, timeout_s: int) -> Setup:
        return Setup(ROOT / "bootstrap", self.task_root, handler, timeout_s)

    def _new_log(self) -> Path:
        return self.new_folder() / "log"
