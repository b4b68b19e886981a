"""Notice that a function's source files have changed."""

from __future__ import annotations

import os


class Sources:
    """The Python files below a folder, and when each was last modified."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen = self._look()

    def changed(self) -> list[str]:
        """The files that were added, removed or written since this was last asked, relative to the folder."""
        previous, self._seen = self._seen, self._look()
        differing = {path for path, _ in self._seen.items() ^ previous.items()}
        return sorted(os.path.relpath(path, self._root) for path in differing)

    def _look(self) -> dict[str, int]:
        """Path → time of modification in nanoseconds. Hidden folders hold no function."""
        modified = {}
        for folder, subfolders, files in os.walk(self._root):
            subfolders[:] = [
                name for name in subfolders if not name.startswith(".") and name != "__pycache__"
            ]
            for name in files:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    try:
                        modified[path] = os.stat(path).st_mtime_ns
                    except OSError:
                        pass  # removed this very moment, or a dangling link
        return modified
