"""Detect changes of a function's source files."""

from __future__ import annotations

import os
import threading


def listed(files: list[str], most: int = 3) -> str:
    """Return ``a.py, b.py, c.py and 4 more``."""
    rest = len(files) - most
    return ", ".join(files[:most]) + (f" and {rest} more" if rest > 0 else "")


class SourceWatcher:
    """The Python files below a folder and their modification times."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Return the files added, removed or written since the last call, relative to the folder."""
        with self._lock:
            previous, self._seen = self._seen, self._look()
        differing = {path for path, _ in self._seen.items() ^ previous.items()}
        return sorted(os.path.relpath(path, self._root) for path in differing)

    def _look(self) -> dict[str, int]:
        """Return path → modification time in nanoseconds, without hidden folders."""
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
                        pass  # removed since the listing, or a dangling link
        return modified
