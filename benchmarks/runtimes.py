"""The two runtimes, installed as on Lambda, and their processes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.runtime_api import RuntimeApi, UnexpectedRequest

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
AWS_PACKAGES = ("awslambdaric", "simplejson", "snapshot_restore_py")
STOP_TIMEOUT_S = 30


@dataclass(frozen=True)
class Runtime:
    """A runtime; ``command`` precedes the handler's name."""

    name: str
    command: tuple[str, ...]
    handler_is_argument: bool  # otherwise it is only in _HANDLER

    def command_for(self, handler: str) -> list[str]:
        return [*self.command, handler] if self.handler_is_argument else list(self.command)


def prepare(folder: Path) -> tuple[Runtime, Runtime, Path]:
    """Return AWS's runtime, ours, and the task root, all with bytecode: Lambda's folders are read-only."""
    for package in AWS_PACKAGES:
        compile_installed(package)
    layer, task_root = folder / "opt", folder / "task"
    copy_sources(ROOT / "runtime", layer / "runtime")
    shutil.copy(ROOT / "bootstrap", layer)
    compile_layer(layer, "runtime")
    copy_sources(FUNCTIONS, task_root)
    compile_layer(task_root, ".")
    aws = Runtime("AWS's", (sys.executable, "-m", "awslambdaric"), handler_is_argument=True)
    ours = Runtime("ours", (sys.executable, str(layer / "bootstrap")), handler_is_argument=False)
    return aws, ours, task_root


def copy_sources(source: Path, destination: Path) -> None:
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def compile_layer(folder: Path, part: str) -> None:
    """Compile to bytecode that does not depend on modification times, which a layer does not preserve."""
    unchecked = ("-f", "-q", "--invalidation-mode", "unchecked-hash")
    subprocess.run([sys.executable, "-I", "-B", "-m", "compileall", *unchecked, part], cwd=folder, check=True)


def compile_installed(package: str) -> None:
    """Compile an installed package, in case pip did not."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"benchmarks: {package} is not installed. Use `make benchmark`, which installs it.")
    source = Path(spec.origin)
    folder_or_file = source.parent if source.name == "__init__.py" else source
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder_or_file)], check=True)


class RuntimeProcess:
    """One process of a runtime with its own Runtime API, to be used in a ``with`` block.

    ``wrapper`` is a command that runs the command which follows it, such as a profiler.
    """

    def __init__(self, runtime: Runtime, handler: str, task_root: Path, wrapper: Sequence[str] = ()) -> None:
        self.command = [*wrapper, *runtime.command_for(handler)]
        self.task_root = task_root
        self.process: subprocess.Popen[bytes] | None = None
        self.api = RuntimeApi(self.exit_status)
        self.environment = environment(handler, task_root, self.api.address)
        self.log = tempfile.TemporaryFile()

    def __enter__(self) -> RuntimeProcess:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.task_root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.api.close()
        self.log.close()

    def exit_status(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def logged(self) -> bytes:
        self.log.seek(0)
        return self.log.read()

    def peak_memory_kb(self) -> int:
        """Return the peak of the resident memory: VmHWM in Linux's /proc/PID/status."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0])
        raise UnexpectedRequest("the runtime exited after its response")


def environment(handler: str, task_root: Path, address: str) -> dict[str, str]:
    """Return the variables that Lambda sets on an OS-only runtime, as far as the runtimes read them."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "hello",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]8476a536",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "_HANDLER": handler,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # makes the order of sets, and so the instruction counts, reproducible
    }
