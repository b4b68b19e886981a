"""What stops a tool: one sentence on what was found, one on what to do."""

from __future__ import annotations

import errno
import os
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# The last is what a limit on the size of files says.
NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class Problem(Exception):
    """Nothing can be built from what was given; no file has been left behind."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found, remedy)
        self.found = found  # what was found, and what was expected if that does not go without saying
        self.remedy = remedy  # "" if what was found says it all

    def __str__(self) -> str:
        return f"{self.found}\n{self.remedy}".rstrip()


def refuse_full_disk(words: str) -> None:
    """Raises Problem if a failure, in the words of whoever met it, is only that a disk is full."""
    for reason in NO_ROOM:
        if reason in words:
            places = f"beside the output and in {tempfile.gettempdir()}"
            remedy = f"Make room {places}, or name others: OUTPUT=FILE, TMPDIR=FOLDER."
            raise Problem(f"There is no room to write: {words.strip().splitlines()[-1].strip()}.", remedy)


def report(name: str, tool: Callable[[], int]) -> int:
    """Run ``tool``; its exit status. What stops it becomes a message under ``name``, and status 2."""
    try:
        return _with_files_explained(tool)
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # nobody reads the rest of what is printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in buffers
        return 141
    except KeyboardInterrupt:
        return 130


def _with_files_explained(tool: Callable[[], int]) -> int:
    """Its exit status; raises Problem for a file in between, of which it knows nothing."""
    try:
        return tool()
    except BrokenPipeError:
        raise
    except OSError as error:
        refuse_full_disk(str(error))
        raise Problem(f"{error}.", "Check the permissions there.") from None
