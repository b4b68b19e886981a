"""Import modules of the standard library even if the function has files of the same names.

The function's folder is first on `sys.path`, as with AWS's runtime. So a file such as ``traceback.py`` or
``select.py`` in it would be imported instead of the standard module that the runtime needs.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import PathFinder
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

function_folders: list[str] = []  # the function's entries of `sys.path`, set by `search_path`
standard_folders: list[str] = []  # the others
watchers: dict[str, Callable[[ModuleSpec], None]] = {}  # called before a standard module is imported here
_loaded: dict[str, Any] = {}


def load_stdlib(name: str) -> Any:
    """Import the standard module ``name`` (without dots), ignoring the function's folders."""
    module = _loaded.get(name)
    if module is None:
        module = sys.modules.get(name)
        if module is None or _is_the_functions(module):
            with isolated_imports():
                module = __import__(name)
        else:
            module = __import__(name)  # waits if another thread is importing it
        _loaded[name] = module
    return module


class isolated_imports:
    """A context manager in which imports of this thread find standard modules, not the function's.

    The function's modules of such names are removed from `sys.modules` and put back afterwards. Standard
    modules that were imported here are removed if the function has files of their names, so that the
    function imports its own.
    """

    def __enter__(self) -> None:
        self._thread = get_ident()
        self._found: set[str] = set()
        modules = list(sys.modules.items())
        self._before = {name for name, _ in modules}
        self._shadows = {name: module for name, module in modules if _shadows_a_standard_module(name, module)}
        for name in self._shadows:
            del sys.modules[name]
        sys.meta_path.insert(0, self)

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)
        # Only modules that were found here: another thread may be importing modules of the function.
        for name in [name for name in list(sys.modules) if name.partition(".")[0] in self._found]:
            spec = PathFinder.find_spec(name.partition(".")[0], function_folders)
            if name not in self._before and spec is not None and spec.loader is not None:
                del sys.modules[name]
        sys.modules.update(self._shadows)

    def is_of_this_thread(self) -> bool:
        return get_ident() == self._thread

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Find a top-level module outside the function's folders."""
        if path is not None or not self.is_of_this_thread() or name in sys.builtin_module_names:
            return None  # for some built-in modules, PyPy also has files
        spec = PathFinder.find_spec(name, standard_folders)
        if spec is not None:
            self._found.add(name)
            if name in watchers:
                watchers[name](spec)
        return spec


if sys.version_info >= (3, 15):

    def filter_lazy_imports() -> None:
        """Let the function import lazily (PEP 810), but not the runtime, which may lack the memory later.

        Standard modules that the runtime imports do so only if the function has no file of that name, which
        would be imported later, and not with ``PYTHON_LAZY_IMPORTS=all``.
        """
        from . import earlier_filter as earlier

        def may_be_lazy(importing: str | None, imported: str, names: Sequence[str] | None) -> bool:
            if str(importing).partition(".")[0] == "lambda_runtime":  # None: code that is executed by `exec`
                return False
            for finder in sys.meta_path:
                if type(finder) is isolated_imports and finder.is_of_this_thread():
                    name = imported.partition(".")[0]
                    return (
                        sys.get_lazy_imports() != "all"
                        and PathFinder.find_spec(name, function_folders) is None
                    )
            return earlier is None or earlier(importing, imported, names)

        sys.set_lazy_imports_filter(may_be_lazy)


def _shadows_a_standard_module(name: str, module: ModuleType) -> bool:
    if name == "__main__" or name.startswith("lambda_runtime"):
        return False
    if not _is_the_functions(module):
        return False
    name = name.partition(".")[0]
    standard_names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10
    if standard_names is None:
        return PathFinder.find_spec(name, standard_folders) is not None
    return name in standard_names


def _is_the_functions(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and any(file.startswith(f"{folder}/") for folder in function_folders)
