"""Builds from this machine's interpreter and packages."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tarfile
import zipfile
from pathlib import Path

from conformance.expectations import Mismatch, expect, expect_in
from conformance.layers import system
from conformance.layers.harness import (
    PREFIX,
    VERSION,
    Harness,
    for_this_computer,
    own_glibc,
)
from conformance.suite import MissingRequirement, Observation, case

GROUP = "Builds"
LEFT_OUT = re.compile(r"/(test|site-packages|idlelib|tkinter|config-[^/]*|__pycache__)$")


@case(GROUP, "make dist, twice: equal hashes")
def runtime(harness: Harness) -> Observation:
    return same(harness.layer(), harness.layer("lambda-2"))


@case(GROUP, "make dist-python, twice: equal hashes")
def interpreter(harness: Harness) -> Observation:
    return same(harness.interpreter(), harness.interpreter("interpreter-2"))


@case(GROUP, "make dist-deps, twice: equal hashes")
def packages(harness: Harness) -> Observation:
    return same(harness.packages(), harness.packages("packages-2"))


@case(GROUP, "make dist-function, twice: equal hashes")
def function(harness: Harness) -> Observation:
    return same(harness.function(), harness.function("function-2"))


@case(GROUP, "make verify-layer accepts all four together")
def verified(harness: Harness) -> Observation:
    zips = [harness.layer(), harness.interpreter(), harness.packages(), harness.function()]
    outcome = harness.make("verify-layer", {**for_this_computer(), "ZIP": " ".join(map(str, zips))})
    expect("exit status", outcome.status, 0)
    together = next(line for line in outcome.output.splitlines() if line.startswith("together"))
    return f"{outcome.output.splitlines()[-1]}; {' '.join(together.split())}"


@case(GROUP, "an interpreter for a newer glibc than Lambda's is refused, naming the symbol")
def too_new(harness: Harness) -> Observation:
    output = harness.folder / "refused.zip"
    settings = {"FROM": PREFIX, "LIBRARIES": system.library_folder(), "GLIBC": "2.34", "OUTPUT": output}
    outcome = harness.make("dist-python", {**for_this_computer(), **settings})
    if outcome.status == 0:
        raise MissingRequirement(f"this Python needs no glibc above 2.34, though {own_glibc()} is installed")
    expect("a zip is left", output.exists(), False)
    found = re.search(r"needs (GLIBC_\S+ of \S+ \([^)]+\))", outcome.errors)
    if found is None:
        raise Mismatch(f"no symbol is named: {outcome.errors}")
    return found.group(1)


@case(GROUP, "an interpreter whose libraries Lambda lacks is refused, naming each library")
def missing_libraries(harness: Harness) -> Observation:
    output = harness.folder / "refused.zip"
    outcome = harness.make("dist-python", {**for_this_computer(), "FROM": PREFIX, "OUTPUT": output})
    if outcome.status == 0:
        raise MissingRequirement("this Python includes all its libraries")
    expect("a zip is left", output.exists(), False)
    names = sorted(set(re.findall(r"needs (\S+), which neither", outcome.errors)))
    expect_in("remedy", "LIBRARIES=", outcome.errors)
    return ", ".join(names)


@case(GROUP, "an archive, fetched by uv as from python-build-standalone, gives the same layer")
def fetched(harness: Harness) -> Observation:
    """Configure uv to use an archive on this machine instead of python-build-standalone."""
    environment = {"UV_PYTHON_DOWNLOADS_JSON_URL": str(offer(harness, sha256=None))}
    output = harness.folder / "fetched.zip"
    settings = {**for_this_computer(), "LIBRARIES": system.library_folder(), "OUTPUT": output}
    outcome = harness.make("dist-python", settings, environment)
    if outcome.status != 0:
        raise Mismatch(f"make dist-python: {outcome.errors.strip()}")
    one, two = content(output), content(harness.interpreter())
    expect("files", sorted(one), sorted(two))
    different = [name for name in one if one[name] != two[name]]
    # uv rewrites the variables of sysconfig.
    expect("different", [name for name in different if "_sysconfigdata_" not in name], [])
    return f"{len(one) - len(different)} files are equal, {len(different)} of sysconfig are uv's"


@case(GROUP, "an archive that is not what uv expects is refused")
def tampered(harness: Harness) -> Observation:
    environment = {"UV_PYTHON_DOWNLOADS_JSON_URL": str(offer(harness, sha256="0" * 64))}
    output = harness.folder / "tampered.zip"
    outcome = harness.make("dist-python", {**for_this_computer(), "OUTPUT": output}, environment)
    expect("exit status", outcome.status, 2)
    expect("a zip is left", output.exists(), False)
    expect_in("message", "mismatch", outcome.errors)
    return next(line.strip() for line in outcome.errors.splitlines() if "mismatch" in line)


def content(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def same(one: Path, two: Path) -> Observation:
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, two))
    expect("SHA-256", second, first)
    return f"{one.stat().st_size / 1024 / 1024:.1f} MB, {first[:16]}…"


def offer(harness: Harness, sha256: str | None) -> Path:
    """Write a list of downloads for uv that contains an archive of this interpreter."""
    version = platform.python_version()
    name = f"cpython-{version}-linux-{system.OWN.machine}-gnu"
    archive = harness.folder / f"{name}-install_only_stripped.tar.gz"
    if not archive.exists():
        with tarfile.open(archive, "w:gz", compresslevel=1) as file:
            for place in (f"bin/python{VERSION}", "lib"):
                file.add(PREFIX / place, f"python/{place}", filter=without_what_is_trimmed)
    digest = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
    entry = {
        "name": "cpython",
        "arch": {"family": system.OWN.machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        **dict(zip(("major", "minor", "patch"), map(int, version.split(".")))),
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": digest,
        "variant": None,
        "build": "20260101",
    }
    downloads = harness.new_folder() / "downloads.json"
    downloads.write_text(json.dumps({name: entry}))
    return downloads


def without_what_is_trimmed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out large files, and other versions of Python in the same prefix."""
    if LEFT_OUT.search(member.name) or member.name.endswith((".a", ".pyc")):
        return None
    match = re.match(r"python/lib/([^/]+)", member.name)
    if match and not re.match(rf"python{re.escape(VERSION)}$|lib(python)?[^/]*\.so", match.group(1)):
        return None
    return member
