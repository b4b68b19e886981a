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
    from types import CodeType
    from typing import Any

    Codes = dict[str, CodeType]

# Which built-in function a module calls with text. Its own variable of that name comes first.
CALLS = {
    "annotationlib": "compile",
    "collections": "eval" if sys.version_info >= (3, 9) else "exec",
    "dataclasses": "exec",
    "typing": "compile",
}
PATTERNS = "compile"  # the function of `pattern_compiler` that compiles a pattern
MAGIC: int = _sre.MAGIC  # of the codes of patterns
FILE = "<string>"  # the file name of code that `eval` and `exec` compile
_replaced: list[tuple[Any, str, Any, Any]] = []  # module, name, what it was, what it is


def install(data: bytes) -> None:
    """Serve what is in ``data`` until `remove`. Raises any exception if it is damaged.

    ``data`` is (MAGIC, patterns, texts), written by marshal:

        patterns: (pattern, flags, whether it is str) -> arguments of `_sre.compile` after the pattern
        texts:    name of the module -> text -> its code
    """
    magic, patterns, texts = marshal.loads(data)
    if patterns and magic == MAGIC:
        compiler = pattern_compiler()
        replace(compiler, PATTERNS, _pattern_function(patterns, compiler.compile))
    for name, codes in texts.items():
        replace(load_stdlib(name), CALLS[name], _text_function(CALLS[name], codes))


def remove() -> None:
    """Let the modules compile everything themselves again."""
    while _replaced:
        module, name, before, now = _replaced.pop()
        if vars(module).get(name) is not now:
            continue  # the function has replaced it, too
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)


def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
    """Let code of ``module`` find ``function`` under ``name``, until `remove`."""
    _replaced.append((module, name, vars(module).get(name), function))
    setattr(module, name, function)


def pattern_compiler() -> Any:
    """The module that compiles patterns for `re`."""
    re = load_stdlib("re")
    return getattr(re, "_compiler", None) or re.sre_compile  # before Python 3.11


def _pattern_function(patterns: dict[Any, Any], original: Callable[..., Any]) -> Callable[..., Any]:
    def compile_pattern(pattern: Any, flags: int = 0) -> Any:
        kind = type(pattern)
        found = patterns.get((pattern, flags, kind is str)) if kind is str or kind is bytes else None
        return original(pattern, flags) if found is None else _sre.compile(pattern, *found)

    return compile_pattern


def _text_function(name: str, codes: Codes) -> Callable[..., Any]:
    def compile_text(text: Any, *arguments: Any) -> Any:
        code = codes.get(text) if arguments == (FILE, "eval") else None
        return code or compile(text, *arguments, dont_inherit=True)

    def run_text(text: str, *namespaces: Any) -> Any:
        return eval(codes.get(text) or compile(text, FILE, name, dont_inherit=True), *namespaces)

    return compile_text if name == "compile" else run_text
