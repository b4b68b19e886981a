"""The other architecture, through qemu; everything is built on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conformance.expectations import expect
from conformance.layers import system
from conformance.layers.cases.packages import multiply
from conformance.layers.harness import Harness
from conformance.layers.system import OTHER
from conformance.sandbox.machine import ROOT
from conformance.suite import MissingRequirement, Observation, case

GROUP = f"The other architecture, {OTHER.name}"
EVENT = {"name": "Ada"}
RESPONSE = {"message": "Hello, Ada!"}
UNLIMITED = "2.99"  # Debian's programs need Debian's glibc, of any version


def interpreter(harness: Harness) -> tuple[Path, str]:
    """Return a layer with Debian's Python for the other architecture, and its version."""
    harness.bare_system(OTHER)  # raises MissingRequirement if this machine cannot run it
    prefix = system.other_tree() / "usr"
    libraries = [path.parent for path in system.other_tree().rglob("libz.so.1")]
    version = next(
        path.name[len("python") :] for path in sorted((prefix / "bin").glob("python3.*")) if _is_version(path)
    )
    settings = {"PYTHON_VERSION": version, "ARCH": OTHER.name, "FROM": prefix, "GLIBC": UNLIMITED}
    folders = {*libraries, prefix / "lib" / f"{OTHER.machine}-linux-gnu"}
    settings["LIBRARIES"] = " ".join(sorted(map(str, folders)))
    return harness.build("other-interpreter", "dist-python", settings), version


def _is_version(path: Path) -> bool:
    return re.fullmatch(r"python3\.\d+", path.name) is not None


def runtime(harness: Harness, version: str) -> Path:
    return harness.build("other-lambda", "dist", {"PYTHON_VERSION": version})


@case(GROUP, "Debian's Python for it becomes a layer")
def build(harness: Harness) -> Observation:
    layer, version = interpreter(harness)
    return f"Python {version}, {layer.stat().st_size / 1024 / 1024:.1f} MB"


@case(GROUP, "its programs run")
def runs(harness: Harness) -> Observation:
    layer, _ = interpreter(harness)
    words = [
        "python3",
        "-c",
        "import platform, sys; print(platform.machine(), sys.version.split()[0], sys.prefix)",
    ]
    outcome = harness.inside(harness.unzip(layer), words, OTHER)
    machine, version, prefix = outcome.output.split()
    expect("machine and prefix", (machine, prefix), (OTHER.machine, "/opt"))
    expect("errors", outcome.errors, "")
    return f"Python {version} on {machine}"


@case(GROUP, "our emulator invokes hello.handler through it")
def ours(harness: Harness) -> Observation:
    layer, version = interpreter(harness)
    opt = harness.unzip(runtime(harness, version), layer)
    expect("response", harness.invoke(opt, ROOT / "examples", EVENT, kind=OTHER), RESPONSE)
    return json.dumps(RESPONSE)


@case(GROUP, "AWS's emulator invokes hello.handler through it")
def aws(harness: Harness) -> Observation:
    layer, version = interpreter(harness)
    opt = harness.unzip(runtime(harness, version), layer)
    expect("response", harness.invoke_through_aws(opt, ROOT / "examples", EVENT, OTHER), RESPONSE)
    return json.dumps(RESPONSE)


@case(GROUP, "numpy from a layer imports and multiplies")
def numpy(harness: Harness) -> Observation:
    layer, version = interpreter(harness)
    requirements = harness.folder / "requirements.txt"
    requirements.write_text("numpy\n")
    settings = {"PYTHON_VERSION": version, "ARCH": OTHER.name, "REQUIREMENTS": requirements}
    packages = harness.build("other-packages", "dist-deps", settings)
    return multiply(harness, runtime(harness, version), layer, packages, kind=OTHER)


@case(GROUP, "an interpreter for it is refused for this architecture")
def refused(harness: Harness) -> Observation:
    prefix = system.other_tree() / "usr"
    version = next(path.name[6:] for path in sorted((prefix / "bin").glob("python3.*")) if _is_version(path))
    settings = {"PYTHON_VERSION": version, "ARCH": system.OWN.name, "FROM": prefix}
    outcome = harness.make("dist-python", {**settings, "OUTPUT": harness.folder / "refused.zip"})
    if outcome.status == 0:
        raise MissingRequirement("it was not refused")
    line = outcome.errors.splitlines()[0]
    expect("message", f"is for {OTHER.name}, not for {system.OWN.name}" in line, True)
    return line
