"""Measure the peak memory of a process and its children."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_PROC = Path("/proc")
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)


def peak_memory_kb(pid: int) -> int:
    """Return the sum of the peaks of the process and its descendants in KiB; 0 if it has ended.

    Without Linux's /proc, return the current memory of the process alone, from ``ps``.
    """
    if not (_PROC / "self").exists():
        ps = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return int(ps.stdout.strip() or 0)
    try:
        status = (_PROC / str(pid) / "status").read_text()
        children = [
            int(child)
            for task in (_PROC / str(pid) / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0
    peak = _PEAK.search(status)
    return (int(peak.group(1)) if peak else 0) + sum(peak_memory_kb(child) for child in children)
