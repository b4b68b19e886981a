"""Turn a folder into a zip that has passed all checks."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tools.build import checks, listing, zips
from tools.build.checks import ERROR, Target, Upload
from tools.build.checks.bytecode import NO_BYTECODE
from tools.build.checks.imports import MISSING_IMPORT
from tools.build.errors import ToolError, raise_if_disk_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WITHOUT_BYTECODE = (
    "The zip has no bytecode, so Python compiles at each cold start. To add it: make {} PYTHON_VERSION=3.13\n"
)
ERRORS_SHOWN = 10  # of each kind, if the zip is rejected


def pack(
    tree: Path,
    output: Path,
    target: Target,
    *,
    compress: bool,
    allowed: Sequence[str] = (),
    bytecode: bool = True,
) -> None:
    """Write ``tree`` to ``output`` and print its size; raise ToolError if it would not work on Lambda.

    Without ``bytecode``, none was requested, and its absence is not a finding. The zip is written to a
    temporary file, which replaces ``output`` only if it passes the checks.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(output, error) from None
    partial = Path(name)
    try:
        zips.write(tree, partial, compress=compress)
        partial.chmod(0o666 & ~_umask())  # mkstemp's file is for its owner alone
        # Another zip may contain the imported packages, and bytecode may not be wanted.
        expected = (MISSING_IMPORT,) if bytecode else (MISSING_IMPORT, NO_BYTECODE)
        checked_for = _check(partial, output, target, allowed, expected)
        os.replace(partial, output)
    except OSError as error:
        raise _cannot_write(output, error) from None
    finally:
        if partial.exists():
            partial.unlink()
    with zips.Archive(output) as archive:
        print(listing.sizes_text([archive]))
        print(listing.hash_line(archive))
    if target.defaults is not None:
        print(f"checked for {checked_for}")


def _check(
    partial: Path, output: Path, target: Target, allowed: Sequence[str], expected: Sequence[str]
) -> str:
    """Print the warnings, except the expected kinds; return the target; raise ToolError for errors."""
    with zips.Archive(partial) as archive:
        upload = Upload([archive], target)
        findings = checks.check(upload, allowed)
    findings = [one for one in findings if one.kind not in expected]
    for finding in findings:
        finding.file = finding.file.replace(partial.name, output.name)
    errors = [finding for finding in findings if finding.severity == ERROR]
    if errors:
        text = listing.findings_text(errors, sys.stderr, shown=ERRORS_SHOWN)
        found = f"{output} was not written: {listing.counted(errors)}. Checked for {upload.checked_for}."
        raise ToolError(found, text)
    if findings:
        print(listing.findings_text(findings, sys.stderr), file=sys.stderr)
    return upload.checked_for


def _cannot_write(output: Path, error: OSError) -> ToolError:
    raise_if_disk_full(f"{error.strerror}: {output}")
    remedy = "Use a writable location: --output FILE (with make: OUTPUT=FILE)."
    return ToolError(f"{output} cannot be written: {error.strerror}.", remedy)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
