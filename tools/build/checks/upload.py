"""The zips that are uploaded together, and their target."""

from __future__ import annotations

import posixpath
import re
from collections import Counter

from tools.build import elf, versions
from tools.build.lambda_os import ARCHITECTURES, GLIBC, OPT, TASK, UNZIPPED_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.build.elf import Elf
    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion
    from tools.build.zips import Archive, Member

INTERPRETER = re.compile(r"(?:bin/|lib/)(python3\.\d+t?)(?:$|/os\.py$)")


class Target:
    """The Python, architecture and glibc that the zips are for.

    For attributes that are None, an interpreter in the zips decides, or else ``defaults``.
    """

    __slots__ = ("architecture", "defaults", "glibc", "python")

    def __init__(
        self,
        python: PythonVersion | None = None,
        architecture: Architecture | None = None,
        glibc: str = GLIBC,
        defaults: Target | None = None,
    ) -> None:
        self.python = python
        self.architecture = architecture
        self.glibc = glibc  # the newest version that files may need, e.g. "2.34"
        self.defaults = defaults


class File:
    """A member of one of the zips, with its ELF facts if it is a program or a library for Linux."""

    __slots__ = ("archive", "elf", "member", "name")

    def __init__(self, archive: Archive, member: Member) -> None:
        self.archive = archive
        self.member = member
        self.name = member.name  # or the name of a link to it
        self.elf: Elf | None = None

    def called(self, name: str) -> File:
        """Return the same file under the name of a link."""
        file = File(self.archive, self.member)
        file.name, file.elf = name, self.elf
        return file

    def read(self) -> bytes:
        return self.archive.read(self.member.name)

    def head(self, size: int) -> bytes:
        return self.archive.head(self.member.name, size)


class Upload:
    """The zips of one function and its layers."""

    def __init__(self, archives: Sequence[Archive], target: Target) -> None:
        """Read the facts that all checks share; raise ToolError if a zip is damaged."""
        self.archives = archives
        self.unzipped_size = sum(archive.unzipped_size for archive in archives)
        # Zips beyond Lambda's limit might not fit this machine's memory either.
        self.files = [] if self.is_too_large else self._regular_files()
        self.damaged: list[tuple[File, str]] = []  # files that begin like ELF, with the problem
        for file in self.files:
            if elf.is_elf(file.head(4)):
                try:
                    file.elf = elf.parse(file.read())
                except elf.ElfError as error:
                    self.damaged.append((file, str(error)))
        self.installed: set[str] = set()  # files of installed packages
        self.portable: set[str] = (
            set()
        )  # files of packages for any platform, which select at run time what they load
        self._read_records()
        self.glibc = target.glibc
        defaults = target.defaults or Target()
        self.python = target.python or self._python() or defaults.python
        self.architecture = target.architecture or self._architecture(defaults)
        self._asked = target

    def _regular_files(self) -> list[File]:
        return [
            File(archive, member)
            for archive in self.archives
            for member in archive.members.values()
            if not member.obstacle and not member.is_link
        ]

    @property
    def checked_for(self) -> str:
        """The target of the checks, with the variables that change it."""
        python = f"Python {self.python.name}" if self.python else "any Python"
        machine = self.architecture.name if self.architecture else "any architecture"
        asked = {"PYTHON_VERSION": self._asked.python, "ARCH": self._asked.architecture}
        others = " and ".join(f"{variable}=…" for variable, value in asked.items() if value is None)
        return f"{python} on {machine}" + (f" (to change: {others})" if others else "")

    @property
    def is_too_large(self) -> bool:
        """Whether the zips exceed Lambda's limit; then only names and sizes are checked."""
        return self.unzipped_size > UNZIPPED_LIMIT

    @property
    def names(self) -> Iterator[str]:
        return (name for archive in self.archives for name in archive.members)

    @property
    def links(self) -> dict[str, Archive]:
        """The names of the symbolic links → their zips."""
        return {
            name: archive
            for archive in self.archives
            for name, member in archive.members.items()
            if member.is_link and not member.obstacle
        }

    @property
    def linked_files(self) -> Iterator[File]:
        """The files that links lead to, under the names of the links."""
        files = {file.name: file for file in self.files}
        links = {} if self.is_too_large else self.links
        for name in links:
            place = name
            passed: set[str] = set()  # links may form a circle
            while place in links and place not in passed:
                passed.add(place)
                place = link_place(links[place], place)
            if place in files:
                yield files[place].called(name)

    @property
    def binaries(self) -> Iterator[tuple[File, Elf]]:
        return ((file, file.elf) for file in self.files if file.elf is not None)

    def _read_records(self) -> None:
        """Find the files of the packages whose RECORD is in the zips."""
        files = {file.name: file for file in self.files}
        for name, record in files.items():
            if name.endswith(".dist-info/RECORD"):
                folder = posixpath.dirname(posixpath.dirname(name))
                lines = record.read().decode("utf-8", "replace").splitlines()
                listed = {posixpath.join(folder, line.rsplit(",", 2)[0]) for line in lines}
                self.installed |= listed
                wheel = files.get(name.replace("/RECORD", "/WHEEL"))
                if wheel is not None and b"-none-any" in wheel.read():
                    self.portable |= listed

    def _python(self) -> PythonVersion | None:
        """Return the version of the interpreter in the zips, if any."""
        for name in self.names:
            match = INTERPRETER.match(name)
            if match:
                return versions.parse(match.group(1))
        return None

    def _architecture(self, defaults: Target) -> Architecture | None:
        """Return the interpreter's architecture, or the default, or that of most files."""
        known = {architecture.elf: architecture for architecture in ARCHITECTURES.values()}
        for file, facts in self.binaries:
            if file.name.startswith("bin/python3") and facts.machine in known:
                return known[facts.machine]
        machines = Counter(facts.machine for _, facts in self.binaries if facts.machine in known)
        most = next((known[machine] for machine, _ in machines.most_common()), None)
        return defaults.architecture or most


def link_place(archive: Archive, name: str) -> str:
    """Return the name in the zips that the link ``name`` leads to; "" if it leads elsewhere."""
    target = archive.read(name).decode("utf-8", "replace")
    for root in (OPT, TASK):
        if target.startswith(f"{root}/"):
            return target[len(root) + 1 :]
    if target.startswith("/"):
        return ""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
