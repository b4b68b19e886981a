"""Zip files as Lambda takes them: written the same each time, read with their modes.

The same files give the same bytes with any Python, any umask and any time zone: the order, the times and
the modes are fixed. Compressed data depends on the zlib at hand, though, so what must be the same
everywhere is stored.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path

from tools.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
UNIX = 3  # "version made by", which gives the upper half of external_attr its meaning
ENCRYPTED = 0x1  # a general purpose flag
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that every unzip knows


def write(tree: Path, output: Path, *, compress: bool) -> list[str]:
    """Write the files and symbolic links below ``tree`` to ``output``; their names, in order.

    A file that its owner may execute has mode 755, every other 644.
    """
    paths = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*")}
    names = sorted(name for name, path in paths.items() if path.is_symlink() or path.is_file())
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


class Member:
    """A file in a zip."""

    __slots__ = ("entry", "mode", "name")

    def __init__(self, entry: zipfile.ZipInfo) -> None:
        self.entry = entry
        self.name = entry.filename
        # Without a mode of Unix, as written on Windows, nothing is executable.
        self.mode = entry.external_attr >> 16 if entry.create_system == UNIX else stat.S_IFREG | 0o644

    @property
    def size(self) -> int:
        """Of the unzipped file, in bytes."""
        return self.entry.file_size

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & stat.S_IXOTH)

    @property
    def is_readable(self) -> bool:
        """By somebody who does not own it, such as the user in Lambda's sandbox."""
        return bool(self.mode & stat.S_IROTH)

    @property
    def obstacle(self) -> str:
        """Why Lambda, or we, cannot unzip it; "" if nothing is in the way."""
        if self.entry.flag_bits & ENCRYPTED:
            return "is encrypted"
        if self.entry.compress_type not in COMPRESSIONS:
            return f"is compressed by method {self.entry.compress_type}, neither stored nor deflated"
        return ""


class Archive:
    """A zip to look into, between ``with`` and its end."""

    def __init__(self, path: Path) -> None:
        """Open ``path``; raises Problem if it is no zip."""
        self.path = path
        remedy = "Give a zip file; `make dist` builds one."
        try:
            self._file = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise Problem(f"{path} does not exist.", remedy) from None
        except OSError as error:
            raise Problem(f"{path} cannot be read: {error.strerror}.", remedy) from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Problem(f"{path} is no zip file: {error}.", remedy) from None
        entries = [entry for entry in self._file.infolist() if not entry.is_dir()]
        self.members = {entry.filename: Member(entry) for entry in entries}
        self.names = [entry.filename for entry in entries]  # twice, what is in it twice

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Of the zip itself, in bytes."""
        return self.path.stat().st_size

    @property
    def unzipped_size(self) -> int:
        return sum(member.size for member in self.members.values())

    def read(self, name: str) -> bytes:
        """The content of a member; raises Problem if it is damaged."""
        try:
            return self._file.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Problem(f"{self.path}: {name} is damaged: {error}.", "Build the zip anew.") from None

    def head(self, name: str, size: int) -> bytes:
        """The first ``size`` bytes of a member; raises Problem if they are damaged."""
        try:
            with self._file.open(name) as file:
                return file.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Problem(f"{self.path}: {name} is damaged: {error}.", "Build the zip anew.") from None
