"""Where modules are found: the function's own first, without conflicts with the runtime's."""

from __future__ import annotations

import _imp
import json
import os
import shutil
import sys
import textwrap
import time
import unittest
import warnings

from tests.support import (
    BOOTSTRAP,
    PATIENCE_S,
    PYPY,
    ROOT,
    Function,
    FunctionTestCase,
    joined,
    own_log,
    posts,
)

XRAY = "Lambda-Runtime-Function-XRay-Error-Cause"

SHOW_PATH = """
    import os, sys
    def handler(event, context):
        return sys.path
"""

# Standard modules that the runtime may import, directly or indirectly, early or late.
STANDARD = [
    "ast", "asyncio", "atexit", "base64", "bisect", "calendar", "codeop", "collections",
    "contextlib", "contextvars", "copy", "copyreg", "dataclasses", "datetime", "decimal", "difflib",
    "dis", "email", "enum", "errno", "fcntl", "functools", "hashlib", "heapq", "html", "http",
    "inspect", "io", "ipaddress", "itertools", "json", "keyword", "linecache", "locale", "logging",
    "math", "mimetypes", "numbers", "opcode", "operator", "pathlib", "pickle", "platform", "pprint",
    "queue", "quopri", "random", "re", "reprlib", "select", "selectors", "shutil", "signal", "site",
    "socket", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "string", "stringprep",
    "struct", "subprocess", "symtable", "tempfile", "textwrap", "threading", "time", "token",
    "tokenize", "traceback", "types", "typing", "unicodedata", "urllib", "uuid", "warnings",
    "weakref", "zipfile", "zlib",
]  # fmt: skip

# Makes the runtime do everything that it does late. Imports nothing itself unless the event contains imports.
BUSY = """
    import sys

    def handler(event, context):
        if event == "error":
            try:
                {}["x"]
            except KeyError as error:
                raise ValueError("bad thing") from error
        if event == "unserializable":
            return [{1, 2}]
        if event == "mixed":
            return {"a": b"bytes", 1: (1, 2)}
        if event == "much":
            return b"x" * 6_000_000
        if isinstance(event, list):
            for name in event:
                __import__(name)
            return [hasattr(sys.modules[name], "mine") for name in event]
        return event
"""
BROKEN = "raise RuntimeError('this is not the module you are looking for')"
MINE = "mine = True"


class SearchPathTestCase(FunctionTestCase):
    def keep_busy(self, function: Function) -> None:
        """Make the runtime do everything that it does late, and check the results."""
        payload = self.error(function, "error")
        self.assertEqual(payload["errorType"], "ValueError")
        self.assertRegex(
            payload["stackTrace"][-1], 'function.py", line \\d+, in handler\n    raise ValueError'
        )
        self.assertEqual(payload["cause"]["errorMessage"], "'x'")
        self.assertEqual(len(json.loads(posts(function)[-1].header(XRAY) or "")["exceptions"]), 1)
        self.assertIn("response[0]", self.error(function, "unserializable")["notes"][0])
        self.assertResponse(function, "mixed", {"a": "bytes", "1": [1, 2]})
        self.assertEqual(len(self.invoke(function, "much").payload), 6_000_000)
        payload = json.loads(function.invoke(b'{"a": NaN}').payload.decode())
        self.assertRegex(payload["errorMessage"], "char 6")
        self.assertResponse(function, "still here", "still here")
        self.assertStillWorks(function)

    def modules_of_a_bare_interpreter(self) -> set[str]:
        code = "import sys; before = list(sys.modules); import json; print(json.dumps(before))"
        return set(json.loads(self.run_bootstrap(command=[sys.executable, "-c", code]).output))


class Order(SearchPathTestCase):
    def test_the_task_root_is_first_and_the_runtime_last(self) -> None:
        function = self.start(SHOW_PATH)
        path = self.call(function)
        self.assertEqual(path[0], function.configuration.task_root)
        self.assertEqual(path[-1], str(ROOT / "runtime"))
        self.assertEqual(path.count(path[0]), 1)
        self.assertEqual(path.count(path[-1]), 1)

    def test_a_task_root_that_is_already_on_the_search_path_is_not_added_twice(self) -> None:
        root = self.write({"function.py": SHOW_PATH})
        function = self.start(task_root=root, environment={"PYTHONPATH": root})
        self.assertEqual(self.call(function).count(root), 1)

    def test_neither_bootstrap_s_folder_nor_the_working_directory_is_on_it(self) -> None:
        root = self.write({"function.py": SHOW_PATH})
        elsewhere = self.write({})
        function = self.start(task_root=elsewhere, environment={"LAMBDA_TASK_ROOT": root})
        path = self.call(function)
        for folder in ("", ".", elsewhere, str(ROOT)):
            self.assertNotIn(folder, path)

    def test_the_other_entries_are_those_of_the_interpreter(self) -> None:
        code = "import json, sys; print(json.dumps(sys.path[1:]))"
        root = self.write({"function.py": SHOW_PATH})
        outcome = self.run_bootstrap(command=[sys.executable, "-c", code], cwd=root)
        function = self.start(task_root=root)
        path = [entry for entry in self.call(function) if not entry.startswith("/opt/python")]
        self.assertEqual(path[1:-1], json.loads(outcome.output))

    def test_pythonpath_comes_between_the_task_root_and_the_standard_library(self) -> None:
        extra = self.write(
            {"extra.py": "name = 'extra'", "function.py": BROKEN, "queue.py": "name = 'extra'"}
        )
        function = self.start(
            """
            import extra, queue
            def handler(event, context): return [extra.name, queue.name]
            """,
            environment={"PYTHONPATH": extra},
        )
        self.assertResponse(function, None, ["extra", "extra"])


class FunctionsModules(SearchPathTestCase):
    def test_modules_named_like_the_runtime_s_own_belong_to_the_function(self) -> None:
        names = [path.stem for path in (ROOT / "runtime" / "lambda_runtime").glob("[a-z]*.py")]
        self.assertIn("main", names)
        names += ["runtime", "bootstrap", "emulator"]
        for early in (True, False):
            with self.subTest("imported early" if early else "imported late"):
                imports = f"import {', '.join(names)}" if early else ""
                function = self.start(joined(imports, BUSY), files={f"{name}.py": MINE for name in names})
                self.keep_busy(function)
                self.assertResponse(function, names, [True] * len(names))
                function.close()

    def test_modules_of_the_runtime_cannot_be_imported_by_their_short_names(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                found = []
                for name in ("runtime", "bootstrap", "emulator", "tests", "examples"):
                    try:
                        found.append(__import__(name).__name__)
                    except ImportError:
                        pass
                return found
            """
        )
        self.assertResponse(function, None, [])


class Shadows(SearchPathTestCase):
    """Files of the function with the names of standard modules."""

    def test_they_do_not_affect_the_runtime(self) -> None:
        # Importing any of them would fail; the function does not import them.
        for name, pattern in [("modules", "{}.py"), ("packages", "{}/__init__.py")]:
            with self.subTest(name):
                function = self.start(BUSY, files={pattern.format(name): BROKEN for name in STANDARD})
                self.keep_busy(function)
                function.close()

    def test_they_do_not_affect_the_report_of_an_init_error(self) -> None:
        files = {f"{name}.py": BROKEN for name in STANDARD}
        function = self.start("1 / 0", files=files)
        body = self.assertInitError(function, "ZeroDivisionError")
        self.assertEqual(len(body["stackTrace"]), 1)
        self.assertInitError(self.start(handler="nowhere.handler", files=files), "Runtime.ImportModuleError")

    def test_the_function_gets_its_own_files_whenever_it_imports_them(self) -> None:
        names = self._names()
        self.assertIn("traceback", names)
        files = {f"{name}.py": MINE for name in STANDARD}
        with self.subTest("early"):
            function = self.start(joined(f"import {', '.join(names)}", BUSY), files=files)
            self.keep_busy(function)
            self.assertOwn(function, names)
        with self.subTest("late, but before the runtime"):
            function = self.start(BUSY, files=files)
            self.assertOwn(function, names)
            self.keep_busy(function)
            self.assertOwn(function, names)
        with self.subTest("late, after the runtime"):
            function = self.start(BUSY, files=files)
            self.keep_busy(function)
            self.assertOwn(function, names)

    def test_its_modules_are_the_same_before_and_after_the_runtime_was_busy(self) -> None:
        names = self._names()
        function = self.start(
            joined(
                f"import {', '.join(names)}",
                BUSY,
                """
                imported = dict(sys.modules)
                busy = handler

                def handler(event, context):
                    if isinstance(event, list):
                        return [name for name in event if sys.modules.get(name) is not imported[name]]
                    return busy(event, context)
                """,
            ),
            files={f"{name}.py": MINE for name in STANDARD},
        )
        self.keep_busy(function)
        self.assertResponse(function, names, [])

    def test_other_threads_may_import_while_the_runtime_does(self) -> None:
        """Modules are neither lost nor imported twice when the runtime imports something late."""
        names = [f"part_{number:02}" for number in range(40)]
        slow = "import time; time.sleep(0.002); imported.append(__name__)"
        function = self.start(
            """
            import builtins, importlib, sys, threading, time
            builtins.imported = imported = []

            def work(names):
                for name in names: importlib.import_module(name)

            def handler(event, context):
                if not event:
                    return [sorted(imported), [name for name in sorted(imported) if name in sys.modules]]
                thread = threading.Thread(target=work, args=(event,))
                thread.start()
                time.sleep(0.001)
                raise ValueError(thread.join)
            """,
            files={f"{name}.py": slow for name in names},
        )
        for start in range(0, len(names), 4):
            self.assertEqual(self.error(function, names[start : start + 4])["errorType"], "ValueError")
            time.sleep(0.02)
        deadline = time.monotonic() + PATIENCE_S
        while self.call(function) != [names, names] and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertResponse(function, None, [names, names])

    def assertOwn(self, function: Function, names: list[str]) -> None:
        own = self.call(function, names)
        self.assertEqual([name for name, is_own in zip(names, own) if not is_own], [], "not the function's")

    def _names(self) -> list[str]:
        """Return names that a function's file can have: those of modules that are not loaded yet."""
        taken = self.modules_of_a_bare_interpreter() | set(sys.builtin_module_names)
        # Frozen modules precede all files.
        taken |= {name for name in STANDARD if _imp.is_frozen(name)}
        if PYPY:  # its json is written in Python and loaded at the start
            function = self.start("import sys\nloaded = list(sys.modules)\ndef handler(e, c): return loaded")
            taken |= set(self.call(function))
        return [name for name in STANDARD if name not in taken]

    def test_the_standard_modules_are_there_for_a_function_without_such_files(self) -> None:
        function = self.start(BUSY)
        names = [name for name in STANDARD if _exists(name)]
        self.assertResponse(function, names, [False] * len(names))
        self.keep_busy(function)
        self.assertResponse(function, names, [False] * len(names))

    def test_a_logging_module_of_the_function_is_not_taken_for_the_standard_one(self) -> None:
        function = self.start(
            """
            import logging
            def handler(event, context):
                return logging.getLogger("x")
            """,
            files={"logging.py": "def getLogger(name): return 'my own ' + name"},
        )
        self.assertResponse(function, None, "my own x")
        self.assertStillWorks(function)

    def test_a_logger_works_beside_other_shadows(self) -> None:
        # All names that neither logging nor the function imports.
        for environment in ({}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}):
            with self.subTest(environment):
                function = self.start(
                    """
                    import logging
                    def handler(event, context):
                        try: 1 / 0
                        except Exception: logging.exception("it failed")
                    """,
                    files={"json.py": BROKEN, "select.py": BROKEN, "decimal.py": BROKEN},
                    environment=environment,
                )
                self.assertIn("it failed", own_log(self.invoke(function)))

    def test_a_handler_may_be_in_such_a_file(self) -> None:
        for name in {"email", "queue", "select", "calendar"} - set(sys.builtin_module_names):
            with self.subTest(name):
                function = self.start(
                    handler=f"{name}.handler", files={f"{name}.py": "def handler(e, c): return e"}
                )
                self.assertResponse(function, "hello", "hello")
                function.close()


class Layers(FunctionTestCase):
    """Layers, which are in /opt/python on Lambda, here in another folder."""

    def arrange(self, files: dict[str, str | bytes]) -> tuple[list[str], str]:
        """Return the entries of sys.path that a layer with these files adds, as names in it, and the log."""
        layer = self.write(files)
        code = f"""
            import json, sys
            sys.path.insert(0, {str(ROOT / "runtime")!r})
            from lambda_runtime import search_path
            search_path.LAYERS = {layer!r}
            search_path.arrange("/var/task")
            print(json.dumps(sys.path))
        """
        outcome = self.run_bootstrap(command=[sys.executable, "-c", textwrap.dedent(code)])
        self.assertEqual(outcome.status, 0, outcome.errors)
        path = json.loads(outcome.output)
        return [os.path.relpath(entry, layer) for entry in path if entry.startswith(layer)], outcome.errors

    def test_a_pth_file_that_is_not_utf_8_is_reported_and_the_others_are_read(self) -> None:
        latin_1 = "# Grüße\n".encode("latin-1")
        files: dict[str, str | bytes] = {"m.pth": latin_1, "a.pth": "one\n", "z.pth": "two\n"}
        path, log = self.arrange({**files, "one/a.py": "", "two/a.py": ""})
        self.assertEqual(path, [".", "one", "two"])
        self.assertEqual(len(log.splitlines()), 1, log)
        self.assertRegex(log, r"/m\.pth is ignored: it is not UTF-8\. Save it as UTF-8\.\n")

    def test_hidden_pth_files_from_macos_are_ignored(self) -> None:
        path, log = self.arrange({"._a.pth": b"\0\x05\x16\x07\0\xa3", "a.pth": "one\n", "one/a.py": ""})
        self.assertEqual(path, [".", "one"])
        self.assertNotIn("Traceback", log)


class Locations(SearchPathTestCase):
    def _installed(self, *parts: str) -> str:
        """Return a folder with bootstrap and runtime/ as shipped, and a function beside them."""
        root = self.write({"function.py": BUSY, "runtime.py": MINE, **dict.fromkeys(parts, MINE)})
        shutil.copy(BOOTSTRAP, root)
        shutil.copytree(
            ROOT / "runtime", os.path.join(root, "runtime"), ignore=shutil.ignore_patterns("__pycache__")
        )
        return root

    def test_it_works_as_a_function_zip_in_the_task_root(self) -> None:
        root = self._installed("main.py", "lambda_function.py")
        function = self.start(task_root=root, command=[sys.executable, os.path.join(root, "bootstrap")])
        self.keep_busy(function)
        self.assertResponse(function, ["runtime", "main", "lambda_function"], [True] * 3)

    def test_it_works_as_a_layer_outside_of_the_task_root(self) -> None:
        layer = self._installed()
        os.remove(os.path.join(layer, "function.py"))
        function = self.start(BUSY, command=[sys.executable, os.path.join(layer, "bootstrap")])
        self.keep_busy(function)

    def test_it_works_through_symbolic_links(self) -> None:
        layer = self._installed()
        links = self.write({})
        os.symlink(os.path.join(layer, "bootstrap"), os.path.join(links, "bootstrap"))
        os.symlink(os.path.join(links, "bootstrap"), os.path.join(links, "again"))
        for name in ("bootstrap", "again"):
            with self.subTest(name):
                function = self.start(BUSY, command=[sys.executable, os.path.join(links, name)])
                self.keep_busy(function)
                function.close()

    def test_it_works_when_started_by_a_relative_path(self) -> None:
        root = self._installed()
        function = self.start(task_root=root, command=[sys.executable, "bootstrap"])
        self.keep_busy(function)

    def test_a_folder_name_with_spaces_and_quotes_works(self) -> None:
        root = os.path.join(self.write({}), "with space, ünïcode & 'quotes'")
        shutil.copytree(self._installed(), root)
        function = self.start(task_root=root, command=[sys.executable, os.path.join(root, "bootstrap")])
        self.keep_busy(function)


def _exists(name: str) -> bool:
    """Return whether this interpreter has a module, which its version or its system may lack."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            __import__(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
