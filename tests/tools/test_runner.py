"""``python3 -m tests``: tests that fail run once more."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

RUNNER = Path(__file__).parent.parent / "__main__.py"
# `test_once` passes when the folder has the file that it leaves there.
SOURCE = """
import os, unittest

class Case(unittest.TestCase):
    def test_once(self):
        is_second = os.path.exists("left")
        open("left", "w").close()
        self.assertTrue(is_second, "first")

    def test_always(self):
        pass
"""


class Runner(unittest.TestCase):
    def run_tests(self, source: str) -> tuple[int, str]:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        (folder / "tests" / "a").mkdir(parents=True)
        for package in ("tests", "tests/a"):
            (folder / package / "__init__.py").touch()
        shutil.copy(RUNNER, folder / "tests")
        (folder / "tests" / "a" / "test_one.py").write_text(source)
        run = subprocess.run(
            [sys.executable, "-m", "tests"], cwd=str(folder), stdout=subprocess.PIPE, text=True
        )
        return run.returncode, run.stdout

    def test_a_test_that_passes_then_is_unstable(self) -> None:
        status, output = self.run_tests(SOURCE)
        self.assertEqual(status, 0, output)
        self.assertIn("AssertionError: False is not true : first", output)
        self.assertIn("UNSTABLE: tests.a.test_one.Case.test_once failed, then passed\n", output)
        self.assertTrue(output.endswith("\n2 passed, 0 failed\n"), output)

    def test_a_test_that_fails_again_has_failed(self) -> None:
        status, output = self.run_tests(SOURCE.replace("pass\n", "self.fail()\n"))
        self.assertEqual(status, 1, output)
        self.assertTrue(output.endswith("\n1 passed, 1 failed\n"), output)

    def test_many_failures_are_not_repeated(self) -> None:
        methods = "".join(f"    def test_{number}(self): self.fail()\n" for number in range(10))
        status, output = self.run_tests(SOURCE + methods)
        self.assertEqual(status, 1, output)
        self.assertNotIn("UNSTABLE", output)
        self.assertTrue(output.endswith("\n1 passed, 11 failed\n"), output)
