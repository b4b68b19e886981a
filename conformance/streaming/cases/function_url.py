"""A function URL: curl and urllib3 read a streamed page while it is produced."""

from __future__ import annotations

import urllib3.exceptions  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.expectations import Mismatch, expect, expect_in
from conformance.servers import OurEmulator
from conformance.streaming.harness import Harness
from conformance.streaming.pace import Pace, finishes
from conformance.streaming.readers import CURL_PARTIAL_FILE, Curl, Urllib3, with_query
from conformance.suite import Observation, case

GROUP = "function URL of our emulator"


def url(server: OurEmulator, **query: object) -> str:
    return with_query(f"http://127.0.0.1:{server.url_port}/", **query)


@case(GROUP, "curl --no-buffer prints each chunk before the next is produced")
def curl(harness: Harness) -> Observation:
    pace, head = Pace(harness.new_folder()), harness.new_folder() / "head"
    with harness.ours("paced.chunks") as server, Curl(url(server, **pace.order), head) as reader:
        observed = pace.read(reader)
        expect("curl's exit status", reader.status(), 0)
        expect("status line", reader.head()[0], "HTTP/1.1 200 OK")
    return observed


@case(GROUP, "urllib3 reads each chunk before the next is produced")
def pool(harness: Harness) -> Observation:
    pace = Pace(harness.new_folder())
    with harness.ours("paced.chunks_awaited") as server, Urllib3(url(server, **pace.order)) as reader:
        return pace.read(reader)


@case(GROUP, "status, headers and cookies are those of the yielded prelude")
def head(harness: Harness) -> Observation:
    folder = harness.new_folder()
    with harness.ours("paced.page") as server:
        with Curl(url(server), folder / "curl", ("--request", "PUT", "--data", "x")) as reader:
            body = b"".join(reader.pieces())
            expect("curl's exit status", reader.status(), 0)
            lines = reader.head()
        with Urllib3(url(server)) as pooled:
            cookies = pooled.response.headers.getlist("set-cookie")
            expect("status", pooled.response.status, 201)
    expect("status line", lines[0], "HTTP/1.1 201 Created")
    for line in ("content-type: text/plain; charset=utf-8", "x-method: PUT"):
        expect_in("headers", line, "\n".join(lines))
    expect("cookies", cookies, ["a=1; Path=/", "b=2"])
    expect("body", body, "die Größe, ".encode() + b"\x00\xff")
    return lines[0]


@case(GROUP, "an error midway: the client notices that the response is incomplete")
def error_midway(harness: Harness) -> Observation:
    folder = harness.new_folder()
    with harness.ours("paced.page") as server:
        with Curl(url(server, fail=1), folder / "head") as reader:
            expect("curl reads", b"".join(reader.pieces()), "die Größe, ".encode())
            status = reader.status()
        with Urllib3(url(server, fail=1)) as pooled:
            problem = incomplete(pooled)
        with Curl(url(server), folder / "head") as reader:
            expect("the next response", b"".join(reader.pieces())[-2:], b"\x00\xff")
    expect("curl's exit status", status, CURL_PARTIAL_FILE)
    return f"curl exits {status}, urllib3 raises {problem}"


def incomplete(reader: Urllib3) -> str:
    """Return the error that urllib3 raises for an incomplete response."""
    try:
        body = b"".join(reader.pieces())
    except urllib3.exceptions.HTTPError as error:
        return type(error).__name__
    raise Mismatch(f"the client accepts {body!r} as complete")


@case(GROUP, "an error before the first chunk: 502 without details of the error")
def error_before(harness: Harness) -> Observation:
    head = harness.new_folder() / "head"
    with harness.ours("paced.chunks") as server, Curl(url(server, chunks="many"), head) as reader:
        body = b"".join(reader.pieces())
        line = reader.head()[0]
    expect("status line", line, "HTTP/1.1 502 Bad Gateway")
    expect("body", body, b"Internal Server Error")
    expect_in("log", "invalid literal for int() with base 10: 'many'", harness.log())
    return line


@case(GROUP, "a client that leaves midway does not disturb the next")
def client_leaves(harness: Harness) -> Observation:
    folder, other = harness.new_folder(), harness.new_folder()
    with harness.ours("paced.finish") as server:
        with Curl(url(server, folder=folder, chunks=500), harness.new_folder() / "head") as reader:
            next(reader.pieces())
        with Urllib3(url(server, folder=other, chunks=1)) as pooled:
            expect("the next response", sum(map(len, pooled.pieces())), 65_536)
        expect("the generator was closed", finishes(folder), True)
    return "its `finally` has run"
