"""Check zips before they reach Lambda, with a module for each subject."""

from __future__ import annotations

from fnmatch import fnmatch

from tools.build.checks import binaries, bytecode, imports, layout, packages, secrets, together
from tools.build.checks.finding import ERROR, WARNING, Finding
from tools.build.checks.upload import Target, Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ERROR", "WARNING", "Finding", "Target", "Upload", "check"]


def check(upload: Upload, allowed: Sequence[str] = ()) -> list[Finding]:
    """Return all findings, errors first, without those about files that match a pattern in ``allowed``."""
    modules = (together, layout, binaries, bytecode, packages, secrets, imports)
    findings = [finding for module in modules for finding in module.check(upload)]
    findings = [one for one in findings if not any(fnmatch(one.file, pattern) for pattern in allowed)]
    return sorted(findings, key=lambda one: one.severity != ERROR)
