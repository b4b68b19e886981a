"""A problem of a file in a zip."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.build.zips import Archive

ERROR = "error"  # it does not work on Lambda
WARNING = "warning"  # it works, but slowly or not everywhere


class Finding:
    """A file, its problem, and the remedy."""

    __slots__ = ("archive", "file", "kind", "problem", "remedy", "severity")

    def __init__(self, severity: str, kind: str, file: str, problem: str, remedy: str) -> None:
        self.severity = severity
        self.kind = kind  # one word for each check
        self.file = file  # its name in the zip, or the zip's name
        self.archive = ""  # the zip's path; "" if the problem concerns several zips, which it names
        self.problem = problem
        self.remedy = remedy

    @property
    def place(self) -> str:
        """The file and its zip, for findings about several zips."""
        if not self.archive:
            return self.file
        about_all = self.file == os.path.basename(self.archive)
        return self.archive if about_all else f"{self.archive}: {self.file}"

    def __repr__(self) -> str:
        return f"{self.severity} {self.kind}: {self.file} {self.problem}. {self.remedy}"


def within(archive: Archive, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings with their zip."""
    for finding in findings:
        finding.archive = str(archive.path)
        yield finding
