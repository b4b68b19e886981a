"""Turn a folder into a zip that has passed all checks."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tools.build import checks, listing, progress, zips
from tools.build.checks import ERROR, Target, Upload
from tools.build.checks.bytecode import NO_BYTECODE, OTHER_BYTECODE
from tools.build.checks.imports import MISSING_IMPORT
from tools.build.errors import ToolError, raise_if_disk_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Another zip may contain the imported packages, and `listing` prints which bytecode there is.
EXPECTED = (MISSING_IMPORT, NO_BYTECODE, OTHER_BYTECODE)
ERRORS_SHOWN = 10  # of each kind, if the zip is rejected


def pack(
    tree: Path,
    output: Path,
    target: Target,
    *,
    compress: bool,
    allowed: Sequence[str] = (),
) -> None:
    """Write ``tree`` to ``output`` and print its sizes; raise ToolError if it would not work on Lambda.

    The zip is written to a temporary file, which replaces ``output`` only if it passes the checks.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(output, error) from None
    partial = Path(name)
    try:
        progress.show(f"Writing {output}")
        zips.write(tree, partial, compress=compress)
        partial.chmod(0o666 & ~_umask())  # mkstemp's file is for its owner alone
        progress.show(f"Checking {output}")
        checked_for = _check(partial, output, target, allowed)
        os.replace(partial, output)
    except OSError as error:
        raise _cannot_write(output, error) from None
    finally:
        if partial.exists():
            partial.unlink()
        progress.clear()
    with zips.Archive(output) as archive:
        print(listing.sizes_text([archive]))
        table, compiling = listing.bytecode_text(archive), listing.compiling_text(archive, target.python)
        if table:
            print(f"\n{table}\n")
        print(listing.hash_line(archive))
    if target.defaults is not None:
        print(f"checked for {checked_for}")
    if compiling:
        print(compiling, file=sys.stderr)


def _check(partial: Path, output: Path, target: Target, allowed: Sequence[str]) -> str:
    """Print the warnings, except the expected kinds; return the target; raise ToolError for errors."""
    with zips.Archive(partial) as archive:
        upload = Upload([archive], target)
        findings = checks.check(upload, allowed)
    progress.clear()
    findings = [one for one in findings if one.kind not in EXPECTED]
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
