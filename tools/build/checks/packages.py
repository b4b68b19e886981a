"""Checks that installed packages are for Lambda's Python and machine, and are really there."""

from __future__ import annotations

import json
import posixpath
import re

from tools.build import wheels
from tools.build.checks.finding import ERROR, WARNING, Finding, within
from tools.build.lambda_os import OWN_FOLDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload
    from tools.build.zips import Archive

REINSTALL = "Install for Lambda: `make dist-deps PYTHON_VERSION=… ARCH=…` takes the right wheels."
OWN = tuple(f"{folder}/" for folder in OWN_FOLDERS)


def check(upload: Upload) -> Iterator[Finding]:
    for file in upload.files:
        yield from within(file.archive, _file(upload, file))
    for archive in upload.archives:
        yield from within(archive, _site_packages(upload, archive))


def _file(upload: Upload, file: File) -> Iterator[Finding]:
    if file.name.endswith(".dist-info/WHEEL"):
        yield from _wheel(upload, file)
    elif file.name.endswith(("/direct_url.json", ".egg-link")):
        yield from _origin(file)
    elif file.name.endswith(".pth"):
        yield from _path_file(file)
    elif file.name.startswith("python/bin/"):
        yield from _script(file)
    elif file.name.endswith((".so", ".pyd")):
        yield from _extension(upload, file)


def _wheel(upload: Upload, file: File) -> Iterator[Finding]:
    lines = file.read().decode("utf-8", "replace").splitlines()
    tags = [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]
    problem = wheels.wheel_problem(tags, upload.python, upload.architecture, upload.glibc)
    if problem:
        yield Finding(ERROR, "wheel", file.name, f"says that the wheel {problem}", REINSTALL)


def _extension(upload: Upload, file: File) -> Iterator[Finding]:
    # An ELF file says itself which machine it is for, and that is looked at elsewhere.
    architecture = upload.architecture if file.elf is None else None
    problem = wheels.extension_problem(file.name, upload.python, architecture)
    if problem:
        severity = WARNING if file.name in upload.portable else ERROR
        yield Finding(severity, "extension", file.name, problem, REINSTALL)


def _origin(file: File) -> Iterator[Finding]:
    """An editable install leaves a pointer to where the package is, in place of the package."""
    remedy = "Install the package itself, not an editable link to it (no -e in the requirements)."
    if file.name.endswith(".egg-link"):
        yield Finding(ERROR, "editable", file.name, "points to a folder of the building machine", remedy)
        return
    try:
        origin = json.loads(file.read())
        editable = bool(origin.get("dir_info", {}).get("editable"))
        url = str(origin.get("url", ""))
    except (ValueError, AttributeError):
        return
    if editable:
        yield Finding(ERROR, "editable", file.name, f"points to {url} of the building machine", remedy)
    elif url.startswith("file:"):
        problem = f"names {url}, a path of the machine that built it"
        yield Finding(WARNING, "path", file.name, problem, "Delete the file: Python does not need it.")


def _path_file(file: File) -> Iterator[Finding]:
    content = file.read()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # Python's own start, in which it reads its site-packages, fails; this runtime ignores a layer's file.
        severity = ERROR if file.name.startswith("lib/") else WARNING
        added_by_macos = posixpath.basename(file.name).startswith("._")
        problem = "is not UTF-8, as Python expects of .pth files"
        remedy = "Delete it: macOS has added it." if added_by_macos else "Save it as UTF-8, or delete it."
        yield Finding(severity, "path-file", file.name, problem, remedy)
        return
    for line in text.splitlines():
        if line.startswith("/") and not f"{line}/".startswith(OWN):
            problem = f"adds {line} to sys.path, a folder of the machine that built it"
            remedy = "Install the package itself into the zip, not an editable link to it."
            yield Finding(ERROR, "editable", file.name, problem, remedy)


def _script(file: File) -> Iterator[Finding]:
    first = file.head(1024).partition(b"\n")[0].decode("utf-8", "replace")
    match = re.match(r"#!\s*(/\S+)", first)
    if match and not match.group(1).startswith(("/usr/bin/env", "/bin/sh", *OWN)):
        problem = f"is for {match.group(1)}, an interpreter of the machine that built it"
        yield Finding(
            WARNING, "path", file.name, problem, "Leave out python/bin: nothing on Lambda calls it."
        )


def _site_packages(upload: Upload, archive: Archive) -> Iterator[Finding]:
    """Python looks into the folder of its own version only."""
    if upload.python is None:
        return
    own = f"python{upload.python.number}"
    folders: dict[str, str] = {}
    for name in archive.members:
        match = re.match(r"python/lib/(python3\.\d+)/site-packages/", name)
        if match and match.group(1) != own:
            folders.setdefault(match.group(), name)
    for folder in folders:
        problem = f"is searched by another Python, not by {own}"
        yield Finding(ERROR, "site-packages", folder, problem, "Put the packages into python/ itself.")
