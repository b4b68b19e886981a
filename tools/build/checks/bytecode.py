"""Check that Python will use the bytecode in the zips instead of compiling at each cold start."""

from __future__ import annotations

import re
from functools import lru_cache

from tools.build import pyc
from tools.build.checks.finding import ERROR, WARNING, Finding, within
from tools.build.lambda_os import OWN_FOLDERS
from tools.build.zips import EPOCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload
    from tools.build.zips import Archive

MODES = "python3 -m compileall -f --invalidation-mode unchecked-hash, as this project's tools do."
# This project's targets that compile, with files that identify their zips; the last one matches all others.
TARGETS = (
    ("dist", re.compile(r"runtime/lambda_runtime/")),
    ("dist-python", re.compile(r"bin/python3|lib/python3")),
    ("dist-deps", re.compile(r"python/")),
    ("dist-function", re.compile(r"")),
)
NO_BYTECODE, OTHER_BYTECODE = "no-bytecode", "other-bytecode"  # kinds of findings
ANY_VERSION = "3.13"  # for an example


def check(upload: Upload) -> Iterator[Finding]:
    sources = {(file.archive.path, file.name): file for file in upload.files if file.name.endswith(".py")}
    compiled: dict[
        tuple[object, str], set[str]
    ] = {}  # source → the versions of Python that have bytecode for it
    for file in upload.files:
        if file.name.endswith(".pyc"):
            place = file.archive.path, pyc.source_name(file.name)
            yield from within(file.archive, _bytecode(upload, file, sources.get(place)))
            if place[1] and ".opt-" not in file.name and pyc.parse(file.head(pyc.HEADER)) is not None:
                found = compiled.setdefault(place, set())
                found.add(pyc.tag_version(pyc.tag(file.name)) or pyc.tag(file.name))
    for archive in upload.archives:
        own = sorted(name for path, name in sources if path == archive.path)
        pythons = {name: compiled.get((archive.path, name), set()) for name in own}
        yield from within(archive, _coverage(upload, archive, pythons))


@lru_cache(maxsize=8)  # it looks at all names of the zip
def _recompile(upload: Upload, archive: Archive) -> str:
    """Return the remedy: the target of this project that built the zip, or a general one."""
    version = upload.python.number if upload.python is not None else ANY_VERSION
    remedy = "Compile again with the Python that Lambda will run:"
    # This project's zips have the same time in each entry, which other tools are unlikely to write.
    if any(member.entry.date_time != EPOCH for member in archive.members.values()):
        return f"{remedy} use the tool that built the zip, or `python{version} -m compileall`."
    return f"{remedy} `make {make_target(archive)} PYTHON_VERSION={version}`."


def make_target(archive: Archive) -> str:
    """Return the target of this project's Makefile that builds such a zip."""
    return next(name for name, mark in TARGETS if any(mark.match(one) for one in archive.members))


def _bytecode(upload: Upload, file: File, source: File | None) -> Iterator[Finding]:
    header = pyc.parse(file.head(pyc.HEADER))
    if header is None:
        recompile = _recompile(upload, file.archive)
        yield Finding(ERROR, "magic", file.name, "is not bytecode of Python 3", recompile)
        return
    yield from _magic(upload, file, header)
    yield from _mode(upload, file, header)
    if source is not None:
        yield from _source(file, header, source)


def _magic(upload: Upload, file: File, header: pyc.Pyc) -> Iterator[Finding]:
    tag = pyc.tag(file.name)
    # Bytecode without source has no tag.
    version = pyc.tag_version(tag) if tag else upload.python.number if upload.python is not None else ""
    expected = pyc.MAGICS.get(version)
    if expected is not None and header.magic != expected:
        problem = f"contains bytecode of {pyc.version_of(header.magic)}, not of Python {version}"
        yield Finding(ERROR, "magic", file.name, problem, _recompile(upload, file.archive))


def _mode(upload: Upload, file: File, header: pyc.Pyc) -> Iterator[Finding]:
    if header.mode == pyc.TIMESTAMP and pyc.source_name(file.name):
        problem = "is valid only if its source keeps its modification time, which unzipping may change"
        yield Finding(WARNING, "bytecode-mode", file.name, problem, f"Compile it unchecked: {MODES}")
    elif header.mode == pyc.CHECKED:
        problem = "makes Python read and hash its source at each import"
        yield Finding(WARNING, "bytecode-mode", file.name, problem, f"Compile it unchecked: {MODES}")
    elif not header.mode:
        recompile = _recompile(upload, file.archive)
        yield Finding(ERROR, "bytecode-mode", file.name, "has flags that no Python writes", recompile)


def _source(file: File, header: pyc.Pyc, source: File) -> Iterator[Finding]:
    if header.mode == pyc.UNCHECKED and pyc.is_stale(header, source.read()):
        problem = f"was compiled from another version of {source.name}, and would run instead of it"
        yield Finding(ERROR, "stale", file.name, problem, "Compile again: compileall -f.")
    path = pyc.code_filename(file.read(), source.name)
    own = tuple(f"{folder}/" for folder in OWN_FOLDERS)
    if re.match(r"/|[A-Za-z]:", path) and not path.startswith(own):
        problem = f"contains its source's path on the build machine, {path}"
        remedy = "Compile it with its folder on Lambda: compileall -d /opt/…"
        yield Finding(WARNING, "path", file.name, problem, remedy)


def _coverage(upload: Upload, archive: Archive, pythons: dict[str, set[str]]) -> Iterator[Finding]:
    """Report missing bytecode, and bytecode for other Pythons only.

    ``pythons``: a zip's modules → the versions of Python that have bytecode for it.
    """
    compiled = [name for name, versions in pythons.items() if versions]
    if pythons and not compiled:
        count = f"{len(pythons)} modules" if len(pythons) > 1 else "a module"
        problem = f"has {count} without bytecode: each cold start compiles what it imports"
        yield Finding(WARNING, NO_BYTECODE, archive.path.name, problem, _recompile(upload, archive))
    if upload.python is None:
        return
    number = upload.python.number
    lacking = [name for name in compiled if number not in pythons[name]]
    if lacking:
        others = ", ".join(sorted(pythons[lacking[0]]))
        have = "has" if len(lacking) == 1 else f"and {len(lacking) - 1} more modules have"
        problem = f"{have} bytecode for {others}, not for Python {number}: each cold start compiles"
        yield Finding(WARNING, OTHER_BYTECODE, lacking[0], problem, _recompile(upload, archive))
