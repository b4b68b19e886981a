"""Run functions that use a vendor's package, on our runtime or on AWS's."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_emulator.functions.function import Function, Result

from conformance.expectations import Mismatch
from conformance.suite import Case, MissingRequirement, Observation, declare, installed_version

ROOT = Path(__file__).resolve().parent.parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
RECORD = "VENDOR_RECORD_FILE"  # a variable: the file to which a function's own exporter appends JSON lines


@dataclass(frozen=True)
class Runtime:
    """The program that runs the functions: ours, or AWS's as its managed runtime starts it."""

    name: str
    script: Path

    @property
    def is_aws(self) -> bool:
        return self.name == "awslambdaric"


OURS = Runtime("bootstrap", ROOT / "bootstrap")
AWS = Runtime("awslambdaric", Path(__file__).resolve().parent / "aws_runtime.py")


class Harness:
    """One run of a case: a separate task root, and a file for the package's output."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.folder = folder
        self.task_root = folder / "task"
        self._record = folder / "record.jsonl"
        self._functions: list[Function] = []
        shutil.copytree(FUNCTIONS, self.task_root, ignore=shutil.ignore_patterns("__pycache__"))

    def function(
        self,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        wrapper: Path | None = None,
        timeout_s: float = 20.0,
    ) -> Function:
        """Return a function in `functions/`, to be used with ``with``.

        ``wrapper`` is the vendor's program for AWS_LAMBDA_EXEC_WRAPPER. Our runtime calls it itself, as on
        the OS-only runtime. For AWS's runtime, this harness calls it in place of Lambda.
        """
        command: list[str | os.PathLike[str]] = [sys.executable, self.runtime.script]
        variables = {
            # The first line of wrappers names an interpreter, which must be the one with the packages.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            RECORD: str(self._record),
            **(environment or {}),
        }
        if wrapper is not None:
            variables["AWS_LAMBDA_EXEC_WRAPPER"] = str(wrapper)
            if self.runtime.is_aws:
                command.insert(0, wrapper)
        # An interpreter with many packages starts slowly on a busy machine.
        function = Function(
            handler, self.task_root, command, environment=variables, timeout_s=timeout_s, init_timeout_s=60
        )
        self._functions.append(function)
        return function

    def invoke(self, function: Function, event: object = None, trace_id: str | None = None) -> Result:
        return function.invoke(json.dumps(event).encode(), trace_id=trace_id)

    def recorded(self) -> list[dict[str, Any]]:
        """Return the output of the function's own exporter, oldest first."""
        if not self._record.exists():
            return []
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def executable(self, name: str, text: str) -> Path:
        """Write a program, such as a vendor's wrapper, outside of the task root."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def log(self) -> str:
        """Return the logs of all functions of this harness."""
        return "".join(function.log_text() for function in self._functions)


Try = Callable[[Harness], Observation]


def case(package: str, title: str, *, not_on_aws: str = "") -> Callable[[Try], Try]:
    """Declare the decorated function as a case; it raises Mismatch, or returns what it observed.

    ``package``: its name in the registry. ``not_on_aws``: why the case cannot run on AWS's runtime.
    """

    def add(function: Try) -> Try:
        def try_it(harness: Harness) -> Observation:
            if harness.runtime.is_aws and not_on_aws:
                raise MissingRequirement(not_on_aws)
            if not installed_version(package):
                raise Mismatch(f"{package} is not installed for {sys.executable}")
            return function(harness)

        declare(function, Case(f"{package} {installed_version(package)}".rstrip(), title, try_it))
        return function

    return add
