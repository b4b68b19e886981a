"""Standard streams that several threads and processes write to: whole lines in one piece."""

from __future__ import annotations

from .. import process_exit
from ..logs import UnbufferedStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_PART_CHARACTERS = 8192  # of a line that has no end yet
writer: Callable[[], object] = process_exit.get_ident  # whose part of a line it is; `slots` replaces it


class SharedStream(UnbufferedStream):
    """Keeps a line without an end until the rest comes, for each writer."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._parts: dict[object, str] = {}  # by writer

    def write(self, text: str) -> int:
        """Write the lines that are complete."""
        who = writer()
        line = self._parts.pop(who, "") + text
        end = line.rfind("\n") + 1 or len(line) * (len(line) > LONGEST_PART_CHARACTERS)
        if end < len(line):
            self._parts[who] = line[end:]
        if end:
            super().write(line[:end])
        return len(text)

    def flush(self) -> None:
        """Write the part of a line that there is, unless it could mix with lines of other invocations."""
        if not process_exit.is_shared:
            super().write(self._parts.pop(writer(), ""))
        super().flush()

    def finish(self) -> None:
        """Write what an invocation has left at its end."""
        part = self._parts.pop(writer(), "")
        super().write(f"{part}\n" if part and process_exit.is_shared else part)
        super().flush()
