"""Read facts about compiled Python from the bytes of a .pyc file.

 0       4       8              16
+-------+-------+--------------+----------
| magic | flags | time, size   | code …       flags 0
| magic | flags | source hash  | code …       flags 1 unchecked, 3 checked (PEP 552)
+-------+-------+--------------+----------
"""

from __future__ import annotations

import _imp
import importlib.util
import re
import struct
import sys

HEADER = 16
UNCHECKED, CHECKED, TIMESTAMP = "unchecked-hash", "checked-hash", "timestamp"
MODES = {0: TIMESTAMP, 1: UNCHECKED, 3: CHECKED}

# The magic numbers of released CPythons, from importlib; free-threaded builds have the same.
MAGICS = {
    "3.8": 3413,
    "3.9": 3425,
    "3.10": 3439,
    "3.11": 3495,
    "3.12": 3531,
    "3.13": 3571,
    "3.14": 3627,
    "3.15": 3666,
}
OWN_MAGIC = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
if sys.implementation.name == "cpython":
    MAGICS[f"{sys.version_info[0]}.{sys.version_info[1]}"] = OWN_MAGIC

# CPython changed its source hash in 3.11, so a Python can verify only hashes from its own side of that
# version.
HASH_CHANGED_IN = 3495
HASHES_AS_CPYTHON = sys.implementation.name == "cpython"


class Pyc:
    """The header of a .pyc file."""

    __slots__ = ("magic", "mode", "source_hash")

    def __init__(self, magic: int, mode: str, source_hash: bytes) -> None:
        self.magic = magic
        self.mode = mode  # one of MODES; "" if unknown
        self.source_hash = source_hash  # with the hash modes; else b""


def parse(data: bytes) -> Pyc | None:
    """Return the header; None if the bytes are too short or not bytecode of Python 3."""
    if len(data) < HEADER or data[2:4] != b"\r\n":
        return None
    magic, _, flags = struct.unpack_from("<HHI", data)
    mode = MODES.get(flags, "")
    return Pyc(magic, mode, data[8:16] if mode in (UNCHECKED, CHECKED) else b"")


def version_of(magic: int) -> str:
    """Describe the Python whose bytecode has ``magic``."""
    for version, known in MAGICS.items():
        if known == magic:
            return f"Python {version}"
    return f"another Python (magic number {magic})"


def tag(name: str) -> str:
    """Return the cache tag in a name: ``cpython-313`` for ``__pycache__/a.cpython-313.opt-1.pyc``, or ""."""
    match = re.search(r"/?__pycache__/.+?\.([a-z]+-?\d+[a-z]*)(?:\.opt-\w+)?\.pyc$", name)
    return match.group(1) if match else ""


def tag_version(cache_tag: str) -> str:
    """Return ``3.13`` for ``cpython-313``; "" for other implementations."""
    match = re.match(r"cpython-3(\d+)$", cache_tag)
    return f"3.{match.group(1)}" if match else ""


def source_name(name: str) -> str:
    """Return the .py file whose bytecode is ``name``; "" for bytecode without source."""
    match = re.match(r"(.*/)?__pycache__/([^/]+?)\.[a-z]+-?\d+[a-z]*(?:\.opt-\w+)?\.pyc$", name)
    return f"{match.group(1) or ''}{match.group(2)}.py" if match else ""


def is_stale(pyc: Pyc, source: bytes) -> bool:
    """Return whether ``pyc`` was compiled from other source; False if this Python cannot verify it."""
    if not pyc.source_hash or not HASHES_AS_CPYTHON:
        return False
    if (OWN_MAGIC < HASH_CHANGED_IN) != (pyc.magic < HASH_CHANGED_IN):
        return False
    key = int.from_bytes(struct.pack("<H", pyc.magic) + b"\r\n", "little")
    return _imp.source_hash(key, source) != pyc.source_hash


def code_filename(data: bytes, source: str) -> str:
    """Return the path of the source that the code in a .pyc file contains, or "".

    ``source`` is the name of the .py file. marshal writes a string as its type, its length in one byte or
    four, and its characters, so the length identifies the path in the bytecode of any Python.
    """
    ending = source.rpartition("/")[2].encode()
    end = data.find(ending, HEADER)
    while end != -1:
        end += len(ending)
        for start in range(end - len(ending), max(HEADER, end - 1024), -1):
            length = end - start
            short = data[start - 2] & 0x7F in b"zZ" and data[start - 1] == length
            long = data[start - 5] & 0x7F in b"aAsut" and data[start - 4 : start] == struct.pack("<I", length)
            if short or long:
                return data[start:end].decode("utf-8", "replace")
        end = data.find(ending, end)
    return ""
