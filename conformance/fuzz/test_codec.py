"""JSON of events and results, beside AWS's runtime."""

from __future__ import annotations

import decimal
import enum
import json
import os
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import assume, example
from hypothesis import strategies as st
from lambda_runtime import codec
from lambda_runtime.errors import Fault

from conformance.fuzz import hostile
from conformance.fuzz.mutations import JSON_VALUES, mutated, variants
from conformance.fuzz.properties import holds_for

# With this AWS's runtime does not escape text, like ours.
os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python3.13"

from awslambdaric.lambda_runtime_exception import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    FaultException,
)
from awslambdaric.lambda_runtime_marshaller import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    LambdaMarshaller,
)

AWS = LambdaMarshaller()
Pair = namedtuple("Pair", "x y")


class Number(enum.IntEnum):
    ONE = 1


class Colour(str, enum.Enum):
    RED = "red"


class Plain(enum.Enum):
    A = 1


class Whole(int):
    def __repr__(self) -> str:
        return "not JSON"


class Table(dict):  # type: ignore[type-arg]
    pass


def texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(), max_size=12)


def well_formed() -> st.SearchStrategy[bytes]:
    return JSON_VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@holds_for(
    st.one_of(
        st.binary(max_size=60), well_formed(), mutated(well_formed()), texts().map(json.dumps).map(str.encode)
    )
)
@example(b"\xef\xbb\xbf{}")
@example(b"1\0")
@example(b"[NaN]")
@example(b'"\\ud800"')
@example(b"9" * 5000)
@example(b"[" * 100_000)
def test_an_event_is_what_aws_s_runtime_makes_of_it(data: bytes) -> int:
    bodies = list(variants(data))
    for body in bodies:
        try:
            expected = AWS.unmarshal_request(body)
        except FaultException as error:
            with pytest.raises(Fault) as caught:
                codec.decode_event(body, codec.JSON)
            assert caught.value.error_type == "Runtime.UnmarshalError"
            assert caught.value.message.startswith(error.msg[:26])
        else:
            assert same(codec.decode_event(body, codec.JSON), expected), body
    return len(bodies)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # tells 1 from 1.0 and True, and finds NaN equal to itself


def results() -> st.SearchStrategy[Any]:
    """Values that a handler may return, most of which JSON can hold."""
    atoms = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        texts(),
        st.text(st.sampled_from('"\\/\b\n\r\t\x00\x1f\x7f\u2028é中😀a'), max_size=30),
        st.binary(max_size=6),
        texts().map(lambda text: text.encode("utf-8", "replace")),
        st.decimals(),
        st.sampled_from([Number.ONE, Colour.RED, Plain.A, Whole(3), {1}, range(2), object(), 1j, Pair, len]),
        st.integers(1990, 2010).map(lambda size: '"é\n' * size),
    )
    keys = st.one_of(
        texts(),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.binary(max_size=4),
        st.decimals(allow_nan=False),
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(keys, inner, max_size=4),
            st.dictionaries(texts(), inner, max_size=4),
            st.dictionaries(texts(), inner, max_size=4).map(Table),
            st.dictionaries(texts(), inner, max_size=4).map(OrderedDict),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=8,
    )


@holds_for(results())
@example(decimal.Decimal("-NaN"))
@example({"a": decimal.Decimal("1E+3")})
@example([b"h\xc3\xa9", b"\xff"])
@example({float("nan"): 1})
def test_a_result_is_encoded_as_aws_s_runtime_does(value: Any) -> None:
    try:
        body, content_type = AWS.marshal_response(value)
    except FaultException:
        with pytest.raises(Fault) as caught:
            codec.encode_response(value)
        assert caught.value.error_type == "Runtime.MarshalError"
        return
    except UnicodeEncodeError:
        assume(False)
    if isinstance(body, str):
        body = body.encode("utf-8", "backslashreplace")  # where AWS's runtime exits
    assert codec.encode_response(value) == (body, content_type)


NAMES = (
    *(
        "_asdict",
        "__iter__",
        "items",
        "keys",
        "__len__",
        "__str__",
        "__repr__",
        "__getattribute__",
        "__class__",
    ),
    *("__getitem__", "__eq__", "__hash__", "__bool__", "is_nan", "decode", "encode", "__dataclass_fields__"),
)
BODIES = hostile.overriding(NAMES, hostile.ATTRIBUTES, 3)
BASES = st.sampled_from([object, dict, list, tuple, str, int, float, bytes, decimal.Decimal])
PLACES = st.integers(0, 3)


@st.composite
def hostile_values(draw: st.DrawFn) -> hostile.Box:
    """A value of a class that raises or lies."""
    base: Any = draw(BASES)
    kind = type("Hostile", (base,), draw(BODIES))
    value = base.__new__(kind, *([[("a", 1)]] if base in (dict, list, tuple) else []))
    if base in (dict, list):
        base.__init__(value, [("a", 1)])
    return hostile.Box([value, [value], {"a": value}, (1, {"b": [value]})][draw(PLACES)])


@holds_for(st.one_of(hostile_values(), st.sampled_from(hostile.LIES).map(lambda lie: hostile.Box(lie()))))
@example(hostile.Box([hostile.LyingText("x"), hostile.LyingList(), hostile.Liar()]))
def test_a_hostile_result_is_json_or_a_fault(box: hostile.Box) -> None:
    try:
        body, content_type = codec.encode_response(box.value)
    except Fault as fault:
        assert fault.error_type == "Runtime.MarshalError"
        assert type(fault.message) is str
    except (SystemExit, KeyboardInterrupt, GeneratorExit):
        pass  # raised by the value's own code: it may end the process
    else:
        assert type(body) is bytes or content_type == "application/unknown"


@holds_for(st.integers(1, 200_000), st.sampled_from(["[", '{"a":', "[[1],"]), cost=20)
def test_any_depth_is_a_value_or_a_fault(depth: int, unit: str) -> None:
    end = {"[": "]", '{"a":': "}", "[[1],": "]"}[unit]
    body = (unit * depth + "1" + end * depth).encode()
    try:
        value = codec.decode_event(body, codec.JSON)
    except Fault as fault:
        assert fault.error_type == "Runtime.UnmarshalError"
        return
    try:
        codec.encode_response(value)
    except Fault as fault:
        assert fault.error_type == "Runtime.MarshalError"
    while isinstance(value, (list, dict)):  # freed step by step, because freeing recurses
        value = value[-1] if isinstance(value, list) else value["a"]
