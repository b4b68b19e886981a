"""Notes about a failed import: files for another Python or machine, missing libraries, missing modules."""

from __future__ import annotations

import os
import re
import struct
import sys
import unittest
from _imp import extension_suffixes

from tests.support import PYPY, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.support import Files

# The suffix of this Python, such as .cpython-313-x86_64-linux-gnu.so
SUFFIX = extension_suffixes()[0]
TAG = SUFFIX.strip(".").rpartition(".")[0]
OTHER_TAG = "cpython-27m-x86_64-linux-gnu"
MACHINE = os.uname().machine

# e_machine (System V ABI, "ELF Header") of other machines
AARCH64, X86_64, S390X = 183, 62, 22
OTHER, OTHER_NAME = (X86_64, "x86_64") if MACHINE == "aarch64" else (AARCH64, "aarch64")
OWN = {"x86_64": X86_64, "aarch64": AARCH64}.get(MACHINE, 0)

HANDLER = "def handler(event, context): return event\n"


def elf(machine: int, *, big_endian: bool = False) -> bytes:
    """Return the beginning of a 64-bit shared object: e_ident, e_type, e_machine, e_version."""
    identification = b"\x7fELF" + bytes([2, 2 if big_endian else 1, 1])
    return struct.pack(">16sHHI" if big_endian else "<16sHHI", identification, 3, machine, 1)


class ImportDiagnosis(FunctionTestCase):
    def notes(self, source: str, files: Files | None = None) -> tuple[list[str], str]:
        """Return the notes of the init error, and the task root that contains ``files``."""
        function = self.start(source + HANDLER, files=files)
        body: dict[str, Any] = self.assertInitError(function, "Runtime.ImportModuleError")
        notes: list[str] = body.get("notes", [])
        for note in notes:
            self.assertIn(note, function.log_text().replace("\u00a0", " "))
        return notes, function.configuration.task_root

    def assertExplains(self, source: str, files: Files, *patterns: str, hint: bool = True) -> None:
        """Expect notes that match these patterns, in which FOLDER is the task root, and then a remedy."""
        notes, root = self.notes(source, files)
        expected = [pattern.replace("FOLDER", re.escape(root)) for pattern in patterns]
        if hint:
            platform = "(manylinux2014|musllinux_1_2)_" + MACHINE
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            if PYPY:
                version += " --implementation pp"
            expected.append(f"Install .* --platform {platform} --python-version {version} PACKAGE")
        self.assertEqual(len(notes), len(expected), notes)
        for note, pattern in zip(notes, expected):
            self.assertRegex(note, rf"\A{pattern}\Z")

    def test_a_file_for_another_python_is_named_with_both_tags(self) -> None:
        for name, file, tag in [
            ("an older one", f"native.{OTHER_TAG}.so", OTHER_TAG),
            ("one for windows", "native.cp311-win_amd64.pyd", "cp311-win_amd64"),
        ]:
            with self.subTest(name):
                files = {file: elf(OWN)}
                pattern = f"FOLDER/{re.escape(file)} is built for {tag}, but this Python loads {TAG}"
                self.assertExplains("import native\n", files, pattern)

    def test_a_file_that_was_tried_twice_is_named_once(self) -> None:
        file = f"native.{OTHER_TAG}.so"
        source = "try: import native\nexcept ImportError: import native\n"
        self.assertExplains(source, {file: elf(OWN)}, f"FOLDER/{file} is built for .*")

    def test_a_file_for_another_machine_is_named_with_both(self) -> None:
        if OWN == 0:
            self.skipTest(f"{MACHINE} is unknown")
        for name, content, machine in [
            ("known", elf(OTHER), OTHER_NAME),
            ("unknown", elf(S390X, big_endian=True), "machine 22"),
        ]:
            with self.subTest(name):
                pattern = f"FOLDER/native{SUFFIX} is built for {machine}, but this machine is {MACHINE}"
                self.assertExplains("import native\n", {f"native{SUFFIX}": content}, pattern)

    @unittest.skipUnless(sys.platform == "linux", "another system has other files")
    def test_a_file_that_is_not_a_library_is_reported(self) -> None:
        for name, content, problem in [
            (
                "one for macOS",
                b"\xcf\xfa\xed\xfe" + bytes(100),
                "is not built for Linux, but this is Linux on .*",
            ),
            ("text", b"x", "is not built for Linux, but this is Linux on .*"),
            ("a beginning", elf(OWN)[:12], "is cut off after 12 bytes"),
        ]:
            with self.subTest(name):
                pattern = f"FOLDER/native{SUFFIX} {problem}"
                self.assertExplains("import native\n", {f"native{SUFFIX}": content}, pattern)

    def test_a_name_that_a_package_lacks_may_be_an_unsuitable_file(self) -> None:
        file = f"package/_native.{OTHER_TAG}.so"
        files: Files = {"package/__init__.py": "", file: elf(OWN)}
        pattern = f"FOLDER/{file} is built for {OTHER_TAG}, but .*"
        for source in ("from package import _native\n", "import package._native\n", "import package.part\n"):
            with self.subTest(source):
                more = {"package/part.py": "from . import _native\n"}
                self.assertExplains(source, {**files, **more}, pattern)

    def test_a_message_of_the_package_does_not_hide_the_reason(self) -> None:
        package = """
            try:
                from . import core
            except ImportError as error:
                raise ImportError("IMPORTANT: PLEASE READ THIS") from error
        """
        core = """
            try:
                from . import multiarray
            except ImportError as error:
                raise ImportError("Importing the C-extensions failed") from error
        """
        file = f"numerical/core/_umath.{OTHER_TAG}.so"
        files: Files = {
            "numerical/__init__.py": package,
            "numerical/core/__init__.py": core,
            "numerical/core/multiarray.py": "from . import _umath\n",
            file: elf(OWN),
        }
        self.assertExplains("import numerical\n", files, f"FOLDER/{file} is built for {OTHER_TAG}, but .*")

    def test_a_folder_of_stubs_does_not_hide_the_unsuitable_file(self) -> None:
        file = f"package/_native.{OTHER_TAG}.so"
        files: Files = {"package/__init__.py": "", "package/_native/__init__.pyi": "", file: elf(OWN)}
        pattern = f"FOLDER/{file} is built for {OTHER_TAG}, but .*"
        self.assertExplains("from package._native import Thing\n", files, pattern)

    def test_a_suitable_file_that_python_ignores_does_not_hide_the_unsuitable_one(self) -> None:
        file = f"package/_native.{OTHER_TAG}.so"
        files: Files = {
            "package/__init__.py": "",
            file: elf(OWN),
            "more/package/__init__.py": "",
            f"more/package/_native{SUFFIX}": elf(OWN),
        }
        source = (
            "import sys; sys.path.append(__file__.replace('function.py', 'more'))\nimport package._native\n"
        )
        self.assertExplains(source, files, f"FOLDER/{file} is built for {OTHER_TAG}, but .*")

    def test_odd_names_and_paths_in_an_error_are_reported(self) -> None:
        for odd in ("name=5", "path=b'/x.so'", "path=__import__('pathlib').Path('/x.so')"):
            with self.subTest(odd):
                for kind in ("ImportError", "ModuleNotFoundError"):
                    self.assertEqual(self.notes(f"raise {kind}('libfoo missing', {odd})\n")[0], [])
        mute = "class Mute(ImportError):\n    def __str__(self): raise ValueError('x')\nraise Mute()\n"
        self.assertEqual(self.notes(mute)[0], [])

    def test_a_missing_library_is_named(self) -> None:
        message = "libpq.so.5: cannot open shared object file: No such file or directory"
        file = f"native{SUFFIX}"
        path = f"__file__.replace('function.py', {file!r})"
        source = f"raise ImportError({message!r}, name='native', path={path})\n"
        pattern = "The library libpq.so.5 is missing: put it into the function's lib/ or into lib/ of a layer"
        self.assertExplains(source, {file: elf(OWN)}, pattern)

    def test_a_library_for_a_newer_system_is_reported(self) -> None:
        message = "/lib64/libc.so.6: version `GLIBC_2.38' not found (required by /var/task/native.so)"
        pattern = f"The module is built for a newer Linux than this one: {re.escape(message)}"
        self.assertExplains(f'raise ImportError("{message}", name="native")\n', {}, pattern)

    def test_only_a_few_of_many_files_are_named(self) -> None:
        files = {f"native.cpython-{number}-x86_64-linux-gnu.so": b"" for number in range(20, 27)}
        self.assertExplains("import native\n", files, *["FOLDER/native.cpython-2.* is built for .*"] * 5)

    def test_for_a_missing_module_the_searched_folders_are_named(self) -> None:
        odd = "import pathlib, sys\nsys.path += [pathlib.Path('/odd'), b'bytes', None, '/last']\n"
        notes, root = self.notes(f"{odd}import nowhere\n")
        (note,) = notes
        self.assertTrue(note.startswith(f"Searched for 'nowhere' in: {root}, "), note)
        self.assertRegex(note, f"{re.escape(os.path.dirname(os.__file__))}.*/runtime, /last\\Z")

    def test_other_import_errors_get_no_notes(self) -> None:
        suitable: Files = {f"native{SUFFIX}": elf(OWN), f"native.{OTHER_TAG}.so": elf(OWN)}
        rows: list[tuple[str, str, Files]] = [
            ("a name that is not there", "from os import nothing_of_that_name\n", {}),
            ("a part that is not there", "import os.nothing\n", {}),
            ("a circle", "import circle\n", {"circle.py": "from function import nothing\n"}),
            ("the function's own", "raise ImportError('this needs a GPU')\n", {}),
            ("the function's own without a name", "raise ModuleNotFoundError('install it')\n", {}),
            (
                "one that could be loaded is there, too",
                "raise ImportError('broken', name='native')\n",
                suitable,
            ),
        ]
        for name, source, files in rows:
            with self.subTest(name):
                self.assertEqual(self.notes(source, files)[0], [])

    @unittest.skipUnless(PYPY, "CPython loads it")
    def test_on_pypy_a_file_without_a_tag_is_reported(self) -> None:
        pattern = f"FOLDER/native.so does not name the Python it is built for, but this Python loads {TAG}"
        self.assertExplains("import native\n", {"native.so": elf(OWN)}, pattern)


if __name__ == "__main__":
    unittest.main()
