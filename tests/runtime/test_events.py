"""The event that the handler receives, for each body and content type."""

from __future__ import annotations

import json
import sys
import unittest

from tests.support import PYPY, FunctionTestCase, Reply, accepted, event, own_log, posts

SHOW = """
    def handler(event, context):
        return ascii(event)
"""

# name, body, the event that the handler receives
JSON_EVENTS: list[tuple[str, bytes, object]] = [
    ("null", b"null", None),
    ("true", b"true", True),
    ("an object", b'{"n": {"x": []}}', {"n": {"x": []}}),
    ("an empty object", b"{}", {}),
    ("an array", b'[1, "a", null, false]', [1, "a", None, False]),
    ("text", b'"hi"', "hi"),
    ("empty text", b'""', ""),
    ("UTF-8", '"hé 中 😀"'.encode(), "hé 中 😀"),
    ("escapes", rb'"\u00e9\ud83d\ude00\n\/\"\\\b\f\r\t"', 'é😀\n/"\\\b\f\r\t'),
    ("a lone surrogate", rb'"\ud800"', "\ud800"),
    ("DEL and U+2028", '"\x7f\u2028"'.encode(), "\x7f\u2028"),
    ("an integer", b"-17", -17),
    ("a large integer", b"123456789012345678901234567890", 123456789012345678901234567890),
    ("minus zero", b"-0", 0),
    ("a float", b"1.5", 1.5),
    ("a float that is a whole number", b"1.0", 1.0),
    ("minus zero, float", b"-0.0", -0.0),
    ("an exponent", b"1E+2", 100.0),
    ("more digits than a float holds", b"1.0000000000000000000001", 1.0),
    ("more than a float holds", b"1e999", float("inf")),
    ("duplicate keys", b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
    ("words of numbers in text", b'["NaN", "Infinity", "\\"-Infinity"]', ["NaN", "Infinity", '"-Infinity']),
    ("white space around", b" \t\r\n{} \t\r\n", {}),
    ("a byte order mark", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
]

# name, body, pattern of the message after "Unable to unmarshal input: "
REFUSED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", r"^Expecting value: line 1 column 1 \(char 0\)"),
    ("a space", b" ", r"^Expecting value: line 1 column 2 \(char 1\)"),
    ("a word", b"hello", r"^Expecting value: line 1 column 1 \(char 0\)"),
    ("half an array", b"[1,2", r"^Expecting ',' delimiter.*: line 1 column 5 \(char 4\)"),
    ("half an object", b'{"a": ', r"^Expecting value: line 1 column 7 \(char 6\)"),
    ("half a text", b'"abc', "^Unterminated string.*char 0"),
    ("something after the end", b'{"a":1} x', r"^Extra data: line 1 column 9.*\(char 8"),
    ("two objects", b"{}{}", r"^Extra data: line 1 column 3.*\(char 2"),
    ("NUL after the end", b"1\0", r"^Extra data: line 1 column 2.*\(char 1"),
    ("no-break space around", b"\xc2\xa01", r"^Expecting value: line 1 column 1 \(char 0\)"),
    ("no-break space after", b"1\xc2\xa0", r"^Extra data: line 1 column 2.*\(char 1"),
    ("NaN", b'{"abcdefghij":"klm", "x": NaN}', r"^Expecting value: line 1 column 27 \(char 26\)"),
    ("NaN alone", b"NaN", r"^Expecting value: line 1 column 1 \(char 0\)"),
    ("Infinity", b"[Infinity]", r"^Expecting value: line 1 column 2 \(char 1\)"),
    ("minus Infinity", b"[1,\n-Infinity]", r"^Expecting value: line 2 column 1 \(char 4\)"),
    ("a comma at the end of an array", b'["a",]', r"line 1 column [56] \(char [45]\)"),
    ("a comma at the end of an object", b'{"a":1,}', r"line 1 column [78] \(char [67]\)"),
    ("a key without quotes", b"{a:1}", "^Expecting property name enclosed in double quotes"),
    ("single quotes", b"{'a':1}", "^Expecting property name enclosed in double quotes"),
    ("a tab in text", b'"a\tb"', r"^Invalid control character .*at: line 1 column [34] \(char [23]\)"),
    ("NUL in text", b'"a\0b"', r"^Invalid control character .*at: line 1 column [34] \(char [23]\)"),
    (
        "a line break in text",
        b'"a\nb"',
        r"^Invalid control character .*at: line [12] column [13] \(char [23]\)",
    ),
    ("an unknown escape", rb'"\x"', r"^Invalid \\.*line 1 column [23] \(char [12]\)"),
    ("half an escape", rb'"\u12"', r"^Invalid \\uXXXX escape"),
    ("a number with a leading zero", b"012", "^Extra data: line 1 column 2"),
    ("a number with a leading plus", b"+1", "^Expecting value: line 1 column 1"),
    ("not UTF-8", b'"\xff"', r"^'utf-?8' codec can't decode byte 0xff in position 1: invalid start byte"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "codec can't decode"),
    ("UTF-16 without a mark", '{"a": 1}'.encode("utf-16-le"), "^Expecting property name"),
    ("a surrogate in UTF-8", b'"\xed\xa0\x80"', "codec can't decode"),
    ("arrays without end", b"[" * 100_000, "recursion|nested|Expecting value|Too many|Stack overflow"),
]

OTHER_CONTENT_TYPES = [
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
    "text/plain",
    "application/octet-stream",
    "application/cloudevents+json",
]


class JsonEvents(FunctionTestCase):
    def test_json_is_parsed(self) -> None:
        function = self.start(SHOW)
        for name, body, expected in JSON_EVENTS:
            with self.subTest(name):
                result = function.invoke(body)
                self.assertIsNone(result.function_error, result.payload)
                self.assertEqual(json.loads(result.payload.decode()), ascii(expected))
        self.assertStillWorks(function)

    def test_invalid_json_is_an_unmarshal_error_with_the_place(self) -> None:
        function = self.start("def handler(event, context): print('called')")
        for name, body, message in REFUSED:
            with self.subTest(name):
                result = function.invoke(body)
                self.assertEqual(result.function_error, "Unhandled")
                payload = json.loads(result.payload.decode())
                self.assertEqual(payload["errorType"], "Runtime.UnmarshalError")
                self.assertEqual(payload["stackTrace"], [])
                self.assertEqual(payload["requestId"], result.request_id)
                beginning = "Unable to unmarshal input: "
                self.assertEqual(payload["errorMessage"][: len(beginning)], beginning)
                self.assertRegex(payload["errorMessage"][len(beginning) :], message)
                self.assertNotIn("called", own_log(result))
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    @unittest.skipUnless(hasattr(sys, "get_int_max_str_digits"), "this Python has no such limit")
    def test_an_integer_with_too_many_digits_for_python_is_an_unmarshal_error(self) -> None:
        function = self.start(SHOW)
        payload = json.loads(function.invoke(b"9" * 5000).payload.decode())
        self.assertEqual(payload["errorType"], "Runtime.UnmarshalError")
        self.assertRegex(
            payload["errorMessage"], r"Exceeds the limit \(4300( digits)?\) for integer string conv"
        )

    def test_deep_nesting_is_parsed(self) -> None:
        function = self.start("def handler(event, context): return len(str(event))")
        for depth in (100, 400):
            with self.subTest(depth=depth):
                result = function.invoke(b"[" * depth + b"]" * depth)
                self.assertEqual(result.payload, str(2 * depth).encode())

    def test_the_order_of_keys_is_kept(self) -> None:
        function = self.start("def handler(event, context): return list(event)")
        self.assertEqual(function.invoke(b'{"b": 1, "a": 2, "c": 3}').payload, b'["b", "a", "c"]')

    def test_events_of_any_size_arrive_completely(self) -> None:
        # At about 2 KB the server switches from Content-Length to chunks; its limit is 6 MiB and 100 bytes.
        function = self.start(
            """
            def handler(event, context):
                return [len(event), event.count("é"), event[-3:]]
            """
        )
        for size in (10, 2000, 2046, 2047, 2048, 4096, 65536, 1_000_000, 5_000_000, 6_291_550):
            with self.subTest(size=size):
                text = "é" * 3 + "x" * (size - 9) + "end"
                self.assertRawResponse(function.invoke(f'"{text}"'.encode()).payload, [len(text), 3, "end"])

    def assertRawResponse(self, payload: bytes, expected: object) -> None:
        self.assertEqual(json.loads(payload.decode()), expected)

    def test_the_error_is_posted_and_logged_like_other_errors(self) -> None:
        function = self.start()
        result = function.invoke(b"hello")
        post = posts(function)[-1]
        self.assertEqual(post.header("Lambda-Runtime-Function-Error-Type"), "Runtime.UnmarshalError")
        self.assertEqual(post.header("Content-Type"), "application/json")
        self.assertIn("[ERROR] Runtime.UnmarshalError: Unable to unmarshal input: Expecting", own_log(result))
        self.assertNotIn("lambda_runtime", own_log(result))


class OtherEvents(FunctionTestCase):
    def test_other_content_types_give_the_bytes(self) -> None:
        function = self.start(SHOW)
        for content_type in OTHER_CONTENT_TYPES:
            with self.subTest(content_type=content_type):
                for body in (b'{"a": 1}', b"", b"\x00\xff not JSON"):
                    result = function.invoke(body, content_type=content_type)
                    self.assertEqual(json.loads(result.payload.decode()), ascii(body))

    def test_bytes_are_unchanged_in_both_directions(self) -> None:
        function = self.start()
        body = bytes(range(256)) * 4096
        result = function.invoke(body, content_type="application/octet-stream")
        self.assertEqual(result.payload, body)
        self.assertEqual(result.content_type, "application/unknown")

    def test_the_bytes_are_bytes(self) -> None:
        # Not a bytearray or a memoryview, which cannot be keys and compare differently on some interpreters.
        function = self.start("def handler(event, context): return type(event).__name__")
        for size in (0, 10, 3000, 100_000):
            result = function.invoke(b"x" * size, content_type="text/plain")
            self.assertEqual(result.payload, b'"bytes"')


@unittest.skipIf(PYPY, "measured with CPython's accelerator in mind")
class Speed(FunctionTestCase):
    def test_parsing_an_event_does_not_import_json(self) -> None:
        function = self.start("import sys\ndef handler(event, context): return 'json' in sys.modules")
        self.assertResponse(function, {"a": [1, 2.5, "text", None]}, False)


class OddRequestIds(FunctionTestCase):
    def test_bytes_that_are_not_utf8_are_echoed_unchanged(self) -> None:
        odd = Reply(event("r1").data.replace(b"Request-Id: r1", b"Request-Id: r1\xff\xe9 \xc3\xa9"))
        outcome = self.play(odd, accepted())
        self.assertEqual(outcome.calls[1], "r1%FF%E9%20%C3%A9/response")


if __name__ == "__main__":
    unittest.main()
