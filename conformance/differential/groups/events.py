"""Events: bodies, content types, and the values that the handler receives."""

from __future__ import annotations

from ..case import Event, Group

BODIES = Group("events")
TYPES = Group("content types of events")
GROUPS = [BODIES, TYPES]

# The received value, with its types, order and every digit.
_APP = """
    def handler(event, context):
        return [type(event).__name__, repr(event)[:200]]
"""

bodies = BODIES.share(_APP)
for name, body in (
    ("null", b"null"),
    ("true", b"true"),
    ("an integer", b"1"),
    ("a negative zero", b"[-0, -0.0]"),
    ("an integer beyond 64 bits", b"123456789012345678901234567890"),
    ("a float", b"1.5"),
    ("a float with more digits than fit", b"1.0000000000000000000001"),
    ("floats with exponents", b"[1e5, 1E+2, 2e-3]"),
    ("a float beyond all floats", b"1e999"),
    ("a float below all floats", b"1e-999"),
    ("a string", b'"text"'),
    ("an empty string", b'""'),
    ("escapes", b'"\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0041"'),
    ("non-ASCII text", '"hé 中 \U0001f600"'.encode()),
    ("an escaped pair of surrogates", b'"\\ud83d\\ude00"'),
    ("an escaped lone surrogate", b'"\\ud800"'),
    ("a reversed pair of surrogates", b'"\\ude00\\ud83d"'),
    ("a lone surrogate before an escape", b'"\\ud800\\n"'),
    ("a lone surrogate in UTF-8", b'"\xed\xa0\x80"'),
    ("DEL in a string", b'"\x7f"'),
    ("an empty list", b"[]"),
    ("an empty object", b"{}"),
    ("an object in an object", b'{"n": {"x": []}}'),
    ("an object keeps its order", b'{"b": 1, "a": 2}'),
    ("a repeated key", b'{"a": 1, "a": 2}'),
    ("an empty key", b'{"": 1}'),
    ("white space around", b" \t\r\n{ } \n"),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("a byte order mark alone", b"\xef\xbb\xbf"),
    ("nesting of 500 levels", b"[" * 500 + b"]" * 500),
    ("nesting of 100000 levels", b"[" * 100_000 + b"]" * 100_000),
    ("an empty body", b""),
    ("a space", b" "),
    ("a line end", b"\n"),
    ("a word", b"not_valid_json"),
    ("NaN", b"NaN"),
    ("NaN within", b'{"a": [1, 2, "x", 3, NaN]}'),
    ("Infinity", b"[Infinity]"),
    ("-Infinity", b"[-Infinity]"),
    ("a byte that is not UTF-8", b'"\xff"'),
    ("an image", b"\x89PNG\r\n\x1a\n\x00\x00\x00"),
    ("UTF-16", '{"a": 1}'.encode("utf-16")),
    ("UTF-16 without a mark", '{"a": 1}'.encode("utf-16-le")),
    ("UTF-32", '{"a": 1}'.encode("utf-32")),
    ("a NUL after the value", b"1\0"),
    ("a NUL before the value", b"\x001"),
    ("a list that does not end", b"[1,2"),
    ("an object that does not end", b'{"a": 1'),
    ("an object without a value", b'{"a":'),
    ("an object without a colon", b'{"a" 1}'),
    ("an object without a comma", b'{"a":1 "b":2}'),
    ("a string that does not end", b'"abc'),
    ("only a quote", b'"'),
    ("only a bracket", b"["),
    ("only a brace", b"{"),
    ("a closing bracket", b"]"),
    ("text after the value", b'{"a":1} x'),
    ("two values", b"1 2"),
    ("text after a value of several lines", b'{\n  "a": 1\n}\n  x'),
    ("a comma after the last element", b'["a",]'),
    ("a comma after the last member", b'{"a":1,}'),
    ("a key without quotes", b"{a:1}"),
    ("single quotes", b"{'a': 1}"),
    ("a raw tab in a string", b'"a\tb"'),
    ("a raw NUL in a string", b'"a\0b"'),
    ("a raw line end in a string", b'"a\nb"'),
    ("an unknown escape", b'"\\x"'),
    ("a short \\u escape", b'"\\u12"'),
    ("a \\u escape with other letters", b'"\\u12zz"'),
    ("a backslash at the end", b'"\\'),
    ("a leading zero", b"01"),
    ("a plus sign", b"+1"),
    ("a minus sign alone", b"-"),
    ("a number that ends in a dot", b"1."),
    ("a number that starts with a dot", b".5"),
    ("a number with an empty exponent", b"1e"),
    ("hexadecimal digits", b"0x10"),
    ("True in Python's spelling", b"True"),
    ("a comment", b"/* */ 1"),
    ("an integer of 5000 digits", b"1" * 5000),
    ("an error far inside", b'{"a": [1, 2, {"b": tru}]}'),
    ("an error in the third line", b'{\n"a": 1,\n"b": ?\n}'),
    ("an error after non-ASCII text", '{"é中": ?}'.encode()),
):
    bodies.case(f"event: {name}", body)
bodies.case("event: a megabyte", b'"' + b"x" * 1_000_000 + b'"')
bodies.case("event: in chunks", b'{"a": "' + b"x" * 5_000 + b'"}', chunked=True)
bodies.case("event: empty, in chunks", b"", chunked=True)

types = TYPES.share(_APP)
for name, content_type in (
    ("application/json", "application/json"),
    ("in capitals", "Application/JSON"),
    ("with a character set", "application/json; charset=utf-8"),
    ("with a space after it", "application/json "),
    ("text/plain", "text/plain"),
    ("application/octet-stream", "application/octet-stream"),
    ("image/png", "image/png"),
    ("application/cloudevents+json", "application/cloudevents+json"),
    ("nonsense", "x"),
):
    types.case(f"content type: {name}", b'{"a": 1}', {"Content-Type": content_type})
types.case("content type: text/plain and an empty body", b"", {"Content-Type": "text/plain"})
types.case("content type: image/png and bytes", b"\x89PNG\r\n\x1a\n\0", {"Content-Type": "image/png"})
TYPES.case(
    "content type: an image is returned unchanged",
    "def handler(event, context):\n    return event",
    Event(b"\x89PNG\r\n\x1a\n\0", {"Content-Type": "image/png"}),
)
TYPES.case("content type: no such header", _APP, Event(b'{"a": 1}', {"Content-Type": None}))
TYPES.case("content type: an empty header", _APP, Event(b'{"a": 1}', {"Content-Type": ""}))
TYPES.case(
    "content type: the header's name in lower case",
    _APP,
    Event(b"1", {"Content-Type": None, "content-type": "application/json"}),
)
