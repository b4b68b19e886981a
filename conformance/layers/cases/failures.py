"""Builds that fail: each prints one message and writes no zip."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from conformance.expectations import Mismatch, expect, expect_in
from conformance.layers import system
from conformance.layers.harness import PREFIX, VERSION, Harness
from conformance.sandbox.machine import ROOT
from conformance.suite import Observation, case

GROUP = "Builds that fail"
NOBODY = "http://127.0.0.1:9"  # where nobody listens


def refusal(
    harness: Harness, words: list[str | Path], environment: Mapping[str, str], expected: str
) -> Observation:
    """Return the first line of a tool's error, which must contain ``expected``. No zip may be written."""
    output = harness.new_folder() / "a.zip"
    outcome = harness.run([*words, "--output", output], environment=environment)
    expect("exit status", outcome.status, 2)
    expect("files", list(output.parent.iterdir()), [])
    expect_in("message", expected, outcome.errors)
    if "Traceback" in outcome.errors or outcome.output:
        raise Mismatch(f"more than a message: {outcome.output}{outcome.errors}")
    told = [line for line in outcome.errors.splitlines() if line.startswith("make ")]
    expect("messages", len(told), 1)
    return told[0]


def tool(name: str, folder: Path = ROOT) -> list[str | Path]:
    return [sys.executable, folder / "tools" / f"{name}.py"]


def wheel(folder: Path, tag: str) -> Path:
    """Create a wheel with one module and a command, for the platform in ``tag``."""
    info = "mine-1.0.dist-info"
    path = folder / f"mine-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mine.py", "x = 1\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nmine = mine:x\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", f"mine.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def sdist(folder: Path) -> None:
    """Create the same package as source, which would have to be built."""
    with tarfile.open(folder / "mine-1.0.tar.gz", "w:gz") as archive:
        for name, text in (
            ("mine-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n"),
            ("mine-1.0/setup.py", "from setuptools import setup\nsetup(name='mine', version='1.0')\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))


def requirements(folder: Path) -> Path:
    path = folder / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {folder}\nmine==1.0\n")
    return path


def tools_without_uv(harness: Harness) -> tuple[Path, dict[str, str]]:
    """Copy the tools to a folder without uv, for an environment in which uv cannot be installed."""
    folder = harness.new_folder()
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join(
        place for place in os.environ.get("PATH", "").split(os.pathsep) if not Path(place, "uv").exists()
    )
    settings = {"PIP_INDEX_URL": f"{NOBODY}/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    return folder, {"PATH": path, "PIP_NO_CACHE_DIR": "1", **settings}


@case(GROUP, "a package that has no wheel for Lambda's platform")
def no_wheel(harness: Harness) -> Observation:
    folder = harness.new_folder()
    wheel(folder, "cp313-cp313-win_amd64")
    words = [*tool("dependencies"), requirements(folder), "--python", "3.13"]
    return refusal(harness, words, {}, "has no wheel that works on Lambda")


@case(GROUP, "a package without any wheel")
def no_wheel_at_all(harness: Harness) -> Observation:
    folder = harness.new_folder()
    sdist(folder)
    words = [*tool("dependencies"), requirements(folder), "--python", "3.13"]
    return refusal(harness, words, {}, "has no wheel that works on Lambda")


@case(GROUP, "packages without a network")
def no_network_for_packages(harness: Harness) -> Observation:
    path = harness.new_folder() / "requirements.txt"
    path.write_text(f"--index-url {NOBODY}/simple\nmine\n")
    words = [*tool("dependencies"), path, "--python", "3.13"]
    return refusal(harness, words, {"UV_HTTP_RETRIES": "0"}, "cannot be reached")


@case(GROUP, "interpreters without a network")
def no_network_for_interpreters(harness: Harness) -> Observation:
    environment = {"UV_PYTHON_INSTALL_MIRROR": NOBODY, "UV_HTTP_RETRIES": "0"}
    return refusal(harness, [*tool("interpreter"), "--python", "3.13"], environment, "cannot be reached")


@case(GROUP, "a version that python-build-standalone does not have")
def no_such_version(harness: Harness) -> Observation:
    return refusal(
        harness, [*tool("interpreter"), "--python", "3.77"], {}, "cannot be downloaded: it is not available"
    )


@case(GROUP, "bytecode for a version that does not exist")
def no_such_compiler(harness: Harness) -> Observation:
    words = [*tool("layer"), "--bytecode", "3.77"]
    return refusal(harness, words, {}, "Python 3.77 is not installed on this machine")


@case(GROUP, "an interpreter if uv cannot be installed")
def no_uv(harness: Harness) -> Observation:
    folder, environment = tools_without_uv(harness)
    words = [*tool("interpreter", folder), "--python", "3.13"]
    return refusal(harness, words, environment, "uv is not on this machine and cannot be installed")


@case(GROUP, "packages without uv and without a network for pip")
def no_uv_and_no_network(harness: Harness) -> Observation:
    folder, environment = tools_without_uv(harness)
    path = folder / "requirements.txt"
    path.write_text("mine\n")
    words = [*tool("dependencies", folder), path, "--python", "3.13"]
    settings = {**environment, "PIP_RETRIES": "1", "PIP_FIND_LINKS": ""}
    return refusal(harness, words, settings, "cannot be reached")


@case(GROUP, "packages without uv: pip installs the same")
def pip_instead(harness: Harness) -> Observation:
    folder, environment = tools_without_uv(harness)
    wheel(folder, "py3-none-any")
    contents = []
    for place, variables in ((folder, environment), (ROOT, None)):
        output = harness.new_folder() / "a.zip"
        words = [*tool("dependencies", place), requirements(folder), "--python", VERSION, "--output", output]
        outcome = harness.run(words, environment=variables)
        expect("exit status", outcome.status, 0)
        with zipfile.ZipFile(output) as archive:
            contents.append({name for name in archive.namelist() if "dist-info" not in name})
    expect("files", contents[0], contents[1])
    return ", ".join(sorted(contents[0]))


@case(GROUP, "a read-only folder")
def read_only(harness: Harness) -> Observation:
    folder = harness.new_folder()
    output = folder / "a.zip"
    inside: list[str | Path] = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", folder, folder]
    outcome = harness.run([*inside, *tool("layer"), "--output", output])
    expect("exit status", outcome.status, 2)
    expect_in("message", "Read-only file system", outcome.errors)
    return outcome.errors.splitlines()[0]


@case(GROUP, "a FROM that is not a Python")
def not_a_python(harness: Harness) -> Observation:
    words = [*tool("interpreter"), "--python", VERSION, "--from", ROOT / "examples"]
    return refusal(harness, words, {}, "is not a Python")


@case(GROUP, "a FROM of another version")
def other_version(harness: Harness) -> Observation:
    other = "3.8" if VERSION != "3.8" else "3.9"
    words = [*tool("interpreter"), "--python", other, "--arch", system.OWN.name, "--from", PREFIX]
    return refusal(harness, words, {}, f"not {other}")


@case(GROUP, "bytecode for another version than the interpreter's")
def other_bytecode(harness: Harness) -> Observation:
    other = "3.8" if VERSION != "3.8" else "3.9"
    folder = harness.new_folder()
    wheel(folder, "py3-none-any")
    words = [*tool("dependencies"), requirements(folder), "--python", other, "--bytecode", sys.executable]
    return refusal(harness, words, {}, f"its bytecode is not for Python {other}")
