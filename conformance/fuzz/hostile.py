"""Classes of exceptions that raise or lie wherever Python lets a class do so."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

MESSAGE = "out of stock"
DESCRIBED = (
    "__traceback__",
    "__cause__",
    "__context__",
    "__suppress_context__",
    "__notes__",
    "__class__",
    "__dict__",
    "args",
    "exceptions",
    "code",
    "with_traceback",
    "add_note",
)
OF_THE_METACLASS = (
    "__name__",
    "__module__",
    "__mro__",
    "__dict__",
    "__class__",
    "__bases__",
    "__doc__",
)


class Liar:
    """A value that raises for everything that is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def refuse(self, *arguments: object) -> Any:
        raise RuntimeError

    __len__ = __iter__ = __getitem__ = __bool__ = __hash__ = refuse
    __str__ = __repr__ = __eq__ = __contains__ = __format__ = refuse


class LyingText(str):
    """Text that raises for everything that is asked of it."""

    def refuse(self, *arguments: object) -> Any:
        raise RuntimeError

    __len__ = __iter__ = __getitem__ = __str__ = __repr__ = __format__ = __add__ = __eq__ = refuse
    startswith = encode = replace = split = strip = join = refuse  # type: ignore[assignment]
    __hash__ = str.__hash__


class LyingList(list):  # type: ignore[type-arg]
    """A list that raises for everything that is asked of it."""

    def refuse(self, *arguments: object) -> Any:
        raise RuntimeError

    __len__ = __iter__ = __getitem__ = refuse


class Box:
    """Holds a hostile value, because hypothesis looks at the values that it makes."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        kind = type(self.value)
        members = [one for one in type.__dict__["__dict__"].__get__(kind) if one != "__module__"]
        of_meta = [one for one in type.__dict__["__dict__"].__get__(type(kind)) if type(kind) is not type]
        return f"Box({type.__repr__(kind) if type(kind) is type else 'metaclass ' + str(of_meta)} {members})"


def raising(error: BaseException) -> Any:
    def read(*arguments: object, **named: object) -> Any:
        raise error

    return read


def returning(value: object) -> Any:
    return lambda *arguments, **named: value


# Makers of values that an attribute should not have.
LIES: tuple[Callable[[], Any], ...] = (
    *map(returning, (None, 7, "text", b"bytes", (), [], {}, object(), ValueError("another"), int)),
    Liar,
    lambda: LyingText("a lie"),
    lambda: LyingList(["a note"]),
    lambda: ["a note", LyingText("a lying note"), Liar(), 7],
    lambda: (ValueError("one"), Liar()),
)
# Makers of functions that raise or lie.
BEHAVIOURS: tuple[Callable[[], Any], ...] = (
    lambda: raising(RuntimeError("hidden")),
    lambda: raising(SystemExit(3)),
    lambda: raising(KeyboardInterrupt()),
    lambda: raising(GeneratorExit()),
    lambda: raising(RecursionError()),
    *((lambda lie=lie: returning(lie())) for lie in LIES),
)
ATTRIBUTES: tuple[Callable[[], Any], ...] = (
    *((lambda behaviour=behaviour: property(behaviour())) for behaviour in BEHAVIOURS),
    *BEHAVIOURS,
    *LIES,
)


def overriding(names: Sequence[str], makers: Sequence[Callable[[], Any]], most: int) -> Any:
    """Some attributes of a class body."""
    pairs = [(name, maker) for name in names for maker in makers]
    chosen = st.lists(st.sampled_from(pairs), max_size=most)
    return chosen.map(lambda members: {name: maker() for name, maker in members})


METHODS = (
    "__str__",
    "__repr__",
    "__getattribute__",
    "__getattr__",
    "__eq__",
    "__hash__",
    "__bool__",
    "__len__",
)
METHODS_OF_THE_METACLASS = (
    "__getattribute__",
    "__instancecheck__",
    "__subclasscheck__",
    "__eq__",
    "__hash__",
    "__str__",
    "__repr__",
    "__bool__",
)

GROUP: Any = vars(builtins).get("ExceptionGroup", Exception)  # since 3.11
BASES: tuple[Any, ...] = (
    Exception,
    ValueError,
    KeyError,
    OSError,
    SystemExit,
    BaseException,
    UnicodeDecodeError,
    GROUP,
)

BODIES = overriding(DESCRIBED, ATTRIBUTES, 3)
BODIES_OF_METHODS = overriding(METHODS, BEHAVIOURS, 2)
METACLASS_BODIES: Any = st.one_of(
    st.just({}),
    overriding(OF_THE_METACLASS, ATTRIBUTES, 2),
    overriding(METHODS_OF_THE_METACLASS, BEHAVIOURS, 2),
)
KINDS = st.sampled_from(BASES)
DIGITS = st.integers(0, 9)


@st.composite
def exceptions(draw: st.DrawFn) -> Box:
    """An exception with MESSAGE, of a class that is hostile in one way or in several."""
    meta: Any = type
    of_the_metaclass = draw(METACLASS_BODIES)
    if of_the_metaclass:
        meta = type("Meta", (type,), of_the_metaclass)
    body = {**draw(BODIES), **draw(BODIES_OF_METHODS)}
    base = draw(KINDS)
    try:
        made: type[BaseException] = meta("Hostile", (base,), body)
        if draw(DIGITS) == 0:
            type.__dict__["__name__"].__set__(made, LyingText("Hostile"))
    except BaseException:  # Python itself asks the class something while it makes it
        made = type("Hostile", (base,), {})
    return Box(make(made))


def make(kind: type[BaseException]) -> BaseException:
    """Return an instance of ``kind`` with MESSAGE. The class is not asked."""
    base = next(one for one in REVERSED if type.__subclasscheck__(one, kind))
    arguments: tuple[Any, ...] = (MESSAGE,)
    if base is UnicodeDecodeError:
        arguments = ("utf-8", b"\xff", 0, 1, MESSAGE)
    elif base is GROUP:
        arguments = (MESSAGE, [ValueError("member")])
    made: BaseException = base.__new__(kind, *arguments)
    base.__init__(made, *arguments)
    return made


REVERSED = sorted(BASES, key=lambda base: -len(base.__mro__))
