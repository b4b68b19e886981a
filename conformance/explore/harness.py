"""Use the container like a person: type `make explore-lambda-environment`, then commands."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from conformance.expectations import Mismatch, shorten
from conformance.explore import trees
from conformance.explore.engine import Engine
from conformance.servers import AWS_EMULATOR
from conformance.suite import MissingRequirement
from tools.build import zips

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".environments", ".pythons", ".venv", "layers", "__pycache__", ".*_cache"
)
TARGET = "explore-lambda-environment"
WITH_PYTHON = "localhost/lambda/python"  # as public.ecr.aws/lambda/python:3.13
OS_ONLY = "localhost/lambda/provided"  # as public.ecr.aws/lambda/provided:al2023
HEADING = "===== "
PATIENCE_S = 300


class Visit:
    """The output of one session: the banner, and the output of each command."""

    def __init__(self, output: str, status: int) -> None:
        self.output = output
        self.status = status
        self.banner, *outputs = output.split(HEADING)
        self._outputs = dict(output_part.split("\n", 1) for output_part in outputs)

    def output_of(self, command: str) -> str:
        try:
            return self._outputs[command].strip()
        except KeyError:
            raise Mismatch(f"{command!r} was not reached: {shorten(self.output[-600:])}") from None


class Harness:
    """A copy of the sources, and an engine with the base images, or the reason why it is missing."""

    def __init__(self, folder: Path, engine: Engine | None, no_engine: str) -> None:
        self.folder = folder
        self.source = folder / "source"
        shutil.copytree(ROOT, self.source, ignore=NOT_SOURCE)
        self._engine = engine
        self._no_engine = no_engine
        self._visits: dict[str, Visit] = {}

    @cached_property
    def engine(self) -> Engine:
        """Return the engine with the base images. Raises MissingRequirement if it is missing."""
        if self._engine is None:
            raise MissingRequirement(self._no_engine)
        root = trees.os_only(self.folder / "machine")
        self._engine.import_tree(root, OS_ONLY)
        trees.add_python(root / "var" / "lang")
        trees.add_program(root, AWS_EMULATOR, "usr/local/bin/aws-lambda-rie")
        curl = shutil.which("curl")
        if curl is not None:
            trees.add_program(root, Path(curl), "usr/bin/curl")
        self._engine.import_tree(root, WITH_PYTHON)
        return self._engine

    def interpreter_layer(self) -> Path:
        """Create a zip with `bin/python3` and its library, like that of `make dist-python`."""
        output = self.source / "layers" / "python.zip"
        if not output.exists():
            tree = self.folder / "interpreter"
            trees.add_python(tree)
            output.parent.mkdir(exist_ok=True)
            zips.write(tree, output, compress=False)
        return output

    def visit(self, *commands: str, docker: str = "", **variables: str) -> Visit:
        """Type these commands and exit. ``variables`` are make's. Equal sessions run only once."""
        key = repr((commands, docker, variables))
        if key not in self._visits:
            # Both streams in one, because the engine would not keep their order.
            typed = "exec 2>&1\n"
            typed += "".join(f"echo '{HEADING}'{quote(command)}\n{command}\n" for command in commands)
            done = subprocess.run(
                self.command(docker, variables),
                cwd=self.source,
                env=self.environment(docker),
                input=typed.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_S,
            )
            self._visits[key] = Visit(done.stdout.decode(errors="replace"), done.returncode)
        return self._visits[key]

    def log(self) -> str:
        """Return the output of the last session."""
        return list(self._visits.values())[-1].output if self._visits else ""

    def command(self, docker: str, variables: Mapping[str, str]) -> list[str]:
        words = ["make", TARGET, f"PYTHON={sys.executable}", f"DOCKER={docker or self.engine.podman}"]
        return words + [f"{name}={value}" for name, value in variables.items()]

    def environment(self, docker: str) -> dict[str, str]:
        own = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**own, **(self.engine.docker_environment() if docker == "docker" else {})}


class Terminal:
    """A terminal to type into, to be used with ``with``."""

    def __init__(self, harness: Harness, **variables: str) -> None:
        self._laboratory = harness
        self._master, slave = pty.openpty()
        self._seen = ""
        self.process = subprocess.Popen(
            harness.command("", variables),
            cwd=harness.source,
            env=harness.environment(""),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        self._laboratory.engine.end_containers()

    def read_until(self, text: str) -> str:
        """Return the output until ``text`` appears. Raises Mismatch if it does not appear."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = os.read(self._master, 65536) if ready else b""
            except OSError:  # the other end is closed
                data = b""
            if not data:
                raise Mismatch(f"{text!r} never appeared in: {shorten(self._seen[-600:])}")
            self._seen += data.decode(errors="replace").replace("\r\n", "\n")
        seen, _, self._seen = self._seen.partition(text)
        return seen + text

    def type(self, line: str) -> None:
        os.write(self._master, line.encode() + b"\n")


def quote(text: str) -> str:
    """Quote ``text`` for the shell, even if it contains quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
