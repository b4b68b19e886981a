"""The values that sample events have in common: fixed ids and one fixed time."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Dict

    Event = Dict[str, Any]

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
TIME_MS = int(TIME.timestamp() * 1000)
CLIENT = "203.0.113.7"  # an address for documentation (RFC 5737)
TRACE_ID = "Root=1-695735a5-1de4d666d4dd26aced652b6c"  # the second part is TIME in hex
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


def one_of(names: Iterable[str], name: str, what: str) -> str:
    """Return ``name``; raise ValueError, which lists the names, if it is not one of them."""
    if name not in names:
        raise ValueError(f"{name!r} is not the name of a {what}; the names are {', '.join(names)}")
    return name


def texts(values: Iterable[object]) -> list[str]:
    return [as_text(value) for value in values]


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else as_text(value).encode()


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def md5(text: str) -> str:
    return hashlib.new("md5", text.encode(), usedforsecurity=False).hexdigest()


def uuid(service: str, number: int) -> str:
    digits = md5(f"{service} {number}")
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}"


def iso_time(*, milliseconds: bool = False) -> str:
    return TIME.strftime("%Y-%m-%dT%H:%M:%S") + (".000Z" if milliseconds else "Z")
