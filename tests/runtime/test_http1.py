"""HTTP/1.1 as bytes: tables for the reader and the writer. Each row is also read in pieces."""

from __future__ import annotations

import random
import time
import unittest

from lambda_runtime.errors import RuntimeApiError
from lambda_runtime.http1 import (
    MAX_HEAD_BYTES,
    Response,
    ResponseReader,
    format_chunk,
    format_fields,
    format_last_chunk,
    format_request,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# name, bytes, status, headers, body, whether the connection can be reused
RESPONSES: list[tuple[str, bytes, int, dict[str, str], bytes, bool]] = [
    ("counted body", OK + b"Content-Length: 5\r\n\r\nhello", 200, {"content-length": "5"}, b"hello", True),
    ("empty body", OK + b"Content-Length: 0\r\n\r\n", 200, {"content-length": "0"}, b"", True),
    ("leading zeros", OK + b"Content-Length: 05\r\n\r\nhello", 200, {"content-length": "05"}, b"hello", True),
    ("any bytes in the body", OK + b"Content-Length: 4\r\n\r\n\r\n\0\xff", 200, {"content-length": "4"},
     b"\r\n\0\xff", True),
    ("no reason", b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", 202, {"content-length": "0"}, b"", True),
    ("an empty reason", b"HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n",
     202, {"content-length": "0"}, b"", True),
    ("an odd reason", b"HTTP/1.1 299 It's \xff fine: 2\r\nContent-Length: 0\r\n\r\n", 299,
     {"content-length": "0"}, b"", True),
    ("any case of names", OK + b"CONTENT-length: 2\r\nX-tHiNg: V\r\n\r\nab", 200,
     {"content-length": "2", "x-thing": "V"}, b"ab", True),
    ("white space around values", OK + b"Content-Length:2\r\nA: \t b c\t \r\n\r\nab", 200,
     {"content-length": "2", "a": "b c"}, b"ab", True),
    ("empty values", OK + b"Content-Length: 0\r\nA:\r\nB: \t\r\n\r\n",
     200, {"content-length": "0"}, b"", True),
    ("UTF-8 values", OK + "Content-Length: 0\r\nA: té 中 😀\r\n\r\n".encode(), 200,
     {"content-length": "0", "a": "té 中 😀"}, b"", True),
    ("values that are not UTF-8", OK + b"Content-Length: 0\r\nA: t\xff\r\n\r\n", 200,
     {"content-length": "0", "a": "t\udcff"}, b"", True),
    ("colons in values", OK + b"Content-Length: 0\r\nA: b: c\r\n\r\n", 200,
     {"content-length": "0", "a": "b: c"}, b"", True),
    ("repeated names", OK + b"Content-Length: 0\r\nA: b\r\na: c\r\n\r\n", 200,
     {"content-length": "0", "a": "b, c"}, b"", True),
    ("a repeated name, once empty", OK + b"Content-Length: 0\r\nA:\r\nA: c\r\n\r\n", 200,
     {"content-length": "0", "a": "c"}, b"", True),
    ("a folded value", OK + b"Content-Length: 0\r\nA: b\r\n c\r\n\td\r\n\r\n", 200,
     {"content-length": "0", "a": "b c d"}, b"", True),
    ("a bare CR, a bare LF", OK + b"Content-Length: 0\r\nA: b\rc\nB: d\r\n\r\n", 200,
     {"content-length": "0", "a": "b c", "b": "d"}, b"", True),
    ("Connection: close", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nab", 200,
     {"connection": "close", "content-length": "2"}, b"ab", False),
    ("Connection: Close among others", OK + b"Connection: x, Close\r\nContent-Length: 0\r\n\r\n", 200,
     {"connection": "x, Close", "content-length": "0"}, b"", False),
    ("Connection: keep-alive", OK + b"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200,
     {"connection": "keep-alive", "content-length": "0"}, b"", True),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
     200, {"content-length": "2"}, b"ab", False),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, {}, b"", True),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204,
     {"content-length": "5"}, b"", True),
    ("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304,
     {"content-length": "5"}, b"", True),
    ("100 before it", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", 200,
     {"content-length": "1"}, b"x", True),
    ("two interim responses before it", b"HTTP/1.1 100\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK
     + b"Content-Length: 1\r\n\r\nx", 200, {"content-length": "1"}, b"x", True),
    ("no chunks", CHUNKED + b"0\r\n\r\n", 200, {"transfer-encoding": "chunked"}, b"", True),
    ("one chunk", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
     200, {"transfer-encoding": "chunked"}, b"hello", True),
    ("several chunks", CHUNKED + b"1\r\na\r\n2\r\nbc\r\nA\r\n0123456789\r\n00\r\n\r\n", 200,
     {"transfer-encoding": "chunked"}, b"abc0123456789", True),
    ("hexadecimal sizes", CHUNKED + b"0f\r\n" + b"x" * 15 + b"\r\n1F\r\n" + b"y" * 31 + b"\r\n0\r\n\r\n", 200,
     {"transfer-encoding": "chunked"}, b"x" * 15 + b"y" * 31, True),
    ("chunk extensions", CHUNKED + b'2;a=b\r\nab\r\n1 ; c="d"\r\nc\r\n0;e\r\n\r\n', 200,
     {"transfer-encoding": "chunked"}, b"abc", True),
    ("line ends inside chunks", CHUNKED + b"6\r\n\r\n0\r\n\r\r\n2\r\n\n\n\r\n0\r\n\r\n", 200,
     {"transfer-encoding": "chunked"}, b"\r\n0\r\n\r\n\n", True),
    ("trailers", CHUNKED + b"2\r\nab\r\n0\r\nA: b\r\nC: d\r\n\r\n", 200,
     {"transfer-encoding": "chunked"}, b"ab", True),
    ("chunks beside a length",
     OK + b"Content-Length: 99\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
     200, {"content-length": "99", "transfer-encoding": "Chunked"}, b"a", True),
    ("chunks and Connection: close",
     OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
     {"connection": "close", "transfer-encoding": "chunked"}, b"", False),
    ("413", b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\n\r\n{}", 413,
     {"content-length": "2"}, b"{}", True),
]  # fmt: skip

UNTIL_THE_END = [
    ("no length", OK + b"\r\nall of it", b"all of it"),
    ("an empty length", OK + b"Content-Length:\r\n\r\nall of it", b"all of it"),
    ("nothing", OK + b"\r\n", b""),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nall\r\n\r\nof it", b"all\r\n\r\nof it"),
]

CUT = [
    ("nothing", b""),
    ("half a status line", OK[:9]),
    ("half a head", OK + b"Content-Le"),
    ("a head without its end", OK + b"Content-Length: 0\r\n"),
    ("only an interim response", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ("half a body", OK + b"Content-Length: 5\r\n\r\nhel"),
    ("no body", OK + b"Content-Length: 5\r\n\r\n"),
    ("no chunk", CHUNKED),
    ("half a size", CHUNKED + b"1"),
    ("half a chunk", CHUNKED + b"5\r\nhel"),
    ("a chunk without its line end", CHUNKED + b"5\r\nhello"),
    ("no last chunk", CHUNKED + b"5\r\nhello\r\n"),
    ("half a last chunk", CHUNKED + b"5\r\nhello\r\n0\r\n"),
    ("half the trailers", CHUNKED + b"0\r\nA: b\r\n"),
]

NOT_HTTP = [
    ("text", b"hello\r\n\r\n"),
    ("text without an end", b"hello, who is there?"),
    ("lower case", b"http/1.1 200 OK\r\n\r\n"),
    ("NULs", b"\0\0\0\0\0\0\0\0"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    ("TLS", b"\x15\x03\x03\x00\x02\x02\x46"),
    ("a request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("an empty line first", b"\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
    ("a byte order mark first", b"\xef\xbb\xbf" + OK + b"\r\n"),
    ("HTTP/2", b"HTTP/2 200\r\n\r\n"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\n\r\n"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK\r\n\r\n"),
    ("no status", b"HTTP/1.1\r\n\r\n"),
    ("a word for a status", b"HTTP/1.1 abc OK\r\n\r\n"),
    ("a short status", b"HTTP/1.1 20\r\n\r\n"),
    ("digits of another script", b"HTTP/1.1 \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90 OK\r\n\r\n"),
    ("superscript digits", "HTTP/1.1 ²²² OK\r\n\r\n".encode()),
    ("a signed status", b"HTTP/1.1 +20 OK\r\n\r\n"),
    ("two spaces", b"HTTP/1.1  200 OK\r\n\r\n"),
    ("a line without a colon", OK + b"nonsense\r\n\r\n"),
    ("a length in words", OK + b"Content-Length: five\r\n\r\n"),
    ("a negative length", OK + b"Content-Length: -5\r\n\r\n"),
    ("a signed length", OK + b"Content-Length: +5\r\n\r\n"),
    ("a hexadecimal length", OK + b"Content-Length: 0x5\r\n\r\n"),
    ("a length with an underscore", OK + b"Content-Length: 1_0\r\n\r\n"),
    ("a length of another script", OK + b"Content-Length: \xef\xbc\x95\r\n\r\n"),
    ("a superscript length", OK + "Content-Length: ²\r\n\r\n".encode()),
    ("two lengths", OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("a length of thousands of digits", OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    ("an unknown coding", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    ("a repeated coding", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a chunk's size in words", CHUNKED + b"five\r\nhello\r\n"),
    ("no size", CHUNKED + b"\r\nhello\r\n"),
    ("only an extension", CHUNKED + b";a=b\r\nhello\r\n"),
    ("a negative size", CHUNKED + b"-5\r\nhello\r\n"),
    ("a size with 0x", CHUNKED + b"0x5\r\nhello\r\n"),
    ("a size with an underscore", CHUNKED + b"1_0\r\n0123456789abcdef\r\n"),
    ("a chunk longer than its size", CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n"),
    ("a chunk shorter than its size", CHUNKED + b"5\r\nhell\r\n0\r\n\r\n"),
    ("a chunk with something in place of its line end", CHUNKED + b"5\r\nhelloXY0\r\n\r\n"),
    ("a size without an end", CHUNKED + b"0" * 10_000),
    ("an extension without an end", CHUNKED + b"5;" + b"x" * 10_000),
]


def feed(pieces: Iterable[bytes]) -> tuple[Response | None, ResponseReader]:
    """Feed the pieces to a reader; return the last result. Only the last piece may end the response."""
    reader = ResponseReader()
    response = None
    for piece in pieces:
        assert response is None, "the response ended too early"
        response = reader.feed(piece)
    return response, reader


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def ways(data: bytes) -> list[tuple[str, list[bytes]]]:
    """Yield the data whole, byte by byte, cut in two at each place, and in random pieces."""
    halves = [(f"cut at {cut}", [data[:cut], data[cut:]]) for cut in range(1, len(data))]
    generator = random.Random(17)
    cuts = sorted(generator.sample(range(1, len(data)), min(5, len(data) - 1)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]
    return [("whole", [data]), ("byte by byte", byte_by_byte(data)), ("in pieces", pieces), *halves]


class Reader(unittest.TestCase):
    def test_responses_are_parsed_in_pieces_of_any_size(self) -> None:
        for name, data, status, headers, body, keep_alive in RESPONSES:
            with self.subTest(name):
                for way, pieces in ways(data):
                    response, _ = feed(pieces)
                    assert response is not None, way
                    found = (response.status, response.headers, response.body, response.keep_alive)
                    self.assertEqual(found, (status, headers, body, keep_alive), way)
                    self.assertIsInstance(response.body, bytes, way)

    def test_a_body_may_end_with_the_connection(self) -> None:
        for name, data, body in UNTIL_THE_END:
            with self.subTest(name):
                for way, pieces in ways(data):
                    response, reader = feed(pieces)
                    self.assertIsNone(response, way)
                    response = reader.end()
                    assert response is not None, way
                    self.assertEqual((response.body, response.keep_alive), (body, False), way)

    def test_a_truncated_response_is_not_accepted(self) -> None:
        for name, data in CUT:
            for way, pieces in (("whole", [data] if data else []), ("byte by byte", byte_by_byte(data))):
                with self.subTest(name, way=way):
                    response, reader = feed(pieces)
                    self.assertIsNone(response)
                    self.assertIsNone(reader.end())

    def test_it_reports_whether_any_byte_has_arrived(self) -> None:
        reader = ResponseReader()
        self.assertFalse(reader.began)
        reader.feed(b"H")
        self.assertTrue(reader.began)
        reader.feed(OK[1:] + b"Content-Length: 5\r\n\r\n")
        self.assertTrue(reader.began)

    def test_bytes_that_are_not_http_are_an_error_at_once(self) -> None:
        for name, data in NOT_HTTP:
            for way, pieces in (("whole", [data]), ("byte by byte", byte_by_byte(data))):
                with self.subTest(name, way=way):
                    with self.assertRaises(RuntimeApiError) as raised:
                        feed(pieces)
                    message = str(raised.exception)
                    self.assertLess(len(message), 500)
                    self.assertTrue(message.isprintable(), message)

    def test_the_error_names_what_was_found_and_where_to_look(self) -> None:
        with self.assertRaisesRegex(RuntimeApiError, "SSH-2.0.*HTTP/1.1.*AWS_LAMBDA_RUNTIME_API"):
            feed([b"SSH-2.0-OpenSSH_9.2p1\r\n"])

    def test_a_header_block_without_an_end_is_an_error_at_its_limit(self) -> None:
        line = b"A: " + b"x" * 65_000 + b"\r\n"
        reader = ResponseReader()
        reader.feed(OK)
        with self.assertRaises(RuntimeApiError):
            for _ in range(MAX_HEAD_BYTES // len(line) + 2):
                self.assertIsNone(reader.feed(line))

    def test_a_client_context_of_a_megabyte_fits(self) -> None:
        value = "x" * 1_000_000
        data = OK + f"A: {value}\r\nContent-Length: 0\r\n\r\n".encode()
        response, _ = feed(data[start : start + 65536] for start in range(0, len(data), 65536))
        assert response is not None
        self.assertEqual(response.headers["a"], value)

    def test_extra_bytes_after_a_response_make_the_connection_unusable(self) -> None:
        for name, data, _, _, body, _ in RESPONSES:
            with self.subTest(name):
                response, _ = feed([data + b"H"])
                assert response is not None
                self.assertEqual(response.body, body)
                self.assertFalse(response.keep_alive)

    def test_megabytes_in_small_pieces_do_not_take_quadratic_time(self) -> None:
        body = b"x" * 6_000_000
        pieces = [body[start : start + 16384] for start in range(0, len(body), 16384)]
        counted = [OK + b"Content-Length: 6000000\r\n\r\n", *pieces]
        chunked = [CHUNKED, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
        one_chunk = [CHUNKED, b"5b8d80\r\n", *pieces, b"\r\n", b"0\r\n\r\n"]
        many_at_once = [CHUNKED + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"]
        for name, sent, length in [
            ("counted", counted, 6_000_000),
            ("chunked", chunked, 6_000_000),
            ("one chunk", one_chunk, 6_000_000),
            ("many chunks at once", many_at_once, 200_000),
        ]:
            with self.subTest(name):
                began = time.process_time()
                response, _ = feed(sent)
                assert response is not None
                self.assertEqual(len(response.body), length)
                self.assertLess(time.process_time() - began, 2)

    def test_random_bytes_lead_to_a_response_or_an_error_or_nothing(self) -> None:
        generator = random.Random(4711)
        alphabet = [
            b"HTTP/1.1 ",
            b"200",
            b" OK",
            b"\r\n",
            b"\r",
            b"\n",
            b":",
            b"Content-Length: ",
            b"5",
            b"0",
            b"\0",
        ]
        alphabet += [
            b"Transfer-Encoding: chunked",
            b"\r\n\r\n",
            b"A: b\r\n",
            b"\xff",
            b" ",
            b"f",
            b";",
            b"1\r\nx\r\n",
        ]
        for number in range(3000):
            data = b"".join(generator.choice(alphabet) for _ in range(generator.randrange(1, 25)))
            data = OK[: generator.randrange(len(OK) + 1)] + data
            whole = _result([data])
            self.assertEqual(_result(byte_by_byte(data)), whole, (number, data))

    def test_damaged_responses_lead_to_a_response_or_an_error_or_nothing(self) -> None:
        generator = random.Random(1234)
        for name, data, *_ in RESPONSES:
            for _ in range(30):
                position = generator.randrange(len(data))
                damaged = data[:position] + bytes([generator.randrange(256)]) + data[position + 1 :]
                with self.subTest(name):
                    self.assertIn(_result([damaged])[0], ("response", "nothing", "error"), damaged)


def _result(pieces: Iterable[bytes]) -> tuple[object, ...]:
    """Return the result of reading the pieces, in a form that can be compared."""
    reader = ResponseReader()
    for piece in pieces:
        try:
            response = reader.feed(piece)
        except RuntimeApiError:
            return ("error",)
        if response is not None:  # the rest does not belong to it
            return ("response", response.status, response.headers, response.body)
    return ("nothing",)


class Writer(unittest.TestCase):
    def test_requests_are_formatted(self) -> None:
        for name, method, target, headers, expected in [
            ("no headers", "GET", "/a", [], b"GET /a HTTP/1.1\r\n\r\n"),
            ("one", "GET", "/", [("Host", "x:1")], b"GET / HTTP/1.1\r\nHost: x:1\r\n\r\n"),
            (
                "two",
                "POST",
                "/b",
                [("Host", "x"), ("A", "1")],
                b"POST /b HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n",
            ),
            ("an empty value", "GET", "/", [("A", "")], b"GET / HTTP/1.1\r\nA: \r\n\r\n"),
            ("UTF-8", "GET", "/", [("A", "té 😀")], "GET / HTTP/1.1\r\nA: té 😀\r\n\r\n".encode()),
            ("a lone surrogate", "GET", "/", [("A", "\ud83d")], b"GET / HTTP/1.1\r\nA: \\ud83d\r\n\r\n"),
            (
                "the same name twice",
                "GET",
                "/",
                [("A", "1"), ("A", "2")],
                b"GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\n\r\n",
            ),
        ]:
            with self.subTest(name):
                self.assertEqual(format_request(method, target, format_fields(headers)), expected)

    def test_headers_may_come_from_any_iterable(self) -> None:
        self.assertEqual(format_fields(iter([("A", "b"), ("C", "d")])), "A: b\r\nC: d\r\n")

    def test_a_line_break_anywhere_is_refused(self) -> None:
        for line_break in ("\r\n", "\n", "\r", "\r\n\r\n", "\n\r"):
            for name, method, target, headers in [
                ("in a value", "GET", "/", [("A", f"b{line_break}C: d")]),
                ("at a value's end", "GET", "/", [("A", f"b{line_break}")]),
                ("in a name", "GET", "/", [(f"A{line_break}C", "b")]),
                ("in the target", "GET", f"/a{line_break}Host: x", [("A", "b")]),
                ("in the method", f"GET{line_break}", "/", [("A", "b")]),
                ("in two values that compensate each other", "GET", "/", [("A", "\r"), ("B", "\n")]),
            ]:
                with self.subTest(name, line_break=line_break), self.assertRaises(ValueError):
                    format_request(method, target, format_fields(headers))

    def test_a_request_has_one_line_for_each_header(self) -> None:
        generator = random.Random(99)
        characters = "ab:é😀 \t\r\n\0\x0b\x0c\x1c\x85\u2028\ud83d"
        for number in range(2000):
            value = "".join(generator.choice(characters) for _ in range(6))
            try:
                data = format_request("GET", "/", format_fields([("A", value), ("B", "c")]))
            except ValueError:
                self.assertTrue("\r" in value or "\n" in value, (number, value))
            else:
                self.assertEqual(len(data.split(b"\r\n")), 5, (number, value))
                self.assertEqual(data.count(b"\n"), data.count(b"\r"), (number, value))


class Chunks(unittest.TestCase):
    def test_a_chunk_begins_with_its_size(self) -> None:
        for name, data, expected in [
            ("nothing, which must not end the body", b"", b""),
            ("a byte", b"a", b"1\r\na\r\n"),
            ("fifteen", b"a" * 15, b"f\r\n" + b"a" * 15 + b"\r\n"),
            ("sixteen", b"a" * 16, b"10\r\n" + b"a" * 16 + b"\r\n"),
            ("line breaks", b"0\r\n\r\n", b"5\r\n0\r\n\r\n\r\n"),
            ("NULs", bytes(3), b"3\r\n\0\0\0\r\n"),
        ]:
            with self.subTest(name):
                self.assertEqual(format_chunk(data), expected)

    def test_the_last_one_is_empty_and_may_have_trailers(self) -> None:
        for name, trailers, expected in [
            ("none", [], b"0\r\n\r\n"),
            ("one", [("A", "b")], b"0\r\nA: b\r\n\r\n"),
            ("two", [("A", "b"), ("C", "d==")], b"0\r\nA: b\r\nC: d==\r\n\r\n"),
        ]:
            with self.subTest(name):
                self.assertEqual(format_last_chunk(trailers), expected)

    def test_text_is_logged_unchanged(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        parts = [b"a", b"", b"\r\n", bytes(300), b"0\r\n\r\n"]
        body = b"".join(map(format_chunk, parts)) + format_last_chunk([("A", "b")])
        response = ResponseReader().feed(head + body)
        assert response is not None
        self.assertEqual(response.body, b"".join(parts))
        self.assertTrue(response.keep_alive)


class LongHeads(unittest.TestCase):
    """What a server may send within the limits takes time in proportion to its length."""

    def test_many_headers_of_one_name_are_joined_at_once(self) -> None:
        count = 200_000
        began = time.process_time()
        response = ResponseReader().feed(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"a:b\r\n" * count + b"\r\n"
        )
        assert response is not None
        self.assertEqual(response.headers["a"].count("b"), count)
        self.assertLess(time.process_time() - began, 3)

    def test_headers_in_small_pieces_are_searched_once(self) -> None:
        reader = ResponseReader()
        piece = b"a:" + b"b" * 12 + b"\r\n"
        began = time.process_time()
        self.assertIsNone(reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"))
        for _ in range(60_000):
            self.assertIsNone(reader.feed(piece))
        self.assertIsNone(reader.feed(b"\r"))
        self.assertIsNotNone(reader.feed(b"\n"))
        self.assertLess(time.process_time() - began, 3)

    def test_trailers_without_end_are_refused(self) -> None:
        reader = ResponseReader()
        reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with self.assertRaisesRegex(RuntimeApiError, "trailers are longer than 4096 bytes"):
            for _ in range(5000):
                reader.feed(b"a: b\r\n")


if __name__ == "__main__":
    unittest.main()
