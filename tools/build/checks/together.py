"""Check that the zips of one function are compatible with one another."""

from __future__ import annotations

import re
from itertools import combinations

from tools.build import pyc
from tools.build.checks.finding import ERROR, WARNING, Finding
from tools.build.checks.upload import INTERPRETER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload
    from tools.build.zips import Archive

EXTENSION = re.compile(r"\.cpython-3(\d+t?)-\w[\w-]*\.so$")
SITE_PACKAGES = re.compile(r"python/lib/python(3\.\d+t?)/site-packages/")
LAYER_FOLDERS = ("python/", "bin/", "extensions/", "runtime/")


class Claim:
    """The Python versions that one kind of file in a zip supports."""

    def __init__(self, archive: Archive, noun: str) -> None:
        self.archive = archive
        self.noun = noun
        self.versions: dict[str, str] = {}  # 3.13 or 3.13t → the first file for it

    def fits(self, other: Claim) -> bool:
        if "bytecode" in (self.noun, other.noun):  # free-threaded builds use the same
            return not _numbers(self).isdisjoint(_numbers(other))
        return not set(self.versions).isdisjoint(other.versions)

    def __str__(self) -> str:
        versions = " and ".join(sorted(self.versions))
        file = next(iter(self.versions.values()))
        return f"has {self.noun} of Python {versions} ({file})"


def check(upload: Upload) -> Iterator[Finding]:
    yield from _versions(upload)
    for one, other in combinations(upload.archives, 2):
        yield from _overwritten(one, other)


def _versions(upload: Upload) -> Iterator[Finding]:
    """Report two zips that have no Python version in common, once."""
    claims = _claims(upload)
    for one, other in combinations(upload.archives, 2):
        pairs = ((first, second) for first in claims for second in claims)
        ours = (pair for pair in pairs if pair[0].archive is one and pair[1].archive is other)
        for first, second in ours:
            if not first.fits(second):
                problem = f"{first}, but {other.path} {second}"
                remedy = "Build both for the Python that Lambda will run."
                # Without the right bytecode, cold starts are slower. The rest cannot be loaded.
                severity = WARNING if "bytecode" in (first.noun, second.noun) else ERROR
                yield Finding(severity, "versions", str(one.path), problem, remedy)
                break


def _claims(upload: Upload) -> list[Claim]:
    claims: dict[tuple[int, str], Claim] = {}
    for file in upload.files:
        noun, version = _claim(file)
        if version and file.name not in upload.portable:
            claim = claims.setdefault((id(file.archive), noun), Claim(file.archive, noun))
            claim.versions.setdefault(version, file.name)
    return list(claims.values())


def _claim(file: File) -> tuple[str, str]:
    """Return the kind and the Python version of a file; ("", "") if it is for any version."""
    name = file.name
    interpreter = INTERPRETER.match(name)
    if interpreter:
        return "the interpreter", interpreter.group(1)[len("python") :]
    extension = EXTENSION.search(name)
    if extension:
        return "an extension module", f"3.{extension.group(1)}"
    if name.endswith(".pyc"):
        return "bytecode", _bytecode_version(file)
    folder = SITE_PACKAGES.match(name)
    return ("packages", folder.group(1)) if folder else ("", "")


def _bytecode_version(file: File) -> str:
    header = pyc.parse(file.head(pyc.HEADER))
    known = {magic: version for version, magic in pyc.MAGICS.items()}
    return known.get(header.magic, "") if header is not None else ""


def _numbers(claim: Claim) -> set[str]:
    return {version.rstrip("t") for version in claim.versions}


def _overwritten(one: Archive, other: Archive) -> Iterator[Finding]:
    """Report files that are in two layers: all layers share /opt, a function has /var/task alone."""
    if not (_is_layer(one) and _is_layer(other)):
        return
    # At the root, only bootstrap matters: Python does not import the example in lambda.zip from a layer.
    common = [name for name in one.members if name in other.members and _matters(name)]
    if common:
        differing = [name for name in common if one.members[name].entry.CRC != other.members[name].entry.CRC]
        content = f"{len(differing)} with different content" if differing else "with the same content"
        more = f" (one of {len(common)} common files, {content})"
        problem = f"is in {one.path} and in {other.path}{more}: the later layer overwrites it"
        remedy = (
            "If the zips are two builds of the same layer, use only one; otherwise keep each file in one zip."
        )
        yield Finding(WARNING, "overwritten", _first(common), problem, remedy)


def _is_layer(archive: Archive) -> bool:
    return any(name == "bootstrap" or name.startswith(LAYER_FOLDERS) for name in archive.members)


def _matters(name: str) -> bool:
    return name == "bootstrap" or ("/" in name and not name.startswith("__pycache__/"))


def _first(names: list[str]) -> str:
    return "bootstrap" if "bootstrap" in names else names[0]
