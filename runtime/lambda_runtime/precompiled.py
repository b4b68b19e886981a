"""Give standard modules what a bundle has compiled of the text that they compile in the init phase.

Packages describe much of themselves as text: patterns for `re`, fields for `dataclasses` and `collections`,
annotations for `typing`. The result depends on the text and the interpreter only, so it is found by the text,
and a text that is not in the bundle is compiled as usual.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import marshal
import sys

from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Which built-in function a module calls with text. Its own variable of that name comes first.
CALLS = {
    "annotationlib": "compile",
    "collections": "eval" if sys.version_info >= (3, 9) else "exec",
    "dataclasses": "exec",
    "typing": "compile",
}
FILE = "<string>"  # the file name of code that `eval` and `exec` compile
MAGIC: int = _sre.MAGIC  # of the codes of patterns
_replaced: list[tuple[Any, str, Any]] = []  # module, name of its variable, value


def install(data: bytes) -> None:
    """Serve what is in ``data`` until `remove`. Raises any exception if it is damaged.

    ``data`` is (MAGIC, patterns, texts), written by marshal:

        patterns: (pattern, flags, arguments of `_sre.compile` after the pattern)
        texts:    name of the module -> text -> its code, written by marshal
    """
    magic, patterns, texts = marshal.loads(data)
    if patterns and magic == MAGIC:
        cache = load_stdlib("re")._cache  # without this, `re` adds each of them when it is first compiled
        for pattern, flags, arguments in patterns:
            cache[type(pattern), pattern, flags] = _sre.compile(pattern, *arguments)
    for name, codes in texts.items():
        replace(load_stdlib(name), CALLS[name], _text_function(CALLS[name], codes))


def remove() -> None:
    """Let the modules compile text themselves again."""
    while _replaced:
        module, name, function = _replaced.pop()
        if vars(module).get(name) is function:  # otherwise the function has replaced it, too
            delattr(module, name)


def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
    """Let code of ``module`` find ``function`` in place of the built-in function ``name``, until `remove`."""
    _replaced.append((module, name, function))
    setattr(module, name, function)


def _text_function(name: str, codes: dict[str, bytes]) -> Callable[..., Any]:
    """Return what to call in place of the built-in function ``name``."""
    usual = FILE, "eval" if name == "compile" else name

    def compile_text(text: Any, *arguments: Any) -> Any:
        code = codes.get(text) if arguments == usual else None
        if code is None:
            return compile(text, *arguments, dont_inherit=True)
        # Each caller gets its own, because the interpreter adapts code to the types that it finds.
        return marshal.loads(code)

    def run_text(text: Any, *namespaces: Any) -> Any:
        return eval(compile_text(text, *usual), *namespaces)

    return compile_text if name == "compile" else run_text
