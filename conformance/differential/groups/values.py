"""Values that a handler returns, and the bytes that are posted for them."""

from __future__ import annotations

from ..case import Group

VALUES = Group("values")
KEYS = Group("object keys")
ENCODING = Group("values with AWS_EXECUTION_ENV python3.12")
GROUPS = [VALUES, KEYS, ENCODING]

# The event is an expression; its value is returned.
_APP = """
    import array, collections, dataclasses, datetime, decimal, enum, fractions, ipaddress, json, pathlib
    import re, types, typing, uuid
    from decimal import Decimal as D

    class Colour(enum.Enum):
        RED = "red"

    class Number(enum.IntEnum):
        ONE = 1

    class Word(str, enum.Enum):
        RED = "red"

    class Flag(enum.IntFlag):
        A = 1
        B = 2

    Point = collections.namedtuple("Point", "x y")

    class Named(typing.NamedTuple):
        x: int
        y: typing.Any = None

    @dataclasses.dataclass
    class Data:
        x: int = 1

    class AsDict:
        def _asdict(self):
            return {"as": "dict"}

    class AsDictOfNothing:
        def _asdict(self):
            return [1, 2]

    class BadAsDict:
        def _asdict(self):
            raise KeyError("no dict")

    class ForJson:
        def for_json(self):
            return {"for": "json"}

        def toJSON(self):
            return "x"

        def __json__(self):
            return "x"

    class SubStr(str):
        def __repr__(self):
            return "wrong"
        __str__ = __repr__

    class SubInt(int):
        def __repr__(self):
            return "wrong"
        __str__ = __repr__

    class SubFloat(float):
        def __repr__(self):
            return "wrong"
        __str__ = __repr__

    class SubBool:
        def __bool__(self):
            return True

    class SubList(list):
        def __iter__(self):
            return iter(["from iter"])

    class SubDict(dict):
        def items(self):
            return [("from", "items")]

    class SubDecimal(decimal.Decimal):
        def __str__(self):
            return "wrong"

    class SubBytes(bytes):
        pass

    class Mapping(collections.abc.Mapping):
        def __getitem__(self, key): return 1
        def __iter__(self): return iter(["a"])
        def __len__(self): return 1

    class BadStr(str):
        def encode(self, *args):
            raise ValueError("no encode")

    def itself():
        value = []
        value.append(value)
        return value

    def itself_in_dict():
        value = {}
        value["me"] = value
        return value

    def nested(depth, make=lambda inner: [inner]):
        value = 1
        for _ in range(depth):
            value = make(value)
        return value

    def shared():
        one = {"a": 1}
        return [one, one, {"again": one}]

    def changed_by_default():
        value = {}
        value["x"] = value.setdefault("y", 1)
        return value

    def handler(event, context):
        return eval(event)
"""


def _expression(text: str) -> str:
    """The event for an expression: a JSON string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


values = VALUES.share(_APP)
for name, expression, posts in (
    ("None", "None", "null"),
    ("True", "True", "true"),
    ("False", "False", "false"),
    ("zero", "0", "0"),
    ("a negative integer", "-1", "-1"),
    ("an integer beyond 64 bits", "2 ** 70", "1180591620717411303424"),
    ("the least 64-bit integer", "-(2 ** 63)", "-9223372036854775808"),
    ("an integer of 4000 digits", "10 ** 3999", "1" + "0" * 3999),
    ("an integer of 5000 digits", "10 ** 4999", None),
    ("a float", "1.5", "1.5"),
    ("a whole float", "1.0", "1.0"),
    ("a large float", "1e22", "1e+22"),
    ("a small float", "1e-7", "1e-07"),
    ("a float of 17 digits", "0.1 + 0.2", "0.30000000000000004"),
    ("negative zero", "-0.0", "-0.0"),
    ("the largest float", "1.7976931348623157e308", "1.7976931348623157e+308"),
    ("nan", "float('nan')", "NaN"),
    ("inf", "float('inf')", "Infinity"),
    ("-inf", "float('-inf')", "-Infinity"),
    ("nan within", "{'a': [float('nan')]}", '{"a": [NaN]}'),
    ("a string", "'hi'", '"hi"'),
    ("an empty string", "''", '""'),
    ("quotes and backslashes", "'a\"b\\\\c/d'", '"a\\"b\\\\c/d"'),
    ("tab, line feed, carriage return", "'\\t\\n\\r'", '"\\t\\n\\r"'),
    ("backspace, form feed", "'\\b\\f'", '"\\b\\f"'),
    ("other control characters", "'\\0\\x01\\x1f'", '"\\u0000\\u0001\\u001f"'),
    ("DEL", "'\\x7f'", '"\\u007f"'),
    ("two-byte characters", "'h\\u00e9'", '"h\\u00e9"'),
    ("three-byte characters", "'\\u4e2d'", '"\\u4e2d"'),
    ("four-byte characters", "'\\U0001f600'", '"\\ud83d\\ude00"'),
    ("U+2028 and U+2029", "'\\u2028\\u2029'", '"\\u2028\\u2029"'),
    ("U+FEFF and U+FFFF", "'\\ufeff\\uffff'", '"\\ufeff\\uffff"'),
    ("a lone surrogate", "'\\ud800x'", '"\\ud800x"'),
    ("a lone low surrogate", "['\\udc00']", '["\\udc00"]'),
    ("a character as two surrogates", "'\\ud83d\\ude00'", '"\\ud83d\\ude00"'),
    ("a surrogate and other characters", "'\\ud800 \\u00e9 \\U0001f600'", '"\\ud800 \\u00e9 \\ud83d\\ude00"'),
    ("HTML", "'<script>&\\''", '"<script>&\'"'),
    ("a string of a megabyte", "'x' * 1_000_000", '"' + "x" * 1_000_000 + '"'),
    ("an empty list", "[]", "[]"),
    ("an empty object", "{}", "{}"),
    ("a list", "[1, 'a', None, True]", '[1, "a", null, true]'),
    ("an object keeps its order", "{'b': 1, 'a': [1, 2, {'c': None}]}", '{"b": 1, "a": [1, 2, {"c": null}]}'),
    ("a tuple", "(1, (2,))", "[1, [2]]"),
    ("an empty tuple", "()", "[]"),
    ("one object in several places", "shared()", '[{"a": 1}, {"a": 1}, {"again": {"a": 1}}]'),
    ("nesting of 100 levels", "nested(100)", "[" * 100 + "1" + "]" * 100),
    ("nesting of 300 objects", "nested(300, lambda inner: {'a': inner})", None),
    ("an OrderedDict", "collections.OrderedDict([('z', 1), ('a', 2)])", '{"z": 1, "a": 2}'),
    ("a defaultdict", "collections.defaultdict(list, a=[1])", '{"a": [1]}'),
    ("a Counter", "collections.Counter('aab')", '{"a": 2, "b": 1}'),
    ("a subclass of str", "SubStr('x')", '"x"'),
    ("a subclass of int", "SubInt(5)", "5"),
    ("a subclass of float", "SubFloat(2.5)", "2.5"),
    ("subclasses within", "[SubStr('x'), SubInt(5), SubFloat(2.5)]", '["x", 5, 2.5]'),
    ("a subclass of list with its own __iter__", "SubList(['own'])", None),
    ("a subclass of dict with its own items", "SubDict(own=1)", None),
    ("an IntEnum", "Number.ONE", "1"),
    ("a str Enum", "Word.RED", '"red"'),
    ("an IntFlag", "Flag.A | Flag.B", "3"),
    ("a namedtuple", "Point(1, 2)", '{"x": 1, "y": 2}'),
    ("a namedtuple within a namedtuple", "Point(1, Point(2, 3))", '{"x": 1, "y": {"x": 2, "y": 3}}'),
    ("a namedtuple within a list", "[Point(1, 2)]", '[{"x": 1, "y": 2}]'),
    (
        "a namedtuple within an object",
        "{'p': Point(1, [Point(2, 3)])}",
        '{"p": {"x": 1, "y": [{"x": 2, "y": 3}]}}',
    ),
    ("a typing.NamedTuple", "Named(1)", '{"x": 1, "y": null}'),
    ("a namedtuple that holds bytes", "Point(b'x', D('1.10'))", '{"x": "x", "y": 1.10}'),
    ("an object with _asdict", "AsDict()", '{"as": "dict"}'),
    ("an object with _asdict within", "{'a': [AsDict()]}", '{"a": [{"as": "dict"}]}'),
    ("an object whose _asdict gives a list", "AsDictOfNothing()", None),
    ("an object whose _asdict raises", "BadAsDict()", None),
    ("a class with _asdict", "AsDict", None),
    ("bytes within an object", "{'a': b'ok'}", '{"a": "ok"}'),
    ("bytes within a list", "[b'h\\xc3\\xa9', b'']", '["h\\u00e9", ""]'),
    ("a subclass of bytes within a list", "[SubBytes(b'sub')]", '["sub"]'),
    ("bytes that are not UTF-8 within", "{'a': [1, b'\\xff']}", None),
    ("a Decimal keeps its digits", "D('1.10')", "1.10"),
    ("a Decimal within", "{'pi': D('3.14159')}", '{"pi": 3.14159}'),
    ("a Decimal with a positive exponent", "D('1E+3')", "1E+3"),
    ("a Decimal with a negative exponent", "D('1E-10')", "1E-10"),
    ("a Decimal of negative zero", "D('-0')", "-0"),
    ("a Decimal of 40 digits", "D('0.1234567890123456789012345678901234567890')", None),
    ("a Decimal of 0E-8", "D('0E-8')", "0E-8"),
    ("a Decimal that is not a number", "D('NaN')", "NaN"),
    ("a negative Decimal that is not a number", "D('-NaN')", "NaN"),
    ("a signalling Decimal", "D('sNaN')", "NaN"),
    ("an infinite Decimal", "[D('Infinity'), D('-Infinity')]", "[Infinity, -Infinity]"),
    ("a subclass of Decimal", "[SubDecimal('1.5')]", None),
    ("Decimals among other numbers", "[D('1'), 1, 1.0, D('1.0')]", "[1, 1, 1.0, 1.0]"),
    ("a list that contains itself", "itself()", None),
    ("an object that contains itself", "itself_in_dict()", None),
    ("a list nested 3000 deep", "nested(3000)", None),
    ("an object nested 3000 deep", "nested(3000, lambda inner: {'a': inner})", None),
    ("a set", "{1}", None),
    ("a frozenset", "frozenset([1])", None),
    ("a range", "range(3)", None),
    ("a deque", "collections.deque([1])", None),
    ("a bytearray", "bytearray(b'x')", None),
    ("a memoryview", "memoryview(b'x')", None),
    ("an array", "array.array('i', [1])", None),
    ("a complex number", "1j", None),
    ("a Fraction", "fractions.Fraction(1, 2)", None),
    ("a datetime", "datetime.datetime(2026, 1, 2)", None),
    ("a date", "datetime.date(2026, 1, 2)", None),
    ("a time", "datetime.time(1, 2)", None),
    ("a timedelta", "datetime.timedelta(1)", None),
    ("a UUID", "uuid.UUID(int=1)", None),
    ("a path", "pathlib.PurePosixPath('/x')", None),
    ("an IP address", "ipaddress.ip_address('::1')", None),
    ("a dataclass", "Data()", None),
    ("an Enum", "Colour.RED", None),
    ("a class", "Data", None),
    ("a mappingproxy", "types.MappingProxyType({'a': 1})", None),
    ("a ChainMap", "collections.ChainMap({'a': 1})", None),
    ("a UserDict", "collections.UserDict(a=1)", None),
    ("a UserList", "collections.UserList([1])", None),
    ("a UserString", "collections.UserString('x')", None),
    ("a Mapping of the function's own", "Mapping()", None),
    ("a SimpleNamespace", "types.SimpleNamespace(a=1)", None),
    ("dict views", "{'a': 1}.keys()", None),
    ("a zip", "zip([1], [2])", None),
    ("a plain object", "object()", None),
    ("a function", "len", None),
    ("a lambda", "lambda: 1", None),
    ("a module", "json", None),
    ("an exception", "ValueError('v')", None),
    ("a compiled pattern", "re.compile('a')", None),
    ("Ellipsis", "...", None),
    ("NotImplemented", "NotImplemented", None),
    ("an object with for_json and toJSON", "ForJson()", None),
    ("an unserialisable value deep inside", "{'a': [1, {'b c': (2, {3})}]}", None),
    ("an unserialisable value below a number key", "{1: {None: {1.5: object()}}}", None),
    ("a generator within a list", "[(x for x in 'ab')]", None),
    (
        "an HTTP response",
        "{'statusCode': 200, 'headers': {'a': 'b'}, 'body': '{}', 'isBase64Encoded': False}",
        None,
    ),
):
    values.case(f"returned: {name}", _expression(expression), posts=posts)

values.case("returned: bytes", _expression("b'\\x00\\xff'"), posts=b"\x00\xff")
values.case("returned: empty bytes", _expression("b''"), posts=b"")
values.case("returned: bytes that are JSON", _expression("b'{\"a\": 1}'"), posts=b'{"a": 1}')
values.case("returned: a subclass of bytes", _expression("SubBytes(b'sub')"), posts=b"sub")
values.case("returned: a megabyte of bytes", _expression("bytes(1_000_000)"), posts=bytes(1_000_000))

keys = KEYS.share(_APP)
for name, expression, posts in (
    ("an empty string", "{'': 1}", '{"": 1}'),
    ("non-ASCII text", "{'h\\u00e9': 1}", '{"h\\u00e9": 1}'),
    ("an integer", "{1: 'a'}", '{"1": "a"}'),
    ("a large integer", "{10 ** 30: 'a'}", '{"1000000000000000000000000000000": "a"}'),
    ("a float", "{2.5: 'a'}", '{"2.5": "a"}'),
    ("a whole float", "{2.0: 'a'}", '{"2.0": "a"}'),
    ("None", "{None: 'a'}", '{"null": "a"}'),
    ("False", "{False: 'a'}", '{"false": "a"}'),
    ("True", "{True: 'a'}", '{"true": "a"}'),
    ("an IntEnum", "{Number.ONE: 'a'}", '{"1": "a"}'),
    ("a str Enum", "{Word.RED: 'a'}", '{"red": "a"}'),
    ("a subclass of str", "{SubStr('x'): 1}", '{"x": 1}'),
    ("a subclass of int", "{SubInt(5): 1}", '{"5": 1}'),
    ("a subclass of float", "{SubFloat(2.5): 1}", '{"2.5": 1}'),
    ("nan", "{float('nan'): 1}", '{"NaN": 1}'),
    ("inf", "{float('inf'): 1, float('-inf'): 2}", '{"Infinity": 1, "-Infinity": 2}'),
    ("the same text twice", "{1: 'a', '1': 'b'}", '{"1": "a", "1": "b"}'),
    ("bytes", "{b'k': 1}", '{"k": 1}'),
    ("bytes with non-ASCII text", "{b'h\\xc3\\xa9': 1}", '{"h\\u00e9": 1}'),
    ("a subclass of bytes", "{SubBytes(b'k'): 1}", '{"k": 1}'),
    ("a surrogate", "{'\\ud800': 1}", '{"\\ud800": 1}'),
    ("keys of several types", "{1: 1, 'a': 2, None: 3, b'b': 4}", '{"1": 1, "a": 2, "null": 3, "b": 4}'),
    ("bytes that are not UTF-8", "{b'\\xff': 1}", None),
    ("a tuple", "{(1, 2): 1}", None),
    ("a frozenset", "{frozenset(): 1}", None),
    ("a Decimal", "{D('1'): 1}", None),
    ("an Enum", "{Colour.RED: 1}", None),
    ("a date", "{datetime.date(2026, 1, 2): 1}", None),
    ("an object", "{'a': {uuid.UUID(int=1): 1}}", None),
    ("a namedtuple", "{Point(1, 2): 1}", None),
    ("a bad key deep inside", "{'a': [{'b': {(): 1}}]}", None),
    ("a bad key beside a bad value", "{(): object()}", None),
):
    keys.case(f"key: {name}", _expression(expression), posts=posts)

encoding = ENCODING.share(_APP, environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"})
for name, expression, posts in (
    ("non-ASCII text", "'h\\u00e9 \\u4e2d \\U0001f600'", '"hé 中 \U0001f600"'),
    ("DEL", "'\\x7f'", '"\x7f"'),
    ("U+2028 and U+2029", "'\\u2028\\u2029'", '"\u2028\u2029"'),
    ("control characters", "'\\0\\t\\n'", '"\\u0000\\t\\n"'),
    ("a price", "{'price': '\\u00a31.00'}", '{"price": "£1.00"}'),
    ("a non-ASCII key", "{'h\\u00e9': 1}", '{"hé": 1}'),
    ("bytes within", "[b'h\\xc3\\xa9']", '["hé"]'),
    ("a Decimal", "[D('1.10'), '\\u00e9']", '[1.10, "é"]'),
    ("an unserialisable value", "{'\\u00e9': {1}}", None),
):
    encoding.case(f"python3.12: {name}", _expression(expression), posts=posts)

_SURROGATES = 'def handler(event, context):\n    return "\\ud800x" if event == 1 else "%s"'
for version in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14"):
    ENCODING.case(
        f"python{version}: a lone surrogate, then non-ASCII text",
        _SURROGATES % "é",
        "1",
        "2",
        environment={"AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}"},
    )
ENCODING.case(
    "python3.12: a character as two surrogates",
    'def handler(event, context):\n    return "\\ud83d\\ude00"',
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
ENCODING.case(
    "python3.12: an error with non-ASCII text",
    'def handler(event, context):\n    raise ValueError("hé \U0001f600")',
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
