"""Add the root handler when the function imports `logging`, at the end of that import.

AWS's runtime imports `logging` itself, which takes longer than the rest of our start. A function that logs
sees no difference, and a function that does not is spared the import.
"""

from __future__ import annotations

import os
import sys

from . import stdlib_import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from .logs import FunctionLog


def add_root_handler_in_time(log: FunctionLog) -> None:
    """Add the root handler now, or as soon as `logging` is imported."""
    if "logging" in sys.modules:
        _add_root_handler(log)
    else:
        finder = _LoggingFinder(log)
        sys.meta_path.insert(0, finder)
        # The runtime itself may import it first, with asyncio, and not through `sys.meta_path`.
        stdlib_import.watchers["logging"] = finder.add_handler_after_execution


class _LoggingFinder:
    """Find `logging` by the other finders, and add the root handler after its code was executed."""

    def __init__(self, log: FunctionLog) -> None:
        self._log = log

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "logging":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                self.add_handler_after_execution(spec)
                return spec
        return None

    def add_handler_after_execution(self, spec: ModuleSpec) -> None:
        if spec.origin is None or not spec.origin.startswith(os.path.dirname(os.__file__)):
            return  # the function's own logging.py
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_add_handler(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                del stdlib_import.watchers["logging"]
                _add_root_handler(self._log)

        loader.exec_module = execute_and_add_handler


def _add_root_handler(log: FunctionLog) -> None:
    from . import log_handler  # late: it imports `logging`

    log_handler.add_to_root(log)
