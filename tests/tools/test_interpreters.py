"""The interpreters that `make test-all` finds, and the tool that downloads newer ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tests.support import ROOT
from tools.build import pythons


class Found(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="interpreters-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def pretend(self, path: str, description: str) -> str:
        """Create a program that poses as an interpreter; return its path."""
        program = self.folder / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {description}\n")
        program.chmod(0o755)
        return str(program)

    def test_are_all_versions_of_all_implementations_in_all_places(self) -> None:
        older = self.pretend("a/pypy3", "pypy 3.9 3.9.16")
        newer = self.pretend("b/pypy3", "pypy 3.11 3.11.17")
        self.pretend("b/pypy3.11", "pypy 3.11 3.11.17")
        free = self.pretend("b/python3.13t", "cpython 3.13t 3.13.0t")
        fetched = self.pretend("own/python3.15/usr/bin/python3.15", "cpython 3.15 3.15.2")
        self.pretend("b/python3", "cpython 3.7 3.7.17")
        self.pretend("b/python3.8", "'no python' >&2; exit 1 #")
        path = os.pathsep.join([str(self.folder / "a"), str(self.folder / "b")])
        with mock.patch.dict(os.environ, {"PATH": path}), mock.patch(
            "tools.build.pythons.FOLDERS", [str(self.folder / "own/*/usr/bin")]
        ):
            found = pythons.find_all()
        expected = [
            ("cpython", "3.13.0t", free),
            ("cpython", "3.15.2", fetched),
            ("pypy", "3.9.16", older),
            ("pypy", "3.11.17", newer),
        ]
        self.assertEqual(found, expected)

    @unittest.skipUnless(shutil.which("bash"), "it is a script for bash")
    def test_are_downloaded_or_the_reason_is_printed(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        for name in ("bash", "cat", "dirname", "find", "head", "mkdir", "rm", "sed", "tail"):
            (programs / name).symlink_to(shutil.which(name) or "missing")
        mine = self.pretend("there/mine/usr/bin/mine", "cpython 3.99.0")
        done = subprocess.run(
            [str(programs / "bash"), str(ROOT / "tools" / "debian_pythons.sh"), "mine", "python3.14"],
            env={"PATH": str(programs), "FOLDER": str(self.folder / "there")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
        )
        self.assertEqual(
            done.stdout.decode(),
            f"mine: cpython 3.99.0 in {self.folder}/there/mine\n"
            "python3.14 is not available: apt-get is missing\n",
        )
        self.assertEqual(os.listdir(self.folder / "there"), ["mine"])
        self.assertTrue(os.path.exists(mine))


if __name__ == "__main__":
    unittest.main()
