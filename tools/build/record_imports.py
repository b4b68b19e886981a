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
    from collections.abc import Callable
    from typing import Any

MARSHAL_VERSION = 2  # as in `bundling`
DEBUG = 128  # re.DEBUG, which prints


class TextRecorder:
    """Notes what `re` and the modules in `precompiled.CALLS` compile, until `precompiled.remove`."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[Any, int, bool], None] = {}  # the keys are what `precompiled` looks up
        self._texts: dict[str, dict[str, None]] = {}
        self._compiler = precompiled.pattern_compiler()
        self._compile_pattern = self._compiler.compile
        precompiled.replace(self._compiler, precompiled.PATTERNS, self._record_pattern)
        for name, call in precompiled.CALLS.items():
            if importlib.util.find_spec(name) is not None:
                precompiled.replace(load_stdlib(name), call, self._recorder(name, call))

    def _record_pattern(self, pattern: "Any", flags: int = 0) -> "Any":
        if type(pattern) in (str, bytes) and not flags & DEBUG:
            self._patterns[pattern, int(flags), type(pattern) is str] = None
        return self._compile_pattern(pattern, flags)

    def _recorder(self, name: str, call: str) -> "Callable[..., Any]":
        found = self._texts.setdefault(name, {})
        original = getattr(builtins, call)

        def record(text: "Any", *arguments: "Any") -> "Any":
            if type(text) is str and (call != "compile" or arguments == (precompiled.FILE, "eval")):
                found[text] = None
            return original(text, *arguments)

        return record

    def compiled(self) -> bytes:
        """Return the data for `precompiled.install`."""
        return marshal.dumps(
            (precompiled.MAGIC, self._compiled_patterns(), self._compiled_texts()), MARSHAL_VERSION
        )

    def _compiled_patterns(self) -> "dict[tuple[Any, int, bool], tuple[Any, ...]]":
        captured: list[tuple[Any, ...]] = []
        sre = self._compiler._sre

        class Capture:
            def __getattr__(self, name: str) -> "Any":
                return getattr(sre, name)

            def compile(self, pattern: "Any", flags: int, code: "list[int]", *groups: "Any") -> None:
                captured.append((int(flags), list(map(int, code)), *groups))

        found = {}
        self._compiler._sre = Capture()
        for key in self._patterns:
            captured.clear()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    self._compile_pattern(*key[:2])
                except Exception:
                    pass
            if captured and not caught:  # an error or a warning must appear again
                found[key] = captured[0]
        self._compiler._sre = sre
        return found

    def _compiled_texts(self) -> "dict[str, dict[str, Any]]":
        found: dict[str, dict[str, Any]] = {}
        for name, texts in self._texts.items():
            mode = precompiled.CALLS[name].replace("compile", "eval")
            for text in texts:
                try:
                    code = compile(text, precompiled.FILE, mode, dont_inherit=True)
                    marshal.dumps(code, MARSHAL_VERSION)
                except Exception:
                    continue  # an error that must appear again, or a constant that this version cannot hold
                found.setdefault(name, {})[text] = code
        return found


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

    precompiled.remove()
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
        "compiled": base64.b64encode(recorder.compiled()).decode(),
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(recorded, file)
    sys.stdout.flush()
    os._exit(0)  # do not wait for the function's threads
