"""Start functions in each deployment, and declare cases for them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lambda_emulator.functions.function import Function

from conformance.sandbox.deployments import LAMBDA_LIBRARIES, LAMBDA_PATH, OS_ONLY, Deployment
from conformance.sandbox.machine import AWS_PACKAGES, PREFIX, Machine, origin
from conformance.suite import Case, MissingRequirement, Observation, declare

# The script of AWS's runtime, which nothing in our deployments may execute.
NOT_TO_BE_EXECUTED = "raise SystemExit('the managed runtime was executed')\n"

# The script that starts AWS's runtime on a managed runtime.
AWS_BOOTSTRAP = """\
import os
import sys

import awslambdaric.__main__ as awslambdaricmain

sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
awslambdaricmain.main([__file__, os.environ["_HANDLER"]])
"""


class Harness:
    """Starts the functions of one case in its own ``folder``."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self._machine = machine
        self._folder = folder
        self._functions: list[Function] = []

    def start(
        self,
        deployment: Deployment,
        handler: str,
        *,
        task: Mapping[str, str] | None = None,
        opt: Mapping[str, str] | None = None,
        runtime: Mapping[str, str] | None = None,
        packages: Path | None = None,
        environment: Mapping[str, str | None] | None = None,
        initialization_type: str = "on-demand",
        telemetry: bool = False,
    ) -> Function:
        """A function in ``deployment``, to be used with ``with``.

        ``task``, ``opt`` and ``runtime`` are files below /var/task, /opt and /var/runtime: names and
        contents. Those that begin with ``#!`` become executable. ``packages`` is a folder with installed
        packages: the function's second layer or, in an image, those of its interpreter.
        """
        here = self._folder / str(len(self._functions))
        task_root, opt_folder, runtime_folder = here / "task", here / "opt", here / "runtime"
        for folder in (task_root, opt_folder, runtime_folder):
            folder.mkdir(parents=True)
        if deployment.is_aws:
            _install_aws_runtime(runtime_folder)
        else:
            (runtime_folder / "bootstrap.py").write_text(NOT_TO_BE_EXECUTED)
            ours = task_root if deployment.bootstrap_at == "/var/task" else opt_folder
            shutil.copytree(self._machine.layer, ours, dirs_exist_ok=True)
        _write(task_root, task or {})
        _write(opt_folder, opt or {})
        _write(runtime_folder, runtime or {})
        mounts = [(opt_folder, "/opt"), (task_root, "/var/task"), (runtime_folder, "/var/runtime")]
        if deployment.interpreter_at == "/opt":  # a second layer, with only the interpreter
            for name in ("bin", "lib"):
                (opt_folder / name).mkdir(exist_ok=True)
                mounts.append((PREFIX / name, f"/opt/{name}"))
        else:
            mounts.append((PREFIX, deployment.interpreter_at))
        if packages is not None:
            (opt_folder / "python").mkdir(exist_ok=True)
            mounts.append((packages, deployment.packages_at))
        variables: dict[str, str | None] = {
            "LAMBDA_TASK_ROOT": "/var/task",
            "PATH": LAMBDA_PATH,
            "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
            **deployment.environment,
            **(environment or {}),
        }
        program = list(deployment.program)
        if deployment.handler_as_argument:
            program.append(handler)
            variables["_HANDLER"] = None
        function = Function(
            handler,
            task_root,
            self._machine.command(mounts, program),
            environment=variables,
            timeout_s=20,
            init_timeout_s=60,
            initialization_type=initialization_type,
            telemetry=telemetry,
        )
        self._functions.append(function)
        return function

    def log(self) -> str:
        return "".join(function.log_text() for function in self._functions)


def _install_aws_runtime(folder: Path) -> None:
    (folder / "bootstrap.py").write_text(AWS_BOOTSTRAP)
    for name in AWS_PACKAGES:
        path = origin(name)
        assert path is not None  # if it is missing, such cases are skipped
        if path.name == "__init__.py":
            shutil.copytree(path.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / path.name)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


Try = Callable[[Harness, Deployment], Observation]


def case(
    group: str, title: str, deployments: Sequence[Deployment] = (OS_ONLY,), *, needs_aws: bool = False
) -> Callable[[Try], Try]:
    """Declare the decorated function as a case, once for each deployment.

    It raises Mismatch, or returns what it observed.
    """

    def add(function: Try) -> Try:
        for deployment in deployments:
            try_it = _in_deployment(function, deployment, needs_aws=needs_aws)
            declare(function, Case(group, f"{deployment.name}: {title}", try_it))
        return function

    return add


def _in_deployment(
    function: Try, deployment: Deployment, *, needs_aws: bool
) -> Callable[[Harness], Observation]:
    def try_it(harness: Harness) -> Observation:
        missing = [name for name in AWS_PACKAGES if origin(name) is None]
        if needs_aws and missing:
            raise MissingRequirement(f"{', '.join(missing)} not installed for {sys.executable}")
        return function(harness, deployment)

    return try_it
