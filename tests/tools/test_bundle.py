"""`make dist-function BUNDLE=1` adds one file with the packages that the init phase imports."""

from __future__ import annotations

import sys
import textwrap
import unittest
import zipfile

from lambda_emulator.testing import LambdaFunction

from tests.support import PYPY
from tests.tools.layer_files import write_zip
from tests.tools.test_layers_build import ToolTestCase
from tools.build import bundling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

NAME = f"{bundling.NAME}{sys.implementation.cache_tag}"
FILES = {
    "app.py": """\
        import pkg.inner
        def handler(event, context):
            return type(pkg.__loader__).__module__
        """,
    "pkg/__init__.py": "",
    "pkg/inner.py": "",
    "pkg/unused.py": "",
    "pkg-1.0.dist-info/RECORD": "pkg/__init__.py,,\npkg/inner.py,,\npkg/unused.py,,\n",
}


@unittest.skipIf(PYPY, "a bundle contains the bytecode of CPython")
class Bundle(ToolTestCase):
    def arguments(self, root: Path, *more: object, handler: str = "app.handler") -> tuple[object, ...]:
        return root, "--bytecode", sys.executable, "--bundle", "--handler", handler, *more

    def test_the_zip_contains_it_and_the_runtime_uses_it(self) -> None:
        write = "try:\n    open('written', 'w').close()\nexcept OSError:\n    pass  # as on Lambda\n"
        app = write + textwrap.dedent(FILES["app.py"])
        root = self.write({**FILES, "app.py": app, f"{bundling.NAME}old": "of an earlier build"})
        output = self.folder / "a.zip"
        outcome = self.run_tool("function", *self.arguments(root, "--output", output))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        with zipfile.ZipFile(output) as archive:
            self.assertFalse({"written", f"{bundling.NAME}old"} & set(archive.namelist()))
            size = archive.getinfo(NAME).file_size
            self.assertNotIn(b"unused", archive.read(NAME))
        self.assertIn(f"bundle for {sys.implementation.cache_tag}: 2 modules, {size} bytes\n", outcome.stdout)
        verified = self.run_tool("verify", output)
        self.assertEqual((verified.returncode, verified.stderr), (0, ""), verified.stdout)
        with LambdaFunction("app.handler", task_root=output, sandbox="never") as function:
            self.assertEqual(function.invoke({}).payload, "lambda_runtime.bundle")

    def test_two_builds_are_equal(self) -> None:
        root = self.write(FILES)
        first, second = (self.build("function", *self.arguments(root)) for _ in range(2))
        self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_packages_in_layers_are_imported_but_not_bundled(self) -> None:
        root = self.write({**FILES, "app.py": "import pkg, layered\n\nhandler = print\n"})
        layer = self.folder / "layer.zip"
        write_zip(layer, {"python/layered.py": "", "python/layered-1.0.dist-info/RECORD": "layered.py,,\n"})
        with zipfile.ZipFile(self.build("function", *self.arguments(root, "--layer", layer))) as archive:
            self.assertNotIn(b"layered", archive.read(NAME))

    def test_an_init_phase_that_fails_is_reported_with_its_error(self) -> None:
        root = self.write({**FILES, "app.py": "import os\nos.environ['TABLE']\n"})
        errors = self.assertToolError(
            "The init phase of app.handler fails", "function", *self.arguments(root)
        )
        self.assertIn("KeyError: 'TABLE'", errors)
        missing = self.arguments(root, handler="nowhere.handler")
        self.assertIn("No module named 'nowhere'", self.assertToolError("fails", "function", *missing))

    def test_it_is_an_error_if_there_is_nothing_to_bundle(self) -> None:
        root = self.write({"app.py": "def handler(event, context): pass\n"})
        self.assertToolError("a bundle would be empty", "function", *self.arguments(root))
        arguments = (root, "--bytecode", "none", "--bundle", "--handler", "app.handler")
        self.assertToolError("A bundle contains bytecode", "function", *arguments)
