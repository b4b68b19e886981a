"""The content and the behaviour of the container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lambda_emulator.functions.configuration import NO_CREDENTIALS, Configuration, variables

from conformance.expectations import Mismatch, expect, expect_in, only_item
from conformance.explore.harness import (
    OS_ONLY,
    ROOT,
    WITH_PYTHON,
    Harness,
    Terminal,
    Visit,
)
from conformance.suite import MissingRequirement, Observation, case

EVENT = '\'{"name": "Ada"}\''
INVOKE = f"invoke {EVENT}"
CURL = f"curl -d {EVENT} http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
RESPONSE = {"message": "Hello, Ada!"}
IDENTITY = "id"
FOLDER = "pwd"
VARIABLES = "python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'"
WRITABLE = "for d in / /opt /var/task /usr/local/bin /etc /tmp; do test -w $d && echo $d; done; true"
EXECUTABLE = "echo 'echo runs' >/tmp/program && chmod +x /tmp/program && /tmp/program"
SHARED_MEMORY = "ls -d /dev/shm"
BOOTSTRAP = "ls -l /opt/bootstrap"
ALONE = "env -u AWS_LAMBDA_RUNTIME_API /opt/bootstrap"
COMMANDS = (INVOKE, IDENTITY, FOLDER, VARIABLES, WRITABLE, EXECUTABLE, SHARED_MEMORY, BOOTSTRAP, ALONE)
# Values that depend on the function, or in the emulator on this machine.
NOT_COMPARED = {"PATH", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME", "LD_LIBRARY_PATH"}
NOT_COMPARED |= {"LC_CTYPE", *NO_CREDENTIALS}  # not set by Lambda
PYTHON = "A base with Python"
BARE = "A base without Python"
TOOLS = "Tools"


def visit(harness: Harness) -> Visit:
    return harness.visit(*COMMANDS, EXPLORE_BASE=WITH_PYTHON)


def expect_response(output: str) -> str:
    """Expect one line of ``output`` to be the function's response, among the lines of the log."""
    line = only_item("responses", [line for line in output.splitlines() if line.startswith("{")])
    expect("the response", json.loads(line), RESPONSE)
    return str(line)


@case(PYTHON, "the banner describes the content")
def the_banner(harness: Harness) -> Observation:
    banner = visit(harness).banner
    expect_in("the banner", "This resembles AWS Lambda", banner)
    expect_in("the banner", INVOKE, banner)
    found = re.search(r"AWS's emulator +(.+)", banner)
    expect("AWS's emulator", found and found[1], "listens on port 8080, logs to /tmp/aws-lambda-rie.log")
    python = re.search(r"Python +(.+)", banner)
    return python[1] if python else ""


@case(PYTHON, "the banner's line works when it is pasted into a terminal")
def a_stranger(harness: Harness) -> Observation:
    with Terminal(harness, EXPLORE_BASE=WITH_PYTHON) as terminal:
        banner = terminal.read_until("To invoke the function, paste:\n\n") + terminal.read_until("\n")
        line = banner.splitlines()[-1].strip()
        terminal.read_until("$ ")
        terminal.type(line)
        terminal.read_until('"message": "Hello, Ada!"')
        terminal.type("exit")
        expect("the exit status", terminal.process.wait(20), 0)
    return line


@case(PYTHON, "invoke shows the log and the response")
def invoke(harness: Harness) -> Observation:
    response = visit(harness).output_of(INVOKE)
    for line in ("START RequestId: ", "explore greets Ada", "REPORT RequestId: "):
        expect_in("the output", line, response)
    return expect_response(response)


@case(PYTHON, "the banner's other line invokes through AWS's emulator")
def aws_emulator(harness: Harness) -> Observation:
    if shutil.which("curl") is None:
        raise MissingRequirement("curl is not installed")
    # The emulator may not listen yet.
    patient = f"for n in $(seq 60); do {CURL} -s && break; sleep 1; done"
    shown = harness.visit(patient, "cat /tmp/aws-lambda-rie.log", EXPLORE_BASE=WITH_PYTHON)
    expect_in("the banner", CURL, shown.banner)
    expect("the response", json.loads(shown.output_of(patient)), RESPONSE)
    expect_in("the emulator's log", "explore greets Ada", shown.output_of("cat /tmp/aws-lambda-rie.log"))
    return shown.output_of(patient)


@case(PYTHON, "the variables are those of a function")
def the_variables(harness: Harness) -> Observation:
    found = json.loads(visit(harness).output_of(VARIABLES))
    expected = variables(Configuration("hello.handler", "/var/task", (), name="explore"), "")
    names = [name for name in expected if name not in NOT_COMPARED and not name.startswith("_AWS")]
    expect("variables", {name: found.get(name) for name in names}, {name: expected[name] for name in names})
    expect("PATH", found["PATH"], "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin")
    if not found["LD_LIBRARY_PATH"].endswith(":/var/task:/var/task/lib:/opt/lib"):
        raise Mismatch(f"LD_LIBRARY_PATH is {found['LD_LIBRARY_PATH']}")
    stream = r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"
    if not re.fullmatch(stream, found["AWS_LAMBDA_LOG_STREAM_NAME"]):
        raise Mismatch(f"AWS_LAMBDA_LOG_STREAM_NAME is {found['AWS_LAMBDA_LOG_STREAM_NAME']}")
    return f"{len(names) + 3} compared"


@case(PYTHON, "user, folder and writable paths are Lambda's")
def the_limits(harness: Harness) -> Observation:
    seen = visit(harness)
    expect_in("id", "uid=993", seen.output_of(IDENTITY))
    expect_in("id", "gid=990", seen.output_of(IDENTITY))
    expect("the current folder", seen.output_of(FOLDER), "/var/task")
    expect("writable", seen.output_of(WRITABLE), "/tmp")
    expect("a program in /tmp", seen.output_of(EXECUTABLE), "runs")
    expect_in("/dev/shm", "No such file", seen.output_of(SHARED_MEMORY))
    return "993:990 in /var/task, only /tmp is writable, no /dev/shm"


@case(PYTHON, "/opt/bootstrap is the runtime, and explains itself when called by hand")
def the_bootstrap(harness: Harness) -> Observation:
    seen = visit(harness)
    expect("its mode", seen.output_of(BOOTSTRAP)[:10], "-rwxr-xr-x")
    expect_in(
        "its words",
        "AWS_LAMBDA_RUNTIME_API is not set: this program is a runtime that AWS Lambda starts.",
        seen.output_of(ALONE),
    )
    return seen.output_of(ALONE).splitlines()[0]


@case(BARE, "the banner explains how to add Python")
def no_python(harness: Harness) -> Observation:
    seen = harness.visit("ls /opt", EXPLORE_BASE=OS_ONLY)
    expect_in("the banner", "EXPLORE_LAYERS=layers/python3.13-x86_64.zip", seen.banner)
    if INVOKE in seen.banner:
        raise Mismatch("the banner offers a command that cannot work")
    expect("/opt", seen.output_of("ls /opt").split(), ["bootstrap", "hello.py", "runtime"])
    return "make explore-lambda-environment EXPLORE_LAYERS=…"


@case(BARE, "a layer adds Python, and the pasted line works")
def interpreter_layer(harness: Harness) -> Observation:
    layer = harness.interpreter_layer()
    seen = harness.visit(INVOKE, "command -v python3", EXPLORE_BASE=OS_ONLY, EXPLORE_LAYERS=str(layer))
    expect_response(seen.output_of(INVOKE))
    expect("python3", seen.output_of("command -v python3"), "/opt/bin/python3")
    return f"/opt/bin/python3, {layer.stat().st_size / 2**20:.0f} MB of layer"


@case(BARE, "an invalid layer ends it with one line")
def no_layer(harness: Harness) -> Observation:
    seen = harness.visit(EXPLORE_BASE=OS_ONLY, EXPLORE_LAYERS="layers/nowhere.zip")
    lines = [line for line in seen.output.splitlines() if "nowhere.zip" in line]
    expect("lines about it", len(lines), 1)
    if seen.status == 0 or "STEP" in seen.output:
        raise Mismatch(f"it continued, with status {seen.status}")
    return lines[0]


@case(TOOLS, "Docker's command line builds and runs the same")
def docker(harness: Harness) -> Observation:
    if shutil.which("docker") is None:
        raise MissingRequirement(
            "Docker's command line is not installed (Debian's package: docker.io or docker-cli)"
        )
    seen = harness.visit(INVOKE, IDENTITY, SHARED_MEMORY, docker="docker", EXPLORE_BASE=WITH_PYTHON)
    expect_response(seen.output_of(INVOKE))
    expect_in("id", "uid=993", seen.output_of(IDENTITY))
    expect_in("/dev/shm", "No such file", seen.output_of(SHARED_MEMORY))
    return "through podman's service"


@case(TOOLS, "hadolint finds nothing in the Dockerfiles")
def hadolint(harness: Harness) -> Observation:
    files = ["Dockerfile.explore", *relative(harness.source, "examples/images/*Dockerfile")]
    return finds_nothing("hadolint", files, harness.source)


@case(TOOLS, "shellcheck finds nothing in the scripts")
def shellcheck(harness: Harness) -> Observation:
    files = relative(harness.source, "tools/explore/*.sh")
    return finds_nothing("shellcheck", files, harness.source)


def relative(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


def finds_nothing(linter: str, files: list[str], folder: Path) -> Observation:
    """Run a linter that is installed beside this interpreter or on PATH."""
    places = [
        Path(sys.executable).parent,
        ROOT / ".environments" / "tools" / "bin",
        ROOT / ".environments" / "publish" / "bin",
    ]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])
    program = shutil.which(linter, path=path)
    if program is None:
        raise MissingRequirement(f"{linter} is not installed")
    done = subprocess.run([program, *files], cwd=folder, capture_output=True, text=True)
    expect(f"the output of {linter}", done.stdout + done.stderr, "")
    expect(f"the status of {linter}", done.returncode, 0)
    return ", ".join(files)
