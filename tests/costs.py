"""Measure what the runtime costs beside a bare script, and record it: ``python3 -m tests.costs``.

All figures are counts, so a busy machine does not change them: two runs differ by less than 0.2 %.

Instructions are divided by those of `FLOOR`, a script that does the same with `socket` and `json`, on the
same interpreter in the same run. So valgrind and the C library make no difference. The compiler of Python
does: the ratios of two builds of 3.11, with and without profile-guided optimization, differ by 2 % for a cold
start and by 5 % for an invocation. So costs.json has the figures of each build.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

from lambda_runtime.diagnostics import RESERVE_BYTES

from tests.scripted_server import ScriptedServer, accepted, event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Figures = dict[str, float]

ROOT = Path(__file__).resolve().parent.parent
RECORD = Path(__file__).with_name("costs.json")
COMMAND = "python3 -m tests.costs"

COLD_START = "cold start: instructions / those of a bare script"
INVOCATION = "invocation: instructions / those of a bare script"
COLD_CALLS = "cold start: system calls beyond those of the interpreter"
COLD_BYTES = "cold start: bytes that are allocated when the function is loaded"
COLD_PEAK = "cold start: peak of allocated bytes"
COLD_ALLOCATIONS = "cold start: allocations"
ALLOCATIONS = "invocation: allocations"
BLOCKS_LEFT = "40 invocations: blocks that stay allocated"
PEAK = "invocation: peak of allocated bytes"

PATIENCE_S = 120.0  # under valgrind, a start takes two seconds on an idle machine
INVOCATIONS = 100

HELLO = """
def handler(event, context):
    return event
"""
# Reports the blocks that `sys.getallocatedblocks` counts, and the peak of memory since the last invocation.
MEMORY = """
import _tracemalloc, sys

at_init = _tracemalloc.get_traced_memory()

def handler(event, context):
    now, peak = _tracemalloc.get_traced_memory()
    if hasattr(_tracemalloc, "reset_peak"):
        _tracemalloc.reset_peak()
    return {"init": at_init, "blocks": sys.getallocatedblocks(), "peak": peak - now}
"""
# The least that a script does to be a Lambda runtime.
FLOOR = """
import json, os, socket

host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
base = "/2018-06-01/runtime/invocation/"
connection = socket.create_connection((host, int(port)))

def exchange(method, path, body=b""):
    head = f"{method} {base}{path} HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
    connection.sendall(head.encode() + body)
    data = connection.recv(65536)
    if not data:
        os._exit(0)
    head, _, body = data.partition(b"\\r\\n\\r\\n")
    headers = {}
    for line in head.decode().split("\\r\\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers, body

while True:
    headers, body = exchange("GET", "next")
    result = json.dumps(json.loads(body))
    exchange("POST", headers["lambda-runtime-aws-request-id"] + "/response", result.encode())
"""
# A start of the interpreter, with the two modules that some builds have as files.
EMPTY = """
import _json, _socket, _tracemalloc

print(*_tracemalloc.get_traced_memory())
"""
# Without randomized addresses, which change the order of objects in sets, for example.
_VALGRIND = ("setarch", "-R", "valgrind")
# These depend on the allocator and the output.
_NOT_COUNTED = {"brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex", "exit_group", "write"}


def works(*command: str) -> bool:
    """Return whether ``command`` can be run here: containers may forbid tracing, for example."""
    try:
        run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return run.returncode == 0


def can_count_instructions() -> bool:
    """Return whether valgrind works here with this Python, and without randomized addresses."""
    return works(*_VALGRIND, "--tool=none", sys.executable, "-S", "-c", "pass")


def can_count_allocations() -> bool:
    """Return whether valgrind can also replace `malloc` here: it needs the symbols of the C library."""
    return works(*_VALGRIND, "--tool=memcheck", sys.executable, "-S", "-c", "pass")


def can_count_system_calls() -> bool:
    """Return whether strace works here."""
    return works("strace", "-o", os.devnull, "true")


def traced_calls(log: str, until: str = "") -> Counter[str]:
    """Count the system calls in the output of ``strace -f -o log``, before the first one named ``until``.

    A call during which another thread is traced has two lines: the second, ``<... recvfrom resumed>``, does
    not count.
    """
    text = Path(log).read_text(encoding="utf-8", errors="replace")
    if until:
        text = text.partition(f" {until}(")[0]
    return Counter(re.findall(r"(?m)^\d+ +(\w+)\(", text))


class Harness:
    """A folder with a copy of the runtime, the scripts, and bytecode for all of them."""

    def __init__(self) -> None:
        # In /tmp, because each folder on the way there is a system call.
        self._folder = tempfile.TemporaryDirectory(prefix="costs-", dir="/tmp")
        self.folder = os.path.realpath(self._folder.name)
        # A copy, because the depth of the folder and the bytecode in it count.
        shutil.copy(ROOT / "bootstrap", self.folder)
        runtime = Path(self.folder, "runtime")
        shutil.copytree(ROOT / "runtime", runtime, ignore=shutil.ignore_patterns("__pycache__"))
        scripts = {"hello": HELLO, "memory": MEMORY, "floor": FLOOR, "empty": EMPTY}
        for name, source in scripts.items():
            Path(self.folder, f"{name}.py").write_text(source, encoding="utf-8")
            # Python saves the bytecode of modules, not of scripts.
            Path(self.folder, f"start_{name}").write_text(f"import {name}\n", encoding="utf-8")
        self.runtime = self._script("bootstrap")
        self.floor = self._script("start_floor")
        self.empty = self._script("start_empty")
        self.run(self.runtime, 1, "memory.handler")
        for command in (self.runtime, self.floor, self.empty):
            self.run(command, 1)  # writes the bytecode

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def _script(self, name: str) -> list[str]:
        # -S, because what `site` does depends on the packages that are installed.
        return [sys.executable, "-S", f"{self.folder}/{name}"]

    def run(self, command: Sequence[str], invocations: int, handler: str = "hello.handler") -> Run:
        """Run ``command`` for some invocations. After them the server closes, which ends the process."""
        replies = [reply for number in range(invocations) for reply in (event(f"r{number:04}"), accepted())]
        with ScriptedServer(replies, patience_s=PATIENCE_S) as server:
            environment = {
                "PATH": os.environ["PATH"],
                "LC_CTYPE": "C.UTF-8",
                "PYTHONHASHSEED": "0",
                "AWS_LAMBDA_RUNTIME_API": server.address,
                "_HANDLER": handler,
                "LAMBDA_TASK_ROOT": self.folder,
            }
            process = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
        responses = [request for request in server.requests if request.method == "POST"]
        if len(responses) != invocations and "empty" not in command[-1]:
            raise RuntimeError(f"{' '.join(command)} failed: {process.stderr.decode()[-2000:]}")
        return Run(process.stdout, [request.body for request in responses])

    def instructions(self, command: Sequence[str], invocations: int) -> int:
        """Count the instructions of ``command``, from its start to its end, for some invocations."""
        valgrind = [*_VALGRIND, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        return self._valgrind(valgrind, command, invocations, r"I +refs: +([\d,]+)")

    def allocations(self, command: Sequence[str], invocations: int) -> int:
        """Count the blocks that ``command`` allocates, from its start to its end, for some invocations."""
        # The allocator of Python itself would divide large blocks into small ones.
        valgrind = ["env", "PYTHONMALLOC=malloc", *_VALGRIND, "--tool=memcheck"]
        valgrind += ["--undef-value-errors=no", "--leak-check=no"]
        return self._valgrind(valgrind, command, invocations, r"total heap usage: ([\d,]+) allocs")

    def _valgrind(self, valgrind: list[str], command: Sequence[str], invocations: int, pattern: str) -> int:
        log = f"{self.folder}/valgrind.log"
        self.run([*valgrind, f"--log-file={log}", *command], invocations)
        text = Path(log).read_text(encoding="utf-8", errors="replace")
        found = re.search(pattern, text)
        if found is None:
            raise RuntimeError(f"valgrind counted nothing: {text[-2000:]}")
        return int(found.group(1).replace(",", ""))

    def system_calls(self, command: Sequence[str]) -> Counter[str]:
        """Count the system calls of ``command`` before its first request, without those of the allocator.

        How the end of the server is noticed depends on its moment.
        """
        log = f"{self.folder}/strace.log"
        self.run(["strace", "-f", "-o", log, *command], 0)
        return Counter(name for name in traced_calls(log, "sendto").elements() if name not in _NOT_COUNTED)


class Run:
    """The output of a process, and the bodies of the responses that it posted."""

    def __init__(self, output: bytes, responses: list[bytes]) -> None:
        self.output = output
        self.responses = responses


def measure_instructions(harness: Harness) -> Figures:
    """Count the instructions of a cold start with one invocation, and those of a further invocation."""
    cold, cold_floor = (harness.instructions(command, 1) for command in (harness.runtime, harness.floor))
    warm, warm_floor = (
        harness.instructions(command, 1 + INVOCATIONS) for command in (harness.runtime, harness.floor)
    )
    return {
        COLD_START: round(cold / cold_floor, 4),
        INVOCATION: round((warm - cold) / (warm_floor - cold_floor), 4),
    }


def measure_allocations(harness: Harness) -> Figures:
    """Count the blocks that a cold start with one invocation allocates, and those of a further invocation."""
    cold, warm = (harness.allocations(harness.runtime, number) for number in (1, 1 + INVOCATIONS))
    return {COLD_ALLOCATIONS: cold, ALLOCATIONS: round((warm - cold) / INVOCATIONS, 2)}


def measure_system_calls(harness: Harness) -> Figures:
    """Count the system calls before the first request, less those of an interpreter with two modules."""
    ours, bare = harness.system_calls(harness.runtime), harness.system_calls(harness.empty)
    return {COLD_CALLS: sum(ours.values()) - sum(bare.values())}


def measure_memory(harness: Harness) -> Figures:
    """Measure what is allocated when the function is loaded, and by its invocations."""
    traced, floor = ([name, "-X", "tracemalloc=1", *rest] for name, *rest in (harness.runtime, harness.empty))
    at_start = int(harness.run(floor, 0).output.split()[0])
    at_start += RESERVE_BYTES  # it would hide all the rest
    reports: list[Any] = [json.loads(body) for body in harness.run(traced, 60, "memory.handler").responses]
    current, peak = reports[0]["init"]
    warm = reports[20:]
    return {
        COLD_BYTES: current - at_start,
        COLD_PEAK: peak - at_start,
        BLOCKS_LEFT: warm[-1]["blocks"] - warm[0]["blocks"],
        PEAK: max(report["peak"] for report in warm),
    }


def this_build() -> str:
    """Name what the figures depend on: the version of Python, its compiler, and how it was optimized."""
    compiler = platform.python_compiler()
    threads = ", free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    optimized = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{platform.python_version()}, {compiler}{', optimized' if optimized else ''}{threads}"


def recorded() -> dict[str, Figures]:
    """Read the recorded figures of each build."""
    figures: dict[str, Figures] = json.loads(RECORD.read_text(encoding="utf-8"))
    return figures


def main() -> int:
    """Measure and record. What cannot be measured here keeps its recorded figure."""
    build = this_build()
    everything = recorded()
    figures = everything.setdefault(build, {})
    harness = Harness()
    for possible, measure in (
        (can_count_instructions(), measure_instructions),
        (can_count_allocations(), measure_allocations),
        (can_count_system_calls(), measure_system_calls),
        (True, measure_memory),
    ):
        if possible:
            figures.update(measure(harness))
    harness.close()
    ordered = {name: everything[name] for name in sorted(everything, key=_version)}
    RECORD.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    print(build, json.dumps(figures, indent=2))
    return 0


def _version(build: str) -> list[int]:
    return [int(number) for number in build.partition(",")[0].split(".") if number.isdecimal()]


if __name__ == "__main__":
    sys.exit(main())
