"""Packages in a layer."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from io import BytesIO
from pathlib import Path

from conformance.expectations import expect
from conformance.layers import system
from conformance.layers.cases.failures import requirements, tool, wheel
from conformance.layers.harness import VERSION, Harness, for_this_computer
from conformance.suite import MissingRequirement, Observation, case
from tools.test_all import find_interpreters

GROUP = "Packages"

MULTIPLY = """\
import numpy

def handler(event, context):
    matrix = numpy.array(event)
    return {"product": (matrix @ matrix).tolist(), "file": numpy.__file__, "version": numpy.__version__}
"""


def multiply(harness: Harness, *archives: object, kind: system.Kind = system.OWN) -> Observation:
    """Invoke a function that multiplies matrices with the numpy in the zips."""
    opt = harness.unzip(*archives)  # type: ignore[arg-type]
    task = harness.task({"multiply.py": MULTIPLY})
    found = harness.invoke(opt, task, [[1, 2], [3, 4]], "multiply.handler", kind)
    assert isinstance(found, dict)
    expect("product", found["product"], [[7, 10], [15, 22]])
    expect("where it is from", found["file"], "/opt/python/numpy/__init__.py")
    return f"numpy {found['version']}"


@case(GROUP, "numpy from a layer imports and multiplies")
def numpy(harness: Harness) -> Observation:
    return multiply(harness, harness.layer(), harness.interpreter(), harness.packages())


@case(GROUP, "numpy for the other architecture is refused by make verify-layer")
def other_architecture(harness: Harness) -> Observation:
    settings = {"ARCH": system.OTHER.name, "ZIP": harness.packages()}
    outcome = harness.make("verify-layer", {**for_this_computer(), **settings})
    expect("exit status", outcome.status, 2)  # make's status if a tool exits with 1
    lines = [line for line in outcome.output.splitlines() if line.startswith("error")]
    return f"{len(lines)} lines, the first: {json.dumps(lines[0])}"


def built_by(harness: Harness, python: str, listed: Path) -> bytes:
    """Build a layer for this interpreter's version, with tools that run on ``python``."""
    output = harness.new_folder() / "a.zip"
    words = [python, *tool("dependencies")[1:], listed, "--python", VERSION, "--output", output]
    outcome = harness.run([*words, "--bytecode", sys.executable])
    expect(f"exit status with {python}", outcome.status, 0)
    return output.read_bytes()


@case(GROUP, "the bytes are the same with any Python, and after the wheel's time has changed")
def reproducible(harness: Harness) -> Observation:
    folder = harness.new_folder()
    path = wheel(folder, "py3-none-any")
    listed = folder / "requirements.txt"
    listed.write_text(f"mine @ {path.as_uri()}\n")
    pythons = [program for kind, version, program in find_interpreters() if kind == "cpython"]
    own = os.path.realpath(sys.executable)
    others = [program for program in pythons if os.path.realpath(program) != own]
    first = built_by(harness, sys.executable, listed)
    for python in [*others[:1], sys.executable]:
        expect(f"the same bytes with {python}", built_by(harness, python, listed) == first, True)
        os.utime(path, (1, 1))
    return f"{len(others[:1]) + 1} interpreters"


# Builds a wheel of the module beside it, with the standard library only (PEP 517).
BACKEND = """\
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, info = "shared-1.0-py3-none-any.whl", "shared-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("shared.py")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: shared\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\\n" for file in wheel.namelist()))
    return name

build_editable = build_wheel
"""
PROJECT = """\
[project]
name = "shared"
version = "1.0"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@case(GROUP, "relative paths in the requirements are relative to the folder of the file")
def relative_paths(harness: Harness) -> Observation:
    folder = harness.new_folder()
    for name, text in {
        "shared/pyproject.toml": PROJECT,
        "shared/backend.py": BACKEND,
        "shared/shared.py": "x = 1\n",
        "more/other.txt": "-c limits.txt\n./wheels/mine-1.0-py3-none-any.whl\n",
        "more/limits.txt": "mine == 1.0\n",
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "wheels").mkdir()
    wheel(folder / "wheels", "py3-none-any")
    listed = folder / "requirements.txt"
    for own in ("./shared", "-e ./shared"):
        listed.write_text(f"{own}\n-r more/other.txt\n")
        with zipfile.ZipFile(BytesIO(built_by(harness, sys.executable, listed))) as layer:
            found = [name for name in layer.namelist() if name.endswith(".py")]
        expect(f"modules with {own}", found, ["python/mine.py", "python/shared.py"])
    return ", ".join(found)


@case(GROUP, "an interpreter other than CPython also builds for CPython")
def by_another_implementation(harness: Harness) -> Observation:
    pypy = shutil.which("pypy3")
    if pypy is None:
        raise MissingRequirement("pypy3 is not installed")
    folder = harness.new_folder()
    tag = f"cp{VERSION.replace('.', '')}"
    wheel(folder, f"{tag}-{tag}-manylinux2014_{system.OWN.machine}")
    built_by(harness, pypy, requirements(folder))
    return pypy
