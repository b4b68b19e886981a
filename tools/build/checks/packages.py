"""Check that installed packages are complete, and match Lambda's Python and machine."""

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

REINSTALL = "Install it for Lambda: `make dist-deps PYTHON_VERSION=… ARCH=…` selects the right wheels."
OWN = tuple(f"{folder}/" for folder in OWN_FOLDERS)


def check(upload: Upload) -> Iterator[Finding]:
    for file in upload.files:
        yield from within(file.archive, _file(upload, file))
    for archive in upload.archives:
        yield from within(archive, _site_packages(upload, archive))


def _file(upload: Upload, file: File) -> Iterator[Finding]:
    if file.name.endswith(".dist-info/WHEEL"):
        yield from _wheel(upload, file)
    elif file.name.endswith(("/direct_url.json", ".egg-link")) or _is_editable(file):
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
        yield Finding(ERROR, "wheel", file.name, f"shows that the wheel {problem}", REINSTALL)


def _extension(upload: Upload, file: File) -> Iterator[Finding]:
    # For ELF files, `binaries` checks the machine.
    architecture = upload.architecture if file.elf is None else None
    problem = wheels.extension_problem(file.name, upload.python, architecture)
    if problem:
        severity = WARNING if file.name in upload.portable else ERROR
        yield Finding(severity, "extension", file.name, problem, REINSTALL)


def _is_editable(file: File) -> bool:
    """Return whether the file belongs to an editable install: setuptools and hatchling name them so."""
    return posixpath.basename(file.name).startswith(("__editable__", "_editable_impl_"))


def _origin(file: File) -> Iterator[Finding]:
    """Find editable installs, which leave a pointer to the package instead of the package."""
    remedy = "Install the package itself, not an editable link to it (no -e in the requirements)."
    if file.name.endswith(".egg-link") or _is_editable(file):
        yield Finding(ERROR, "editable", file.name, "points to a folder of the build machine", remedy)
        return
    try:
        origin = json.loads(file.read())
        editable = bool(origin.get("dir_info", {}).get("editable"))
        url = str(origin.get("url", ""))
    except (ValueError, AttributeError):
        return
    if editable:
        yield Finding(ERROR, "editable", file.name, f"points to {url} of the build machine", remedy)
    elif url.startswith("file:"):
        problem = f"contains {url}, a path of the build machine"
        yield Finding(WARNING, "path", file.name, problem, "Delete the file: Python does not need it.")


def _path_file(file: File) -> Iterator[Finding]:
    content = file.read()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # In the interpreter's own site-packages it breaks Python's start; the runtime ignores a layer's file.
        severity = ERROR if file.name.startswith("lib/") else WARNING
        added_by_macos = posixpath.basename(file.name).startswith("._")
        problem = "is not UTF-8, which Python expects in .pth files"
        remedy = "Delete it: macOS added it." if added_by_macos else "Save it as UTF-8, or delete it."
        yield Finding(severity, "path-file", file.name, problem, remedy)
        return
    for line in text.splitlines():
        if line.startswith("/") and not f"{line}/".startswith(OWN):
            problem = f"adds {line} to sys.path, a folder of the build machine"
            remedy = "Install the package itself into the zip, not an editable link to it."
            yield Finding(ERROR, "editable", file.name, problem, remedy)


def _script(file: File) -> Iterator[Finding]:
    first = file.head(1024).partition(b"\n")[0].decode("utf-8", "replace")
    match = re.match(r"#!\s*(/\S+)", first)
    if match and not match.group(1).startswith(("/usr/bin/env", "/bin/sh", *OWN)):
        problem = f"needs {match.group(1)}, an interpreter of the build machine"
        yield Finding(WARNING, "path", file.name, problem, "Leave out python/bin: nothing on Lambda uses it.")


def _site_packages(upload: Upload, archive: Archive) -> Iterator[Finding]:
    """Check the versions of site-packages folders: Python searches only its own version's folder."""
    if upload.python is None:
        return
    own = f"python{upload.python.number}"
    folders: dict[str, str] = {}
    for name in archive.members:
        match = re.match(r"python/lib/(python3\.\d+)/site-packages/", name)
        if match and match.group(1) != own:
            folders.setdefault(match.group(), name)
    for folder in folders:
        problem = f"is for another Python version and not searched by {own}"
        yield Finding(ERROR, "site-packages", folder, problem, "Move the packages to python/ itself.")
