"""Results of handlers: the bytes that are posted, and the errors for results that cannot be posted."""

from __future__ import annotations

import json
import sys
import unittest

from tests.support import EVALUATE, PYPY, FunctionTestCase, own_log, posts

LIMIT_BYTES = 6_291_556

CLASSES = (
    EVALUATE
    + """
    class Color(enum.Enum):
        RED = "red"
    class Number(enum.IntEnum):
        ONE = 1
    class Shade(str, enum.Enum):
        RED = "red"
    class Flag(enum.IntFlag):
        A = 1
        B = 2
    class Text(str):
        def __repr__(self): return "<Text>"
        __str__ = __repr__
    class Whole(int):
        def __repr__(self): return "<Whole>"
        __str__ = __repr__
    class Real(float):
        def __repr__(self): return "<Real>"
        __str__ = __repr__
    class Items(list): pass
    class Members(dict): pass
    class Doubled(dict):
        def items(self): return [*super().items(), *super().items()]
    class Amount(Decimal): pass
    class Bytes(bytes): pass
    Point = namedtuple("Point", "x y")
    class Typed(Point):
        def length(self): return 5
    class Row:
        def __init__(self, **fields): self.fields = fields
        def _asdict(self): return self.fields
    class Failing:
        def _asdict(self): raise KeyError("lost")
    class Untold(Exception):
        def __str__(self): raise self
    class FailingUntold:
        def _asdict(self): raise Untold
    class ForJson:
        def for_json(self): return 1
    @dataclasses.dataclass
    class Data:
        x: int
    def circular_list():
        value = [1]
        value.append(value)
        return value
    def circular_dict(extra=None):
        value = {"a": {"extra": extra}}
        value["a"]["b"] = value
        return value
    def nested(depth, innermost=None):
        value = innermost
        for _ in range(depth): value = [value]
        return value
    def twice(value): return [value, value]
"""
)

# name, expression, the posted body
VALUES = [
    ("None", "None", "null"),
    ("True", "True", "true"),
    ("an integer", "1", "1"),
    ("a large integer", "2**70", "1180591620717411303424"),
    ("a negative integer", "-2**63", "-9223372036854775808"),
    ("floats", "[1.5, 1.0, 1e22, 1e-7, -0.0, 0.1]", "[1.5, 1.0, 1e+22, 1e-07, -0.0, 0.1]"),
    ("NaN and Infinity", "[float('nan'), float('inf'), -float('inf')]", "[NaN, Infinity, -Infinity]"),
    ("NaN alone", "float('nan')", "NaN"),
    ("text", "'hi'", '"hi"'),
    ("empty text", "''", '""'),
    ("characters that JSON escapes", r"""'a"b\\c/d\n\t\x00\x1f'""", r'"a\"b\\c/d\n\t\u0000\u001f"'),
    ("other controls", r"'\b\f\r'", r'"\b\f\r"'),
    ("DEL", r"'\x7f'", '"\x7f"'),
    ("characters beyond ASCII", "'hé 中 😀'", '"hé 中 😀"'),
    ("U+2028 and U+2029", r"'\u2028\u2029'", '"\u2028\u2029"'),
    ("a lone surrogate", r"'\ud800x'", r'"\ud800x"'),
    ("two surrogates", r"'\ud83d' + '\ude00'", r'"\ud83d\ude00"'),
    ("a lone surrogate beside others", r"{'é\udfff': 'ü\ud800'}", r'{"é\udfff": "ü\ud800"}'),
    ("markup", "'<script>&\\''", "\"<script>&'\""),
    ("an object", "{'b':1,'a':[1,2,{'c':None}]}", '{"b": 1, "a": [1, 2, {"c": null}]}'),
    ("empty containers", "[[], {}, ()]", "[[], {}, []]"),
    ("a tuple", "(1, (2, 3))", "[1, [2, 3]]"),
    ("a list's subclass", "Items([1, Items()])", "[1, []]"),
    ("an OrderedDict", "OrderedDict(b=1, a=2)", '{"b": 1, "a": 2}'),
    ("a defaultdict", "defaultdict(list, a=[1])", '{"a": [1]}'),
    ("a dict's subclass", "[Members(a=1)]", '[{"a": 1}]'),
    ("a dict's subclass with its own items", "Doubled(a=1)", '{"a": 1, "a": 1}'),
    ("a Counter", "collections.Counter('aab')", '{"a": 2, "b": 1}'),
    ("text of a subclass", "[Text('a'), {Text('k'): 1}]", '["a", {"k": 1}]'),
    ("an integer of a subclass", "[Whole(7), {Whole(7): 1}]", '[7, {"7": 1}]'),
    ("a float of a subclass", "[Real(1.5), {Real(1.5): 1}]", '[1.5, {"1.5": 1}]'),
    ("an IntEnum", "[Number.ONE, {Number.ONE: 1}]", '[1, {"1": 1}]'),
    ("an enum of text", "[Shade.RED, {Shade.RED: 1}]", '["red", {"red": 1}]'),
    ("an IntFlag", "Flag.A | Flag.B", "3"),
    ("a named tuple", "Point(1, Point(2, 3))", '{"x": 1, "y": {"x": 2, "y": 3}}'),
    ("a named tuple's subclass", "[Typed(1, None)]", '[{"x": 1, "y": null}]'),
    ("a named tuple deep inside", "{'a': [{'b': Point(1, 'é')}]}", '{"a": [{"b": {"x": 1, "y": "é"}}]}'),
    ("an object with _asdict()", "Row(a=1, b=[Row(c=Decimal('1.0'))])", '{"a": 1, "b": [{"c": 1.0}]}'),
    ("bytes inside", r"{'a': b'ok', 'b': [b'h\xc3\xa9', b'']}", '{"a": "ok", "b": ["hé", ""]}'),
    ("Decimals", "[Decimal('1.10'), Decimal('1E+3'), Decimal('-0')]", "[1.10, 1E+3, -0]"),
    ("a Decimal alone", "Decimal('0.1')", "0.1"),
    ("more digits than a float has", "{'a': Decimal('3.14159265358979323846264338327950288')}",
     '{"a": 3.14159265358979323846264338327950288}'),
    ("Decimals that are no numbers",
     "[Decimal('NaN'), Decimal('-NaN'), Decimal('sNaN'), Decimal('Infinity'), Decimal('-Infinity')]",
     "[NaN, NaN, NaN, Infinity, -Infinity]"),
    ("a Decimal's subclass", "[Amount('2.50')]", "[2.50]"),
    ("all kinds beside a Decimal", "[Decimal('1.0'), None, True, False, 1, 1.5, 'é\\n', (1,), {'a': {}}]",
     '[1.0, null, true, false, 1, 1.5, "é\\n", [1], {"a": {}}]'),
    ("a value in two places", "twice([1])", "[[1], [1]]"),
    ("a named tuple in two places", "twice(Point(1, 2))", '[{"x": 1, "y": 2}, {"x": 1, "y": 2}]'),
]  # fmt: skip

KEYS = [
    ("other atoms", "{1: 0, 2.5: 0, None: 0, False: 0}", '{"1": 0, "2.5": 0, "null": 0, "false": 0}'),
    ("True", "{True: 0}", '{"true": 0}'),
    ("no numbers", "{float('nan'): 0, float('inf'): 0}", '{"NaN": 0, "Infinity": 0}'),
    ("the same text twice", "{1: 'a', '1': 'b'}", '{"1": "a", "1": "b"}'),
    ("bytes", r"{b'k': 1, b'h\xc3\xa9': 2}", '{"k": 1, "hé": 2}'),
    ("all kinds beside a Decimal", "{1: Decimal('1'), 2.5: 0, None: 0, False: 0, float('nan'): 0, 'é': 0}",
     '{"1": 1, "2.5": 0, "null": 0, "false": 0, "NaN": 0, "é": 0}'),
]  # fmt: skip

TOO_DEEP = "^maximum recursion depth exceeded while encoding a JSON object"

# name, expression, pattern of the message after "Unable to marshal response: "
REFUSED = [
    *(
        (name, expression, f"^Object of type {name} is not JSON serializable$")
        for name, expression in [
            ("set", "{1}"),
            ("frozenset", "frozenset()"),
            ("range", "range(3)"),
            ("deque", "deque([1])"),
            ("bytearray", "bytearray(b'x')"),
            ("memoryview", "memoryview(b'x')"),
            ("complex", "1j"),
            ("datetime", "datetime.datetime(2026, 1, 1)"),
            ("date", "datetime.date(2026, 1, 1)"),
            ("UUID", "uuid.UUID(int=1)"),
            ("Data", "Data(1)"),
            ("Color", "Color.RED"),
            ("mappingproxy", "types.MappingProxyType({})"),
            ("UserDict", "UserDict(a=1)"),
            ("SimpleNamespace", "types.SimpleNamespace(a=1)"),
            ("object", "object()"),
            ("function", "circular_list"),
            ("type", "Data"),
            ("module", "sys"),
            ("ValueError", "ValueError('x')"),
            ("ForJson", "ForJson()"),
            ("LambdaContext", "context"),
            ("dict_keys", "{'a': 1}.keys()"),
            ("ellipsis", "..."),
        ]
    ),
    ("inside an array", "[1, {2}]", "^Object of type set is not JSON serializable$", "[1]"),
    ("inside an object", "{'items': [0, {'when': {1}}]}",
     "^Object of type set is not JSON serializable$", "['items'][1]['when']"),
    ("inside a named tuple", "[Point(1, {2})]", "set is not JSON serializable$", "[0]['y']"),
    ("beside a Decimal", "{'a': Decimal('1'), 'b': {2}}", "set is not JSON serializable$", "['b']"),
    ("below a key that is no text", "{1: {2}}", "set is not JSON serializable$", "[1]"),
    ("a tuple as a key", "{(1, 2): 0}", "^keys must be str, int, float, bool or None, not tuple$"),
    ("a Decimal as a key", "{Decimal('1'): 0}", "^keys must be str, int, float, bool or None, not Decimal$"),
    ("an Enum as a key", "{Color.RED: 0}", "^keys must be str, int, float, bool or None, not Color$"),
    ("a tuple as a key, inside", "{'a': [{(1,): 0}]}", "not tuple$", "['a'][0]"),
    ("bytes that are not UTF-8", r"{'a': b'\xff'}",
     "^'utf-?8' codec can't decode byte 0xff in position 0: invalid start byte$", "['a']"),
    ("a key that is not UTF-8", r"{b'\xff': 1}", "^'utf-?8' codec can't decode byte 0xff in position 0"),
    ("a list that contains itself", "circular_list()", r"^Circular reference detected"),
    ("an object that contains itself", "circular_dict()", r"^Circular reference detected"),
    ("a circle beside a Decimal", "circular_dict(Decimal('1'))", r"^Circular reference detected"),
    ("a hundred thousand lists in each other", "nested(100_000)", TOO_DEEP),
    ("the same with a Decimal inside", "nested(20_000, Decimal('1'))", TOO_DEEP),
    ("a failing _asdict()", "[Failing()]", "lost"),
    ("an _asdict() whose error fails", "[FailingUntold()]", "an error without a text"),
]  # fmt: skip


class Json(FunctionTestCase):
    def test_values_are_posted_as_json(self) -> None:
        function = self.start(CLASSES)
        for name, expression, expected in VALUES:
            with self.subTest(name, expression=expression):
                self.assertPosted(function.invoke(json.dumps(expression).encode()).payload, expected)
                self.assertEqual(posts(function)[-1].header("Content-Type"), "application/json")
        self.assertStillWorks(function)

    def test_keys_are_posted_as_text(self) -> None:
        function = self.start(CLASSES)
        for name, expression, expected in KEYS:
            with self.subTest(name, expression=expression):
                self.assertPosted(function.invoke(json.dumps(expression).encode()).payload, expected)

    def assertPosted(self, payload: bytes, expected: str) -> None:
        self.assertEqual(payload.decode("utf-8", "backslashreplace"), expected)

    def test_a_value_that_json_cannot_represent_is_a_marshal_error_with_its_place(self) -> None:
        function = self.start(CLASSES)
        for name, expression, message, *place in REFUSED:
            with self.subTest(name, expression=expression):
                payload = self.error(function, expression)
                self.assertEqual(payload["errorType"], "Runtime.MarshalError")
                self.assertEqual(payload["stackTrace"], [])
                beginning = "Unable to marshal response: "
                self.assertEqual(payload["errorMessage"][: len(beginning)], beginning)
                self.assertRegex(payload["errorMessage"][len(beginning) :], message)
                if place:
                    self.assertEqual(payload["notes"][0], f"The value is at response{place[0]}")
        self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    def test_a_note_says_what_to_return_instead(self) -> None:
        function = self.start(
            """
            import collections, dataclasses, datetime, enum, pathlib, uuid

            @dataclasses.dataclass
            class Order: number: int

            class Model:  # as pydantic's
                def model_dump(self, mode): return {}

            class Color(enum.Enum): RED = 1

            class Array:  # as NumPy's
                def tolist(self): return []

            class Strange(type):
                def __getattr__(cls, name): raise OSError(name)

            class Class(metaclass=Strange): pass

            async def fetch(): return 1

            def handler(event, context):
                return {"items": [eval(event)]}
            """
        )
        rows = [
            ("fetch()", "Await it"),
            ("map(str, [1])", "list("),
            ("(n for n in (1, 2))", "list("),
            ("datetime.datetime(2026, 1, 1)", ".isoformat()"),
            ("datetime.date(2026, 1, 1)", ".isoformat()"),
            ("datetime.timedelta(1)", ".total_seconds()"),
            ("uuid.uuid4()", "str("),
            ("pathlib.Path('/tmp')", "str("),
            ("{1, 2}", "sorted("),
            ("frozenset()", "sorted("),
            ("{}.keys()", "list("),
            ("collections.deque()", "list("),
            ("Order(1)", "dataclasses.asdict("),
            ("Model()", ".model_dump(mode='json')"),
            ("Array()", ".tolist()"),
            ("Color.RED", ".value"),
            ("bytearray(b'x')", "bytes("),
            ("Class()", None),
            ("object", None),
        ]
        for expression, advice in rows:
            with self.subTest(expression):
                payload = self.error(function, expression)
                self.assertEqual(payload["errorType"], "Runtime.MarshalError")
                self.assertRegex(payload["errorMessage"], "not JSON serializable$")
                place, *advices = payload["notes"]
                self.assertEqual(place, "The value is at response['items'][0]")
                self.assertEqual(len(advices), int(advice is not None))
                self.assertIn(advice or "", "".join(advices))

    def test_a_class_name_with_line_breaks_is_refused_like_others(self) -> None:
        function = self.start(CLASSES)
        payload = self.error(function, r"type('Bad\r\nInjected: yes', (), {})()")
        self.assertEqual(payload["errorType"], "Runtime.MarshalError")
        self.assertIsNone(posts(function)[-1].header("Injected"))

    def test_the_error_is_posted_and_logged_like_other_errors(self) -> None:
        function = self.start("def handler(event, context): return {1, 2}")
        result = self.invoke(function)
        post = posts(function)[-1]
        self.assertEqual(post.path, f"/2018-06-01/runtime/invocation/{result.request_id}/error")
        self.assertEqual(post.header("Lambda-Runtime-Function-Error-Type"), "Runtime.MarshalError")
        cause = json.loads(post.header("Lambda-Runtime-Function-XRay-Error-Cause") or "")
        self.assertEqual(cause["exceptions"][0]["type"], "LambdaValidationError")
        self.assertIn("[ERROR] Runtime.MarshalError: Unable to marshal response: Object", own_log(result))

    @unittest.skipUnless(hasattr(sys, "get_int_max_str_digits"), "this Python has no such limit")
    def test_an_integer_with_too_many_digits_for_python_is_a_marshal_error(self) -> None:
        function = self.start(EVALUATE)
        for expression in ("10**5000", "[10**5000, Decimal('1')]"):
            payload = self.error(function, expression)
            self.assertEqual(payload["errorType"], "Runtime.MarshalError")
            self.assertRegex(payload["errorMessage"], r"Exceeds the limit \(4300( digits)?\)")

    def test_nesting_of_some_hundred_levels_works(self) -> None:
        function = self.start(CLASSES)
        for depth, expression in ((500, "nested(500)"), (200, "nested(200, Decimal('1.0'))")):
            with self.subTest(expression):
                payload = function.invoke(json.dumps(expression).encode()).payload
                self.assertTrue(payload.startswith(b"[" * depth), payload[:1000])

    def test_nesting_of_some_thousand_levels_works_or_is_a_marshal_error(self) -> None:
        # The nesting depth that json allows depends on the version of Python.
        function = self.start(CLASSES)
        for depth in (1000, 3000, 10_000):
            with self.subTest(depth=depth):
                result = self.invoke(function, f"nested({depth})")
                if result.function_error is None:
                    self.assertEqual(result.payload, b"[" * depth + b"null" + b"]" * depth)
                else:
                    self.assertIn(b"Runtime.MarshalError", result.payload)
        self.assertStillWorks(function)

    def test_the_result_is_not_changed(self) -> None:
        function = self.start(
            """
            from decimal import Decimal
            value = {"a": [Decimal("1.0"), (1, 2)], 1: b"x"}
            def handler(event, context):
                if event == "look": return repr(value)
                return value
            """
        )
        self.assertResponse(function, None, {"a": [1.0, [1, 2]], "1": "x"})
        self.assertResponse(function, "look", "{'a': [Decimal('1.0'), (1, 2)], 1: b'x'}")

    @unittest.skipIf(PYPY, "it loads json at the start")
    def test_a_plain_result_does_not_import_json(self) -> None:
        function = self.start(
            "import sys\ndef handler(event, context): return {'json': 'json' in sys.modules}"
        )
        self.assertResponse(function, None, {"json": False})
        self.assertResponse(function, None, {"json": False})


class Bytes(FunctionTestCase):
    def test_bytes_are_sent_unchanged(self) -> None:
        function = self.start(CLASSES)
        for expression, expected in [
            (r"b'\x00\xff'", b"\x00\xff"),
            ("b''", b""),
            ("bytes(range(256))", bytes(range(256))),
            ("Bytes(b'of a subclass')", b"of a subclass"),
        ]:
            with self.subTest(expression):
                result = function.invoke(json.dumps(expression).encode())
                self.assertEqual(result.payload, expected)
                self.assertEqual(posts(function)[-1].header("Content-Type"), "application/unknown")
                self.assertEqual(posts(function)[-1].header("Content-Length"), str(len(expected)))


class Sizes(FunctionTestCase):
    SOURCE = """
        def handler(event, context):
            return b"x" * event
    """

    def test_five_megabytes_in_both_directions(self) -> None:
        function = self.start()
        body = json.dumps(["ü" * 1000] * 2500, ensure_ascii=False).encode()
        for _ in range(3):
            self.assertEqual(function.invoke(body).payload, body)

    def test_results_of_any_size_arrive_completely(self) -> None:
        function = self.start(self.SOURCE)
        for size in (0, 1, 2048, 65_535, 65_536, 65_537, 1_000_000, LIMIT_BYTES):
            with self.subTest(size=size):
                result = self.invoke(function, size)
                self.assertIsNone(result.function_error)
                self.assertEqual(len(result.payload), size)

    def test_a_result_beyond_the_limit_fails_only_its_invocation(self) -> None:
        # A classic server reads everything, then responds with 413. On managed instances it responds
        # immediately, with Connection: close, and stops reading.
        for early in (False, True):
            for size in (LIMIT_BYTES + 1, 20_000_000):
                with self.subTest(early=early, size=size):
                    function = self.start(self.SOURCE, early_413=early)
                    self.assertEqual(len(self.invoke(function, 10).payload), 10)
                    result = self.invoke(function, size)
                    self.assertEqual(result.function_error, "Unhandled")
                    self.assertIn(b"Function.ResponseSizeTooLarge", result.payload)
                    self.assertEqual(len(self.invoke(function, 10).payload), 10)
                    self.assertStillWorks(function)
                    self.assertOneResponseEach(function)
                    statuses = [(post.path.rpartition("/")[2], post.status) for post in posts(function)]
                    expected = [("response", 202), ("response", 413), ("response", 202)]
                    self.assertEqual(statuses, expected)
                    function.close()

    def test_the_log_has_the_size_of_the_result_and_a_remedy(self) -> None:
        function = self.start(self.SOURCE)
        result = self.invoke(function, LIMIT_BYTES + 1)
        log = own_log(result)
        self.assertIn(result.request_id, log)
        self.assertIn(str(LIMIT_BYTES + 1), log)
        self.assertIn(str(LIMIT_BYTES), log)
        self.assertIn("S3", log)


if __name__ == "__main__":
    unittest.main()
