"""Change bytes and JSON values a little, and cut bytes into pieces."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any
from zlib import crc32

from hypothesis import strategies as st

# Bytes that mean something to one of the parsers.
TELLING = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b";",
        b",",
        b"%",
        b"%zz",
        b"\xff",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
    ),
    *(b"0", b"-1", b"+1", b"0x1", b"99999999999999999999", b"1_0", b"\xd9\xa1", b"ffffffffffffffff"),
    *(b"chunked", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"Expect: 100-continue\r\n", b"Host: x\r\n", b"\r\n\r\n"),
    *(b"0\r\n\r\n", b"{}", b'"', b"NaN", b"..", b"/", b"\\", b"PK\x01\x02", b"PK\x03\x04"),
)


def pieces() -> st.SearchStrategy[list[int]]:
    """Sizes for `split`."""
    return st.lists(st.integers(0, 60), max_size=8)


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut ``data`` into pieces of these sizes, again and again."""
    sizes = [size for size in sizes if size]
    if not sizes:
        return [data]
    parts, start = [], 0
    while start < len(data):
        for size in sizes:
            parts.append(data[start : start + size])
            start += size
    return [part for part in parts if part]


# Where a change begins, in thousandths of the whole; how many bytes it affects; what it puts there.
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(0, 8),
        st.one_of(
            st.just(b""), st.binary(max_size=4), st.sampled_from(TELLING), st.just("again"), st.just("end")
        ),
    ),
    min_size=1,
    max_size=4,
)


def mutated(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Valid bytes with some of them removed, replaced, repeated or added."""
    return st.builds(_change, valid, CHANGES)


def _change(data: bytes, changes: list[tuple[int, int, bytes | str]]) -> bytes:
    for place, length, content in changes:
        start = len(data) * place // 1000
        if content == "end":
            data = data[:start]
        elif isinstance(content, str):
            data = data[: start + length] + data[start:]
        else:
            data = data[:start] + content + data[start + length :]
    return data


def variants(data: bytes, count: int = 20) -> Iterator[bytes]:
    """``data``, and quick changes of it: hypothesis needs longer for an input than a parser."""
    yield data
    random = Random(crc32(data))
    for _ in range(count):
        start = random.randrange(len(data) + 1)
        end = start + random.choice((0, 0, 1, 1, 2, 5))
        content = random.choice((b"", random.randbytes(1), random.choice(TELLING)))
        yield data[:start] + content + data[end:]


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=12),
    st.sampled_from(
        ["", "/", "%", "%zz", "\ud800", "\0", "a\r\nb", "é", "80", "99999", "2.0", "GET", "=", "&"]
    ),
)
# Any JSON value, also with lone surrogates, as an event may hold them.
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
# The way to a node, what happens to it, a value.
JSON_CHANGES = st.lists(
    st.tuples(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3), JSON_VALUES),
    min_size=1,
    max_size=4,
)
NAMES = (
    "x",
    "httpMethod",
    "headers",
    "cookies",
    "version",
    "elb",
    "body",
    "http",
    "path",
    "multiValueHeaders",
)


def change_json(value: Any, changes: list[tuple[list[int], int, Any]]) -> Any:
    """Return a copy of a JSON object or array with some nodes replaced, removed or added."""
    value = copy.deepcopy(value)
    for way, change, new in changes:
        node = value
        for number, step in enumerate(way):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = keys[step % len(keys)]
            if number + 1 < len(way) and isinstance(node[key], (dict, list)) and node[key]:
                node = node[key]
                continue
            if change == 0:
                del node[key]
            elif change == 1 and isinstance(node, dict):
                node[NAMES[step % len(NAMES)]] = new
            else:
                node[key] = new
            break
    return value
