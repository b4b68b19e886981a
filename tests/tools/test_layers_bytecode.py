"""Which bytecode the tools put into zips, and what they print about it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path
from unittest import mock

from tests.support import PYPY
from tests.tools.layer_files import pyc, write_zip
from tests.tools.test_layers_build import VERSION, ToolTestCase
from tools import function
from tools.build import compilers, listing, pythons, versions
from tools.build import pyc as bytecode
from tools.build.zips import Archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAIN = "runtime/lambda_runtime/__pycache__/main.cpython-3{}.pyc"


def minors(programs: Iterable[str]) -> list[str]:
    return [pythons.described(program).partition("cpython ")[2] for program in programs]


def tags(path: Path, module: str) -> dict[str, bytes]:
    """Return the bytecode of a module for each version of Python in a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.rpartition("/")[2].startswith(f"{module}.c")]
        return {bytecode.tag_version(bytecode.tag(name)): archive.read(name) for name in names}


class WithoutOptions(ToolTestCase):
    """The machine has this interpreter and, if there is another CPython, the newest of them."""

    others: list[str]
    expected: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        programs = [program for kind, version, program in pythons.find_all() if kind == "cpython"]
        cls.others = [program for program in programs if minors([program]) != [VERSION]][-1:]
        cls.expected = [*minors(cls.others), *([] if PYPY else [VERSION])]
        cls.expected.sort(key=lambda version: int(version.partition(".")[2]))
        if not cls.expected:
            raise unittest.SkipTest("there is no CPython")

    def setUp(self) -> None:
        super().setUp()
        folder = self.folder / "bin"
        folder.mkdir()
        for other in self.others:
            (folder / "python3").symlink_to(os.path.realpath(other))
        self.enter(mock.patch.dict(os.environ, {"PATH": str(folder)}))
        self.enter(mock.patch("tools.build.pythons.FOLDERS", []))

    def enter(self, patch: contextlib.AbstractContextManager[object]) -> None:
        patch.__enter__()
        self.addCleanup(patch.__exit__, None, None, None)

    def test_there_is_bytecode_for_each_cpython_of_the_machine(self) -> None:
        root = self.write({"app.py": ""})
        for name, words, module in (("layer", [], "main"), ("function", [root], "app")):
            with self.subTest(name):
                output = self.folder / f"{name}.zip"
                outcome = self.run_tool(name, *words, "--output", output, quickly=False)
                self.assertEqual(outcome.returncode, 0, outcome.stderr)
                found = tags(output, module)
                self.assertEqual(sorted(found), sorted(self.expected))
                for version, data in found.items():
                    header = bytecode.parse(data)
                    assert header is not None
                    self.assertEqual(header.mode, bytecode.UNCHECKED)
                    self.assertEqual(header.magic, bytecode.MAGICS.get(version, header.magic))
                listed = [line for line in outcome.stdout.splitlines() if line.startswith("Python ")]
                self.assertEqual([line.split()[1] for line in listed], self.expected)
                self.assertNotIn("warning", outcome.stderr)

    def test_none_of_them_compiles_a_module_of_the_runtime_when_it_starts(self) -> None:
        self.run_tool("layer", "--output", self.folder / "a.zip", quickly=False)
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            archive.extractall(self.folder / "opt")
        for program in [*self.others, *([] if PYPY else [sys.executable])]:
            with self.subTest(program):
                words = [program, "-v", str(self.folder / "opt" / "bootstrap")]
                text = subprocess.run(words, env={}, capture_output=True, text=True).stderr
                loaded = [line for line in text.splitlines() if line.startswith("# code object from ")]
                ours = [line for line in loaded if str(self.folder / "opt") in line]
                self.assertGreater(len(ours), 10, text)
                self.assertEqual([line for line in ours if ".pyc" not in line], [])

    def test_two_builds_are_equal(self) -> None:
        root = self.write({"app.py": "x = {'a', 'b', 'c'} and y in {'d', 'e'}"})
        for name in "ab":
            self.run_tool("function", root, "--output", self.folder / name, quickly=False)
        self.assertEqual((self.folder / "a").read_bytes(), (self.folder / "b").read_bytes())

    def test_files_that_are_not_valid_in_a_version_are_listed(self) -> None:
        root = self.write({"app.py": "", "broken.py": "def ("})
        outcome = self.run_tool("function", root, "--output", self.folder / "a.zip", quickly=False)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        for version in self.expected:
            self.assertRegex(
                outcome.stderr, rf"not valid in Python {version}t?: broken\.py \(SyntaxError: .+\)"
            )
            self.assertRegex(outcome.stdout, rf"Python {version} +1 of 2 ")

    def test_large_functions_have_bytecode_for_one_version(self) -> None:
        tree = self.write({"a.py": "a"})
        self.assertEqual(function.affordable(["a", "b"], tree), ["a", "b"])
        with mock.patch("tools.function.MANY_BYTES", 0):
            self.assertEqual(function.affordable(["a", "b"], tree), ["b"])
            with mock.patch("tools.build.options.PYTHON", self.expected[0]):
                programs = compilers.of_this_machine()
                self.assertEqual(function.affordable([*programs, "b"], tree), programs[:1])

    @unittest.skipIf(PYPY, "its bytecode is not CPython's")
    def test_this_interpreter_compiles_for_its_own_version(self) -> None:
        self.assertIn(sys.executable, compilers.of_this_machine())


class Listed(ToolTestCase):
    def archive(self, *minors: int, sources: int = 2) -> Archive:
        """Open a zip of modules, of which only the first has bytecode, for these versions of Python."""
        files: dict[str, str | bytes] = {"runtime/lambda_runtime/main.py": "#" * 1000}
        files.update({f"runtime/{number}.py": "#" * 1048 for number in range(1, sources)})
        for minor in minors:
            files[MAIN.format(minor)] = pyc(bytecode.MAGICS[f"3.{minor}"]).ljust(minor * 1024)
        write_zip(self.folder / "a.zip", files)
        archive = Archive(self.folder / "a.zip")
        self.addCleanup(archive.__exit__, None, None, None)
        return archive

    def test_the_sizes_for_each_python_are_aligned(self) -> None:
        expected = [
            "bytecode     modules   size",
            "Python 3.9    1 of 2   9 KB",
            "Python 3.13   1 of 2  13 KB",
        ]
        self.assertEqual(listing.bytecode_text(self.archive(13, 9)).splitlines(), expected)
        self.assertEqual(listing.bytecode_text(self.archive()), "")

    def test_what_lambda_compiles_at_each_cold_start_is_told(self) -> None:
        every = " ".join(f"3.{minor}" for minor in range(9, 15))
        what = "each cold start compiles what it imports of 2 modules (2 KB)."
        function = "If your function runs on Python"
        some = f"{function} 3.9, 3.10 and 3.12, {what} To add bytecode: make dist BYTECODE='{every}'"
        none = f"The zip has no bytecode: {what} To add bytecode: make dist"
        for minors_, version, expected in (
            (range(9, 15), None, ""),
            ((11, 13, 14), None, some),
            ((), None, none),
            ((13,), "3.13", ""),
            (
                (12, 13),
                "3.11",
                f"{function} 3.11, {what} To add bytecode: make dist BYTECODE='3.11 3.12 3.13'",
            ),
            ((), "3.11", f"{none} PYTHON_VERSION=3.11"),
        ):
            with self.subTest(minors_, version=version):
                python = versions.parse(version) if version else None
                text = listing.compiling_text(self.archive(*minors_), python)
                self.assertEqual(text, expected)

    def test_it_is_told_for_zips_without_bytecode(self) -> None:
        for name, words in (("layer", []), ("function", [self.write({"app.py": ""})])):
            outcome = self.run_tool(name, *words, "--bytecode", "none", "--output", self.folder / "a.zip")
            self.assertEqual(outcome.returncode, 0)
            self.assertRegex(outcome.stderr, r"^The zip has no bytecode: .*\(\d+ KB\)\. .*: make dist")
            self.assertNotIn("warning", outcome.stderr)


if __name__ == "__main__":
    unittest.main()
