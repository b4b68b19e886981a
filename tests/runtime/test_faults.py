"""Every fault of the Runtime API at every call, as the table in docs/security-and-reliability.md promises.

A row of the table is a fault, a column is a call. The cells say what the runtime does:

    as usual      the reply is understood, and nothing is logged
    asks again    `next` is sent again on a new connection, if nothing of the reply has arrived
    logged        one line is logged, nothing is sent again, and the next event is handled
    smaller       the error is sent once more with less in it
    ends          one line is logged, nothing more is sent, and the process exits with status 1
"""

from __future__ import annotations

import re

from tests.scripted_server import CLOSE, RESET, Reply, accepted, event, event_bytes, reply_bytes
from tests.support import ROOT, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = ROOT / "docs" / "security-and-reliability.md"
USUAL, AGAIN, LOGGED, SMALLER, ENDS = "as usual", "asks again", "logged", "smaller", "ends"
ACCEPTED = reply_bytes(202, b'{"status":"OK"}\n', "Content-Type: application/json")
REFUSAL = b'{"errorMessage":"a reason","errorType":"Test"}\n'
HEADER = b"Content-Type: application/json"  # in every good reply


def after_header(good: bytes, line: bytes) -> bytes:
    """Add a header line to a good reply."""
    return good.replace(HEADER, HEADER + b"\r\n" + line, 1)


def chunked(good: bytes, *, last: bytes = b"0\r\n\r\n", size: bytes = b"%x") -> bytes:
    """Return the same reply with a chunked body (RFC 9112, 7.1)."""
    head, _, body = good.partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    size = size % len(body) if b"%" in size else size
    return head + b"\r\n\r\n" + size + b"\r\n" + body + b"\r\n" + last


def length(good: bytes, text: bytes) -> bytes:
    """Return the same reply with another Content-Length."""
    return re.sub(rb"Content-Length: (\d+)", b"Content-Length: " + text, good)


# The name of a row → a reply with that fault, made from a good one.
FAULTS: dict[str, Callable[[bytes], Reply]] = {
    "reset before the first byte": lambda good: Reply(b"", RESET),
    "closed before the first byte": lambda good: Reply(b"", CLOSE),
    "closed after `100 Continue`": lambda good: Reply(b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE),
    "closed in the headers": lambda good: Reply(good[:20], CLOSE),
    "closed in the body": lambda good: Reply(good[:-1], CLOSE),
    "reset in the body": lambda good: Reply(good[:-1], RESET),
    "closed before the last chunk": lambda good: Reply(chunked(good, last=b""), CLOSE),
    "closed after the reply, which says so": lambda good: Reply(
        after_header(good, b"Connection: close"), CLOSE
    ),
    "one byte at a time": lambda good: Reply(good, piece_bytes=1),
    "after a pause": lambda good: Reply(good, wait_s=0.2),
    "before the request is read": lambda good: Reply(good, early=True, finish=True),
    "before the request is read, then closed": lambda good: Reply(
        after_header(good, b"Connection: close"), CLOSE, early=True
    ),
    "more bytes follow": lambda good: Reply(good + ACCEPTED),
    "`100` or `103` comes first": lambda good: Reply(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + good
    ),
    "in chunks, with extensions and trailers": lambda good: Reply(
        chunked(good, size=b"%x;a=b", last=b"0\r\nX: y\r\n\r\n")
    ),
    "both Content-Length and chunks": lambda good: Reply(after_header(chunked(good), b"Content-Length: 1")),
    "a folded header line": lambda good: Reply(after_header(good, b"X: a\r\n b")),
    "a chunk size that is no number": lambda good: Reply(chunked(good, size=b"zz")),
    "a chunk larger than memory": lambda good: Reply(chunked(good, size=b"f" * 20), CLOSE),
    "two values of Content-Length": lambda good: Reply(length(good, rb"1\r\nContent-Length: \1")),
    "a negative Content-Length": lambda good: Reply(length(good, rb"-\1")),
    "another Transfer-Encoding": lambda good: Reply(after_header(good, b"Transfer-Encoding: gzip"), CLOSE),
    "a header line without a colon": lambda good: Reply(after_header(good, b"broken")),
    "headers without end": lambda good: Reply(after_header(good, b"X: " + b"y" * 1_200_000), CLOSE),
    "another version of HTTP": lambda good: Reply(good.replace(b"HTTP/1.1", b"HTTP/3.0", 1)),
    "not HTTP": lambda good: Reply(b"\x16\x03\x01\x02\0\r\n\r\n", CLOSE),
    **{
        f"status {status}": lambda good, status=status: Reply(  # type: ignore[misc]
            reply_bytes(status, REFUSAL if status != 204 else b"", HEADER.decode(), length=status != 204)
        )
        for status in (200, 204, 301, 400, 403, 404, 410, 413, 429, 431, 500, 503)
    },
}

FAIL = "def handler(event, context): raise ValueError('x')"
STREAM = "def handler(event, context):\n    yield 'a'\n    yield 'b'"
ASYNC_STREAM = "async " + STREAM


def table() -> dict[str, list[str]]:
    """Return the rows of the page's table: fault → what the runtime does at each call."""
    rows = re.findall(r"^\| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    cells = [[cell.strip() for cell in row.split(" | ")] for row in rows]
    return {name: rest for name, *rest in cells if name in FAULTS}


class Faults(FunctionTestCase):
    def test_the_table_has_every_fault(self) -> None:
        self.assertEqual(sorted(table()), sorted(FAULTS))

    def faults(self, column: int, *outcomes: str) -> list[str]:
        return [name for name, cells in table().items() if cells[column] in outcomes]

    # One process handles all events whose faults it survives.

    def test_next(self) -> None:
        script, expected = [], ["next"]
        for number, name in enumerate(self.faults(0, USUAL, AGAIN)):
            request_id = f"r{number}"
            if name in self.faults(0, AGAIN):
                script.append(FAULTS[name](event_bytes("lost")))
                expected.append("next")
                name = "after a pause"
            script += [FAULTS[name](event_bytes(request_id)), accepted()]
            expected += [f"{request_id}/response", "next"]
        outcome = self.play(*script)
        self.assertEqual(outcome.calls, expected)
        self.assertEqual(len(outcome.errors.splitlines()), 1, outcome.errors)  # the end of the script

    def survives(self, column: int, call: str, source: str) -> None:
        """Play all faults that do not end the process, one at the response to each event."""
        script: list[Reply] = []
        expected = ["next"]
        names = self.faults(column, USUAL, LOGGED, SMALLER)
        for number, name in enumerate(names):
            again = [accepted()] if table()[name][column] == SMALLER else []
            script += [event(f"r{number}"), FAULTS[name](ACCEPTED), *again]
            expected += [f"r{number}/{call}"] * (1 + len(again)) + ["next"]
        outcome = self.play(*script, source=source)
        self.assertEqual(outcome.calls, expected)
        text = outcome.output + outcome.errors
        for number, name in enumerate(names):
            lines = re.findall(rf"LAMBDA_RUNTIME POST \S*/r{number}/{call}\b.*", text)
            with self.subTest(name, lines=lines):
                self.assertEqual(len(lines), table()[name][column] != USUAL)

    def test_response(self) -> None:
        self.survives(1, "response", "def handler(event, context): return event")

    def test_streamed_response(self) -> None:
        for source in (STREAM, ASYNC_STREAM):
            with self.subTest(source):
                self.survives(1, "response", source)

    def test_error(self) -> None:
        self.survives(2, "error", FAIL)

    # The others end it, each its own.

    def test_end_at_next(self) -> None:
        for name in self.faults(0, ENDS):
            with self.subTest(name):
                good = event_bytes("r1")
                if name == "status 200":  # an event without its id
                    good = reply_bytes(200, b"{}")
                outcome = self.play(event("r0"), accepted(), FAULTS[name](good))
                self.assertEqual(outcome.calls, ["next", "r0/response", "next"])
                self.assertEqual((outcome.status, len(outcome.errors.splitlines())), (1, 1), outcome.errors)

    def test_end_at_a_response_or_an_error(self) -> None:
        for column, call, source in ((1, "response", STREAM), (2, "error", FAIL)):
            for name in self.faults(column, ENDS):
                with self.subTest(name, call=call):
                    outcome = self.play(event("r1"), FAULTS[name](ACCEPTED), source=source)
                    self.assertEqual(outcome.calls, ["next", f"r1/{call}"])
                    self.assertEqual((outcome.status, len(outcome.errors.splitlines())), (1, 1))

    def test_init_error(self) -> None:
        for name, cells in table().items():
            with self.subTest(name):
                outcome = self.play(FAULTS[name](ACCEPTED), source="raise ValueError('x')")
                self.assertEqual((outcome.calls, outcome.status), (["init/error"], 1))
                lines = re.findall("LAMBDA_RUNTIME .*", outcome.output + outcome.errors)
                self.assertEqual(len(lines), cells[3] != "as usual", lines)

    def test_restore_next(self) -> None:
        variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        for name, cells in table().items():
            with self.subTest(name):
                good = reply_bytes(200, b"{}", HEADER.decode())
                usual = cells[3] == USUAL and name != "status 204"
                replies = [accepted()] if not usual else []
                outcome = self.play(FAULTS[name](good), *replies, environment=variables)
                expected = (["restore/next", "next"], 1) if usual else (["restore/next", "init/error"], 64)
                self.assertEqual((outcome.calls, outcome.status), expected)
