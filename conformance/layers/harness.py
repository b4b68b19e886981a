"""Build zips with the tools, unzip them, and run their content in an empty root file system."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambda_emulator.functions.function import Function

from conformance.expectations import Mismatch
from conformance.layers import system
from conformance.layers.system import BareSystem, Kind
from conformance.sandbox.deployments import LAMBDA_LIBRARIES, LAMBDA_PATH
from conformance.sandbox.machine import ROOT
from conformance.servers import AWS_EMULATOR, AwsEmulator, Setup
from conformance.suite import MissingRequirement

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"  # the version of this interpreter, which is packed
PREFIX = Path(sys.base_prefix)
# Variables of the make that started us, and of the user, which must not affect the tools.
NOT_PASSED_ON = (
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "MFLAGS",
    "PYTHON_VERSION",
    "ARCH",
    "FROM",
    "GLIBC",
)
NUMPY = "numpy\n"
PATIENCE_S = 600


@dataclass
class Outcome:
    """The outcome of a tool."""

    status: int
    output: str
    errors: str


class Harness:
    """Keep the zips that were built, because several cases use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built: dict[str, Path | Exception] = {}
        self._systems: dict[str, BareSystem] = {}
        self._log: list[str] = []
        self._opt: Path | None = None
        self._count = 0

    def log(self) -> str:
        """Return the output of the tools and functions of the current case."""
        return "".join(self._log)

    def begin_case(self) -> None:
        self._log.clear()

    def new_folder(self) -> Path:
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        return folder

    # Tools

    def run(
        self,
        words: Sequence[str | Path],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a command and add its output to the log."""
        variables = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        process = subprocess.run(
            [str(word) for word in words],
            cwd=folder or ROOT,
            env={**variables, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
        self._log += [f"$ {shlex.join(map(str, words))}\n", process.stdout, process.stderr]
        return Outcome(process.returncode, process.stdout, process.stderr)

    def make(
        self, target: str, variables: Mapping[str, object], environment: Mapping[str, str] | None = None
    ) -> Outcome:
        """``make TARGET VARIABLE=…`` in the repository."""
        words = ["make", "--no-print-directory", target, f"PYTHON={sys.executable}"]
        words += [f"{name}={value}" for name, value in variables.items()]
        return self.run(words, environment=environment)

    def build(self, name: str, target: str, variables: Mapping[str, object]) -> Path:
        """Return the zip that a make target builds, once for each ``name``; raise Mismatch on failure."""
        if name not in self._built:
            output = self.folder / f"{name}.zip"
            outcome = self.make(target, {**variables, "OUTPUT": output})
            if outcome.status != 0:
                self._built[name] = Mismatch(f"make {target}: {outcome.errors.strip()}")
            else:
                self._built[name] = output
        found = self._built[name]
        if isinstance(found, Exception):
            raise found
        return found

    # Zips built from this machine

    def layer(self, name: str = "lambda") -> Path:
        """Return the runtime's layer, compiled by this interpreter."""
        return self.build(name, "dist", {"PYTHON_VERSION": VERSION})

    def interpreter(self, name: str = "interpreter", **variables: object) -> Path:
        """Return a layer with this interpreter and this machine's libraries and glibc."""
        settings = {**for_this_computer(), "FROM": PREFIX, "LIBRARIES": system.library_folder()}
        return self.build(name, "dist-python", {**settings, **variables})

    def packages(self, name: str = "packages") -> Path:
        """Return a layer with numpy for this interpreter."""
        requirements = self.folder / "requirements.txt"
        requirements.write_text(NUMPY)
        return self.build(name, "dist-deps", {**for_this_computer(), "REQUIREMENTS": requirements})

    def function(self, name: str = "function") -> Path:
        """Return the zip of the example, with bytecode."""
        settings = {"TASK_ROOT": ROOT / "examples", "PYTHON_VERSION": VERSION}
        return self.build(name, "dist-function", settings)

    # Sandboxes

    def bare_system(self, kind: Kind = system.OWN) -> BareSystem:
        """Return the bare root for an architecture; raise MissingRequirement if its programs cannot run."""
        if kind.name not in self._systems:
            build = system.own_system if kind is system.OWN else system.other_system
            self._systems[kind.name] = build(self.new_folder() / "root")
        return self._systems[kind.name]

    def unzip(self, *archives: Path) -> Path:
        """Unzip the zips into one folder, one over the other, like Lambda."""
        if shutil.which("unzip") is None:
            raise MissingRequirement("unzip is not installed")
        folder = self.new_folder()
        for archive in archives:
            outcome = self.run(["unzip", "-q", "-o", archive, "-d", folder])
            if outcome.status != 0:
                raise Mismatch(f"unzip {archive.name}: {outcome.errors.strip()}")
        return folder

    def opt(self) -> Path:
        """Return /opt with the runtime and the interpreter, which cases must not change."""
        if self._opt is None:
            self._opt = self.unzip(self.layer(), self.interpreter())
        return self._opt

    def task(self, files: Mapping[str, str]) -> Path:
        """Create a task root with these files."""
        folder = self.new_folder()
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def command(
        self, opt: Path, task: Path, program: Sequence[str] = ("/opt/bootstrap",), kind: Kind = system.OWN
    ) -> list[str]:
        """Return the command that runs ``program`` in a sandbox with these folders at /opt and /var/task."""
        return self.bare_system(kind).command([(opt, "/opt"), (task, "/var/task")], program)

    def inside(
        self, opt: Path, program: Sequence[str], kind: Kind = system.OWN, **environment: str
    ) -> Outcome:
        """Run a program in the sandbox and return its output."""
        variables = {"PATH": LAMBDA_PATH, "LD_LIBRARY_PATH": LAMBDA_LIBRARIES, **environment}
        words = self.command(opt, self.new_folder(), program, kind)
        process = subprocess.run(
            words, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
        )
        self._log += [f"$ … {shlex.join(program)}\n", process.stdout, process.stderr]
        return Outcome(process.returncode, process.stdout, process.stderr)

    def start(
        self, opt: Path, task: Path, handler: str = "hello.handler", kind: Kind = system.OWN
    ) -> Function:
        """Return a function in our emulator, to be used with ``with``."""
        return Function(
            handler,
            task,
            self.command(opt, task, kind=kind),
            environment={
                "LAMBDA_TASK_ROOT": "/var/task",
                "PATH": LAMBDA_PATH,
                "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
            },
            timeout_s=60,
            init_timeout_s=60,
            log=lambda lines, _: self._log.append(lines.decode("utf-8", "replace")),
        )

    def invoke(
        self, opt: Path, task: Path, event: object, handler: str = "hello.handler", kind: Kind = system.OWN
    ) -> object:
        """Invoke a function in our emulator; return its response, or raise Mismatch if it fails."""
        with self.start(opt, task, handler, kind) as function:
            result = function.invoke(json.dumps(event).encode())
        if result.function_error is not None:
            raise Mismatch(f"the function has failed: {result.payload.decode(errors='replace')}")
        return json.loads(result.payload)

    def invoke_through_aws(self, opt: Path, task: Path, event: object, kind: Kind = system.OWN) -> object:
        """Invoke hello.handler in AWS's emulator; return its response."""
        if not AWS_EMULATOR.exists():
            raise MissingRequirement("AWS's emulator is missing; `make conformance` fetches it")
        folder = self.new_folder()
        script = folder / "bootstrap"
        script.write_text(
            "#!/bin/sh\nexport LAMBDA_TASK_ROOT=/var/task "
            f"PATH={LAMBDA_PATH} LD_LIBRARY_PATH={LAMBDA_LIBRARIES}\n"
            f"exec {shlex.join(self.command(opt, task, kind=kind))}\n"
        )
        script.chmod(0o755)
        log = folder / "log"
        with AwsEmulator(Setup(script, task, "hello.handler", 60), log) as server:
            url = f"{server.url}/2015-03-31/functions/function/invocations"
            request = urllib.request.Request(url, json.dumps(event).encode())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=90) as response:
                payload = json.load(response)
        self._log.append(log.read_text(errors="replace"))
        return payload


def for_this_computer() -> dict[str, object]:
    """Return make's variables for this interpreter, architecture and glibc."""
    return {"PYTHON_VERSION": VERSION, "ARCH": system.OWN.name, "GLIBC": own_glibc()}


def own_glibc() -> str:
    """Return this machine's version, e.g. ``2.36``, but at least Lambda's."""
    version = platform.libc_ver()[1]
    return max(version, "2.34", key=lambda text: [int(part) for part in text.split(".")])
