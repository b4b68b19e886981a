"""The emulator's HTTP servers, whose clients send anything."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example
from hypothesis import strategies as st
from lambda_emulator.servers.http_server import HttpServer, Request, Response, TruncatedBody

from conformance.fuzz.mutations import mutated, pieces, split
from conformance.fuzz.properties import holds_for
from conformance.servers import ROOT, OurEmulator, Setup

TIMEOUT_S = 15
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
INVOKE = b"/2015-03-31/functions/function/invocations"


def request(method: bytes, target: bytes, body: bytes, fields: list[bytes], sizes: list[int] | None) -> bytes:
    """A valid request; with ``sizes``, the body is sent in chunks of these sizes."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: localhost", *fields]
    if sizes is None:
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        chunks = [chunk for chunk in split(body, sizes) if chunk]
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"", b""]) + body


FIELDS = st.lists(
    st.sampled_from(
        [
            b"Connection: close",
            b"Expect: 100-continue",
            b"X-Amz-Invocation-Type: DryRun",
            b"X-Amz-Invocation-Type: Event",
            b"X-Amz-Invocation-Type: x",
            b"X-Amz-Log-Type: Tail",
            b"X-Amz-Client-Context: e30=",
            b"X-Amz-Client-Context: %",
            b"Content-Type: application/json",
            b"Cookie: a=b; c",
            b"Origin: http://example.com",
            b"Sec-Fetch-Site: cross-site",
            b"Accept-Encoding: gzip",
        ]
    ),
    max_size=3,
)
TARGETS = st.sampled_from(
    [
        *(INVOKE, INVOKE + b"?Qualifier=1", b"/2015-03-31/functions/other/invocations", b"/"),
        *(b"/2021-11-15/functions/function/response-streaming-invocations", b"/2015-03-31/functions"),
        *(b"/2015-03-31/functions/function", b"/a%20b?c=d&e", b"http://localhost/x", b"*", b"/%ff%zz/../"),
        *(b"/_emulator/", b"/_emulator/invocations", b"/_emulator/state", b"/functions/function/code"),
    ]
)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"X"])
BODIES = st.one_of(st.sampled_from([b"", b"{}", b"[1, 2]", b"{", b"\xff", b"null"]), st.binary(max_size=60))
REQUESTS = st.builds(request, METHODS, TARGETS, BODIES, FIELDS, st.one_of(st.none(), pieces()))
INPUTS = st.one_of(
    st.binary(max_size=300),
    mutated(REQUESTS),
    st.lists(REQUESTS, min_size=1, max_size=3).map(b"".join),
    REQUESTS,
)


def send(port: int, parts: list[bytes], *, vanish: bool = False) -> bytes:
    """Send bytes and the end of the connection; return all that comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if vanish:
                return b""
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has replied and closed already
        received = []
        try:
            while data := connection.recv(65536):
                received.append(data)
        except ConnectionResetError:
            pass
        return b"".join(received)


def check_reply(data: bytes, allowed: str) -> None:
    """Expect nothing, or a reply with an allowed status."""
    while data.startswith(b"HTTP/1.1 100 "):
        data = data.partition(b"\r\n\r\n")[2]
    if data:
        status = STATUS.match(data)
        assert status is not None, data[:200]
        assert re.match(allowed, status[1].decode()), data[:300]


problems: list[str] = []


def echo(request: Request) -> Response:
    try:
        body = request.read(1000)
    except TruncatedBody:
        return Response(400, b"truncated", close=True)
    return Response(200, body, [("X-Method", "m")], chunked=len(body) % 2 == 1)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    server = HttpServer(echo, problems.append)
    yield server
    server.wait_for_connections(5)
    server.close()
    wait_until(lambda: threading.active_count() <= threads)
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


def wait_until(condition) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, (threading.enumerate(), os.listdir("/proc/self/fd"))
        time.sleep(0.01)


@holds_for(INPUTS, pieces(), st.integers(0, 9), cost=5)
@example(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", [], 1)
@example(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA\r\n\r\n", [1], 1)
def test_any_bytes_get_a_reply_or_the_end_and_the_server_goes_on(
    server: HttpServer, data: bytes, cuts: list[int], vanish: int
) -> None:
    check_reply(send(server.port, split(data, cuts), vanish=vanish == 0), "[24]")
    assert send(server.port, [b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"]).endswith(
        b"\r\n\r\nok"
    )
    assert problems == []


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurEmulator]:
    folder = tmp_path_factory.mktemp("emulator")
    (folder / "function.py").write_text("def handler(event, context): return event\n")
    setup = Setup(ROOT / "bootstrap", folder, "function.handler", 10)
    with OurEmulator(setup, folder / "log", "--concurrency", "1") as running:
        invoke = request(b"POST", INVOKE, b"1", [b"Connection: close"], None)
        assert send(running.port, [invoke]).endswith(b"1")
        before = usage(running)
        yield running
        assert send(running.port, [invoke]).endswith(b"1")
        deadline = time.monotonic() + 10
        while any(now > then for now, then in zip(usage(running), before)):
            assert time.monotonic() < deadline, (before, usage(running))
            time.sleep(0.05)
        assert "could not respond" not in running.log.read_text()


def usage(running: OurEmulator) -> tuple[int, int]:
    """The emulator's descriptors and threads."""
    assert running.process is not None
    process = Path(f"/proc/{running.process.pid}")
    return len(os.listdir(process / "fd")), len(os.listdir(process / "task"))


@holds_for(INPUTS, pieces(), st.booleans(), cost=20)
def test_the_emulator_replies_to_anything_and_goes_on(
    emulator: OurEmulator, data: bytes, cuts: list[int], to_url: bool
) -> None:
    # 502: the function's response, which is the event, is not a response for HTTP.
    port = emulator.url_port if to_url else emulator.port
    check_reply(send(port, split(data, cuts)), "[24]|502")
    assert emulator.process is not None and emulator.process.poll() is None
