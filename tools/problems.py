"""What stops a tool: one sentence on what was found, one on what to do."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Problem(Exception):
    """Nothing can be built from what was given; no file has been left behind."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found, remedy)
        self.found = found  # what was found, and what was expected if that does not go without saying
        self.remedy = remedy  # "" if what was found says it all

    def __str__(self) -> str:
        return f"{self.found}\n{self.remedy}".rstrip()


def report(name: str, tool: Callable[[], int]) -> int:
    """Run ``tool``; its exit status. What stops it becomes a message under ``name``, and status 2."""
    try:
        return tool()
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # nobody reads the rest of what is printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in buffers
        return 141
    except OSError as error:  # of a file in between: a disk that is full, a folder that cannot be read
        print(f"{name}: {error}.\nCheck the permissions there, and the space on the disk.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
