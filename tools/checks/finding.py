"""One thing that is wrong with a file in a zip."""

from __future__ import annotations

ERROR = "error"  # it does not work on Lambda
WARNING = "warning"  # it works, but slowly, or not for everybody


class Finding:
    """Which file, what is wrong with it, and what to do about it."""

    __slots__ = ("file", "kind", "problem", "remedy", "severity")

    def __init__(self, severity: str, kind: str, file: str, problem: str, remedy: str) -> None:
        self.severity = severity
        self.kind = kind  # a word for each check
        self.file = file  # its name in the zip, or the zip
        self.problem = problem
        self.remedy = remedy

    def __repr__(self) -> str:
        return f"{self.severity} {self.kind}: {self.file} {self.problem}. {self.remedy}"
