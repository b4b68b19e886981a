"""Create inputs for the tests of the layer tools: tiny ELF files, bytecode, zips.

A tiny ELF file has a header, one segment that is the file itself, and what the dynamic loader reads:

    header | PT_LOAD, PT_DYNAMIC, PT_INTERP | dynamic | symbols | versions | VERNEED | hash | strings
"""

from __future__ import annotations

import marshal
import stat
import struct
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Union

    Content = Union[str, bytes]

X86_64, ARM64, I386 = 62, 183, 3
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RPATH, DT_RUNPATH = 1, 4, 5, 6, 15, 29
DT_VERSYM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF


class Strings:
    """A table of NUL-terminated strings; ``add`` returns the offset of a string."""

    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def elf(
    machine: int = X86_64,
    needed: Sequence[str] = ("libc.so.6",),
    versions: Mapping[tuple[str, str], Sequence[str]] | None = None,
    run_path: str = "",
    loader: str = "",
    rpath: str = "",
) -> bytes:
    """Create a library, or a program with ``loader``. ``versions``: (library, version) → its symbols."""
    strings = Strings()
    dynamic = [(DT_NEEDED, strings.add(name)) for name in needed]
    if run_path:
        dynamic.append((DT_RUNPATH, strings.add(run_path)))
    if rpath:
        dynamic.append((DT_RPATH, strings.add(rpath)))
    symbols, indexes, records = bytes(24), struct.pack("<H", 0), []
    for index, ((library, version), names) in enumerate((versions or {}).items(), start=2):
        records.append((strings.add(library), index, strings.add(version)))
        for name in names:
            symbols += struct.pack("<IBBHQQ", strings.add(name), 0x12, 0, 0, 0, 0)
            indexes += struct.pack("<H", index)
    verneed = b"".join(
        struct.pack("<HHIII", 1, 1, library, 16, 32) + struct.pack("<IHHII", 0, 0, index, version, 0)
        for library, index, version in records
    )
    hash_table = struct.pack("<IIII", 1, len(symbols) // 24, 0, 0)
    parts = {DT_SYMTAB: symbols, DT_VERSYM: indexes, DT_VERNEED: verneed, DT_HASH: hash_table}
    dynamic_offset = 64 + 3 * 56
    place = dynamic_offset + 16 * (len(dynamic) + len(parts) + 3)
    body = b""
    for tag, data in parts.items():
        dynamic.append((tag, place + len(body)))
        body += data
    dynamic += [(DT_VERNEEDNUM, len(records)), (DT_STRTAB, place + len(body)), (0, 0)]
    loader_offset = place + len(body) + strings.add(loader)
    body += strings.data
    size = place + len(body)
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 3 if loader else 2, 0, 0, 0)
    segments = [(1, 0, size), (2, dynamic_offset, 16 * len(dynamic)), (3, loader_offset, len(loader) + 1)]
    table = b"".join(struct.pack("<IIQQQQQQ", kind, 4, at, at, at, n, n, 8) for kind, at, n in segments)
    return header + table + b"".join(struct.pack("<QQ", *entry) for entry in dynamic) + body


def pyc(magic: int, path: str = "/opt/a.py", flags: int = 1, source_hash: bytes = bytes(8)) -> bytes:
    """Create the part of a .pyc file that the tools read, with ``path`` as its source's path."""
    return struct.pack("<HHI", magic, 0x0A0D, flags) + source_hash + marshal.dumps([path])


def write_zip(path: Path, files: Mapping[str, Content], modes: Mapping[str, int] | None = None) -> None:
    """Create a zip of ``files`` as on Unix; ``modes`` that differ from 644 and, for programs, 755.

    A mode of 0 leaves out what Unix adds, as tools on Windows do.
    """
    programs = ("bootstrap", "bin/", "extensions/")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            default = stat.S_IFREG | (0o755 if name.startswith(programs) else 0o644)
            mode = (modes or {}).get(name, default)
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3 if mode else 0
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
