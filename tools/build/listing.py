"""Format a tool's results: findings and a table of sizes."""

from __future__ import annotations

import hashlib
import os
import re

from tools.build import pyc
from tools.build.checks.bytecode import make_target
from tools.build.checks.finding import ERROR
from tools.build.lambda_os import MANAGED_PYTHONS, UNZIPPED_LIMIT, ZIPPED_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from tools.build.checks.finding import Finding
    from tools.build.versions import PythonVersion
    from tools.build.zips import Archive

SHOWN = 3  # findings of each kind by default
RED, YELLOW, PLAIN = "\033[31m", "\033[33m", "\033[0m"
HEAD = ("file", "files", "size", "of 50 MB", "unzipped", "of 250 MB")
BYTECODE_HEAD = ("bytecode", "modules", "size")


def findings_text(
    findings: Sequence[Finding], stream: TextIO, *, shown: int = SHOWN, several: bool = False
) -> str:
    """Format each finding in two lines, the problem and the remedy, in colour for a terminal.

    Show the first ``shown`` findings of each kind and the number of the others. With ``several`` zips, each
    line names the zip.
    """
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        kinds.setdefault((one.severity, one.kind), []).append(one)
    lines: list[str] = []
    for (severity, word), alike in kinds.items():
        painted = _painted(f"{severity:7}", RED if severity == ERROR else YELLOW, stream)
        for one in alike[:shown]:
            place = one.place if several else one.file
            lines += [f"{painted}  {place} {one.problem}.", f"         {one.remedy}"]
        if len(alike) > shown:
            lines.append(f"{painted}  and {len(alike) - shown} more of this kind ({word})")
    return "\n".join(lines)


def counted(findings: Sequence[Finding]) -> str:
    """Return for example ``2 errors, 1 warning``."""
    errors = sum(one.severity == ERROR for one in findings)
    warnings = len(findings) - errors
    return f"{_plural(errors, 'error')}, {_plural(warnings, 'warning')}"


def sizes_text(archives: Sequence[Archive]) -> str:
    """Format a line for each zip and a total, with their shares of Lambda's limits."""
    rows: list[Sequence[str]] = [HEAD]
    for archive in archives:
        rows.append(_row(str(archive.path), len(archive.members), archive.size, archive.unzipped_size))
    if len(archives) > 1:
        members = sum(len(archive.members) for archive in archives)
        row = list(_row("together", members, 0, sum(archive.unzipped_size for archive in archives)))
        row[2] = row[3] = ""  # each zip has its own limit
        rows.append(row)
    return _table(rows)


def bytecode_text(archive: Archive) -> str:
    """Format a line for each Python that has bytecode in the zip; "" if there is none."""
    sources, compiled = _sources(archive), _compiled(archive)
    rows: list[Sequence[str]] = [BYTECODE_HEAD]
    for tag in sorted(compiled, key=lambda tag: [int(part) for part in re.findall(r"\d+", tag)]):
        version = pyc.tag_version(tag)
        sizes = compiled[tag]
        rows.append(
            (f"Python {version}" if version else tag, f"{len(sizes)} of {len(sources)}", _size(sum(sizes)))
        )
    return _table(rows) if compiled else ""


def compiling_text(archive: Archive, python: PythonVersion | None) -> str:
    """Format what Lambda would compile at each cold start; "" if the bytecode is complete.

    Without a version, the bytecode is expected for all managed runtimes.
    """
    sources, compiled = _sources(archive), _compiled(archive)
    have = {pyc.tag_version(tag) for tag in compiled}
    wanted = MANAGED_PYTHONS if python is None else (python.number,)
    lacking = [version for version in wanted if version not in have]
    if not sources or not lacking:
        return ""
    target = make_target(archive)
    what = f"what it imports of {_plural(len(sources), 'module')} ({_size(sum(sources))})"
    if not have:
        remedy = f"To add bytecode: make {target}" + (f" PYTHON_VERSION={python.number}" if python else "")
        return f"The zip has no bytecode: each cold start compiles {what}. {remedy}"
    every = " ".join(sorted({*have, *lacking} - {""}, key=lambda version: int(version.partition(".")[2])))
    where = f"If your function runs on Python {_listed(lacking)}, each cold start compiles {what}."
    return f"{where} To add bytecode: make {target} BYTECODE='{every}'"


def _sources(archive: Archive) -> list[int]:
    """Return the sizes of the modules."""
    return [member.size for name, member in archive.members.items() if name.endswith(".py")]


def _compiled(archive: Archive) -> dict[str, list[int]]:
    """Return the sizes of the modules' bytecode for each tag, for example ``cpython-313``."""
    found: dict[str, list[int]] = {}
    for name, member in archive.members.items():
        if name.endswith(".pyc") and ".opt-" not in name and pyc.source_name(name) in archive.members:
            found.setdefault(pyc.tag(name), []).append(member.size)
    return found


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def hash_line(archive: Archive) -> str:
    return f"sha256  {hashlib.sha256(archive.path.read_bytes()).hexdigest()}"


def _row(name: str, members: int, size: int, unzipped: int) -> tuple[str, ...]:
    share, unzipped_share = f"{size / ZIPPED_LIMIT:.1%}", f"{unzipped / UNZIPPED_LIMIT:.1%}"
    return name, str(members), _size(size), share, _size(unzipped), unzipped_share


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        f"{row[0]:{widths[0]}}",
        *(f"{text:>{width}}" for text, width in zip(row[1:], widths[1:])),
    )
    return "  ".join([first, *rest]).rstrip()


def _size(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB" if size >= 1_000_000 else f"{size / 1024:.0f} KB"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _painted(text: str, colour: str, stream: TextIO) -> str:
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"{colour}{text}{PLAIN}"
