"""Refuse requests that a web page, or another user, sends without the developer's knowledge.

A page in the developer's browser can send requests to this machine. Two checks stop it:

- Host. By DNS rebinding, the name of a foreign site can lead to 127.0.0.1, and the page may then read the
  responses. Its requests still carry that name.
- Origin and Sec-Fetch-Site. A page of another site can send requests that need no permission (a POST of
  text/plain), although it cannot read the responses. Browsers name the page's origin (Fetch Standard, 3.1;
  Fetch Metadata Request Headers, 2.4). Other clients send neither.

The Runtime API has no secret: who asks first gets the event. On Linux, the system tells to which user the
other end of a connection belongs.
"""

from __future__ import annotations

import ipaddress
import os
import re

from lambda_emulator.servers.http_server import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from lambda_emulator.servers.http_server import Fields

LOCAL = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("", "0.0.0.0", "::")
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{0,5})?")


class Hosts:
    """The names by which clients may address a server."""

    def __init__(self, host: str, allowed: Sequence[str] = ()) -> None:
        """``host``: the address that the server listens on; ``allowed``: further names."""
        self._names = {name.lower().strip("[]") for name in (*LOCAL, host, *allowed)}
        self._any_address = host in EVERY_ADDRESS  # an address cannot be rebound, only a name can

    def problem(self, headers: Fields) -> str:
        """Return what is wrong with the Host header of a request, "" if nothing."""
        host = find(headers, "Host")
        match = _HOST.fullmatch(host)
        name = match["name"].strip("[]").lower() if match is not None else ""
        if not host or name in self._names or (self._any_address and _is_address(name)):
            return ""
        return f"the host {host[:100]!r} is not allowed; if it is yours, use --allowed-host {name or 'NAME'}"


def foreign_page(headers: Fields) -> str:
    """Return which foreign page has sent a request, "" if none has."""
    origin, host = find(headers, "Origin"), find(headers, "Host")
    if origin and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
        return origin
    return "another site" if find(headers, "Sec-Fetch-Site") in ("cross-site", "same-site") else ""


def is_from_this_user(connection: socket.socket) -> bool:
    """Whether the client's end of a connection over IPv4 is this user's or root's, as far as is known.

    A socket seems to be root's once its process has closed it or ended. That may be the function, which has
    sent the beginning of a stream and crashed, so it is served.
    """
    try:
        ends = [_in_table(end) for end in (connection.getpeername(), connection.getsockname())]
        with open("/proc/net/tcp", encoding="ascii") as table:  # proc(5); only Linux has it
            rows = [line.split() for line in table]
        return all(int(row[7]) in (os.getuid(), 0) for row in rows if row[1:3] == ends)
    except (OSError, ValueError):
        return True


def _in_table(end: tuple[str, int]) -> str:
    """Return an address and port as /proc/net/tcp writes them; raise ValueError unless it is IPv4."""
    host, port = end
    return f"{bytes(reversed(ipaddress.IPv4Address(host).packed)).hex().upper()}:{port:04X}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
