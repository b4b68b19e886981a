"""Builds zips with the tools, unzips them, and runs what is in them where there is nothing else."""

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

from lambda_emulator.function import Function

from conformance.expectations import Mismatch
from conformance.layers import system
from conformance.layers.system import BareSystem, Kind
from conformance.sandbox.deployments import LAMBDA_LIBRARIES, LAMBDA_PATH
from conformance.sandbox.machine import ROOT
from conformance.servers import AWS_EMULATOR, AwsEmulator, Setup
from conformance.suite import MissingRequirement

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"  # of the interpreter at hand, which is packed
PREFIX = Path(sys.base_prefix)
# What the tools must not learn from the make that started us, nor from whoever runs us.
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
    """What a tool has done."""

    status: int
    output: str
    errors: str


class Harness:
    """Keeps what has been built, because several cases look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built: dict[str, Path | Exception] = {}
        self._systems: dict[str, BareSystem] = {}
        self._log: list[str] = []
        self._opt: Path | None = None
        self._count = 0

    def log(self) -> str:
        """What the tools and functions of the present case have written."""
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
        """Run a command, with all that it says in the log."""
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
        """The zip that a target of the Makefile builds, once for each ``name``; raises Mismatch."""
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

    # What is built from this computer

    def layer(self, name: str = "lambda") -> Path:
        """The runtime, compiled by the interpreter at hand."""
        return self.build(name, "dist", {"PYTHON_VERSION": VERSION})

    def interpreter(self, name: str = "interpreter", **variables: object) -> Path:
        """The interpreter at hand, with this computer's libraries, and its glibc for Lambda's."""
        settings = {**for_this_computer(), "FROM": PREFIX, "LIBRARIES": system.library_folder()}
        return self.build(name, "dist-python", {**settings, **variables})

    def packages(self, name: str = "packages") -> Path:
        """numpy for the interpreter at hand."""
        requirements = self.folder / "requirements.txt"
        requirements.write_text(NUMPY)
        return self.build(name, "dist-deps", {**for_this_computer(), "REQUIREMENTS": requirements})

    def function(self, name: str = "function") -> Path:
        """The example, with bytecode."""
        settings = {"TASK_ROOT": ROOT / "examples", "PYTHON_VERSION": VERSION}
        return self.build(name, "dist-function", settings)

    # Sandboxes

    def bare_system(self, kind: Kind = system.OWN) -> BareSystem:
        """The bare root for an architecture; raises MissingRequirement where its programs cannot run."""
        if kind.name not in self._systems:
            build = system.own_system if kind is system.OWN else system.other_system
            self._systems[kind.name] = build(self.new_folder() / "root")
        return self._systems[kind.name]

    def unzip(self, *archives: Path) -> Path:
        """A folder with the zips unzipped over one another, as Lambda does it."""
        if shutil.which("unzip") is None:
            raise MissingRequirement("unzip is not installed")
        folder = self.new_folder()
        for archive in archives:
            outcome = self.run(["unzip", "-q", "-o", archive, "-d", folder])
            if outcome.status != 0:
                raise Mismatch(f"unzip {archive.name}: {outcome.errors.strip()}")
        return folder

    def opt(self) -> Path:
        """/opt with the runtime and the interpreter, which nobody changes."""
        if self._opt is None:
            self._opt = self.unzip(self.layer(), self.interpreter())
        return self._opt

    def task(self, files: Mapping[str, str]) -> Path:
        """A task root with these files."""
        folder = self.new_folder()
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def command(
        self, opt: Path, task: Path, program: Sequence[str] = ("/opt/bootstrap",), kind: Kind = system.OWN
    ) -> list[str]:
        """``program`` in a sandbox with these folders at /opt and /var/task."""
        return self.bare_system(kind).command([(opt, "/opt"), (task, "/var/task")], program)

    def inside(
        self, opt: Path, program: Sequence[str], kind: Kind = system.OWN, **environment: str
    ) -> Outcome:
        """What a program prints there."""
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
        """A function under our emulator, to be used with ``with``."""
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
            log=lambda data: self._log.append(data.decode("utf-8", "replace")),
        )

    def invoke(
        self, opt: Path, task: Path, event: object, handler: str = "hello.handler", kind: Kind = system.OWN
    ) -> object:
        """What a function responses under our emulator; raises Mismatch if it fails."""
        with self.start(opt, task, handler, kind) as function:
            result = function.invoke(json.dumps(event).encode())
        if result.function_error is not None:
            raise Mismatch(f"the function has failed: {result.payload.decode(errors='replace')}")
        return json.loads(result.payload)

    def invoke_through_aws(self, opt: Path, task: Path, event: object, kind: Kind = system.OWN) -> object:
        """What hello.handler responses under AWS's emulator."""
        if not AWS_EMULATOR.exists():
            raise MissingRequirement("AWS's emulator is not there; `make conformance` fetches it")
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
    """Variables for make: the interpreter at hand, on this architecture and this computer's glibc."""
    return {"PYTHON_VERSION": VERSION, "ARCH": system.OWN.name, "GLIBC": own_glibc()}


def own_glibc() -> str:
    """This computer's version, e.g. ``2.36``; no lower than Lambda's."""
    version = platform.libc_ver()[1]
    return max(version, "2.34", key=lambda text: [int(part) for part in text.split(".")])
