"""Read JSON without losing any detail, and print it with one member per line."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple, Union

_SHORT = 90  # characters that fit into one line


class Number:
    """A number as it was written: ``1.10`` is neither ``1.1`` nor the string ``"1.10"``."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.digits == self.digits

    def __hash__(self) -> int:
        return hash(self.digits)

    def __repr__(self) -> str:
        return self.digits


class Pairs(List[Tuple[str, Any]]):
    """An object with a repeated key."""


def parse(text: str) -> Any:
    """Parse JSON: numbers become Number, objects dict, or Pairs where a key is repeated.

    Raises ValueError.
    """
    return json.loads(
        text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_object
    )


def lines(value: Any, indent: str = "") -> List[str]:
    """The value as JSON in ASCII, one member or element per line unless it is short."""
    inner = indent + "  "
    in_one_line = _ascii(compact(value))
    if len(in_one_line) <= _SHORT:
        return [indent + in_one_line]
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, Pairs):
        members = [_prefixed(f"{json.dumps(key)}: ", lines(member, inner)) for key, member in value]
        return _bracketed("{", members, "}", indent)
    if isinstance(value, list):
        return _bracketed("[", [lines(element, inner) for element in value], "]", indent)
    return [indent + in_one_line]


def compact(value: Any) -> str:
    """The value in one line, with the separators of ``json.dumps`` and non-ASCII characters as they are."""
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, Pairs):
        members = [f"{json.dumps(key, ensure_ascii=False)}: {compact(member)}" for key, member in value]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(compact(element) for element in value) + "]"
    return value.digits if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _ascii(text: str) -> str:
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)


def _object(pairs: List[Tuple[str, Any]]) -> Union[Dict[str, Any], Pairs]:
    as_dict = dict(pairs)
    return as_dict if len(as_dict) == len(pairs) else Pairs(pairs)


def _prefixed(prefix: str, member: List[str]) -> List[str]:
    first = member[0]
    indent = first[: len(first) - len(first.lstrip())]
    return [indent + prefix + first.lstrip(), *member[1:]]


def _bracketed(opening: str, members: List[List[str]], closing: str, indent: str) -> List[str]:
    if not members:
        return [indent + opening + closing]
    result = [indent + opening]
    for number, member in enumerate(members, 1):
        result += member[:-1]
        result.append(member[-1] + ("," if number < len(members) else ""))
    return [*result, indent + closing]
