"""Unpack zips into one folder as Lambda does: with modes and links, later ones over earlier ones."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Lambda's limit for the function and its layers together ("Lambda quotas").
LARGEST_BYTES = 262_144_000

UNIX = 3  # "version made by", which gives the upper half of external_attr its meaning
ENCRYPTED = 0x1  # a general purpose flag
LONGEST_LINK = 4096
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


class DeploymentError(Exception):
    """What would be uploaded cannot be used; the message says what was found and what to do."""


def unpack(source: Path, target: Path) -> list[str]:
    """Add the content of a zip, or of a folder, to ``target``; return the names of its files.

    Raise DeploymentError for what Lambda cannot unpack, and for names that lead out of ``target``.
    """
    try:
        return _copy_folder(source, target) if source.is_dir() else _unpack_zip(source, target)
    except DAMAGE as error:
        raise DeploymentError(f"{source} is damaged: {error}; build the zip again") from None
    except OSError as error:
        reason = f"{(error.strerror or str(error)).lower()}: {error.filename or target}"
        raise DeploymentError(f"{source} cannot be unpacked: {reason}") from error


def unpacked_size(source: Path) -> int:
    """Return how many bytes the files of a zip or a folder have; raise DeploymentError if it is neither."""
    try:
        if source.is_dir():
            return sum(path.lstat().st_size for path in files_below(source))
        with zipfile.ZipFile(source) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except FileNotFoundError:
        raise DeploymentError(f"{source} does not exist; use a zip file or a folder") from None
    except OSError as error:
        raise DeploymentError(f"{source} cannot be read: {(error.strerror or '').lower()}") from None
    except DAMAGE as error:
        if not zipfile.is_zipfile(source):  # also if the end of the file is missing
            raise DeploymentError(
                f"{source} is not a zip file, or its end is missing; build it again, or use a folder"
            ) from None
        raise DeploymentError(f"{source} is damaged: {error}; build it again, or use a folder") from None


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files and the links below a folder, without following links."""
    for path, folders, files in os.walk(folder):
        for name in sorted([*files, *folders]):
            one = Path(path, name)
            if one.is_symlink() or not one.is_dir():
                yield one


def _unpack_zip(source: Path, target: Path) -> list[str]:
    names = []
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & ENCRYPTED:
                raise DeploymentError(f"{source} is encrypted, which Lambda cannot read; build it without")
            mode = entry.external_attr >> 16 if entry.create_system == UNIX else 0
            if entry.filename in (".", "./"):
                continue
            path = _place(source, target, entry.filename)
            if entry.is_dir():
                path.mkdir(exist_ok=True)
                continue
            names.append(entry.filename)
            _clear(path)
            if stat.S_ISLNK(mode):
                if entry.file_size > LONGEST_LINK:
                    raise DeploymentError(f"{source}: the link {entry.filename} is too long; build it again")
                path.symlink_to(os.fsdecode(archive.read(entry)))
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise DeploymentError(f"{source}: {entry.filename} is neither a file nor a link; remove it")
            else:
                with archive.open(entry) as content, open(path, "xb") as file:
                    shutil.copyfileobj(content, file, 1024 * 1024)
                path.chmod(_as_for_others(mode or 0o644))
    return names


def _copy_folder(source: Path, target: Path) -> list[str]:
    names = []
    for path in files_below(source):
        name = path.relative_to(source).as_posix()
        place = _place(source, target, name)
        _clear(place)
        if path.is_symlink() or path.is_file():  # not a socket or a pipe
            shutil.copy(path, place, follow_symlinks=False)
            names.append(name)
    return names


def _as_for_others(mode: int) -> int:
    """Return the mode, but with the owner's permissions replaced by those of others if they matter.

    On Lambda, the function does not own its files. Here it does: they belong to the user of the emulator.
    """
    others = mode & 0o7
    if (others ^ mode >> 6) & 0o5 == 0:
        return mode & 0o777
    return others << 6 | others << 3 | others


def _place(source: Path, target: Path, name: str) -> Path:
    """Return where an entry belongs, and create its folder; raise DeploymentError for places elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = target.joinpath(*parts)
    if not parts or name.startswith("/") or ".." in parts or not _is_inside(path.parent, target):
        raise DeploymentError(f"{source}: {name!r} is not the name of a file inside; build the zip again")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in a folder, also after links that were unpacked before."""
    inside = os.path.realpath(folder)
    return os.path.commonpath([inside, os.path.realpath(path)]) == inside


def _clear(path: Path) -> None:
    """Remove what an earlier layer has put there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
