"""Packages that are imported from the bundle of `make dist-function BUNDLE=1`."""

from __future__ import annotations
import __future__

import importlib
import marshal
import os
import shutil
import struct
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lambda_runtime import precompiled

from tests.support import PYPY, FunctionTestCase
from tools.build import bundling, compilation
from tools.build.lambda_os import TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.function import Function

NAME = f"{bundling.NAME}{sys.implementation.cache_tag}"
RECORD = "pkg-1.0.dist-info/RECORD"
FILES = {
    "app.py": """\
import sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
import pkg.inner
import own

def handler(event, context):
    return eval(event)
""",
    "own.py": "value = 1\n",
    "pkg/__init__.py": "value = 1\n",
    "pkg/inner.py": """\
def answer():
    return 42

def fail():
    raise ValueError("failed here")
""",
    "pkg/later.py": "",
    "pkg/data.txt": "some data",
    RECORD: "pkg/__init__.py,,\npkg/inner.py,,\npkg/later.py,,\npkg/data.txt,,\n",
}
# What standard modules compile. The function notes which patterns are parsed, and which modules call a
# built-in function themselves.
COMPILED = {
    "app.py": """\
import annotationlib_if_any, collections, dataclasses, re, sys, typing
calls, parsed = set(), []

def note(frame, event, argument):
    name = frame.f_globals.get("__name__")
    if event == "call" and frame.f_code.co_name == "parse" and name in ("re._parser", "sre_parse"):
        parsed.append(frame.f_locals["str"])
    elif event == "c_call" and argument in (compile, eval, exec) and name in MODULES:
        calls.add(name)

MODULES = ("annotationlib", "collections", "dataclasses", "typing")
sys.setprofile(note)
from pkg import described
sys.setprofile(None)

def handler(event, context):
    return eval(event)
""",
    "annotationlib_if_any.py": """\
try:
    import annotationlib
except ImportError:
    pass
""",
    "pkg/__init__.py": "",
    "pkg/described.py": """\
import collections, dataclasses, os, re, typing, warnings

WORD = re.compile("(?P<word>[a-zé]+)-(?P<number>[0-9]{1,70000})|(x)", re.IGNORECASE)
BYTES = re.compile(b"[a-\\xff]+")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    NESTED = re.compile("[[a]")
    LITERAL = typing.Optional["1 is 1"]
Pair = collections.namedtuple("Pair", "first second", defaults=[2])
Optional = typing.Optional["Point"]

@dataclasses.dataclass
class Point:
    x: int = 1

@dataclasses.dataclass
class Other:
    x: int = 1

PLACE = re.compile(re.escape(__file__) + "found")
SECRET = re.compile(os.environ.get("PASSWORD", "") + "a+b")

try:
    re.compile("(")
except re.error as error:
    problem = str(error)
""",
    RECORD: "pkg/__init__.py,,\npkg/described.py,,\n",
}
RESULTS = """[
    described.WORD.groupindex["number"], described.WORD.groups, described.WORD.flags & 0xff,
    described.WORD.match("É-17").groups(), described.WORD.pattern, repr(described.WORD),
    described.BYTES.match(b"b\\xfe").group().hex(), described.problem,
    [(str(one.message), one.filename, one.lineno) for one in described.caught],
    described.Point.__init__.__code__ is described.Other.__init__.__code__,
    described.Pair(1), repr(described.Pair(1, 3)), described.Pair._fields,
    repr(described.Point(2)), described.Point() == described.Point(1),
    repr(described.Optional), typing.get_type_hints(described.Point.__init__)["x"].__name__,
    re.compile("b+").match("bb").end(), collections.namedtuple("New", "a")(5),
    dataclasses.make_dataclass("Made", ["a"])(6).a]"""
REPLACED = "[n for n in MODULES if {'compile', 'eval', 'exec'} & set(vars(sys.modules.get(n, sys)))]"
# What a function sees of its modules.
ATTRIBUTES = """[
    (m.__file__, m.__package__, list(getattr(m, "__path__", [])), m.__spec__.name,
     m.__spec__.origin, m.__spec__.cached, m.__spec__.has_location, m.__spec__.parent,
     m.__spec__.submodule_search_locations, m.__loader__ is m.__spec__.loader, m.__loader__.name,
     m.__loader__.path, sorted(vars(m)))
    for m in (pkg, pkg.inner)]"""
SERVED = "[type(m.__loader__).__module__ == 'lambda_runtime.bundle' for m in (pkg, pkg.inner, own)]"


@unittest.skipIf(PYPY, "a bundle contains the bytecode of CPython")
class Bundles(FunctionTestCase):
    tree: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bundle-")
        cls.addClassCleanup(folder.cleanup)
        cls.tree = Path(folder.name).resolve() / "task"
        for name, content in FILES.items():
            path = cls.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        compilation.compile_folder(sys.executable, cls.tree, TASK)
        bundling.add(cls.tree, sys.executable, "app.handler", task_root=cls.tree)

    def copy(self) -> Path:
        """Return a copy of the function's folder, which the test may change."""
        root = Path(self.write({}), "task")
        shutil.copytree(self.tree, root)
        return root

    def bundled(self, files: dict[str, str]) -> Path:
        """Return a folder with the files and their bundle."""
        root = Path(self.write(files)).resolve()
        compilation.compile_folder(sys.executable, root, TASK)
        with mock.patch.dict(os.environ, {"PASSWORD": "open-sesame"}):
            bundling.add(root, sys.executable, "app.handler", task_root=root)
        return root

    def run_in(self, root: Path, **settings: Any) -> Function:
        return self.start(handler="app.handler", task_root=str(root), **settings)

    def assertServed(self, root: Path, served: bool, log: str = "", **settings: Any) -> None:
        """Expect that the package does or does not come from the bundle, and at most one line in the log."""
        function = self.run_in(root, **settings)
        result = self.invoke(function, SERVED)
        self.assertEqual(result.payload, f"[{served}, {served}, False]".lower().encode())
        lines = [line for line in function.log_text().splitlines() if "LAMBDA_RUNTIME" in line]
        self.assertEqual(len(lines), bool(log), lines)
        self.assertIn(log, "".join(lines))

    def test_modules_of_packages_come_from_it_and_those_of_the_function_do_not(self) -> None:
        self.assertServed(self.tree, True)

    def test_after_the_init_phase_python_finds_modules_as_usual(self) -> None:
        finders = "[getattr(one, '__module__', '') for one in sys.meta_path]"
        self.assertNotIn("lambda_runtime.bundle", self.call(self.run_in(self.tree), finders))

    def test_a_function_may_close_all_files_while_it_loads(self) -> None:
        root = self.copy()
        lines = ["import os", "os.closerange(3, 64)", "files = [open(os.devnull) for _ in range(60)]"]
        app = (root / "app.py").read_text()
        (root / "app.py").write_text("\n".join([*lines, app]))
        shutil.rmtree(root / "__pycache__")
        function = self.run_in(root)
        self.assertResponse(function, "len({os.fstat(one.fileno()).st_rdev for one in files})", 1)

    def test_modules_look_as_if_they_came_from_their_files(self) -> None:
        root = self.copy()
        function = self.run_in(root)
        bundled = self.call(function, ATTRIBUTES)
        resource = "__import__('importlib.resources').resources.read_text(pkg, 'data.txt')"
        self.assertResponse(function, resource, "some data")
        self.assertResponse(
            function, "pkg.__loader__.get_data(pkg.__path__[0] + '/data.txt').decode()", "some data"
        )
        names = "[one.name for one in __import__('pkgutil').iter_modules(pkg.__path__)]"
        self.assertResponse(function, names, ["inner", "later"])
        source = "__import__('inspect').getsource(pkg.inner.answer)"
        self.assertResponse(function, source, "def answer():\n    return 42\n")
        self.assertResponse(function, "pkg.inner.__loader__.get_code('pkg.inner').co_name", "<module>")
        self.assertResponse(function, "__import__('importlib').reload(pkg.inner).answer()", 42)
        self.assertResponse(function, "__import__('pkg.later').later.__name__", "pkg.later")
        (root / NAME).unlink()
        function.close()
        self.assertEqual(bundled, self.call(self.run_in(root), ATTRIBUTES))

    def test_tracebacks_show_the_lines_of_the_source(self) -> None:
        trace = self.error(self.run_in(self.tree), "pkg.inner.fail()")["stackTrace"]
        self.assertIn(
            f'{self.tree}/pkg/inner.py", line 5, in fail\n    raise ValueError("failed here")', trace[-1]
        )

    def test_it_works_when_warnings_are_errors(self) -> None:
        self.assertServed(self.tree, True, environment={"PYTHONWARNINGS": "error"})

    def test_only_the_bundle_is_opened_for_its_modules(self) -> None:
        opened = self.call(self.run_in(self.tree), "opened")
        self.assertEqual([one for one in opened if "/pkg/" in one], [])

    def test_another_version_of_a_package_is_imported_from_its_files(self) -> None:
        for case in ("another version", "another size", "another version beside it"):
            with self.subTest(case):
                root = self.copy()
                if case == "another size":
                    (root / RECORD).write_text("pkg/__init__.py,,\n")
                elif case == "another version beside it":  # as `pip install --upgrade --target` leaves it
                    (root / "Pkg-1.1.dist-info").mkdir()
                else:
                    (root / "pkg-1.0.dist-info").rename(root / "pkg-1.1.dist-info")
                self.assertServed(root, False)

    def test_a_folder_that_is_searched_first_wins(self) -> None:
        root = self.copy()
        (root / "first" / "pkg").mkdir(parents=True)
        (root / "first" / "pkg" / "__init__.py").write_text("")
        (root / "first" / "pkg" / "inner.py").write_text("")
        app = (root / "app.py").read_text()
        (root / "app.py").write_text(f"import sys\nsys.path.insert(0, {str(root / 'first')!r})\n{app}")
        shutil.rmtree(root / "__pycache__")
        self.assertServed(root, False)

    def test_a_bundle_that_does_not_fit_is_ignored_with_one_line_in_the_log(self) -> None:
        data = (self.tree / NAME).read_bytes()
        for log, content in (
            ("its bytecode is not for this Python", b"\0\0\r\n" + data[4:]),
            ("its format is 4, expected 3", data[:4] + struct.pack("<I", 4) + data[8:]),
            (f"it has {len(data) - 1} bytes, expected {len(data)}", data[:-1]),
            ("its bytecode is not for this Python", b""),
            ("is ignored", data[:16] + bytes(len(data) - 16)),
        ):
            with self.subTest(log, size=len(content)):
                root = self.copy()
                (root / NAME).write_bytes(content)
                self.assertServed(root, False, f"{root}/{NAME} is ignored: " if log == "is ignored" else log)

    def test_damaged_code_is_loaded_from_the_file(self) -> None:
        root = self.copy()
        data = (root / NAME).read_bytes()
        index_size = struct.unpack_from("<I", data, 12)[0]
        (root / NAME).write_bytes(data[: 16 + index_size] + bytes(len(data) - 16 - index_size))
        self.assertResponse(self.run_in(root), "pkg.inner.answer()", 42)

    def test_standard_modules_get_what_it_has_compiled(self) -> None:
        root = self.bundled(COMPILED)
        data = (root / NAME).read_bytes()
        self.assertIn(b"number", data)
        for private in (b"sesame", rb"\.pyfound"):  # a value of the environment, and a path of this build
            self.assertNotIn(private, data)
        function = self.run_in(root)
        self.assertResponse(function, "sorted(calls)", [])
        # Those that cause a warning or an error, and those with a secret or a path, are compiled as usual.
        parsed = self.call(function, "parsed")
        self.assertEqual(parsed, ["[[a]", parsed[1], "a+b", "("])
        results = self.call(function, RESULTS)
        self.assertResponse(function, REPLACED, [])
        function.close()
        (root / NAME).unlink()
        function = self.run_in(root)
        self.assertResponse(function, "len(parsed)", 6)
        callers = {"collections", "dataclasses", "typing"}
        if sys.version_info >= (3, 14):
            callers = callers - {"typing"} | {"annotationlib"}
        self.assertEqual(set(self.call(function, "sorted(calls)")), callers)
        self.assertEqual(results, self.call(function, RESULTS))

    def test_damaged_results_are_compiled_as_usual(self) -> None:
        root = self.bundled(COMPILED)
        data = (root / NAME).read_bytes()
        (root / NAME).unlink()
        expected = self.call(self.run_in(root), RESULTS)
        index_size = struct.unpack_from("<I", data, 12)[0]
        end = marshal.loads(data[16 : 16 + index_size])[-1]
        magic, patterns, texts = marshal.loads(data[16 + index_size : end])
        others = [(text, flags, (0, *arguments[1:])) for text, flags, arguments in patterns]
        for case, compiled in (
            ("zeros", bytes(end - 16 - index_size)),
            ("another version of re", marshal.dumps((magic - 1, others, {}), 2)),
            ("not a code", marshal.dumps((magic, [("a", 0, (0, [-1], 0, {}, ()))], {}), 2)),
            ("an unknown module", marshal.dumps((magic, [], {**texts, "os": {}}), 2)),
            ("another type", marshal.dumps(1, 2)),
        ):
            with self.subTest(case):
                filled = compiled.ljust(end - 16 - index_size, b"\0")
                (root / NAME).write_bytes(data[: 16 + index_size] + filled + data[end:])
                function = self.run_in(root)
                self.assertEqual(self.call(function, RESULTS), expected)
                self.assertEqual(len(self.call(function, "sorted(calls)")), 3)
                self.assertNotIn("LAMBDA_RUNTIME", function.log_text())
                function.close()

    def test_the_standard_modules_compile_without_features_of_the_future(self) -> None:
        for name in precompiled.CALLS:
            with self.subTest(name):
                try:
                    module = importlib.import_module(name)
                except ModuleNotFoundError:
                    continue
                self.assertNotIn(__future__._Feature, set(map(type, vars(module).values())))

    def test_it_is_not_used_with_another_level_of_optimization(self) -> None:
        self.assertServed(self.tree, False, environment={"PYTHONOPTIMIZE": "1"})

    def test_without_a_bundle_its_code_is_not_imported(self) -> None:
        root = self.copy()
        os.unlink(root / NAME)
        function = self.run_in(root)
        self.assertResponse(function, "'lambda_runtime.bundle' in sys.modules", False)
        self.assertResponse(function, "[one for one in opened if 'bundle' in one]", [])
