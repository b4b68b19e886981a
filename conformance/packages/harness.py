"""A copy of the sources, and the packages built from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from conformance.expectations import Mismatch, only_item
from conformance.explore.engine import Engine
from conformance.sandbox.machine import Machine, require_sandbox
from conformance.suite import MissingRequirement

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 180
OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}  # set if make runs this


class Harness:
    """``source`` is a copy of the sources; ``bases``: images or folders to use instead of substitutes."""

    def __init__(
        self, folder: Path, source: Path, engine: Engine | None, no_engine: str, bases: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.source = source
        self.bases = bases
        self.images: dict[str, float] = {}  # built images, with the seconds that building took
        self._engine = engine
        self._no_engine = no_engine
        self._last = ""

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise MissingRequirement(self._no_engine)
        return self._engine

    @cached_property
    def built(self) -> Path:
        """Return the output folder of `python -m build`."""
        output = self.folder / "built"
        self.build(self.source, output)
        return output

    @cached_property
    def wheel(self) -> Path:
        wheel: Path = only_item("wheels", sorted(self.built.glob("*.whl")))
        return wheel

    @cached_property
    def sdist(self) -> Path:
        sdist: Path = only_item("source distributions", sorted(self.built.glob("*.tar.gz")))
        return sdist

    @cached_property
    def machine(self) -> Machine:
        """Return the sandbox that resembles Lambda."""
        require_sandbox()
        return Machine(self.folder / "machine")

    def build(self, source: Path, output: Path, *options: str) -> str:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), *options]
        return self.run([*command, str(source)])

    def run(
        self,
        command: Sequence[str | Path],
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run a program and return its output. Raises Mismatch if it fails."""
        own = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env={**own, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )
        self._last = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise Mismatch(f"{command[0]}: status {done.returncode}: {self._last.strip()[-600:]}")
        return self._last

    def log(self) -> str:
        """Return the last output of a program and of the engine."""
        return self._last + (self._engine.output if self._engine is not None else "")
