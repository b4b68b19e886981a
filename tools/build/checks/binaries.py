"""Check that Lambda's operating system can load the programs and libraries in the zips."""

from __future__ import annotations

import posixpath
import re

from tools.build import elf
from tools.build.checks.finding import ERROR, WARNING, Finding, within
from tools.build.lambda_os import (
    LIBRARIES,
    MACHINES,
    OPT,
    OWN_FOLDERS,
    SYMBOL_VERSIONS,
    SYSTEM_FOLDERS,
    TASK,
    UNPROMISED_LIBRARIES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload
    from tools.build.elf import Elf

MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
LIBRARY = re.compile(r"\.so(\.\d+)*$")
GIT_LFS = b"version https://git-lfs.github.com/spec/"  # the beginning of git-lfs's pointer files
LINK_LIMIT = 255  # bytes; the target of a link is not longer
# Symbol versions without a number, and the glibc that introduced them.
NAMED_VERSIONS = {"GLIBC_ABI_DT_RELR": "2.36", "GLIBC_ABI_GNU2_TLS": "2.42", "GLIBC_ABI_GNU_TLS": "2.42"}
LOADERS = ("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")
SYMBOLS_SHOWN = 3


def check(upload: Upload) -> Iterator[Finding]:
    libraries = Libraries(upload)
    for file, facts in upload.binaries:
        yield from within(file.archive, _elf(upload, libraries, file, facts))
    for file, problem in upload.damaged:
        yield from within(file.archive, _damaged(file, problem))
    for file in upload.files:
        yield from within(file.archive, _content(upload, file))


def _elf(upload: Upload, libraries: Libraries, file: File, facts: Elf) -> Iterator[Finding]:
    yield from _machine(upload, file, facts)
    if facts.machine == _expected_machine(upload, facts):  # otherwise, one finding is enough
        if LIBRARY.search(file.name) and not facts.is_library:
            problem = "is not a shared library, but for example an object file or a static program"
            remedy = "Link it as a library (-shared), or leave it out."
            yield Finding(_severity(upload, file), "not-a-library", file.name, problem, remedy)
        yield from _musl(file, facts) or _libc(upload, libraries, file, facts)
        yield from _run_path(file, facts)


def _damaged(file: File, problem: str) -> Iterator[Finding]:
    problem = f"begins like a program for Linux, but is damaged: {problem}"
    yield Finding(ERROR, "damaged", file.name, problem, "Copy or build it again.")


def _content(upload: Upload, file: File) -> Iterator[Finding]:
    """Check that files named like libraries are libraries, and that git-lfs has fetched the files."""
    is_library = LIBRARY.search(file.name) is not None
    head = file.head(LINK_LIMIT + 1)
    if head.startswith(GIT_LFS):
        problem = "is a pointer of git-lfs, not the file itself"
        severity = _severity(upload, file) if is_library else WARNING
        yield Finding(severity, "git-lfs", file.name, problem, "Fetch the file: git lfs pull.")
    elif is_library and head[:4] in MACH_O:
        remedy = "Build or install it for Linux: `make dist-deps` takes wheels for Lambda."
        yield Finding(_severity(upload, file), "machine", file.name, "is for macOS, not for Linux", remedy)
    elif is_library and not elf.is_elf(head):
        problem, remedy = _not_a_library(head)
        yield Finding(_severity(upload, file), "not-a-library", file.name, problem, remedy)


def _not_a_library(head: bytes) -> tuple[str, str]:
    """Describe a file that is named like a library but is not one; return the problem and the remedy."""
    if not head:
        return "is empty", "Copy or build the library again."
    text = head.decode("utf-8", "replace").strip()
    if len(head) <= LINK_LIMIT and LIBRARY.search(text) and "\n" not in text:
        remedy = "Replace it by the library itself, or keep links when zipping: zip --symlinks."
        return f"is a link to {text} that was stored as a text file", remedy
    return "is not a library: it does not begin like an ELF file", "Build it for Linux, or leave it out."


def _severity(upload: Upload, file: File) -> str:
    """Return WARNING for a file of a package for any platform, which may support others, or else ERROR."""
    return WARNING if file.name in upload.portable else ERROR


def _expected_machine(upload: Upload, facts: Elf) -> int:
    return upload.architecture.elf if upload.architecture is not None else facts.machine


def _machine(upload: Upload, file: File, facts: Elf) -> Iterator[Finding]:
    expected = upload.architecture
    if expected is not None and (facts.machine != expected.elf or facts.bits != 64):
        found = MACHINES.get(facts.machine, f"machine {facts.machine}")
        problem = f"is for {found}, not for {expected.name}"
        remedy = (
            f"Build or install it for {expected.name}, or set the architecture that you deploy to: ARCH=…"
        )
        yield Finding(_severity(upload, file), "machine", file.name, problem, remedy)


def _musl(file: File, facts: Elf) -> list[Finding]:
    names = [*facts.needed, posixpath.basename(facts.interpreter)]
    if not any(re.match(r"libc\.musl-|ld-musl-|libc\.so$", name) for name in names):
        return []
    remedy = "Build it on a system with glibc, or use a manylinux wheel."
    problem = "is for musl (Alpine), but Lambda has glibc"
    return [Finding(ERROR, "musl", file.name, problem, remedy)]


def _libc(upload: Upload, libraries: Libraries, file: File, facts: Elf) -> list[Finding]:
    return [
        *_loader(file, facts),
        *_symbol_versions(upload, libraries, file, facts),
        *_missing_libraries(libraries, file, facts),
    ]


def _loader(file: File, facts: Elf) -> Iterator[Finding]:
    loader = facts.interpreter
    if loader and posixpath.basename(loader) not in LOADERS:
        remedy = "Link it with the system's own loader."
        yield Finding(ERROR, "loader", file.name, f"needs the loader {loader}, which Lambda lacks", remedy)
    elif loader and not loader.startswith(("/lib/", "/lib64/")):
        remedy = "Link it with the system's own loader, in /lib or /lib64."
        yield Finding(ERROR, "loader", file.name, f"needs the loader {loader}, which Lambda lacks", remedy)


def _symbol_versions(upload: Upload, libraries: Libraries, file: File, facts: Elf) -> Iterator[Finding]:
    """Report the newest version in each family that Lambda lacks, with the symbols that need it."""
    limits = {**SYMBOL_VERSIONS, "GLIBC": upload.glibc}
    too_new: dict[str, tuple[list[int], str]] = {}
    for need in facts.versions:
        if need.library not in LIBRARIES or libraries.has(need.library, file, facts):
            continue
        family, _, number = need.version.partition("_")
        number = NAMED_VERSIONS.get(need.version, number)
        limit = limits.get(family)
        if limit is None or not re.match(r"[\d.]+$", number) or numbers(number) <= numbers(limit):
            continue
        symbols = ", ".join(need.symbols[:SYMBOLS_SHOWN]) + (
            " …" if len(need.symbols) > SYMBOLS_SHOWN else ""
        )
        what = f"{need.version} of {need.library}" + (f" ({symbols})" if symbols else "")
        if family not in too_new or numbers(number) > too_new[family][0]:
            too_new[family] = numbers(number), what
    for family, (_, what) in sorted(too_new.items()):
        problem = f"needs {what}, but Lambda has {family}_{limits[family]}"
        remedy = (
            "Build it on Amazon Linux 2023 or an older system, or use a wheel for manylinux_2_34 or older."
        )
        yield Finding(ERROR, "glibc", file.name, problem, remedy)


def _missing_libraries(libraries: Libraries, file: File, facts: Elf) -> Iterator[Finding]:
    for name in facts.needed:
        if name in LIBRARIES or libraries.has(name, file, facts):
            continue
        places = libraries.places(name)
        if places:
            problem = f"needs {name}, which is at {places[0]}, where the loader does not search"
            remedy = "Move the library to lib/, unless the package itself loads it first."
            yield Finding(WARNING, "library-place", file.name, problem, remedy)
        elif name in UNPROMISED_LIBRARIES:
            problem = f"needs {name}, which Lambda's system has, but AWS does not guarantee"
            yield Finding(
                WARNING,
                "library",
                file.name,
                problem,
                "To be safe, add it to lib/: use LIBRARIES=FOLDER, its folder.",
            )
        else:
            problem = f"needs {name}, which neither the zip nor Lambda's system contains"
            remedy = "Add it to lib/: use LIBRARIES=FOLDER, its folder, with dist-python and dist-deps."
            yield Finding(ERROR, "library", file.name, problem, remedy)


def _run_path(file: File, facts: Elf) -> Iterator[Finding]:
    allowed = tuple(f"{folder}/" for folder in (*OWN_FOLDERS, *SYSTEM_FOLDERS))
    for folder in facts.run_path:
        if folder.startswith("/") and not f"{folder}/".startswith(allowed):
            remedy = "The folder does not exist on Lambda; remove it with patchelf --remove-rpath."
            yield Finding(WARNING, "path", file.name, f"looks for libraries in {folder}", remedy)


class Libraries:
    """The libraries in the zips, and where the loader searches for them."""

    def __init__(self, upload: Upload) -> None:
        self._names = {file.name for file in upload.files} | set(upload.names)
        # LD_LIBRARY_PATH contains /opt/lib, /var/task/lib and /var/task; the last one is for functions only.
        layers = ("python/", "bin/", "extensions/")
        functions = [
            one for one in upload.archives if not any(name.startswith(layers) for name in one.members)
        ]
        self._at_root = {name for archive in functions for name in archive.members if "/" not in name}
        self._inherited: dict[str, set[str]] = {}  # library → folders in the RPATH of the files that load it
        self._inherit(upload)

    def has(self, library: str, file: File, facts: Elf) -> bool:
        """Return whether the loader finds ``library``, needed by ``file``, in the zips."""
        if f"lib/{library}" in self._names or library in self._at_root:
            return True
        folders = {*_folders(file, facts)}
        if not facts.has_runpath:  # with RUNPATH, the loader ignores inherited RPATHs
            folders |= self._inherited.get(file.name, set())
        return any(posixpath.join(folder, library) in self._names for folder in folders)

    def _inherit(self, upload: Upload) -> None:
        """Pass each RPATH to the libraries that it leads to, and to those that they need."""
        binaries = {file.name: facts for file, facts in upload.binaries}
        rpaths = [
            (file.name, {*_folders(file, facts)}) for file, facts in upload.binaries if not facts.has_runpath
        ]
        while rpaths:
            name, folders = rpaths.pop()
            for library in binaries[name].needed:
                for place in [posixpath.join(folder, library) for folder in folders]:
                    known = self._inherited.setdefault(place, set())
                    if place in binaries and not folders <= known:
                        known |= folders
                        rpaths.append((place, set(known)))

    def places(self, library: str) -> list[str]:
        """Return where the zips contain files with that name."""
        return sorted(name for name in self._names if posixpath.basename(name) == library)


def _folders(file: File, facts: Elf) -> Iterator[str]:
    """Yield the folders of a file's RUNPATH or RPATH, as names in the zips."""
    origin = posixpath.dirname(file.name)
    for folder in facts.run_path:
        place = folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", f"{OPT}/{origin}")
        place = posixpath.normpath(place)
        for root in (OPT, TASK):
            if f"{place}/".startswith(f"{root}/"):
                yield place[len(root) + 1 :]


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part]
