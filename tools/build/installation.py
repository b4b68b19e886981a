"""Find the CPython for Linux in a folder or an archive."""

from __future__ import annotations

import importlib
import posixpath
import re
import sys
import tarfile
from pathlib import Path

from tools.build import elf
from tools.build.errors import ToolError, raise_if_disk_full
from tools.build.lambda_os import MACHINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

PROGRAM = re.compile(r"python(3\.\d+t?)$")
# In an archive, the prefix may be one or two folders deep: python/ or usr/local/.
PLACES = ("bin/python3.*", "*/bin/python3.*", "*/*/bin/python3.*")
A_PYTHON = "bin/python3.X for Linux beside lib/python3.X"
# The first bytes of compressed archives, and the modules that decompress them, which some Pythons lack.
COMPRESSIONS = {b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}
MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


class Installation:
    """An installed CPython and its prefix."""

    __slots__ = ("prefix", "program", "standard_library", "version")

    def __init__(self, program: Path, version: PythonVersion) -> None:
        self.program = program
        self.prefix = program.parent.parent
        self.standard_library = self.prefix / "lib" / f"python{version.name}"
        self.version = version


def find(folder: Path, version: PythonVersion, architecture: Architecture, given: Path) -> Installation:
    """Return the installation of ``version`` below ``folder``; raise ToolError if Lambda cannot run it.

    ``given`` is the path that the user passed, for messages: the folder, or the archive unpacked into it.
    """
    if (folder / "pyvenv.cfg").exists():
        remedy = "Use the installation that it was created from: `home` in its pyvenv.cfg, without /bin."
        raise ToolError(f"{given} is a virtual environment, which contains no interpreter.", remedy)
    programs = {}
    for pattern in reversed(PLACES):
        for path in sorted(folder.glob(pattern)):
            match = PROGRAM.match(path.name)
            if match and path.is_file() and (path.parent.parent / "lib" / path.name / "os.py").is_file():
                programs[match.group(1)] = path
    if not programs:
        raise ToolError(
            f"{given} is not a Python: it has no {A_PYTHON}.", f"Set FROM to a folder with {A_PYTHON}."
        )
    if version.name not in programs:
        found = ", ".join(sorted(programs))
        remedy = f"Use PYTHON_VERSION={sorted(programs)[0]}, or another folder."
        raise ToolError(f"{given} contains Python {found}, not {version.name}.", remedy)
    installation = Installation(programs[version.name], version)
    _refuse_other_machines(
        installation.program, architecture, given / installation.program.relative_to(folder)
    )
    return installation


def _refuse_other_machines(program: Path, architecture: Architecture, called: Path) -> None:
    """Raise ToolError if ``program`` is not for Linux on ``architecture``."""
    data = program.read_bytes()
    try:
        facts = elf.parse(data)
    except elf.ElfError:
        kind = (
            "a program for macOS"
            if data[:4] in MACH_O
            else "a script"
            if data[:2] == b"#!"
            else "not a program"
        )
        remedy = "Use a build for Linux, or leave FROM out to download one."
        raise ToolError(f"{called} is {kind}, but Lambda runs Linux.", remedy) from None
    if facts.machine != architecture.elf:
        found = MACHINES.get(facts.machine, f"machine {facts.machine}")
        remedy = f"Use ARCH={found}, or a build for {architecture.name}."
        raise ToolError(f"{called} is for {found}, not for {architecture.name}.", remedy)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar file, with any compression, into ``folder``; raise ToolError on failure."""
    remedy = "Use a .tar.gz, .tar.xz or .tar.bz2 of an installed Python, such as python-build-standalone's."
    _refuse_unknown_compression(archive)
    try:
        with tarfile.open(archive) as file:
            if hasattr(tarfile, "data_filter"):
                file.extractall(folder, filter="data")
            else:
                _refuse_escapes(file)
                file.extractall(folder)
    except tarfile.ReadError:
        raise ToolError(
            f"{archive} is not a Python: it is not a tar file that Python can read.", remedy
        ) from None
    except Exception as error:  # a damaged archive: the exception's type depends on its compression
        raise_if_disk_full(str(error))
        raise ToolError(f"{archive} is not a Python: it cannot be unpacked ({error}).", remedy) from None


def _refuse_unknown_compression(archive: Path) -> None:
    """Raise ToolError if this Python lacks the module that decompresses the archive."""
    with archive.open("rb") as file:
        head = file.read(6)
    for magic, module in COMPRESSIONS.items():
        if head.startswith(magic):
            try:
                importlib.import_module(module)
            except ImportError:
                found = f"{archive} cannot be unpacked: {sys.executable} lacks the module {module}."
                remedy = "Use another Python: PYTHON=python3.X."
                raise ToolError(found, remedy) from None


def _refuse_escapes(file: tarfile.TarFile) -> None:
    """Raise an error for members outside of the folder, and for those that are not files, folders or links.

    For a Python without the filter that does it, such as 3.11.2 of Debian 12. It is stricter: nothing may be
    unpacked through a link, so that names can be judged without looking at the disk.
    """
    links: set[str] = set()
    for member in file.getmembers():
        names = posixpath.normpath(member.name).split("/")
        target = member.linkname.split("/")
        climbs = next((place for place, name in enumerate(target) if name != ".."), len(target))
        depth = 0 if member.islnk() else len(names) - 1  # a hard link's target is relative to the archive
        through = {"/".join(names[:length]) for length in range(1, len(names))} & links
        outside = member.name.startswith("/") or ".." in names or bool(through)
        if member.issym() or member.islnk():
            outside = outside or target[0] == "" or ".." in target[climbs:] or climbs > depth
        if outside:
            raise tarfile.ExtractError(f"{member.name} would be outside of the folder")
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            raise tarfile.ExtractError(f"{member.name} is neither a file, a folder nor a link")
        if member.issym():
            links.add("/".join(names))
