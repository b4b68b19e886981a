"""The output of `python -m build`, and its installation by pip."""

from __future__ import annotations

import email
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from lambda_emulator.functions.function import Function

from conformance.expectations import expect, expect_in, value
from conformance.packages.harness import ROOT, Harness
from conformance.suite import MissingRequirement, Observation, case
from tools.build import pythons

BUILD = "python -m build"
INSTALL = "pip install"
HELLO = {"message": "Hello, Ada!"}
TYPED = """\
from lambda_runtime.context import LambdaContext

def handler(event: dict[str, str], context: LambdaContext) -> str | None:
    reveal_type(context.get_remaining_time_in_millis())
    return context.function_version
"""


@case(BUILD, "a wheel, a source distribution, and layers/lambda.zip as `make dist` builds it")
def all_three(harness: Harness) -> Observation:
    names = [harness.wheel.name, harness.sdist.name]
    built = harness.source / "layers" / "lambda.zip"
    content = built.read_bytes()
    built.unlink()
    harness.run(["make", "-C", harness.source, "dist"])
    expect("the same layer", built.read_bytes() == content, True)
    return ", ".join(names)


@case(BUILD, "the wheel has two packages, their py.typed and a command, and needs only Python 3.8")
def what_is_in_the_wheel(harness: Harness) -> Observation:
    with zipfile.ZipFile(harness.wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(
            archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        )
    tops = {name.split("/")[0] for name in names}
    packages = {"lambda_emulator": ROOT / "emulator", "lambda_runtime": ROOT / "runtime"}
    expect("what is installed", {top for top in tops if not top.endswith(".dist-info")}, set(packages))
    modules = set()
    for name, folder in packages.items():
        expect(f"{name}/py.typed", f"{name}/py.typed" in names, True)
        modules |= {str(path.relative_to(folder)) for path in folder.glob(f"{name}/**/*.py")}
    expect("the page", "lambda_emulator/servers/page.html" in names, True)
    installed = {name for name in names if name.endswith(".py")}
    expect("the modules", installed, modules)
    expect("Requires-Python", metadata["Requires-Python"], ">=3.8")
    expect("Requires-Dist", metadata.get_all("Requires-Dist"), None)
    expect("License-Expression", metadata["License-Expression"], "Apache-2.0")
    return f"{len(modules)} modules, version {metadata['Version']}"


@case(BUILD, "again, the same bytes")
def reproducible(harness: Harness) -> Observation:
    copy = harness.folder / "elsewhere"
    shutil.copytree(harness.source, copy, ignore=shutil.ignore_patterns("layers"))
    harness.build(copy, harness.folder / "again")
    for first in (harness.wheel, harness.sdist):
        second = harness.folder / "again" / first.name
        expect(f"the same {first.name}", second.read_bytes() == first.read_bytes(), True)
    return f"sha256 {hashlib.sha256(harness.wheel.read_bytes()).hexdigest()[:16]}…"


@case(BUILD, "the source distribution runs, and builds the same wheel")
def source_distribution(harness: Harness) -> Observation:
    folder = harness.folder / "unpacked"
    with tarfile.open(harness.sdist) as archive:
        archive.extractall(folder)
    (source,) = folder.iterdir()
    response = harness.run(
        ["make", "-s", "-C", source, "run", f"PYTHON={sys.executable}", 'EVENT={"name": "Ada"}']
    )
    expect("its response", json.loads(response.splitlines()[-1]), HELLO)
    harness.build(source, harness.folder / "from-sdist", "--wheel")
    wheel = harness.folder / "from-sdist" / harness.wheel.name
    expect("the same wheel", wheel.read_bytes() == harness.wheel.read_bytes(), True)
    return response.splitlines()[-1]


@case(INSTALL, "python3 -m lambda_runtime responds in an environment without other packages")
def installed(harness: Harness) -> Observation:
    python = environment(harness)
    with Function(
        "hello.handler",
        ROOT / "examples",
        command=[python, "-m", "lambda_runtime", "hello.handler"],
        environment={"_HANDLER": None},
        timeout_s=10,
    ) as function:
        expect("its response", value(function.invoke(b'{"name": "Ada"}')), HELLO)
    listing = harness.run([python, "-m", "pip", "list", "--format", "json"])
    packages = {one["name"] for one in json.loads(listing)} - {"pip", "setuptools", "wheel"}
    expect("what is installed", packages, {"custom-lambda-runtime-python"})
    return ", ".join(packages)


@case(INSTALL, "the command lambda-emulator invokes a function, from any folder")
def command(harness: Harness) -> Observation:
    program = Path(environment(harness)).with_name("lambda-emulator")
    words: list[str | Path] = [program, "run", "--handler", "hello.handler", "--task-root", "examples"]
    output = harness.run([*words, "--event", '{"name": "Ada"}'], folder=harness.source)
    expect("its response", json.loads(output.splitlines()[-1]), HELLO)
    explained = subprocess.run([program, "run"], capture_output=True, text=True)
    expect("exit status without a handler", explained.returncode, 2)
    expect_in("what it says then", "--handler FILE.FUNCTION", explained.stderr)
    return output.splitlines()[-1]


@case(INSTALL, "pip install . does not change the source folder")
def source_is_left_alone(harness: Harness) -> Observation:
    source = harness.folder / "untouched"
    shutil.copytree(harness.source, source, ignore=shutil.ignore_patterns("layers"))
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    target = harness.folder / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    harness.run([*pip, "--target", str(target), str(source)])
    after = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    expect("changed files", sorted(map(str, set(before.items()) ^ set(after.items()))), [])
    expect("it is installed", (target / "lambda_runtime" / "main.py").exists(), True)
    return f"{len(before)} files"


@case(INSTALL, "the user's own snapshot_restore_py is not replaced")
def no_collision(harness: Harness) -> Observation:
    python = environment(harness)
    command = "import importlib.util; print(importlib.util.find_spec('snapshot_restore_py'))"
    expect("ours", harness.run([python, "-c", command]).strip(), "None")
    return "we install none"


@case(INSTALL, "mypy --strict knows the types of the context")
def typed(harness: Harness) -> Observation:
    mypy = ROOT / ".environments" / "tools" / "bin" / "mypy"
    if not mypy.exists():
        raise MissingRequirement("mypy is not installed; `make lint` installs it")
    source = harness.folder / "typed.py"
    source.write_text(TYPED)
    told = harness.run([mypy, "--strict", "--python-executable", environment(harness), source])
    expect_in("what mypy says", 'Revealed type is "', told)
    expect_in("what mypy says", "int", told.split("Revealed type is")[1])
    expect_in("what mypy says", "Success: no issues found", told)
    return told.splitlines()[0].partition("note: ")[2]


def environment(harness: Harness) -> str:
    """Return the interpreter of an environment in which pip has installed the wheel."""
    folder = harness.folder / "environment"
    python = folder / "bin" / "python"
    if not python.exists():
        harness.run([sys.executable, "-m", "venv", folder])
        harness.run([python, "-m", "pip", "install", "--quiet", "--no-index", harness.wheel])
    return str(python)


@case(INSTALL, "every Python on this machine, from 3.8 on, responds with the same wheel")
def every_python(harness: Harness) -> Observation:
    versions = []
    for kind, version, python in pythons.find_all():
        target = harness.folder / "target"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
        if not target.exists():
            harness.run([*pip, target, harness.wheel])
        with Function(
            "hello.handler",
            ROOT / "examples",
            command=[interpreter_of(python), "-m", "lambda_runtime"],
            environment={"PYTHONPATH": os.fspath(target)},
            timeout_s=10,
        ) as function:
            expect(f"the response of {kind} {version}", value(function.invoke(b'{"name": "Ada"}')), HELLO)
        versions.append(version if kind == "cpython" else f"{kind} {version}")
    return ", ".join(versions)


def interpreter_of(program: str) -> str:
    """Return the real interpreter if ``program`` is a version manager's shim, which needs more variables."""
    command = [program, "-c", "import sys; print(sys.executable)"]
    return subprocess.check_output(command, text=True).strip()
