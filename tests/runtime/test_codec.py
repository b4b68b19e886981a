"""JSON from values and values from JSON: the fast path, the thorough path and `json` must agree."""

from __future__ import annotations

import json
import random
import sys
import unittest
from collections import OrderedDict, namedtuple
from decimal import Decimal

from lambda_runtime import codec
from lambda_runtime.errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Point = namedtuple("Point", "x y")

CHARACTERS = 'ab"\\/\b\f\n\r\t\0\x1f\x7f\x85é中\u2028\u2029\ufeff😀\U0010ffff'

# name, text, value; both paths must return the value
TEXTS: list[tuple[str, str, object]] = [
    ("null", "null", None),
    ("white space before", " \t\r\n1", 1),
    ("white space after", "1 \t\r\n", 1),
    ("white space around an object", ' {"a" : [ 1 , 2 ] } ', {"a": [1, 2]}),
    ("a byte order mark", "\ufeff[]", []),
    ("a byte order mark and white space", "\ufeff []", []),
    ("numbers", "[0, -0, 1.5, -1.5e3, 1E5]", [0, 0, 1.5, -1500.0, 100000.0]),
    ("escapes", r'"\u00e9\ud83d\ude00\\\"\/"', 'é😀\\"/'),
    ("halves of a pair", r'"\ude00\ud83d"', "\ude00\ud83d"),
    ("names of numbers in text", '{"NaN": "-Infinity"}', {"NaN": "-Infinity"}),
    ("deep nesting", "[" * 300 + "]" * 300, None),
]

REFUSED_TEXTS = [
    ("empty", ""),
    ("white space", " \n"),
    ("two byte order marks", "\ufeff\ufeff1"),
    ("a byte order mark after white space", " \ufeff1"),
    ("NaN", "NaN"),
    ("Infinity", "[1, Infinity]"),
    ("minus Infinity", '{"a": -Infinity}'),
    ("a form feed", "\f1"),
    ("a no-break space", "1\u00a0"),
    ("NUL", "1\0"),
    ("Python's None", "None"),
    ("a comment", "1 // one"),
    ("hexadecimal", "0x10"),
    ("a trailing point", "1."),
    ("a leading point", ".5"),
    ("digits of another script", "１"),  # noqa: RUF001
    ("an underscore", "1_000"),
    ("half a word", "tru"),
    ("a word and a half", "truefalse"),
    ("a single quote", "'a'"),
    ("no comma", "[1 2]"),
    ("no colon", '{"a" 1}'),
    ("no value", '{"a":}'),
    ("a key that is no text", "{1: 2}"),
]


class Reading(unittest.TestCase):
    def test_texts_are_read(self) -> None:
        for name, text, value in TEXTS:
            with self.subTest(name):
                if name == "deep nesting":
                    value = json.loads(text)
                found = codec.decode_json(text)
                self.assertEqual(found, value)
                self.assertEqual(type(found), type(value))

    def test_invalid_json_is_a_value_error(self) -> None:
        for name, text in REFUSED_TEXTS:
            with self.subTest(name):
                self.assertRaises(ValueError, codec.decode_json, text)

    def test_the_message_is_that_of_json(self) -> None:
        for name, text in REFUSED_TEXTS:
            if "NaN" in text or "Infinity" in text or text.startswith("\ufeff"):
                continue
            with self.subTest(name):
                with self.assertRaises(ValueError) as ours:
                    codec.decode_json(text)
                with self.assertRaises(ValueError) as theirs:
                    json_loads(text)
                self.assertEqual(str(ours.exception), str(theirs.exception))

    def test_the_place_of_a_refused_number_is_reported(self) -> None:
        for text in (
            "NaN",
            "[NaN]",
            r'["\"Nan\\", -Infinity]',
            "[1,\n\n Infinity]",
        ):
            with self.subTest(text):
                with self.assertRaises(json.JSONDecodeError) as raised:
                    codec.decode_json(text)
                self.assertRegex(text[raised.exception.pos :], r"\A(NaN|-?Infinity)\b")
                self.assertNotEqual(text[raised.exception.pos - 1 : raised.exception.pos], '"')

    def test_bytes_are_read_as_utf_8_only(self) -> None:
        text = '{"é": "中😀"}'
        value = {"é": "中😀"}
        self.assertEqual(codec.decode_event(text.encode(), "application/json"), value)
        self.assertEqual(codec.decode_event(text.encode("utf-8-sig"), "application/json"), value)
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "latin-1"):
            with self.subTest(encoding), self.assertRaises(Fault):
                codec.decode_event('{"é": "ü"}'.encode(encoding), "application/json")

    def test_random_values_come_back_from_their_text(self) -> None:
        generator = random.Random(1)
        for number in range(1000):
            value = random_value(generator, 4)
            for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
                self.assertEqual(codec.decode_json(text), value, number)

    def test_random_text_is_read_as_json_reads_it_or_refused(self) -> None:
        generator = random.Random(2)
        pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"a"',
            "1",
            "-",
            "1.5",
            "e3",
            "true",
            "null",
            " ",
            "\n",
            '"',
            "\\",
            "é",
        ]
        for number in range(5000):
            text = "".join(generator.choice(pieces) for _ in range(generator.randrange(1, 8)))
            try:
                expected = json_loads(text)
            except ValueError as error:
                with self.assertRaises(ValueError, msg=(number, text)) as raised:
                    codec.decode_json(text)
                self.assertEqual(str(raised.exception), str(error), (number, text))
            else:
                self.assertEqual(codec.decode_json(text), expected, (number, text))


class Writing(unittest.TestCase):
    def test_random_values_are_written_as_json_writes_them(self) -> None:
        generator = random.Random(3)
        for number in range(1000):
            value = random_value(generator, 4)
            self.assertEqual(codec.encode_json(value), json.dumps(value, ensure_ascii=False), number)

    def test_the_thorough_path_writes_the_same(self) -> None:
        # A Decimal makes the encoder use the thorough path for the whole value.
        generator = random.Random(4)
        for number in range(1000):
            value = random_value(generator, 4)
            expected = f"[{json.dumps(value, ensure_ascii=False)}, 1.10]"
            self.assertEqual(codec.encode_json([value, Decimal("1.10")]), expected, number)

    def test_both_paths_write_tuples_and_all_kinds_of_keys_alike(self) -> None:
        value = {1: (1, 2), 2.5: (), None: [()], False: {"": ""}, "é": -0.0, 1e100: 1e-100}
        expected = json.dumps(value, ensure_ascii=False)
        self.assertEqual(codec.encode_json(value), expected)
        self.assertEqual(codec.encode_json([value, Decimal(1)]), f"[{expected}, 1]")

    def test_both_paths_write_nan_and_infinity_alike(self) -> None:
        value = [float("nan"), float("inf"), -float("inf"), {float("nan"): 1, -float("inf"): 2}]
        expected = '[NaN, Infinity, -Infinity, {"NaN": 1, "-Infinity": 2}]'
        self.assertEqual(codec.encode_json(value), expected)
        self.assertEqual(codec.encode_json([value, Decimal(1)]), f"[{expected}, 1]")

    def test_every_character_survives(self) -> None:
        for start in range(0, 0x110000, 0x800):
            # Separated by spaces, so that surrogates do not form pairs.
            text = " ".join(map(chr, range(start, start + 0x800)))
            body, _ = codec.encode_response([text])
            self.assertEqual(json.loads(body.decode()), [text], hex(start))
            body, _ = codec.encode_response([text, Decimal(1)])
            self.assertEqual(json.loads(body.decode()), [text, 1], hex(start))

    def test_a_decimal_keeps_its_digits_in_any_place(self) -> None:
        for digits in ("0", "-0", "0.0", "1.10", "-1.5", "1E+3", "1E-10", "0E+2", "9" * 50, "0." + "1" * 50):
            with self.subTest(digits):
                self.assertEqual(codec.encode_json(Decimal(digits)), digits)
                self.assertEqual(codec.encode_json({"a": [Decimal(digits)]}), f'{{"a": [{digits}]}}')
                self.assertEqual(
                    Decimal(digits), json.loads(codec.encode_json(Decimal(digits)), parse_float=Decimal)
                )

    def test_asdict_is_called_only_once(self) -> None:
        calls = []

        class Row:
            def _asdict(self) -> dict[str, int]:
                calls.append(1)
                return {"a": 1}

        self.assertEqual(codec.encode_json({"row": Row()}), '{"row": {"a": 1}}')
        self.assertEqual(len(calls), 1)

    def test_an_endless_value_is_refused(self) -> None:
        class Endless:
            def _asdict(self) -> dict[str, object]:
                return {"next": Endless()}

        with self.assertRaises(Fault) as raised:
            codec.encode_response(Endless())
        self.assertEqual(raised.exception.error_type, "Runtime.MarshalError")

    def test_a_shared_value_is_accepted_but_a_cycle_is_refused(self) -> None:
        shared: list[Any] = []
        self.assertEqual(codec.encode_json([shared, (shared, Decimal(1))]), "[[], [[], 1]]")
        for name, around in [
            ("list", lambda value: [value]),
            ("tuple", lambda value: (value,)),
            ("dict", lambda value: {"a": value}),
            ("named tuple", lambda value: Point(value, 1)),
            ("OrderedDict", lambda value: OrderedDict(a=value)),
        ]:
            with self.subTest(name):
                circle: list[Any] = []
                circle.append(around(circle))  # type: ignore[no-untyped-call]
                with self.assertRaisesRegex(ValueError, "Circular reference detected"):
                    codec.encode_json(circle)

    @unittest.skipUnless(hasattr(sys, "get_int_max_str_digits"), "this Python has no such limit")
    def test_too_many_digits_are_refused_in_both_directions(self) -> None:
        self.assertRaises(ValueError, codec.encode_json, 10**5000)
        self.assertRaises(ValueError, codec.encode_json, [10**5000, Decimal(1)])


def json_loads(text: str) -> Any:
    """Parse ``text`` with `json` itself. With an argument, because PyPy's messages differ without one."""
    return json.loads(text, parse_constant=float)


def random_value(generator: random.Random, depth: int) -> Any:
    """Return a random value of JSON's types."""
    kind = generator.randrange(9 if depth else 6)
    if kind == 0:
        return generator.choice([None, True, False])
    if kind == 1:
        return generator.randrange(-(10 ** generator.randrange(1, 30)), 10**20)
    if kind == 2:
        return generator.choice([0.0, -0.0, 1e300, 5e-324, generator.uniform(-1000, 1000)])
    if kind <= 5:
        return "".join(generator.choice(CHARACTERS) for _ in range(generator.randrange(8)))
    items = [random_value(generator, depth - 1) for _ in range(generator.randrange(4))]
    if kind <= 7:
        return items
    keys = ["".join(generator.choice(CHARACTERS) for _ in range(3)) for _ in items]
    return dict(zip(keys, items))


class LongTexts(unittest.TestCase):
    TEXTS = (
        "x",
        'a"b\\c\n\r\t/',
        "é\u2028\U0001f600\x7f",
        "\x00\x1f",
        "\ud800",
        '"',
        "x" * 99 + '"\n\\\t\x08',
    )

    def test_they_are_encoded_as_json_encodes_them(self) -> None:
        for text in self.TEXTS:
            for length in (10, 3000):
                long = text * (length // len(text) + 1)
                for value in (
                    long,
                    {"statusCode": 200, "headers": {"a": long}, "body": long},
                    {"a": long, "é": [long], "b": long},
                    {7: long, None: 2, False: long, 2.5: [1]},
                    [long, {"a": long}],
                ):
                    with self.subTest(ascii(text), length=length, kind=type(value)):
                        expected = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
                        self.assertEqual(codec.encode_response(value), (expected, "application/json"))

    def test_other_values_beside_them_are_refused(self) -> None:
        for value in ({"a": "x" * 3000, "b": {1}}, {"a": "x" * 3000, (1,): 2}):
            with self.assertRaises(Fault) as raised:
                codec.encode_response(value)
            self.assertEqual(raised.exception.error_type, "Runtime.MarshalError")


if __name__ == "__main__":
    unittest.main()
