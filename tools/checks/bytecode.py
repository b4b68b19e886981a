"""Checks that Python will use the bytecode in the zips, and need not compile at each cold start."""

from __future__ import annotations

import re

from tools import pyc
from tools.checks.finding import ERROR, WARNING, Finding
from tools.lambda_os import OWN_FOLDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.checks.upload import File, Upload

RECOMPILE = "Compile anew, with the Python that Lambda will run: `make dist PYTHON_VERSION=3.13`."
MODES = "python3 -m compileall -f --invalidation-mode unchecked-hash; the tools of this project do so."


def check(upload: Upload) -> Iterator[Finding]:
    sources = {(file.archive.path, file.name): file for file in upload.files if file.name.endswith(".py")}
    compiled: dict[tuple[object, str], set[str]] = {}  # source: the versions of Python with bytecode for it
    for file in upload.files:
        if not file.name.endswith(".pyc"):
            continue
        source_name = pyc.source_name(file.name)
        header = pyc.parse(file.head(pyc.HEADER))
        if header is None:
            yield Finding(ERROR, "magic", file.name, "is no bytecode of Python 3", RECOMPILE)
            continue
        yield from _magic(upload, file, header)
        yield from _mode(file, header)
        if source_name:
            source = sources.get((file.archive.path, source_name))
            if source is not None:
                yield from _source(file, header, source)
            if ".opt-" not in file.name:
                found = compiled.setdefault((file.archive.path, source_name), set())
                found.add(pyc.tag_version(pyc.tag(file.name)) or pyc.tag(file.name))
    yield from _coverage(upload, set(sources), compiled)


def _magic(upload: Upload, file: File, header: pyc.Pyc) -> Iterator[Finding]:
    tag = pyc.tag(file.name)
    # Bytecode beside no source has no tag: it is imported as it is, or not at all.
    version = pyc.tag_version(tag) if tag else upload.python.number if upload.python is not None else ""
    expected = pyc.MAGICS.get(version)
    if expected is not None and header.magic != expected:
        problem = f"holds bytecode of {pyc.version_of(header.magic)}, not of Python {version}"
        yield Finding(ERROR, "magic", file.name, problem, RECOMPILE)


def _mode(file: File, header: pyc.Pyc) -> Iterator[Finding]:
    if header.mode == pyc.TIMESTAMP and pyc.source_name(file.name):
        problem = "counts only if its source keeps its time, which unzipping need not preserve"
        yield Finding(WARNING, "bytecode-mode", file.name, problem, f"Compile it unchecked: {MODES}")
    elif header.mode == pyc.CHECKED:
        problem = "makes Python read and hash its source at each import"
        yield Finding(WARNING, "bytecode-mode", file.name, problem, f"Compile it unchecked: {MODES}")
    elif not header.mode:
        yield Finding(ERROR, "bytecode-mode", file.name, "has flags that no Python writes", RECOMPILE)


def _source(file: File, header: pyc.Pyc, source: File) -> Iterator[Finding]:
    if header.mode == pyc.UNCHECKED and pyc.is_stale(header, source.read()):
        problem = f"was not compiled from {source.name} as it is here, and would be run in its place"
        yield Finding(ERROR, "stale", file.name, problem, "Compile anew: compileall -f.")
    path = pyc.code_filename(file.read(), source.name)
    own = tuple(f"{folder}/" for folder in OWN_FOLDERS)
    if re.match(r"/|[A-Za-z]:", path) and not path.startswith(own):
        problem = f"calls its source {path}, a path of the machine that built it"
        remedy = "Compile it with the folder on Lambda: compileall -d /opt/…"
        yield Finding(WARNING, "path", file.name, problem, remedy)


def _coverage(
    upload: Upload, sources: set[tuple[object, str]], compiled: dict[tuple[object, str], set[str]]
) -> Iterator[Finding]:
    """Bytecode for other Pythons only is as good as none, and worse, because somebody counted on it."""
    for archive in upload.archives:
        own = sorted(name for path, name in sources if path == archive.path)
        with_bytecode = [name for name in own if (archive.path, name) in compiled]
        if own and not with_bytecode:
            count = f"{len(own)} modules" if len(own) > 1 else "a module"
            problem = f"has {count} without bytecode: each cold start compiles what it imports"
            yield Finding(WARNING, "no-bytecode", archive.path.name, problem, RECOMPILE)
        if upload.python is None:
            continue
        number = upload.python.number
        lacking = [name for name in with_bytecode if number not in compiled[archive.path, name]]
        if lacking:
            others = ", ".join(sorted(compiled[archive.path, lacking[0]]))
            have = "has" if len(lacking) == 1 else f"and {len(lacking) - 1} more modules have"
            problem = f"{have} bytecode for {others}, not for Python {number}"
            yield Finding(ERROR, "magic", lacking[0], problem, RECOMPILE)
