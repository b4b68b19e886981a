"""Encode frames of AWS's event stream format, ``application/vnd.amazon.eventstream``.

The format is specified in the Smithy documentation, "Event stream specification"; the events are those of
``InvokeWithResponseStream`` in AWS's Lambda API reference.
"""

from __future__ import annotations

import json
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7  # the type of all headers here


def payload_chunk(data: bytes) -> bytes:
    """Encode the event that carries a part of the function's response."""
    return _event("PayloadChunk", "application/octet-stream", data)


def invoke_complete(error_code: str = "", error_details: str = "", log_result: str = "") -> bytes:
    """Encode the event that ends every stream, without its empty members.

    ``log_result`` is base64 of the log's tail.
    """
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    present = {name: value for name, value in members.items() if value}
    return _event("InvokeComplete", "application/json", json.dumps(present, separators=(",", ":")).encode())


def _event(event_type: str, content_type: str, payload: bytes) -> bytes:
    headers = {":message-type": "event", ":event-type": event_type, ":content-type": content_type}
    return encode_frame(headers, payload)


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode one frame. Numbers are big-endian, a CRC is CRC-32 as in zlib::

        | 4 bytes length of the whole | 4 bytes length of the headers | 4 bytes CRC of these eight |
        | headers | payload | 4 bytes CRC of everything before |

    and each header::

        | 1 byte length of the name | name | 1 byte type | 2 bytes length of the value | value |
    """
    encoded = b"".join(_encode_header(name, value) for name, value in headers.items())
    lengths = struct.pack(">II", 12 + len(encoded) + len(payload) + 4, len(encoded))
    prelude = lengths + struct.pack(">I", zlib.crc32(lengths))
    checksum = zlib.crc32(payload, zlib.crc32(prelude + encoded))
    return b"".join([prelude, encoded, payload, struct.pack(">I", checksum)])


def _encode_header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return (
        struct.pack(">B", len(name_bytes))
        + name_bytes
        + struct.pack(">BH", _STRING, len(value_bytes))
        + value_bytes
    )
