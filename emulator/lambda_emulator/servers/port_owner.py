"""Find the process that listens on a port of this machine."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN
LONGEST_COMMAND = 60


def port_owner(port: int) -> str:
    """Return ``process 4711 (python3 -m http.server)``; "" if it is unknown, as outside Linux."""
    try:
        inodes = {inode for table in ("tcp", "tcp6") for inode in _listeners(table, port)}
        for folder in _PROC.iterdir():
            if inodes and folder.name.isdecimal() and inodes & set(_sockets(folder)):
                words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                command = " ".join(filter(None, [os.path.basename(words[0]), *words[1:]]))
                excerpt = command if len(command) <= LONGEST_COMMAND else f"{command[:LONGEST_COMMAND]}…"
                return f"process {folder.name} ({excerpt})"
    except OSError:
        pass  # it has just ended, or this is not Linux
    return ""


def _listeners(table: str, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on the port (proc_pid_net(5))."""
    try:
        lines = (_PROC / "net" / table).read_text().splitlines()[1:]
    except OSError:
        return []  # a kernel without IPv6
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _sockets(process: Path) -> list[str]:
    """Return the inodes of a process's sockets; none if it belongs to another user."""
    found = []
    try:
        for descriptor in (process / "fd").iterdir():
            kind, _, inode = os.readlink(descriptor).partition(":")
            if kind == "socket":
                found.append(inode.strip("[]"))
    except OSError:
        pass
    return found
