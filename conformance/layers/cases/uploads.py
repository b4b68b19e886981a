"""The zips that the tools build, run by the local emulator in its own sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from conformance.expectations import Mismatch, expect, expect_in
from conformance.layers.harness import VERSION, Harness, Outcome
from conformance.suite import Observation, case, try_again

GROUP = "Uploads"
ROOT = Path(__file__).resolve().parent.parent.parent.parent

FACTS = """\
import importlib.util, os, signal, shutil, subprocess, sys

signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM", flush=True))

def facts():
    tmp = os.statvfs("/tmp")
    return {
        "interpreter": os.path.dirname(sys.executable),
        "runtime": sys.modules["__main__"].__file__,
        "user": [os.getuid(), os.getgid()],
        "folder": os.getcwd(),
        "writable": [path for path in ("/", "/opt", "/var/task", "/tmp") if os.access(path, os.W_OK)],
        "tmp": tmp.f_blocks * tmp.f_frsize,
        "shared_memory": os.path.exists("/dev/shm"),
        "pythons": [os.path.dirname(path) for path in (shutil.which("python3"),)],
        "root": sorted(os.listdir("/")),
        "installed": [name for name in ("pytest", "pip") if importlib.util.find_spec(name)],
        "builtins": callable(exit),
    }

def handler(event, context):
    return eval(event)
"""
LIKE_LAMBDA = {
    "user": [993, 990],
    "folder": "/var/task",
    "writable": ["/tmp"],
    "tmp": 512 * 1024 * 1024,
    "shared_memory": False,
    "installed": [],
    "builtins": True,
}


def function(harness: Harness) -> Path:
    task = harness.task({"facts.py": FACTS})
    return harness.build("facts", "dist-function", {"TASK_ROOT": task, "PYTHON_VERSION": VERSION})


def run(harness: Harness, event: str, *layers: Path, task: Path | None = None, options: str = "") -> Outcome:
    """Evaluate an expression in the function, in a sandbox."""
    temporary = harness.new_folder()
    variables = {
        "TASK_ROOT": task or function(harness),
        "HANDLER": "facts.handler",
        "LAYERS": " ".join(map(str, layers)),
        "EVENT": json.dumps(event),
        "OPTIONS": f"--sandbox always --timeout 30 {options}",
    }
    outcome = harness.make("run", variables, {"TMPDIR": str(temporary)})
    expect("temporary files", os.listdir(temporary), [])
    return outcome


def value(outcome: Outcome) -> Any:
    if outcome.status != 0:
        raise Mismatch(f"make run: {outcome.errors}")
    return json.loads(outcome.output)


@try_again
def facts_with_sigterm(harness: Harness, *layers: Path) -> Any:
    outcome = run(harness, "facts()", *layers)
    expect_in("SIGTERM at the end", "SIGTERM", outcome.errors)
    return value(outcome)


@case(GROUP, "function, runtime, interpreter and packages: all that runs is in the zips")
def everything(harness: Harness) -> Observation:
    layers = (harness.layer(), harness.interpreter(), harness.packages())
    found = facts_with_sigterm(harness, *layers)
    expect("surroundings", {name: found[name] for name in LIKE_LAMBDA}, LIKE_LAMBDA)
    expect("interpreter", found["interpreter"], "/opt/bin")
    expect("python3 on PATH", found["pythons"], ["/opt/bin"])
    expect("runtime", found["runtime"], "/opt/bootstrap")
    numpy = value(run(harness, "__import__('numpy').arange(4).sum().item()", *layers))
    expect("numpy", numpy, 6)
    return f"{found['runtime']} with {found['interpreter']}/python3"


@case(GROUP, "this machine's interpreter and the emulator's runtime, without installed packages")
def own_interpreter(harness: Harness) -> Observation:
    found = value(run(harness, "facts()"))
    expect("surroundings", {name: found[name] for name in LIKE_LAMBDA}, LIKE_LAMBDA)
    expect("interpreter", found["interpreter"], "/var/lang/bin")
    expect("python3 on PATH", found["pythons"], ["/var/lang/bin"])
    expect("runtime", found["runtime"].startswith("/var/runtime/"), True)
    expect(
        "folders",
        [name for name in ("root", "home", "work", "usr") if name in found["root"]],
        ["home", "usr"],
    )
    return f"{found['runtime']} with {found['interpreter']}/python3"


@case(GROUP, "the zip's runtime with this machine's interpreter, as on a managed runtime")
def own_runtime(harness: Harness) -> Observation:
    found = value(run(harness, "facts()", harness.layer()))
    expect("runtime", found["runtime"], "/opt/bootstrap")
    expect("interpreter", found["interpreter"], "/var/lang/bin")
    return f"{found['runtime']} with {found['interpreter']}/python3"


@case(GROUP, "more memory than the function has: killed, also for a child process")
def memory(harness: Harness) -> Observation:
    code = "x = b'x' * 200_000_000; input()"
    child = f'[subprocess.Popen([sys.executable, "-c", "{code}"], stdin=subprocess.PIPE), signal.pause()]'
    for event in ("b'x' * 200_000_000 and 'late'", child):
        outcome = run(harness, event)
        expect_in("error", "Error: Runtime exited with error: signal: killed", outcome.output)
        expect_in("report", "Max Memory Used: 128 MB", outcome.errors)
    expect(
        "with enough memory",
        value(run(harness, "len(b'x' * 200_000_000)", options="--memory 256")),
        200_000_000,
    )
    return "signal: killed"


@case(GROUP, "the end of the process is reported as without a sandbox")
def ends(harness: Harness) -> Observation:
    found = []
    for event, reason in (
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 11)", "signal: segmentation fault"),
    ):
        expect_in("error", f"Error: Runtime exited with error: {reason}", run(harness, event).output)
        found.append(reason)
    return ", ".join(found)


def call(url: str) -> int:
    """Invoke the function, and wait for its end; return how often its environment has been invoked."""
    count = "open('/tmp/seen', 'a').write('x') and os.path.getsize('/tmp/seen')"
    event = json.dumps(f"[__import__('time').sleep(2), {count}][1]").encode()
    address = f"{url}/2015-03-31/functions/facts/invocations"
    request = urllib.request.Request(address, event, {"X-Amz-Log-Type": "Tail"})  # needs the end
    with urllib.request.urlopen(request) as reply:
        return int(json.loads(reply.read()))


@case(GROUP, "environments serve several clients, and end when the emulator is killed")
def several_clients(harness: Harness) -> Observation:
    words = ["--handler", "facts.handler", "--task-root", str(function(harness)), "--sandbox", "always"]
    command = [sys.executable, "-m", "lambda_emulator", "serve", *words, "--port", "0", "--timeout", "30"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "emulator")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = next(filter(None, (re.search(r"http://(\S+)", line) for line in server.stdout)))[1]
            with ThreadPoolExecutor(2) as callers:
                found = [sorted(callers.map(call, [f"http://{address}"] * 2)) for _ in range(3)]
            sandboxes = [path for path in Path("/proc").glob("[0-9]*") if _is_below(path, server.pid)]
        finally:
            server.kill()
    expect("calls of each environment", found, [[1, 1], [2, 2], [3, 3]])
    until = time.monotonic() + 10
    while any(path.exists() for path in sandboxes) and time.monotonic() < until:
        time.sleep(0.05)
    expect("processes that are left", [str(path) for path in sandboxes if path.exists()], [])
    return f"{len(sandboxes)} processes"


def _is_below(process: Path, ancestor: int) -> bool:
    """Return whether a process is a descendant of another."""
    while True:
        try:
            parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return False
        if parent in ("0", "1"):
            return False
        if int(parent) == ancestor:
            return True
        process = Path("/proc", parent)


@case(GROUP, "managed instances: workers' output arrives")
def managed(harness: Harness) -> Observation:
    outcome = run(
        harness, "print('from a worker') or os.environ['AWS_LAMBDA_MAX_CONCURRENCY']", options="--managed 2"
    )
    expect("slots", value(outcome), "2")
    expect_in("log", "from a worker", outcome.errors)
    return "2 slots"


@case(GROUP, "a file that only its owner can read: permission denied, as on Lambda")
def private(harness: Harness) -> Observation:
    path = harness.new_folder() / "private.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("facts.py"), FACTS)  # mode 600
    outcome = run(harness, "1", task=path)
    expect_in("error", "Permission denied: '/var/task/facts.py'", outcome.output)
    return "Permission denied"


@case(GROUP, "a folder in the sandbox")
def folder(harness: Harness) -> Observation:
    expect(
        "response", value(run(harness, "os.listdir()", task=harness.task({"facts.py": FACTS}))), ["facts.py"]
    )
    return "/var/task"
