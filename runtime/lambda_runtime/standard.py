"""Late imports from the standard library, whatever the function's folders hold.

The function's folder comes first on `sys.path`, as on AWS's runtime, so there a file such as
``traceback.py`` or ``select.py`` is found before the module of that name that *we* want.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import PathFinder
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

function_folders: list[str] = []  # the entries of `sys.path` that are the function's, set by `search_path`
_loaded: dict[str, Any] = {}


def load(name: str) -> Any:
    """Import the standard module ``name`` (no dots) as if the function's folders were not there.

    The function's modules of standard names step aside for the moment, and are back afterwards.
    """
    module = _loaded.get(name) or sys.modules.get(name)
    if module is None or _is_the_functions(module):
        module = _import_apart(name)
    _loaded[name] = module
    return module


def _import_apart(name: str) -> Any:
    shadows = {
        key: module for key, module in list(sys.modules.items()) if _shadows_a_standard_module(key, module)
    }
    for key in shadows:
        del sys.modules[key]
    finder = _StandardFinder()
    sys.meta_path.insert(0, finder)
    try:
        return __import__(name)
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(shadows)


class _StandardFinder:
    """Finds top-level modules outside the function's folders, for the thread that made it."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        if path is not None or get_ident() != self._thread:
            return None
        spec: ModuleSpec | None = PathFinder.find_spec(
            name, [entry for entry in sys.path if entry not in function_folders]
        )
        return spec


def _shadows_a_standard_module(name: str, module: object) -> bool:
    if name == "__main__" or name.startswith("lambda_runtime"):
        return False
    standard_names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10; before, any may be one
    return (standard_names is None or name.partition(".")[0] in standard_names) and _is_the_functions(module)


def _is_the_functions(module: object) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and any(file.startswith(f"{folder}/") for folder in function_folders)
