"""Write reproducible zip files for Lambda, and read zip files with their modes.

The same files give the same bytes with any Python, umask and time zone, because order, times and modes are
fixed. Compressed data depends on the version of zlib, so a zip that must be identical everywhere is stored
uncompressed.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can contain
UNIX = 3  # "version made by", which gives the upper half of external_attr its meaning
ENCRYPTED = 0x1  # a general purpose flag
# What zipfile raises for damaged bytes, including names that are not UTF-8 (ValueError).
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,  # of zipfile, for an unknown compression
    RuntimeError,
    ValueError,
)
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # supported by every unzip


def write(tree: Path, output: Path, *, compress: bool) -> list[str]:
    """Write the files and symbolic links below ``tree`` to ``output``; return their names in order.

    Files that are executable for their owner get mode 755, all others 644.
    """
    paths = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*")}
    names = sorted(name for name, path in paths.items() if path.is_symlink() or path.is_file())
    for name in names:
        _refuse_other_encodings(name)
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(output, "w", method) as archive:
        for name in names:
            path = paths[name]
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = UNIX
            entry.compress_type = method
            if path.is_symlink():
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(entry, os.readlink(path))
            else:
                mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
                entry.external_attr = (stat.S_IFREG | mode) << 16
                archive.writestr(entry, path.read_bytes())
    return names


def _refuse_other_encodings(name: str) -> None:
    """Raise ToolError for a name that is not UTF-8, which a zip cannot contain."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise ToolError(f"{shown} has a name that is not UTF-8.", "Rename it.") from None


class Member:
    """A file in a zip, or a folder."""

    __slots__ = ("entry", "mode", "name")

    def __init__(self, entry: zipfile.ZipInfo) -> None:
        self.entry = entry
        self.name = entry.filename
        # Entries written on Windows have no Unix mode, so they are not executable.
        default = stat.S_IFDIR | 0o755 if self.is_folder else stat.S_IFREG | 0o644
        self.mode = entry.external_attr >> 16 if entry.create_system == UNIX else default

    @property
    def size(self) -> int:
        """The size of the unzipped file in bytes."""
        return self.entry.file_size

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & stat.S_IXOTH)

    @property
    def is_readable(self) -> bool:
        """Whether others than the owner can read it, such as the user in Lambda's sandbox."""
        return bool(self.mode & stat.S_IROTH)

    @property
    def obstacle(self) -> str:
        """Why neither Lambda nor this tool can unzip it, or ""."""
        if self.entry.flag_bits & ENCRYPTED:
            return "is encrypted"
        if self.entry.compress_type not in COMPRESSIONS:
            return f"is compressed by method {self.entry.compress_type}, neither stored nor deflated"
        return ""


class Archive:
    """An open zip file, to be used in a ``with`` block."""

    def __init__(self, path: Path) -> None:
        """Open ``path``; raise ToolError if it is not a zip."""
        self.path = path
        remedy = "Use a zip file, for example ZIP=layers/lambda.zip, which `make dist` builds."
        try:
            self._file = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise ToolError(f"{path} does not exist.", remedy) from None
        except OSError as error:
            raise ToolError(f"{path} cannot be read: {error.strerror}.", remedy) from None
        except DAMAGE as error:
            raise ToolError(f"{path} is not a zip file: {error}.", remedy) from None
        everything = [Member(entry) for entry in self._file.infolist()]
        files = [member for member in everything if not member.is_folder]
        self.members = {member.name: member for member in files}
        self.names = [member.name for member in files]  # with duplicates
        self.folders = [member for member in everything if member.is_folder]  # optional in a zip

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """The size of the zip file in bytes."""
        return self.path.stat().st_size

    @property
    def unzipped_size(self) -> int:
        return sum(member.size for member in self.members.values())

    def read(self, name: str) -> bytes:
        """Return the content of a member; raise ToolError if it is damaged."""
        try:
            return self._file.read(name)
        except (*DAMAGE, OSError) as error:
            raise self._damaged(name, error) from None

    def head(self, name: str, size: int) -> bytes:
        """Return the first ``size`` bytes of a member; raise ToolError if they are damaged."""
        try:
            with self._file.open(name) as file:
                return file.read(size)
        except (*DAMAGE, OSError) as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> ToolError:
        return ToolError(f"{self.path}: {name} is damaged: {error}.", "Build the zip again.")
