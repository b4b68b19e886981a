"""Encode and decode JSON with the same results as AWS's runtime.

In the common case, encoding and decoding are one call into C each. This does not import the package `json`,
which needs `re` and `enum` and would take a third of the whole start. The runtime calls the two C functions
of `json` directly. Where they do not exist or have changed (PyPy), it uses `json`.

The differences from `json` are the same as in AWS's runtime: Decimal keeps its digits, bytes inside a value
are decoded as UTF-8, named tuples and other objects with ``_asdict()`` become objects, NaN and Infinity are
refused in an event. Non-ASCII characters are sent as UTF-8, which is shorter than escapes.
"""

from __future__ import annotations

import marshal

from .errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Path = tuple[Any, ...]

JSON = "application/json"
_WHITESPACE = " \t\n\r"
# What to do with a value whose class, or one of its base classes, has this name or an attribute of this name.
_REMEDIES = (
    ("__await__", "Await it in an async def handler: it has not run yet"),
    ("__next__", "Convert it: list(value)"),
    ("__dataclass_fields__", "Convert it: dataclasses.asdict(value)"),
    ("model_dump", "Convert it: value.model_dump(mode='json')"),
    ("isoformat", "Convert it: value.isoformat()"),
    ("total_seconds", "Convert it: value.total_seconds()"),
    ("tolist", "Convert it: value.tolist()"),
    ("Enum", "Convert it: value.value"),
    ("UUID", "Convert it: str(value)"),
    ("PurePath", "Convert it: str(value)"),
    ("set", "Convert it: list(value) or sorted(value)"),
    ("frozenset", "Convert it: list(value) or sorted(value)"),
    ("dict_keys", "Convert it: list(value)"),
    ("dict_values", "Convert it: list(value)"),
    ("deque", "Convert it: list(value)"),
    ("bytearray", "Convert it: bytes(value)"),
)
_INFINITY = float("inf")
LONG_TEXT_CHARACTERS = 2000
_USUAL_ESCAPES = ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))
_CONTROL_CHARACTERS = bytes(range(32))


class _Refused(ValueError):
    """Raised by the callbacks below, to switch from the fast path to the thorough one."""


class _NotJson(ValueError):
    """A value that JSON cannot hold: AWS's message, and notes about the place and the remedy."""

    def __init__(self, message: str, path: Path, remedy: Sequence[str] = ()) -> None:
        super().__init__(message)
        place = "".join(f"[{step!r}]" for step in path)
        self.notes = [*([f"The value is at response{place}"] if place else []), *remedy]


def _refuse(value: object) -> Any:
    raise _Refused


class _ScannerSettings:
    """What `json.scanner` reads from a decoder: the defaults of `json`, without NaN and Infinity."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse)


try:
    from _json import encode_basestring, make_encoder, make_scanner

    _scan: Callable[[str, int], tuple[Any, int]] = make_scanner(_ScannerSettings)  # type: ignore[arg-type]
    _encode: Callable[[Any, int], Any] = make_encoder(
        None, _refuse, encode_basestring, None, ": ", ", ", False, False, True
    )
    _encode([""], 0)
except (ImportError, TypeError, AttributeError):
    import json
    from json.encoder import encode_basestring

    _scan = json.JSONDecoder(parse_constant=_refuse).raw_decode
    _encoder = json.JSONEncoder(check_circular=False, ensure_ascii=False, default=_refuse)

    def _encode(value: Any, level: int) -> Any:
        return _encoder.encode(value)


def decode_event(body: bytes, content_type: str) -> Any:
    """Parse ``body`` if ``content_type`` is exactly that of JSON; else return the bytes.

    Raises Fault ``Runtime.UnmarshalError``.
    """
    if content_type != JSON:
        return body
    try:
        return decode_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def encode_response(value: Any) -> tuple[bytes, str]:
    """The body and content type for a handler's result: bytes unchanged, everything else as JSON.

    Raises Fault ``Runtime.MarshalError``; its notes name the place inside ``value`` that JSON cannot hold.
    """
    try:
        if isinstance(value, bytes):
            return value, "application/unknown"
        if _is_plain_dict(type(value)) and not hasattr(value, "_asdict"):
            value = dict(value.items())  # a subclass, such as a web response, would need the thorough path
        return _encode_long(value) or _encode_utf8(value), JSON
    except Exception as error:
        notes = error.notes if type(error) is _NotJson else ()
        message = f"Unable to marshal response: {_text(error)}"
        raise Fault("Runtime.MarshalError", message, notes=notes) from None


def _is_plain_dict(kind: type[Any]) -> bool:
    """Return whether ``kind`` is a subclass of dict whose items are those of the dict."""
    return kind is not dict and issubclass(kind, dict) and kind.items is dict.items


def _text(error: Exception) -> str:
    """The text of an error, which the value's own class may have raised."""
    try:
        return f"{error}"
    except Exception:
        return "an error without a text"


def _encode_utf8(value: Any) -> bytes:
    """JSON in UTF-8; a lone surrogate, which UTF-8 cannot represent, becomes JSON's escape for it."""
    return encode_json(value).encode("utf-8", "backslashreplace")


def _encode_long(value: Any) -> bytes | None:
    """Encode a long text, or a small dict that holds one, such as a proxy response; None for all else."""
    if type(value) is str:
        return _encode_long_text(value) if len(value) >= LONG_TEXT_CHARACTERS else None
    if type(value) is not dict or len(value) > 20:
        return None
    for item in value.values():
        if type(item) is str and len(item) >= LONG_TEXT_CHARACTERS:
            break
    else:
        return None
    pieces = []
    for key, item in value.items():
        if type(item) is str and len(item) >= LONG_TEXT_CHARACTERS:
            pieces += [b", ", _encode_utf8({key: 0})[1:-2], _encode_long_text(item)]
        else:
            pieces += [b", ", _encode_utf8({key: item})[1:-1]]
    pieces[0] = b"{"
    return b"".join([*pieces, b"}"])


def _encode_long_text(text: str) -> bytes:
    """The JSON string for ``text``, in UTF-8.

    `json` reads every character twice. Searching for the characters that need an escape (RFC 8259, 7) takes a
    third of that time, unless there are very many, as in a text that is itself JSON.
    """
    if text.count('"', 0, 8192) < 1000:
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return _encode_utf8(text)
        for character, escape in _USUAL_ESCAPES:
            data = data.replace(character, escape)
        if len(data.translate(None, _CONTROL_CHARACTERS)) == len(data):
            return b'"%b"' % data
    return encode_basestring(text).encode("utf-8", "backslashreplace")


def decode_json(text: str) -> Any:
    """Parse JSON text. Raises ValueError with the message of `json`."""
    if text.startswith("\ufeff"):
        text = text[1:]
    start = 0
    if text[:1] in _WHITESPACE:
        start = len(text) - len(text.lstrip(_WHITESPACE))
    try:
        value, end = _scan(text, start)
    except Exception:
        return _decode_thoroughly(text)
    if end != len(text) and text[end:].strip(_WHITESPACE):
        return _decode_thoroughly(text)
    return value


def encode_json(value: Any) -> str:
    """Encode ``value`` as JSON text. Raises ValueError, and what ``_asdict()`` raises."""
    if _is_plain(value):
        try:
            return "".join(_encode(value, 0))
        except Exception:
            pass  # the thorough path encodes it, or finds the invalid value
    return _encode_thoroughly(value, (), set())


def _is_plain(value: Any) -> bool:
    """Whether ``value`` consists of exact built-in types only: `marshal`, in C, refuses all others.

    `json` does not distinguish, for example, a named tuple from a list. Values that are nested too deeply for
    `marshal` count as plain, because `json` accepts them since Python 3.12.
    """
    try:
        marshal.dumps(value)
    except ValueError as error:
        return "nested" in str(error)
    return True


def _decode_thoroughly(text: str) -> Any:
    from .stdlib_import import load_stdlib

    json = load_stdlib("json")

    def refuse_where_it_stands(constant: str) -> Any:
        raise json.JSONDecodeError("Expecting value", text, text.find(constant))

    return json.loads(text, parse_constant=refuse_where_it_stands)


def _encode_thoroughly(value: Any, path: Path, parents: set[int]) -> str:
    """Encode what `json` refuses or encodes differently. ``path`` leads to ``value``, for notes."""
    if isinstance(value, str):
        text: str = encode_basestring(value)
        return text
    if isinstance(value, bytes):
        return _encode_thoroughly(_decode_bytes(value, path), path, parents)
    if value is None or isinstance(value, (bool, int, float)):
        return _encode_atom(value)
    if _is_decimal(value):
        return "NaN" if value.is_nan() else str(value)
    if id(value) in parents:
        raise _NotJson("Circular reference detected", path)
    parents.add(id(value))
    try:
        return _encode_container(value, path, parents)
    except RecursionError:
        raise ValueError("maximum recursion depth exceeded while encoding a JSON object") from None
    finally:
        parents.discard(id(value))


def _encode_container(value: Any, path: Path, parents: set[int]) -> str:
    as_dict = None if isinstance(value, (list, type)) else getattr(value, "_asdict", None)
    if callable(as_dict):
        value = as_dict()
        if not isinstance(value, dict):
            raise _NotJson(f"_asdict() must return a dict, not {type(value).__name__}", path)
    if isinstance(value, dict):
        members = (
            f"{_encode_key(key, path)}: {_encode_thoroughly(item, (*path, key), parents)}"
            for key, item in value.items()
        )
        return "{" + ", ".join(members) + "}"
    if isinstance(value, (list, tuple)):
        items = (_encode_thoroughly(item, (*path, index), parents) for index, item in enumerate(value))
        return "[" + ", ".join(items) + "]"
    kind = type(value)
    raise _NotJson(f"Object of type {kind.__name__} is not JSON serializable", path, _remedy(kind))


def _encode_key(key: Any, path: Path) -> str:
    if isinstance(key, str):
        text: str = encode_basestring(key)
    elif isinstance(key, bytes):
        text = encode_basestring(_decode_bytes(key, path))
    elif key is None or isinstance(key, (bool, int, float)):
        text = f'"{_encode_atom(key)}"'
    else:
        raise _NotJson(f"keys must be str, int, float, bool or None, not {type(key).__name__}", path)
    return text


def _encode_atom(value: bool | int | float | None) -> str:
    """Encode a value that is not a container. An IntEnum and the like is encoded like its base class."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if value != value:
        return "NaN"
    return {_INFINITY: "Infinity", -_INFINITY: "-Infinity"}.get(value) or float.__repr__(value)


def _decode_bytes(value: bytes, path: Path) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise _NotJson(str(error), path) from None


def _is_decimal(value: Any) -> bool:
    """Whether ``value`` is a decimal.Decimal, without importing `decimal`."""
    return any(base.__name__ == "Decimal" and base.__module__ == "decimal" for base in type(value).__mro__)


def _remedy(kind: type) -> list[str]:
    """What to return instead, if the class suggests something."""
    names = {name for base in kind.__mro__ for name in (base.__name__, *base.__dict__)}
    return [remedy for name, remedy in _REMEDIES if name in names][:1]
