"""Read facts about a program or a library for Linux from its bytes (ELF, System V ABI).

Like the dynamic loader, it reads the segment PT_DYNAMIC, which even stripped files contain:

    NEEDED    libssl.so.3            the libraries to load
    VERNEED   libm.so.6: GLIBC_2.35  the versions of their symbols (Linux Standard Base, "symbol versioning")
    RUNPATH   $ORIGIN/../numpy.libs  folders to search first
    RPATH                            the same without RUNPATH, and for the libraries that those need
"""

from __future__ import annotations

import struct

MAGIC = b"\x7fELF"
ET_DYN = 3
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RPATH, DT_RUNPATH = 1, 4, 5, 6, 15, 29
DT_GNU_HASH, DT_VERSYM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
VER_FLG_WEAK = 2  # the loader does not require this version
SYMBOL_SIZE = 24


class ElfError(ValueError):
    """The bytes begin like an ELF file but are damaged."""


class VersionNeed:
    """A symbol version of a library, and the symbols that the file needs in that version."""

    __slots__ = ("library", "symbols", "version")

    def __init__(self, library: str, version: str, symbols: list[str]) -> None:
        self.library = library
        self.version = version  # e.g. "GLIBC_2.34"
        self.symbols = symbols  # empty if unknown


class Elf:
    """What the dynamic loader reads from a file."""

    __slots__ = (
        "bits", "has_runpath", "interpreter", "is_library", "machine", "needed", "run_path", "versions"
    )  # fmt: skip

    def __init__(self, machine: int, bits: int) -> None:
        self.machine = machine  # e_machine: 62 is x86_64, 183 is arm64
        self.bits = bits
        self.interpreter = ""  # the dynamic loader that a program requests
        self.needed: list[str] = []
        self.run_path: list[str] = []  # RUNPATH, or else RPATH, split at colons
        self.has_runpath = False
        self.is_library = False  # True for programs that can be loaded like a library as well
        self.versions: list[VersionNeed] = []


def is_elf(data: bytes) -> bool:
    return data.startswith(MAGIC)


def parse(data: bytes) -> Elf:
    """Return the facts, or only the machine unless it is 64-bit little-endian; raise ElfError if damaged."""
    if len(data) < 20 or not is_elf(data):
        raise ElfError("no ELF header")
    bits = 64 if data[4] == 2 else 32
    little = data[5] == 1
    (machine,) = struct.unpack_from("<H" if little else ">H", data, 18)
    elf = Elf(machine, bits)
    if bits == 64 and little:
        try:
            _Reader(data).fill(elf)
        except (struct.error, IndexError, OverflowError, ValueError) as error:
            raise ElfError(f"damaged: {error}") from None
    return elf


class _Reader:
    """A parser for 64-bit little-endian files."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._segments: list[tuple[int, int, int]] = []  # address, size, offset of each loaded segment
        self._dynamic: list[tuple[int, int]] = []

    def fill(self, elf: Elf) -> None:
        (kind,) = struct.unpack_from("<H", self._data, 16)
        (table,) = struct.unpack_from("<Q", self._data, 32)
        size, count = struct.unpack_from("<HH", self._data, 54)
        dynamic = None
        for number in range(count):
            header = struct.unpack_from("<IIQQQQ", self._data, table + number * size)
            segment, _, offset, address, _, length = header
            if segment == PT_LOAD:
                if offset + length > len(self._data):
                    raise IndexError(f"expected {offset + length} bytes, found {len(self._data)}")
                self._segments.append((address, length, offset))
            elif segment == PT_DYNAMIC:
                dynamic = offset, length
            elif segment == PT_INTERP:
                elf.interpreter = self._text(offset)
        elf.is_library = kind == ET_DYN and dynamic is not None
        if dynamic is None:
            return  # statically linked
        self._dynamic = self._read_dynamic(*dynamic)
        elf.needed = [self._string(value) for tag, value in self._dynamic if tag == DT_NEEDED]
        elf.has_runpath = self._value(DT_RUNPATH) is not None
        value = self._value(DT_RUNPATH if elf.has_runpath else DT_RPATH)
        if value is not None:
            elf.run_path = [part for part in self._string(value).split(":") if part]
        elf.versions = self._versions()

    def _read_dynamic(self, offset: int, length: int) -> list[tuple[int, int]]:
        entries = []
        for position in range(offset, offset + length, 16):
            tag, value = struct.unpack_from("<QQ", self._data, position)
            if tag == 0:  # DT_NULL
                break
            entries.append((tag, value))
        return entries

    def _value(self, tag: int) -> int | None:
        return next((value for found, value in self._dynamic if found == tag), None)

    def _offset(self, address: int) -> int:
        """Return the offset in the file of what is loaded at ``address``."""
        for start, length, offset in self._segments:
            if start <= address < start + length:
                return address - start + offset
        raise IndexError(f"address {address:#x} is in no segment")

    def _text(self, offset: int) -> str:
        return self._data[offset : self._data.index(b"\0", offset)].decode()

    def _string(self, index: int) -> str:
        table = self._value(DT_STRTAB)
        if table is None:
            raise IndexError("the string table is missing")
        return self._text(self._offset(table) + index)

    def _versions(self) -> list[VersionNeed]:
        """Follow the chains of VERNEED: a record for each library, below it one for each version."""
        address, count = self._value(DT_VERNEED), self._value(DT_VERNEEDNUM)
        if address is None or count is None:
            return []
        symbols = self._symbols_by_version()
        needs = []
        position = self._offset(address)
        for _ in range(count):
            _, versions, library, first, following = struct.unpack_from("<HHIII", self._data, position)
            place = position + first
            for _ in range(versions):
                _, flags, index, name, step = struct.unpack_from("<IHHII", self._data, place)
                if not flags & VER_FLG_WEAK:
                    version = self._string(name)
                    needs.append(VersionNeed(self._string(library), version, symbols.get(index & 0x7FFF, [])))
                place += step
                if not step:
                    break
            position += following
            if not following:
                break
        return needs

    def _symbols_by_version(self) -> dict[int, list[str]]:
        """Return the names of the dynamic symbols by the index of their version."""
        table, versions = self._value(DT_SYMTAB), self._value(DT_VERSYM)
        found: dict[int, list[str]] = {}
        if table is None or versions is None:
            return found
        symbols, indexes = self._offset(table), self._offset(versions)
        for number in range(1, self._symbol_count()):
            (index,) = struct.unpack_from("<H", self._data, indexes + 2 * number)
            if index & 0x7FFF > 1:
                (name,) = struct.unpack_from("<I", self._data, symbols + SYMBOL_SIZE * number)
                found.setdefault(index & 0x7FFF, []).append(self._string(name))
        return found

    def _symbol_count(self) -> int:
        """Return how many symbols to read: all, or only the undefined ones, which precede DT_GNU_HASH's."""
        address = self._value(DT_HASH)
        if address is not None:
            _, count = struct.unpack_from("<II", self._data, self._offset(address))
            return int(count)
        address = self._value(DT_GNU_HASH)
        if address is not None:
            _, count = struct.unpack_from("<II", self._data, self._offset(address))
            return int(count)
        return 0
