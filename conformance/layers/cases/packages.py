"""Packages in a layer."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

from conformance.expectations import expect
from conformance.layers import system
from conformance.layers.cases.failures import requirements, tool, wheel
from conformance.layers.harness import VERSION, Harness, for_this_computer
from conformance.suite import MissingRequirement, Observation, case
from tools.build import pythons

GROUP = "Packages"
FILES = "_frozen_importlib_external"  # the module of the loader for files

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
    programs = [program for kind, version, program in pythons.find_all() if kind == "cpython"]
    own = os.path.realpath(sys.executable)
    others = [program for program in programs if os.path.realpath(program) != own]
    first = built_by(harness, sys.executable, listed)
    for python in [*others[:1], sys.executable]:
        expect(f"the same bytes with {python}", built_by(harness, python, listed) == first, True)
        os.utime(path, (1, 1))
    return f"{len(others[:1]) + 1} interpreters"


@case(GROUP, "nothing in the requirements is built, with uv and with pip")
def nothing_built(harness: Harness) -> Observation:
    folder = harness.new_folder()
    (folder / "mine").mkdir()
    (folder / "mine/setup.py").write_text(f"open({str(folder / 'built')!r}, 'w')\n")
    (folder / "mine/mine.py").write_text("x = 1\n")
    with tarfile.open(folder / "mine-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder / "mine", "mine-1.0")
    listed = folder / "requirements.txt"
    for line in ("./mine", "-e ./mine", "./mine-1.0.tar.gz", f"mine @ {(folder / 'mine').as_uri()}"):
        listed.write_text(f"{line}\n")
        for version in ("3.13", "3.13t"):  # with uv; with pip, as uv cannot choose the ABI
            outcome = harness.run([*tool("dependencies"), listed, "--python", version, "--arch", "x86_64"])
            expect(f"exit status with {line}", outcome.status, 2)
    expect("code that ran", (folder / "built").exists(), False)
    return "refused"


@case(GROUP, "relative paths in the requirements are relative to the folder of the file")
def relative_paths(harness: Harness) -> Observation:
    folder = harness.new_folder()
    (folder / "more").mkdir()
    (folder / "more/other.txt").write_text("-c limits.txt\n./wheels/mine-1.0-py3-none-any.whl\n")
    (folder / "more/limits.txt").write_text("mine == 1.0\n")
    (folder / "wheels").mkdir()
    wheel(folder / "wheels", "py3-none-any")
    listed = folder / "requirements.txt"
    listed.write_text("-r more/other.txt\n")
    with zipfile.ZipFile(BytesIO(built_by(harness, sys.executable, listed))) as layer:
        found = [name for name in layer.namelist() if name.endswith(".py")]
    expect("modules", found, ["python/mine.py"])
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


@case(GROUP, "a package comes from the bundle of its layer, but not if the layer or the function replaces it")
def bundle(harness: Harness) -> Observation:
    folder = harness.new_folder()
    wheel(folder, "py3-none-any")
    app = "import mine\n\ndef handler(*_):\n    return [type(mine.__loader__).__module__, mine.x]\n"
    settings: dict[str, object] = {"TASK_ROOT": harness.task({"app.py": app})}
    settings |= {"BUNDLE": 1, "HANDLER": "app.handler", "REQUIREMENTS": requirements(folder)}
    layer = harness.build("bundled", "dist-deps", {**for_this_computer(), **settings})
    found = []
    for what, its_layer, its_files, expected in (
        ("the same layer", {}, {}, ["lambda_runtime.bundle", 1]),
        ("another layer", {"mine-1.0.dist-info/RECORD": "", "mine.py": "x = 22\n"}, {}, [FILES, 22]),
        ("a layer that replaces only the module", {"mine.py": "x = 22\n"}, {}, [FILES, 22]),
        ("the function's own module", {}, {"mine.py": "x = 333\n"}, [FILES, 333]),
    ):
        opt = harness.unzip(harness.layer(), harness.interpreter(), layer)
        for name, text in its_layer.items():
            (opt / "python" / name).write_text(text)
            shutil.rmtree(opt / "python/__pycache__", ignore_errors=True)
        task = harness.task({"app.py": app, **its_files})
        expect(what, harness.invoke(opt, task, {}, "app.handler"), expected)
        found.append(what)
    return ", ".join(found)
