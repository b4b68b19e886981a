"""Every program explains itself with --help, and does nothing else then. It needs no optional libraries."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.support import ROOT

PROGRAMS = [
    *([str(path)] for path in sorted((ROOT / "tools").glob("*.py")) if "__main__" in path.read_text()),
    ["-m", "tests"],
    ["-m", "lambda_emulator"],
]
# Python's own build leaves out those whose libraries it does not find.
OPTIONAL = ("_bz2", "_ctypes", "_curses", "_lzma", "_sqlite3", "_ssl", "readline")
# sitecustomize.py: what is imported before each program.
WITHOUT_OPTIONAL = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))\n"


class Help(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "sitecustomize.py").write_text(WITHOUT_OPTIONAL)

    def run_without_optional_modules(self, *program: str, folder: str) -> subprocess.CompletedProcess[bytes]:
        path = os.pathsep.join((str(self.folder), str(ROOT), str(ROOT / "emulator")))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *program], cwd=folder, env=environment, capture_output=True, timeout=30
        )

    def test_help_is_printed_and_nothing_is_done(self) -> None:
        for program in PROGRAMS:
            with self.subTest(program), tempfile.TemporaryDirectory() as folder:
                done = self.run_without_optional_modules(*program, "--help", folder=folder)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertRegex(done.stdout.decode(), r"\Ausage: ")
                self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
