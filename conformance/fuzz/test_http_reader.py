"""The runtime's HTTP reader and connection, against a Runtime API that sends anything."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

import pytest
from hypothesis import example
from hypothesis import strategies as st
from lambda_runtime import http1
from lambda_runtime.connection import Connection
from lambda_runtime.errors import RuntimeApiError

from conformance.fuzz.mutations import mutated, pieces, split, variants
from conformance.fuzz.properties import holds_for

Outcome = Union[None, str, "tuple[int, dict[str, str], bytes]"]
REQUEST = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Sent:
    """A valid response: its bytes and what they mean."""

    data: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    until_close: bool = False


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-!#$%&'*+.^_`|~", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x21, exclude_characters="\x7f", codec="utf-8"), max_size=12)
FRAMING = ("content-length", "transfer-encoding", "connection")


@st.composite
def responses(draw: st.DrawFn) -> Sent:
    """A response as a server may write it, with any framing, spelling and spacing."""
    status = draw(st.sampled_from([200, 202, 204, 304, 400, 403, 410, 413, 500, 999]))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=200))
    fields = [
        (name, value)
        for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=4))
        if name.lower() not in FRAMING
    ]
    headers: dict[str, str] = {}
    for name, value in fields:
        if value:
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
    framing = "none" if status in (204, 304) else draw(st.sampled_from(["length", "chunks", "close"]))
    encoded = body
    if framing == "length":
        fields.append(("Content-Length", str(len(body))))
        headers["content-length"] = str(len(body))
    elif framing == "chunks":
        fields.append((draw(st.sampled_from(["Transfer-Encoding", "transfer-encoding"])), "chunked"))
        headers["transfer-encoding"] = "chunked"
        chunks = [chunk for chunk in split(body, draw(pieces())) if chunk]
        extension = draw(st.sampled_from([b"", b";a=b", b" ", b';q="x"']))
        trailers = draw(st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"]))
        encoded = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
        encoded += b"0%b\r\n%b\r\n" % (extension, trailers)
    space = draw(st.sampled_from(["", " ", "\t ", "  "]))
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nA: b\r\n\r\n"])
    )
    lines = [
        f"HTTP/1.1 {status} {draw(VALUES)}",
        *(f"{name}:{space}{value}{space}" for name, value in fields),
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    return Sent(interim + head + encoded, status, headers, body, framing == "close")


def read(parts: list[bytes]) -> Outcome:
    """Feed a reader and return the response, the error's name, or None if the end is missing."""
    reader = http1.ResponseReader()
    try:
        for part in parts:
            response = reader.feed(part) if part else None
            if response is not None:
                return response.status, response.headers, response.body
        response = reader.end()
    except RuntimeApiError as error:
        assert str(error)
        return "RuntimeApiError"
    return None if response is None else (response.status, response.headers, response.body)


@holds_for(responses(), pieces())
def test_a_valid_response_is_read_as_it_was_meant(sent: Sent, cuts: list[int]) -> None:
    assert read(split(sent.data, cuts)) == (sent.status, sent.headers, sent.body)


@holds_for(st.one_of(st.binary(max_size=300), mutated(responses().map(lambda sent: sent.data))), pieces())
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", [])
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789", [3])
@example("HTTP/1.1 ²00 OK\r\n\r\n".encode(), [])
def test_any_bytes_are_a_response_or_an_error_however_they_arrive(data: bytes, cuts: list[int]) -> int:
    tried = list(variants(data))
    for variant in tried:
        assert read(split(variant, cuts)) == read([variant]), variant
    return len(tried)


@holds_for(
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 OK\r\nA: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        ]
    ),
    st.binary(min_size=1, max_size=40).filter(lambda unit: b"\n" not in unit),
    st.integers(1, 65536),
    cost=20,
)
def test_what_never_ends_is_refused_before_it_fills_the_memory(start: bytes, unit: bytes, size: int) -> None:
    reader = http1.ResponseReader()
    piece = (unit * (65536 // len(unit) + 1))[: size + 65536 // 4]
    fed = 0
    with pytest.raises(RuntimeApiError):
        if start:
            reader.feed(start)
        while fed < 2 * http1.MAX_HEAD_BYTES:
            fed += len(piece)
            reader.feed(piece)
    assert fed <= http1.MAX_HEAD_BYTES + len(piece)


OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server that sends the next bytes in pieces to each request, and may hang up then."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.scripts: queue.SimpleQueue[tuple[list[bytes], bool]] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    while connection.recv(65536) and self.reply(connection):
                        pass
                except OSError:
                    pass  # the client has given up this connection

    def reply(self, connection: socket.socket) -> bool:
        try:
            parts, hang_up = self.scripts.get_nowait()
        except queue.Empty:  # a request that is repeated, because nothing came back
            parts, hang_up = [OK], False
        for part in parts:
            connection.sendall(part)
        return not hang_up

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    server = Peer()
    yield server
    server.close()


REPLIES = st.one_of(responses(), st.binary(max_size=300), mutated(responses().map(lambda sent: sent.data)))


@holds_for(st.lists(st.tuples(REPLIES, st.booleans()), max_size=3), pieces(), cost=5)
def test_a_connection_gives_the_response_or_an_error_and_recovers(
    peer: Peer, replies: list[tuple[Sent | bytes, bool]], cuts: list[int]
) -> None:
    connection = Connection(peer.address)
    for reply, hang_up in [*replies, (Sent(OK, 202, {}, b"ok"), False)]:
        if isinstance(reply, Sent):
            peer.scripts.put((split(reply.data, cuts), hang_up or reply.until_close))
            response = connection.exchange(REQUEST, repeatable=True)
            assert (response.status, response.body) == (reply.status, reply.body)
            continue
        peer.scripts.put((split(reply, cuts), True))
        try:
            connection.exchange(REQUEST, repeatable=True)
        except RuntimeApiError as error:  # ConnectionLost is one
            assert str(error)
    connection.close()
