"""Run a function's init phase, and write to a file, as JSON, which modules it imports from one folder.

The file also contains what `lambda_runtime.precompiled` serves: the text that standard modules compile in the
init phase, and the results.

    python3.13 -B record_imports.py HANDLER RUNTIME TASK_ROOT LAYERS ROOT OUTPUT

The interpreter is the one that Lambda will run, so this uses nothing of the tools. RUNTIME is the folder that
contains lambda_runtime; LAYERS is a folder in place of /opt/python; ROOT, one of the two, is the one folder.
"""

import base64
import builtins
import importlib.util
import json
import marshal
import os
import sys
import warnings
from importlib.machinery import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

MARSHAL_VERSION = 2  # as in `bundling`
DEBUG = 128  # re.DEBUG, which prints
SECRET_LENGTH = 8  # a shorter value of an environment variable may be anywhere


class TextRecorder:
    """Notes what `re` and the modules in `precompiled.CALLS` compile, until `precompiled.remove`."""

    def __init__(self) -> None:
        self._patterns: set[tuple[Any, int]] = set()
        self._texts: dict[str, set[str]] = {}
        re = load_stdlib("re")
        self._compiler = getattr(re, "_compiler", None) or re.sre_compile  # before Python 3.11
        self._compile_pattern = self._compiler.compile
        self._compiler.compile = self._record_pattern
        for name, call in precompiled.CALLS.items():
            if importlib.util.find_spec(name) is not None:
                precompiled.replace(load_stdlib(name), call, self._recorder(name, call))

    def _record_pattern(self, pattern: "Any", flags: int = 0) -> "Any":
        if type(pattern) in (str, bytes) and not flags & DEBUG:
            self._patterns.add((pattern, int(flags)))
        return self._compile_pattern(pattern, flags)

    def _recorder(self, name: str, call: str) -> "Callable[..., Any]":
        found = self._texts.setdefault(name, set())
        original = getattr(builtins, call)

        def record(text: "Any", *arguments: "Any") -> "Any":
            if type(text) is str and (call != "compile" or arguments == (precompiled.FILE, "eval")):
                found.add(text)
            return original(text, *arguments)

        return record

    def compiled(self, secrets: "Sequence[str]") -> bytes:
        """Return the data for `precompiled.install`, without text that contains one of ``secrets``."""
        precompiled.remove()
        self._compiler.compile = self._compile_pattern
        escape = load_stdlib("re").escape
        self._secrets = [form for secret in secrets for form in {secret, escape(secret)}]
        found = precompiled.MAGIC, self._compiled_patterns(), self._compiled_texts()
        return marshal.dumps(found, MARSHAL_VERSION)

    def _is_public(self, text: "str | bytes") -> bool:
        text = text if isinstance(text, str) else text.decode("latin-1")
        return not any(secret in text for secret in self._secrets)

    def _compiled_patterns(self) -> "list[tuple[Any, int, tuple[Any, ...]]]":
        found = []
        for pattern, flags in sorted(self._patterns, key=repr):
            arguments = _quietly(self._arguments, pattern, flags)
            if arguments is not None and self._is_public(pattern):
                found.append((pattern, flags, arguments))
        return found

    def _arguments(self, pattern: "Any", flags: int) -> "tuple[Any, ...]":
        """Return the arguments with which `re` calls `_sre.compile`, after the pattern."""
        compiler = self._compiler
        parser = getattr(compiler, "_parser", None) or compiler.sre_parse  # before Python 3.11
        parsed = parser.parse(pattern, flags)
        numbers, names = parsed.state.groupdict, [None] * parsed.state.groups
        for name, number in numbers.items():
            names[number] = name
        code = list(map(int, compiler._code(parsed, flags)))
        arguments = int(flags | parsed.state.flags), code, len(names) - 1, dict(numbers), tuple(names)
        if compiler._sre.compile(pattern, *arguments) != self._compile_pattern(pattern, flags):
            raise ValueError("this version of re compiles patterns in another way")
        return arguments

    def _compiled_texts(self) -> "dict[str, dict[str, bytes]]":
        found: dict[str, dict[str, bytes]] = {}
        for name, texts in self._texts.items():
            mode = precompiled.CALLS[name].replace("compile", "eval")
            for text in filter(self._is_public, sorted(texts)):
                code = _quietly(_compile, text, mode)
                if code is not None:
                    found.setdefault(name, {})[text] = code
        return found


def _compile(text: str, mode: str) -> bytes:
    return marshal.dumps(compile(text, precompiled.FILE, mode, dont_inherit=True), MARSHAL_VERSION)


def _quietly(function: "Callable[..., Any]", *arguments: "Any") -> "Any":
    """Return the result, or None if ``function`` raises or warns: that must happen in each start."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*arguments)
        except Exception:  # also a constant that this version of marshal cannot hold
            return None
    return None if caught else result


if __name__ == "__main__":
    name, runtime, task_root, layers, root, output = sys.argv[1:]
    sys.argv[1:] = []
    sys.path[0] = runtime
    from lambda_runtime import diagnostics, handler, precompiled, search_path
    from lambda_runtime.stdlib_import import load_stdlib

    search_path.LAYERS = layers
    search_path.arrange(task_root)
    recorder = TextRecorder()
    try:
        handler.load(name)
    except BaseException as error:  # what the runtime reports as an init error
        found = diagnostics.describe(error)
        place = [line for entry in found.stack_trace[-1:] for line in entry.splitlines()]
        print(f"{found.error_type}: {found.message}", *place, *found.notes, sep="\n", flush=True)
        os._exit(1)

    # Neither the paths of this run nor values of the environment may get into the zip.
    secrets = [task_root, layers, *(value for value in os.environ.values() if len(value) >= SECRET_LENGTH)]
    modules = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or spec.name != name or type(spec.loader) is not SourceFileLoader:
            continue  # without a file, or another name of a module
        is_package = spec.submodule_search_locations is not None
        folder = os.path.dirname(os.path.dirname(spec.origin) if is_package else spec.origin)
        if folder == root or folder.startswith(f"{root}/"):
            modules.append([name, folder[len(root) + 1 :], is_package])
    recorded = {
        "magic": list(importlib.util.MAGIC_NUMBER),
        "cache_tag": sys.implementation.cache_tag,
        "modules": modules,
        "compiled": base64.b64encode(recorder.compiled(secrets)).decode(),
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(recorded, file)
    sys.stdout.flush()
    os._exit(0)  # do not wait for the function's threads
