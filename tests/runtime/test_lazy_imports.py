"""Lazy imports of CPython 3.15: the function may have them, and the runtime does not."""

from __future__ import annotations

import sys
import unittest

from tests.runtime import test_errors, test_search_path
from tests.support import BOOTSTRAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.function import Function


@unittest.skipIf(sys.version_info < (3, 15), "lazy imports are new in Python 3.15")
class LazyImports(test_search_path.SearchPathTestCase):
    def start(self, *arguments: Any, **settings: Any) -> Function:
        return super().start(*arguments, **{"environment": {"PYTHON_LAZY_IMPORTS": "all"}, **settings})

    test_the_first_error_imports_nothing = test_errors.UsedUp.test_the_first_error_imports_nothing
    test_the_functions_files_do_not_affect_the_runtime = (
        test_search_path.Shadows.test_they_do_not_affect_the_runtime
    )

    def is_loaded_at_once(self, first: str = "") -> object:
        """Return whether a module of the function is loaded before it is used, after the line ``first``."""
        source = f"""
            import sys
            {first}
            import own
            before = "own" in sys.modules

            def handler(event, context):
                return [before, own.value]
            """
        before, value = self.call(self.start(source, files={"own.py": "value = 1"}))
        self.assertEqual(value, 1)
        return before

    def test_a_module_of_the_function_is_loaded_when_it_is_used(self) -> None:
        self.assertIs(self.is_loaded_at_once(), False)

    def test_a_filter_of_the_functions_own_is_kept(self) -> None:
        own_filter = 'sys.set_lazy_imports_filter(lambda importing, imported, names: imported != "own")'
        self.assertIs(self.is_loaded_at_once(own_filter), True)

    def test_code_without_a_module_may_import_lazily(self) -> None:
        source = """
            code = {}  # has no __name__, like the templates of Jinja2
            exec("import json; result = json.dumps(1)", code)

            def handler(event, context):
                return code["result"]
            """
        self.assertResponse(self.start(source), None, "1")

    def test_an_earlier_filter_is_kept(self) -> None:
        source = """
            import sys
            import own
            before = "own" in sys.modules

            def handler(event, context):
                return before
            """
        wrapper = """
            import os, runpy, sys
            sys.set_lazy_imports_filter(lambda importing, imported, names: imported != "own")
            runpy.run_path(os.environ["BOOTSTRAP"], run_name="__main__")
            """
        root = self.write({"function.py": source, "own.py": "", "wrapper.py": wrapper})
        function = self.start(
            task_root=root,
            command=[sys.executable, f"{root}/wrapper.py"],
            environment={"PYTHON_LAZY_IMPORTS": "all", "BOOTSTRAP": str(BOOTSTRAP)},
        )
        self.assertResponse(function, None, True)

    def test_without_them_the_runtime_loads_no_more_modules(self) -> None:
        """Standard modules that import lazily by themselves do so here, too."""
        source = """
            import sys

            async def handler(event, context):
                return "multiprocessing" in sys.modules
            """
        self.assertResponse(self.start(source, environment={}), None, False)
