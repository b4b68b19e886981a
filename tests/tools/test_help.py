"""Every program explains itself with --help, and does nothing else then."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest

from tests.support import ROOT

PROGRAMS = [
    *([str(path)] for path in sorted((ROOT / "tools").glob("*.py")) if "__main__" in path.read_text()),
    ["-m", "tests"],
    ["-m", "lambda_emulator"],
]


class Help(unittest.TestCase):
    def test_help_is_printed_and_nothing_is_done(self) -> None:
        path = os.pathsep.join((str(ROOT), str(ROOT / "emulator")))
        for program in PROGRAMS:
            with self.subTest(program), tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [sys.executable, *program, "--help"],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                    capture_output=True,
                    timeout=30,
                )
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertRegex(done.stdout.decode(), r"\Ausage: ")
                self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
