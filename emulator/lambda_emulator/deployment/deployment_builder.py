"""Unpack what would be uploaded, and decide which interpreter and which runtime run it, and where.

What is in the zips comes first: Lambda has nothing else. Then come this machine's interpreter, without its
packages, and the runtime that belongs to the emulator.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from lambda_emulator.deployment.deployment import LAYERS, MOST_LAYERS, TASK_ROOT, Content, Deployment, Launch
from lambda_emulator.deployment.deployment_checks import check_handler, check_python
from lambda_emulator.deployment.interpreter import Interpreter, InterpreterError, find_program
from lambda_emulator.deployment.sandbox import INTERPRETER_AT, LAMBDA_LIBRARIES, Sandbox, SandboxUnavailable
from lambda_emulator.deployment.unpacking import DeploymentError
from lambda_emulator.functions.configuration import LAMBDA_PATH
from lambda_emulator.functions.function import BOOTSTRAP
from lambda_emulator.options import ALWAYS, NEVER, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack
    from typing import Optional

    Variables = Mapping[str, Optional[str]]

# Where a zip or a layer may bring a runtime. Lambda starts the first two on OS-only runtimes; the others come
# from `pip install`, and AWS_LAMBDA_EXEC_WRAPPER names them.
BOOTSTRAPS = (
    f"{TASK_ROOT}/bootstrap",
    f"{LAYERS}/bootstrap",
    f"{TASK_ROOT}/lambda_runtime/bootstrap",
    f"{LAYERS}/python/lambda_runtime/bootstrap",
)
RUNTIME_AT = "/var/runtime"

WITHOUT_SANDBOX = (
    "No sandbox: {}. So less is as on Lambda: the function is in {} and its layers are in {}, not in "
    f"{TASK_ROOT} and {LAYERS}. It can write there, and use this machine's files, programs and libraries."
)


def is_deployment(options: argparse.Namespace) -> bool:
    """Whether the options describe what would be uploaded, rather than a folder to work in."""
    return bool(options.layer) or options.sandbox == ALWAYS or os.path.isfile(options.task_root)


def make_deployment(
    options: argparse.Namespace, variables: Variables, warn: Callable[[str], None], cleanup: ExitStack
) -> Deployment:
    """Unpack the function and its layers; raise UsageError if they cannot be used.

    ``variables`` are the function's own; ``cleanup`` deletes the temporary files.
    """
    layers = [Path(os.path.abspath(path)) for path in options.layer]
    if len(layers) > MOST_LAYERS:
        warn(f"{len(layers)} layers are set, but Lambda allows {MOST_LAYERS}. Combine some of them.")
    deployment = Deployment(Path(os.path.abspath(options.task_root)), layers, cleanup)
    try:
        deployment.open(_Preparation(options, variables, warn, deployment))
    except DeploymentError as error:
        raise UsageError(str(error)) from None
    return deployment


class _Preparation:
    """Decides for each unpacking how it is started. What this machine provides is prepared only once."""

    def __init__(
        self,
        options: argparse.Namespace,
        variables: Variables,
        warn: Callable[[str], None],
        deployment: Deployment,
    ) -> None:
        self._options = options
        self._variables = variables
        self._warn = warn
        self._deployment = deployment
        self._machine: Interpreter | None = None  # this machine's interpreter
        self._empty: Path | None = None  # the same, without packages
        self._sandboxes: dict[bool, Sandbox | None] = {}  # by whether a layer brings the interpreter

    def __call__(self, content: Content) -> Launch:
        in_layer = self._options.python is None and content.find(f"{LAYERS}/bin/python3").exists()
        interpreter = self._layer_interpreter(content) if in_layer else self._machine_interpreter()
        check_python(content, interpreter)
        bootstrap = self._bootstrap(content)
        task_root = self._deployment.task_root
        if not self._options.runtime and _is_ours(content, bootstrap) and not task_root.is_dir():
            check_handler(content, self._options.handler, task_root, interpreter.version)
        sandbox = self._sandbox(None if in_layer else interpreter, content)
        if sandbox is not None:
            return self._in_sandbox(content, sandbox, bootstrap, in_layer=in_layer)
        return self._on_machine(content, interpreter, bootstrap, in_layer=in_layer)

    def _layer_interpreter(self, content: Content) -> Interpreter:
        """Return the interpreter of a layer, which must run on this machine for what we want to know."""
        program = content.find(f"{LAYERS}/bin/python3")
        try:
            return Interpreter(str(program), {"LD_LIBRARY_PATH": str(content.opt / "lib")})
        except InterpreterError as error:
            layer = next((one for one, names in content.names.items() if "bin/python3" in names), program)
            raise DeploymentError(
                f"bin/python3 of {layer} does not run on this machine ({os.uname().machine}): {error};"
                " leave the layer out, or build it for this machine"
            ) from None

    def _machine_interpreter(self) -> Interpreter:
        if self._machine is None:
            program = find_program(self._options.python)
            if program is None:
                raise DeploymentError(
                    f"program {self._options.python!r} does not exist; set --python to an interpreter"
                )
            try:
                self._machine = Interpreter(program)
            except InterpreterError as error:
                raise DeploymentError(f"{program} is not a working Python interpreter: {error}") from None
        return self._machine

    def _bootstrap(self, content: Content) -> str | None:
        """Return where Lambda has the runtime that the zips bring; None if they bring none."""
        if self._options.bootstrap != BOOTSTRAP:
            return None
        wrapper = self._variables.get("AWS_LAMBDA_EXEC_WRAPPER")
        for path in sorted(BOOTSTRAPS, key=lambda path: path != wrapper):
            found = content.find(path)
            if found.is_file():
                if not found.stat().st_mode & 0o1:
                    raise DeploymentError(
                        f"{path} is not executable, so Lambda cannot start it; set its mode in the zip to 755"
                    )
                return path
        return None

    def _sandbox(self, interpreter: Interpreter | None, content: Content) -> Sandbox | None:
        key = interpreter is None
        if self._options.sandbox == NEVER:
            return None
        if key not in self._sandboxes:
            self._sandboxes[key] = None
            try:
                root = self._deployment.folder / ("root" if key else "root-with-python")
                self._sandboxes[key] = Sandbox(root, interpreter)
            except SandboxUnavailable as error:
                if self._options.sandbox == ALWAYS:
                    raise DeploymentError(f"--sandbox {ALWAYS} cannot work: {error}") from None
                self._warn(WITHOUT_SANDBOX.format(error, content.task, content.opt))
        return self._sandboxes[key]

    def _in_sandbox(
        self, content: Content, sandbox: Sandbox, bootstrap: str | None, *, in_layer: bool
    ) -> Launch:
        variables = {
            "LAMBDA_TASK_ROOT": TASK_ROOT,
            "PATH": LAMBDA_PATH if in_layer else f"{INTERPRETER_AT}/bin:{LAMBDA_PATH}",
            "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
            "LC_CTYPE": "C.UTF-8",  # LANG is not installed there
        }
        mounts: list[tuple[str, str]] = []
        if self._options.runtime:
            program = shlex.split(self._options.runtime)
        elif bootstrap is not None:
            program = [bootstrap]
        else:
            mounts, own = self._own_runtime()
            program = [f"{LAYERS if in_layer else INTERPRETER_AT}/bin/python3", own]
        return Launch(program, variables, content, sandbox, mounts)

    def _own_runtime(self) -> tuple[list[tuple[str, str]], str]:
        """Return what to mount for the emulator's runtime, and where its program then is."""
        bootstrap = Path(self._options.bootstrap).absolute()
        folder = self._deployment.folder / "runtime"  # for the mount points
        folder.mkdir(exist_ok=True)
        mounts = [(str(folder), RUNTIME_AT)]
        if bootstrap.parent.name == "lambda_runtime":  # as installed by pip
            parts = [bootstrap.parent]
        else:
            parts = [bootstrap, *([bootstrap.parent / "runtime"] if _has_runtime(bootstrap) else [])]
        for part in parts:
            point = folder / part.name
            point.mkdir(exist_ok=True) if part.is_dir() else point.touch()
            mounts.append((str(part), f"{RUNTIME_AT}/{part.name}"))
        return mounts, f"{RUNTIME_AT}/{bootstrap.relative_to(parts[0].parent)}"

    def _on_machine(
        self, content: Content, interpreter: Interpreter, bootstrap: str | None, *, in_layer: bool
    ) -> Launch:
        python = content.find(f"{LAYERS}/bin/python3") if in_layer else self._empty_environment(interpreter)
        packages = content.opt / "python"
        site = packages / "lib" / f"python{interpreter.version}" / "site-packages"
        libraries = [str(content.task / "lib"), str(content.opt / "lib"), os.environ.get("LD_LIBRARY_PATH")]
        variables = {
            "LAMBDA_TASK_ROOT": str(content.task),
            "PATH": os.pathsep.join(
                [str(python.parent), str(content.opt / "bin"), LAMBDA_PATH, os.environ.get("PATH", "")]
            ),
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
            "PYTHONPATH": f"{site}{os.pathsep}{packages}",
            "PYTHONNOUSERSITE": "1",
        }
        if self._options.runtime:
            program = shlex.split(self._options.runtime)
            found = shutil.which(program[0], path=variables["PATH"]) if program else None
            if found is None:
                raise DeploymentError(
                    f"program {self._options.runtime!r} does not exist; set --runtime to a command line"
                )
            # The process does not start in the current folder.
            arguments = [os.path.abspath(word) if os.path.isfile(word) else word for word in program[1:]]
            program = [os.path.abspath(found), *arguments]
        elif bootstrap is not None:
            program = [str(content.find(bootstrap))]
        else:
            program = [str(python), os.path.abspath(self._options.bootstrap)]
        return Launch(program, variables, content)

    def _empty_environment(self, interpreter: Interpreter) -> Path:
        if self._empty is None:
            try:
                self._empty = interpreter.make_empty(self._deployment.folder / "python")
            except InterpreterError as error:
                raise DeploymentError(
                    f"the packages of {interpreter.program} cannot be hidden: {error}"
                ) from None
        return self._empty


def _is_ours(content: Content, bootstrap: str | None) -> bool:
    """Whether the runtime is this project's, so that the handler is the name of a module and a function."""
    return bootstrap is None or "/lambda_runtime/" in bootstrap or _has_runtime(content.find(bootstrap))


def _has_runtime(bootstrap: Path) -> bool:
    return (bootstrap.parent / "runtime" / "lambda_runtime").is_dir()
