"""The accepted differences that show in single cases: a reviewed file for each group in ``accepted/``.

A file holds, for each case, the keys of ``differences.json`` that explain its difference, and what our record
has instead of that of AWS's runtime (after ``rules.py``): the place, then our lines, if there are any::

    == the name of the case
    why: exits-are-reported
    @@ 7 @@
    +exit status 3

The lines of AWS's runtime are not kept: they have line numbers of the standard library, for example. All
that is not in a file must equal what AWS's runtime does.

``pytest conformance/differential --accept`` rewrites the files; the change in Git is what to review. A new
case gets ``why: ?``, which fails until somebody replaces it.
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

# What is of this interpreter and this machine, and what the files have instead.
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
    """The accepted difference of one case: the keys that explain it, and our part of it."""

    keys: Tuple[str, ...]
    ours: Tuple[str, ...]


Group = Dict[str, Accepted]  # by the names of the cases


def difference(theirs: Record, ours: Record) -> Tuple[str, ...]:
    """Return how ``ours`` differs, line by line; nothing if the two are equal."""
    before, after = readable(record.lines(theirs)), readable(record.lines(ours))
    return tuple(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]


def our_part(diff: Iterable[str]) -> Tuple[str, ...]:
    """Return our lines of a difference, and where they are in our record."""
    lines = (_PLACE.sub("@@ ", line) for line in diff if not line.startswith("-"))
    return tuple(lines)


def readable(lines: Iterable[str]) -> List[str]:
    """Make lines portable, and cut those of thousands of characters; a checksum shows if two are the same."""
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
    """Return the accepted differences of a group, none if it has no file."""
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
    """Return the differences as users read of them: key, title and reason of each."""
    rows: List[Dict[str, str]] = json.loads(TABLE.read_text("utf-8"))
    return rows


def as_markdown() -> str:
    """Return the table for the documentation."""
    rows = [f"| {row['title']} | {row['reason']} |" for row in table()]
    return "\n".join(["| What differs | Why |", "| --- | --- |", *rows])


def _path(group: str) -> Path:
    return FOLDER / (re.sub(r"\W+", "_", group.lower()).strip("_") + ".txt")
