"""The error that stops a tool: what was found, and what to do."""

from __future__ import annotations

import errno
import os
import sys
import tempfile

from tools.build import progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# The messages of a full disk, of a quota, and of a limit on the size of files.
NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class ToolError(Exception):
    """The tool cannot continue. It has not left any file behind."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found, remedy)
        self.found = found  # what was found and, if not obvious, what was expected
        self.remedy = remedy  # what to do; "" if obvious

    def __str__(self) -> str:
        return f"{self.found}\n{self.remedy}".rstrip()


def raise_if_disk_full(words: str) -> None:
    """Raise ToolError if ``words``, an error message, means that the disk is full."""
    for reason in NO_ROOM:
        if reason in words:
            places = f"in the output's folder and in {tempfile.gettempdir()}"
            remedy = f"Free some space {places}, or use others: OUTPUT=FILE, TMPDIR=FOLDER."
            raise ToolError(f"Not enough space to write: {words.strip().splitlines()[-1].strip()}.", remedy)


def run(name: str, tool: Callable[[], int]) -> int:
    """Run ``tool`` and return its exit status; print a ToolError after ``name`` and return 2."""
    try:
        try:
            return _with_files_explained(tool)
        finally:
            progress.clear()
    except ToolError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # drop what is still buffered
        return 141
    except KeyboardInterrupt:
        return 130


def _with_files_explained(tool: Callable[[], int]) -> int:
    """Run ``tool``; turn an unexpected error of the file system into a ToolError."""
    try:
        return tool()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise_if_disk_full(str(error))
        raise ToolError(f"{error}.", "Check the file's permissions.") from None
