"""AWS's emulator of managed instances with many slots: one environment, in a mode of the runtime."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.expectations import Mismatch
from conformance.sandbox.machine import INTERPRETER, Machine
from conformance.servers import ROOT, Setup, find_marked
from conformance.streaming.managed import AwsManagedEmulator
from conformance.suite import MissingRequirement

SLOTS = 16
FUNCTIONS = Path(__file__).resolve().parent / "functions"
PACKAGES = "/opt/python"  # where the runtime finds a layer's packages
LIBRARIES = "/opt/libraries"  # this system's, for the compiled parts of packages
QUIET_S = 20.0


class ManagedEnvironment(AwsManagedEmulator):
    """AWS's emulator with a function of this suite.

    ``packages`` is the environment in `.environments` whose packages the function imports; ``cpus`` limits
    the processes in the modes ``async`` and ``hybrid``.
    """

    def __init__(
        self,
        setup: Setup,
        log: Path,
        machine: Machine,
        *,
        variables: Mapping[str, str],
        packages: str = "",
        cpus: int | None = None,
    ) -> None:
        super().__init__(setup, log, machine)
        self._variables = variables
        self._cpus = cpus
        self._packages = site_packages(packages) if packages else None
        if self._packages is not None:
            for place in (PACKAGES, LIBRARIES):
                (self._opt / Path(place).name).mkdir()

    def command(self) -> list[str]:
        words = super().command()
        if self._packages is not None:
            place = words.index("--chdir")
            words[place:place] = ["--ro-bind", str(self._packages), PACKAGES]
            words[place:place] = ["--ro-bind", str(library_folder()), LIBRARIES]
        if self._cpus is not None:
            chosen = sorted(os.sched_getaffinity(0))[: self._cpus]
            words[:0] = ["taskset", "--cpu-list", ",".join(map(str, chosen))]
        return words

    def environment(self) -> dict[str, str]:
        inherited = super().environment()
        libraries = f"{inherited['LD_LIBRARY_PATH']}:{LIBRARIES}"
        return {
            **inherited,
            "AWS_LAMBDA_MAX_CONCURRENCY": str(SLOTS),
            "LD_LIBRARY_PATH": libraries,
            **self._variables,
        }

    def processes(self) -> list[int]:
        """The ids of the runtime's processes: the parent and the workers."""
        return sorted(pid for pid, command in find_marked(self.mark).items() if is_runtime(command))

    def usage(self) -> Usage:
        """What the processes use, when all of them are idle."""
        found: list[tuple[int, int]] = []
        until = time.monotonic() + QUIET_S
        while len(found) < 3 or len(set(found[-3:])) > 1:
            if time.monotonic() > until:
                break  # the figures of the last look are as good as any
            time.sleep(0.1)
            processes = self.processes()
            found.append((len(processes), sum(map(count_descriptors, processes))))
        return Usage(*found[-1], sum(map(proportional_kib, self.processes())))


@dataclass(frozen=True)
class Usage:
    """What the processes of an environment use together."""

    processes: int
    descriptors: int
    memory_kib: int  # their proportional set size (PSS), so that shared pages count once


def is_runtime(command: str) -> bool:
    words = command.split(" ")
    return Path(words[0]).name.startswith("python") and any(word.endswith("/bootstrap") for word in words[1:])


def count_descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return 0


def proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise Mismatch(f"/proc/{pid}/smaps_rollup has no line Pss")


def site_packages(name: str) -> Path:
    """The packages of one of the environments that the Makefile builds. Raises MissingRequirement."""
    folder = ROOT / ".environments" / name / "lib" / INTERPRETER / "site-packages"
    if not folder.is_dir():
        raise MissingRequirement(
            f"{folder} does not exist; `make PYTHON={sys.executable} .environments/{name}/ready` builds it"
        )
    return folder.resolve()


def library_folder() -> Path:
    """The folder of this system's C library, and of those beside it."""
    listing = subprocess.run(["ldd", sys.executable], capture_output=True, text=True, check=True).stdout
    found = re.search(r"libc\.so\.6 => (/\S+)/libc\.so\.6", listing)
    if found is None:
        raise MissingRequirement(f"{sys.executable} is not linked with glibc")
    return Path(found[1]).resolve()


def write_functions(folder: Path) -> Path:
    """Copy the functions to ``folder``, so that no file of this repository is on their search path."""
    shutil.copytree(FUNCTIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def modes(sync: str, asynchronous: str) -> Sequence[tuple[str, str]]:
    """Each mode, with the handler for it."""
    return (("fork", sync), ("preload", sync), ("thread", sync), ("async", asynchronous))
