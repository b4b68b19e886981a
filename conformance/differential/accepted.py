"""The accepted differences in single cases: a reviewed file for each group in ``accepted/``.

For each case, a file contains the keys of ``differences.json`` that explain its difference, and the lines of
our record that differ from that of AWS's runtime (after ``rules.py``): the place, then our lines, if any::

    == the name of the case
    why: exits-are-reported
    @@ 7 @@
    +exit status 3

The lines of AWS's runtime are not stored, because they contain line numbers of the standard library, for
example. Everything that is not in a file must be the same as with AWS's runtime.

``pytest conformance/differential --accept`` rewrites the files; review the change in Git. A new case
gets ``why: ?``, which fails until you replace it.
"""

from __future__ import annotations

import difflib
import json
import os
import platform
import re
import sys
import sysconfig
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

from . import record
from .record import Record

FOLDER = Path(__file__).resolve().parent / "accepted"
TABLE = Path(__file__).resolve().parent / "differences.json"
UNEXPLAINED = "?"
_TITLE = "== "
_WHY = "why: "
_LONG = 1500  # characters of one line of a record; longer ones are cut when they are shown

# Text that depends on this interpreter and this machine, and its replacement in the files.
_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_LOCAL = (
    (sysconfig.get_path("purelib"), "<site-packages>"),
    (os.path.dirname(os.__file__), "<stdlib>"),
    (str(sysconfig.get_config_var("SOABI")), "<soabi>"),
    (f"--python-version {_VERSION} ", "--python-version <version> "),
    (f"manylinux2014_{platform.machine()}", "manylinux2014_<machine>"),
    (f"Linux on {platform.machine()}", "Linux on <machine>"),
)
_PLACE = re.compile(r"^@@ -\S+ \+")
_FROZEN_LINE = re.compile(r'(?<=>\", line )\d+|(?<=>", line )\d+')  # in Python's own frozen modules


@dataclass(frozen=True)
class Accepted:
    """The accepted difference of one case: the keys that explain it, and our lines."""

    keys: Tuple[str, ...]
    ours: Tuple[str, ...]


Group = Dict[str, Accepted]  # by the names of the cases


def difference(theirs: Record, ours: Record) -> Tuple[str, ...]:
    """Return how ``ours`` differs, line by line; an empty list if both are equal."""
    before, after = readable(record.lines(theirs)), readable(record.lines(ours))
    return tuple(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]


def our_part(diff: Iterable[str]) -> Tuple[str, ...]:
    """Return our lines of a difference, and where they are in our record."""
    lines = (_PLACE.sub("@@ ", line) for line in diff if not line.startswith("-"))
    return tuple(lines)


def readable(lines: Iterable[str]) -> List[str]:
    """Make lines portable, and shorten very long ones; a checksum identifies their content."""
    return [_cut(_portable(line)) for line in lines]


def _portable(line: str) -> str:
    for local, name in _LOCAL:
        line = line.replace(local, name)
    return _FROZEN_LINE.sub("<n>", line)


def _cut(line: str) -> str:
    if len(line) <= _LONG:
        return line
    checksum = f"…{len(line)} characters, CRC {zlib.crc32(line.encode()):08x}…"
    return f"{line[: _LONG // 2]} {checksum} {line[-_LONG // 4 :]}"


def read(group: str) -> Group:
    """Return the accepted differences of a group; an empty dict if it has no file."""
    path = _path(group)
    if not path.exists():
        return {}
    found: Group = {}
    for block in re.split(rf"^{_TITLE}", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        name, why, *ours = block.rstrip("\n").split("\n")
        found[name] = Accepted(tuple(why[len(_WHY) :].split(", ")), tuple(ours))
    return found


def write(group: str, accepted: Group) -> None:
    """Rewrite the file of a group; a group without differences has none."""
    path = _path(group)
    blocks = [
        "\n".join([_TITLE + name, _WHY + ", ".join(one.keys), *one.ours]) for name, one in accepted.items()
    ]
    if blocks:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join(blocks) + "\n", "utf-8")
    elif path.exists():
        path.unlink()


def table() -> List[Dict[str, str]]:
    """Return the documented differences: the key, title and reason of each."""
    rows: List[Dict[str, str]] = json.loads(TABLE.read_text("utf-8"))
    return rows


def as_markdown() -> str:
    """Return the table for the documentation."""
    rows = [f"| {row['title']} | {row['reason']} |" for row in table()]
    return "\n".join(["| What differs | Why |", "| --- | --- |", *rows])


def _path(group: str) -> Path:
    return FOLDER / (re.sub(r"\W+", "_", group.lower()).strip("_") + ".txt")
