"""The checks of zips: each test builds a zip with one defect, or a valid one."""

from __future__ import annotations

import _imp
import importlib.util
import io
import stat
import struct
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from tests.tools.layer_files import ARM64, I386, elf, pyc, write_zip
from tools.build import checks, listing, versions
from tools.build import pyc as bytecode
from tools.build.checks import ERROR, WARNING, Target, Upload
from tools.build.errors import ToolError
from tools.build.lambda_os import ARCHITECTURES
from tools.build.zips import Archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.tools.layer_files import Content
    from tools.build.checks import Finding

BOOTSTRAP = "#!/usr/bin/env python3\nprint('hello')\n"
EXTENSION = "lib/python3.13/lib-dynload/math.cpython-313-x86_64-linux-gnu.so"
PYTHON: dict[str, Content] = {
    "bin/python3": elf(loader="/lib64/ld-linux-x86-64.so.2"),
    "lib/python3.13/os.py": "",
}
MODULE: dict[str, Content] = {"python/a.py": "x = 1\n"}
WHEEL = "python/numpy-2.0.dist-info/WHEEL"
CACHED = "python/__pycache__/a.cpython-313.pyc"


class ZipTestCase(unittest.TestCase):
    """A test that builds a zip and checks it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="layer-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def zip(self, files: Mapping[str, Content], modes: Mapping[str, int] | None = None) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.zip"
        write_zip(path, files, modes)
        return path

    def findings(
        self, *paths: Path, target: Target | None = None, allowed: Sequence[str] = ()
    ) -> list[Finding]:
        archives = [Archive(path) for path in paths]
        for archive in archives:
            self.addCleanup(archive.__exit__, None, None, None)
        return checks.check(Upload(archives, target or Target()), allowed)

    def assertFound(
        self,
        kind: str,
        file: str,
        files: Mapping[str, Content],
        *,
        words: str,
        severity: str = ERROR,
        modes: Mapping[str, int] | None = None,
        target: Target | None = None,
    ) -> None:
        """Expect one finding of ``kind`` about ``file``, with ``words`` and a remedy, and no other errors."""
        findings = self.findings(self.zip(files, modes), target=target)
        ours = [one for one in findings if one.kind == kind]
        self.assertEqual([one.file for one in ours], [file], findings)
        self.assertEqual(ours[0].severity, severity)
        self.assertIn(words, ours[0].problem)
        self.assertTrue(ours[0].remedy)
        self.assertEqual([one for one in findings if one.severity == ERROR and one.kind != kind], [])


class SeededDefects(ZipTestCase):
    def test_reports_a_bootstrap_below_a_folder(self) -> None:
        files = {"lambda/bootstrap": BOOTSTRAP, "lambda/app.txt": "", "__MACOSX/lambda/._bootstrap": ""}
        self.assertFound("bootstrap", "lambda/bootstrap", files, words="not at the root")

    def test_reports_a_runtime_without_its_bootstrap(self) -> None:
        files = {"runtime/lambda_runtime/main.py": ""}
        self.assertFound("bootstrap", "bootstrap", files, words="is missing")

    def test_reports_a_bootstrap_that_is_not_executable(self) -> None:
        modes = {"bootstrap": stat.S_IFREG | 0o644}
        self.assertFound("mode", "bootstrap", {"bootstrap": BOOTSTRAP}, modes=modes, words="not executable")

    def test_reports_a_bootstrap_in_the_package_that_is_not_executable(self) -> None:
        for name in ("lambda_runtime/bootstrap", "python/lambda_runtime/bootstrap"):
            files, modes = {"app.py": "", name: BOOTSTRAP}, {name: stat.S_IFREG | 0o644}
            self.assertFound("mode", name, files, modes=modes, words="not executable")

    def test_reports_a_zip_from_windows_without_modes(self) -> None:
        files, modes = {"bootstrap": BOOTSTRAP}, {"bootstrap": 0}
        self.assertFound("mode", "bootstrap", files, modes=modes, words="not executable")

    def test_reports_an_interpreter_that_is_not_executable(self) -> None:
        modes = {"bin/python3": stat.S_IFREG | 0o644}
        self.assertFound("mode", "bin/python3", PYTHON, modes=modes, words="not executable")

    def test_reports_a_file_that_only_its_owner_can_read(self) -> None:
        modes = {"python/a.py": stat.S_IFREG | 0o600}
        self.assertFound("unreadable", "python/a.py", MODULE, modes=modes, words="mode 600")

    def test_reports_windows_line_endings(self) -> None:
        files = {"bootstrap": BOOTSTRAP.replace("\n", "\r\n")}
        self.assertFound("line-ends", "bootstrap", files, words="CR LF")

    def test_reports_windows_line_endings_in_later_lines_of_a_shell_script(self) -> None:
        for first in ("#!/bin/sh", "#!/usr/bin/env bash", "#! /opt/bin/bash -e"):
            with self.subTest(first):
                files = {"bootstrap": f"{first}\nexec /opt/bin/python3 /opt/app.py\r\n"}
                self.assertFound("line-ends", "bootstrap", files, words="CR LF")

    def test_reports_a_folder_that_only_its_owner_can_open(self) -> None:
        for mode in (0o700, 0o744):
            with self.subTest(mode=oct(mode)):
                files, modes = {"python/": "", **MODULE}, {"python/": stat.S_IFDIR | mode}
                words = f"has mode {mode:o}, so Lambda's user cannot open it"
                self.assertFound("unreadable", "python/", files, modes=modes, words=words)

    def test_reports_a_link_to_a_program_that_is_not_executable(self) -> None:
        links = {"bootstrap": stat.S_IFLNK | 0o777, "other": stat.S_IFLNK | 0o777}
        windows = BOOTSTRAP.replace("\n", "\r\n")
        for kind, content, mode, words in (
            ("mode", BOOTSTRAP, 0o644, "is a link to sbin/run, which is not executable"),
            ("line-ends", windows, 0o755, "is a link to sbin/run, which has Windows line endings (CR LF)"),
        ):
            with self.subTest(kind):
                files = {"bootstrap": "other", "other": "/opt/sbin/run", "sbin/run": content}
                modes = {**links, "sbin/run": stat.S_IFREG | mode}
                self.assertFound(kind, "bootstrap", files, modes=modes, words=words)

    def test_reports_a_byte_order_mark(self) -> None:
        files = {"bootstrap": b"\xef\xbb\xbf" + BOOTSTRAP.encode()}
        self.assertFound("script", "bootstrap", files, words="byte order mark")

    def test_reports_a_bootstrap_that_linux_cannot_execute(self) -> None:
        self.assertFound(
            "script", "bootstrap", {"bootstrap": "print('hello')\n"}, words="neither a script nor"
        )

    def test_reports_an_interpreter_that_lambda_lacks(self) -> None:
        files = {"bootstrap": "#!/usr/local/bin/python3\n"}
        self.assertFound("shebang", "bootstrap", files, words="/usr/local/bin/python3")

    def test_reports_a_broken_link(self) -> None:
        files = {"bin/python3": "/usr/bin/python3.13"}
        modes = {"bin/python3": stat.S_IFLNK | 0o777}
        self.assertFound("link", "bin/python3", files, modes=modes, words="/usr/bin/python3.13")

    def test_reports_names_with_backslashes(self) -> None:
        path = self.zip({"python/a.py": ""})
        path.write_bytes(path.read_bytes().replace(b"python/a.py", b"python\\a.py"))
        self.assertEqual([one.kind for one in self.findings(path) if one.severity == ERROR], ["name"])

    def test_reports_the_same_file_twice(self) -> None:
        path = self.zip(MODULE)
        with zipfile.ZipFile(path, "a") as archive, self.assertWarns(UserWarning):
            archive.writestr("python/a.py", "x = 2\n")
        self.assertIn("twice", [one.kind for one in self.findings(path)])

    @unittest.skipUnless(importlib.util.find_spec("_lzma"), "this Python was built without lzma")
    def test_reports_an_unsupported_compression(self) -> None:
        path = self.folder / "lzma.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("python/a.txt", "x")
        self.assertEqual([one.kind for one in self.findings(path)], ["compression"])

    def test_reports_more_than_250_megabytes(self) -> None:
        path = self.folder / "large.zip"
        entry = zipfile.ZipInfo("python/a")
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (stat.S_IFREG | 0o644) << 16
        with zipfile.ZipFile(path, "w") as archive, archive.open(entry, "w") as file:
            file.write(elf(needed=["libone.so"]))  # not found, because a zip of this size is not read
            for _ in range(251):
                file.write(bytes(1024 * 1024))
        self.assertEqual([(one.kind, one.severity) for one in self.findings(path)], [("size", ERROR)])

    def test_reports_more_than_50_megabytes_zipped(self) -> None:
        path = self.zip({"python/a": bytes(51 * 1024 * 1024)})
        self.assertEqual(
            [(one.kind, one.severity) for one in self.findings(path)], [("zipped-size", WARNING)]
        )

    def test_reports_a_library_for_another_machine(self) -> None:
        files = {"lib/libone.so": elf(ARM64)}
        target = Target(architecture=ARCHITECTURES["x86_64"])
        self.assertFound("machine", "lib/libone.so", files, target=target, words="for arm64, not for x86_64")

    def test_reports_an_extension_for_another_machine_than_the_interpreter(self) -> None:
        files = {**PYTHON, "python/a.abi3.so": elf(ARM64)}
        self.assertFound("machine", "python/a.abi3.so", files, words="for arm64, not for x86_64")

    def test_reports_an_extension_for_another_machine_once(self) -> None:
        name = "python/a.cpython-313-aarch64-linux-gnu.so"
        self.assertFound("machine", name, {**PYTHON, name: elf(ARM64)}, words="for arm64, not for x86_64")

    def test_reports_a_library_for_32_bits(self) -> None:
        data = bytearray(elf(I386))
        data[4] = 1
        target = Target(architecture=ARCHITECTURES["x86_64"])
        self.assertFound("machine", "lib/a.so", {"lib/a.so": bytes(data)}, target=target, words="for i386")

    def test_reports_a_library_for_macos(self) -> None:
        files = {"python/a.so": b"\xcf\xfa\xed\xfe" + bytes(60)}
        self.assertFound("machine", "python/a.so", files, words="macOS")

    def test_reports_a_symbol_newer_than_lambdas_glibc(self) -> None:
        data = elf(needed=["libm.so.6"], versions={("libm.so.6", "GLIBC_2.35"): ["hypot"]})
        self.assertFound("glibc", EXTENSION, {EXTENSION: data}, words="GLIBC_2.35 of libm.so.6 (hypot)")

    def test_reports_a_symbol_newer_than_lambdas_standard_library_of_cplusplus(self) -> None:
        data = elf(needed=["libstdc++.so.6"], versions={("libstdc++.so.6", "GLIBCXX_3.4.99"): ["a", "b"]})
        self.assertFound("glibc", EXTENSION, {EXTENSION: data}, words="GLIBCXX_3.4.99")

    def test_reports_relocations_that_need_a_newer_loader(self) -> None:
        data = elf(versions={("libc.so.6", "GLIBC_ABI_DT_RELR"): []})
        self.assertFound("glibc", EXTENSION, {EXTENSION: data}, words="GLIBC_ABI_DT_RELR")

    def test_reports_a_missing_library(self) -> None:
        files = {EXTENSION: elf(needed=["libssl.so.3", "libc.so.6"])}
        self.assertFound("library", EXTENSION, files, words="libssl.so.3")

    def test_reports_a_library_outside_of_the_loaders_folders(self) -> None:
        files = {EXTENSION: elf(needed=["libone.so"]), "python/one/libone.so": elf()}
        self.assertFound("library-place", EXTENSION, files, severity=WARNING, words="python/one/libone.so")

    def test_reports_a_library_built_for_alpine(self) -> None:
        files = {"python/a.abi3.so": elf(needed=["libc.musl-x86_64.so.1"])}
        self.assertFound("musl", "python/a.abi3.so", files, words="musl")

    def test_reports_a_program_with_an_unusual_loader(self) -> None:
        files = {"bin/tool": elf(loader="/nix/store/glibc/lib/ld-linux-x86-64.so.2")}
        self.assertFound("loader", "bin/tool", files, words="/nix/store")

    def test_reports_a_run_path_of_the_build_machine(self) -> None:
        files = {EXTENSION: elf(run_path="/home/ada/python/lib")}
        self.assertFound("path", EXTENSION, files, severity=WARNING, words="/home/ada/python/lib")

    def test_reports_a_truncated_file(self) -> None:
        files = {"lib/a.so": elf()[:150]}
        self.assertFound(
            "damaged", "lib/a.so", files, words="begins like a program for Linux, but is damaged"
        )

    def test_reports_a_library_without_its_end(self) -> None:
        data = elf(needed=["libc.so.6"], loader="/lib/ld-linux-aarch64.so.1")[:-1]
        self.assertFound("damaged", "lib/a.so", {"lib/a.so": data}, words="bytes, found")

    def test_reports_files_named_like_libraries_that_cannot_be_loaded(self) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
        object_file = bytearray(elf())
        object_file[16] = 1  # ET_REL
        for content, kind, words in (
            ("", "not-a-library", "is empty"),
            ("libone.so.1.2", "not-a-library", "is a link to libone.so.1.2 that was stored as a text file"),
            ("/* GNU ld script */ INPUT(libone.so.1)\n", "not-a-library", "does not begin like an ELF file"),
            (b"MZ\x90\x00", "not-a-library", "does not begin like an ELF file"),
            (bytes(object_file), "not-a-library", "an object file"),
            (pointer, "git-lfs", "is a pointer of git-lfs"),
        ):
            for name in (
                "lib/libone.so.1",
                "python/a/core.cpython-313-x86_64-linux-gnu.so",
                "python/a.abi3.so",
            ):
                with self.subTest(name, content=content):
                    self.assertFound(kind, name, {name: content}, words=words)

    def test_reports_a_pointer_of_git_lfs_in_place_of_a_file(self) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
        files = {**MODULE, "python/model.bin": pointer}
        words = "is a pointer of git-lfs"
        self.assertFound("git-lfs", "python/model.bin", files, severity=WARNING, words=words)

    def test_reports_a_table_at_an_impossible_address(self) -> None:
        data = bytearray(elf())
        data[32:40] = b"\xff" * 8  # e_phoff
        self.assertFound(
            "damaged",
            "lib/a.so",
            {"lib/a.so": bytes(data)},
            words="begins like a program for Linux, but is damaged",
        )

    def test_reports_a_file_without_a_name(self) -> None:
        path = self.zip({"z": ""})
        path.write_bytes(rename(path.read_bytes(), b"z", b"\0"))  # NUL ends a name
        self.assertIn("a file without a name", [one.file for one in self.findings(path)])

    def test_reports_bytecode_of_another_python_than_its_name(self) -> None:
        files = {**MODULE, CACHED: compiled("3.11")}
        self.assertFound("magic", CACHED, files, words="of Python 3.11, not of Python 3.13")

    def test_reports_bytecode_for_other_pythons_only(self) -> None:
        files = {**MODULE, "python/__pycache__/a.cpython-311.pyc": compiled("3.11")}
        target = Target(versions.parse("3.13"))
        words = "for 3.11, not for Python 3.13"
        self.assertFound("other-bytecode", "python/a.py", files, target=target, words=words, severity=WARNING)

    def test_reports_bytecode_without_source_of_another_python(self) -> None:
        files = {**PYTHON, "python/a.pyc": pyc(bytecode.MAGICS["3.11"])}
        self.assertFound("magic", "python/a.pyc", files, words="of Python 3.11")

    def test_reports_bytecode_of_python_2(self) -> None:
        files = {"python/__pycache__/a.cpython-313.pyc": b"\x03\xf3\r\r" + bytes(20)}
        self.assertFound("magic", CACHED, files, words="not bytecode of Python 3")

    def test_reports_bytecode_that_depends_on_the_time_of_its_source(self) -> None:
        files = {**MODULE, CACHED: pyc(bytecode.MAGICS["3.13"], flags=0)}
        self.assertFound(
            "bytecode-mode", CACHED, files, severity=WARNING, words="keeps its modification time"
        )

    def test_reports_bytecode_whose_source_is_hashed_at_each_import(self) -> None:
        files = {**MODULE, CACHED: pyc(bytecode.MAGICS["3.13"], flags=3)}
        self.assertFound("bytecode-mode", CACHED, files, severity=WARNING, words="hash its source")

    def test_reports_bytecode_of_another_source(self) -> None:
        if not bytecode.HASHES_AS_CPYTHON:
            self.skipTest("this Python hashes in its own way")
        minor = next(int(name[2:]) for name, magic in bytecode.MAGICS.items() if magic == bytecode.OWN_MAGIC)
        tag = f"python/__pycache__/a.cpython-3{minor}.pyc"
        files = {**MODULE, tag: pyc(bytecode.OWN_MAGIC, source_hash=b"no hash!")}
        self.assertFound("stale", tag, files, words="was compiled from another version of python/a.py")

    def test_reports_bytecode_with_a_path_of_the_build_machine(self) -> None:
        files = {**MODULE, CACHED: compiled("3.13", "/home/ada/project/a.py")}
        findings = [one for one in self.findings(self.zip(files)) if one.kind == "path"]
        self.assertEqual([one.file for one in findings], [CACHED])
        self.assertIn("/home/ada/project/a.py", findings[0].problem)

    def test_reports_modules_without_bytecode(self) -> None:
        findings = self.findings(self.zip({"python/a.py": "", "python/b.py": ""}))
        self.assertEqual([(one.kind, one.severity) for one in findings], [("no-bytecode", WARNING)])

    def test_reports_a_wheel_for_another_python(self) -> None:
        files = {WHEEL: "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\n"}
        self.assertFound("wheel", WHEEL, files, target=Target(versions.parse("3.13")), words="cp311-cp311")

    def test_reports_a_wheel_for_another_system(self) -> None:
        files = {WHEEL: "Tag: cp313-cp313-macosx_11_0_arm64\n"}
        self.assertFound("wheel", WHEEL, files, words="macosx_11_0_arm64")

    def test_reports_a_wheel_for_a_newer_glibc(self) -> None:
        files = {WHEEL: "Tag: cp313-cp313-manylinux_2_39_x86_64\n"}
        self.assertFound("wheel", WHEEL, files, words="glibc 2.39")

    def test_reports_an_extension_for_another_python(self) -> None:
        name = "python/numpy/core.cpython-311-x86_64-linux-gnu.so"
        self.assertFound("extension", name, {**PYTHON, name: elf()}, words="cpython-311, not for cpython-313")

    def test_reports_an_extension_for_windows(self) -> None:
        name = "python/a.cp313-win_amd64.pyd"
        self.assertFound("extension", name, {name: b"MZ"}, words="Windows")

    def test_the_work_grows_with_the_number_of_files_and_not_faster(self) -> None:
        sources: dict[str, Content] = {f"python/{number}.py": "" for number in range(400)}
        compiled: dict[str, Content] = {
            f"python/__pycache__/{number}.cpython-313.pyc": pyc(0) for number in range(400)
        }
        links: dict[str, Content] = {f"python/link{number}": f"{number}.py" for number in range(400)}
        modes = dict.fromkeys(links, stat.S_IFLNK | 0o777)
        calls = []
        for share in (4, 1):
            files: dict[str, Content] = {
                name: content
                for kind in (sources, compiled, links)
                for name, content in list(kind.items())[: 400 // share]
            }
            path = self.zip(files, modes)
            counted = 0

            def count(*_: object) -> None:
                nonlocal counted
                counted += 1

            sys.setprofile(count)
            try:
                self.findings(path)
            finally:
                sys.setprofile(None)
            calls.append(counted)
        self.assertLess(calls[1], 6 * calls[0])

    def test_reports_an_editable_install(self) -> None:
        name = "python/mine-1.0.dist-info/direct_url.json"
        files = {name: '{"url": "file:///home/ada/mine", "dir_info": {"editable": true}}'}
        self.assertFound("editable", name, files, words="file:///home/ada/mine")

    def test_reports_the_files_of_an_editable_install(self) -> None:
        for name in (
            "__editable__.mine-1.0.pth",
            "__editable___mine_1_0_finder.py",
            "_editable_impl_mine.pth",
        ):
            with self.subTest(name):
                path = f"python/{name}"
                self.assertFound("editable", path, {path: "import x\n"}, words="build machine")

    def test_reports_a_path_file_with_a_path_of_the_build_machine(self) -> None:
        files = {"python/mine.pth": "/home/ada/mine/src\n/opt/vendor\nimport os\n"}
        self.assertFound("editable", "python/mine.pth", files, words="/home/ada/mine/src")

    def test_reports_a_path_file_that_is_not_utf_8(self) -> None:
        latin_1, macos = (
            "# Grüße\nvendor\n".encode("latin-1"),
            b"\0\x05\x16\x07\0\2\0\0Mac OS X        \0\xa3",
        )
        site_packages = "lib/python3.13/site-packages"
        for name, content, severity in (
            ("python/a.pth", latin_1, WARNING),
            ("python/lib/python3.13/site-packages/a.pth", latin_1, WARNING),
            ("python/._a.pth", macos, WARNING),
            (f"{site_packages}/a.pth", latin_1, ERROR),
            (f"{site_packages}/._a.pth", macos, ERROR),
        ):
            with self.subTest(name):
                files = {**PYTHON, name: content}
                self.assertFound("path-file", name, files, severity=severity, words="is not UTF-8")

    def test_reports_a_script_for_an_interpreter_of_the_build_machine(self) -> None:
        files = {"python/bin/tool": "#!/home/ada/.venv/bin/python\n"}
        self.assertFound(
            "path", "python/bin/tool", files, severity=WARNING, words="/home/ada/.venv/bin/python"
        )

    def test_reports_packages_in_the_folder_of_another_python(self) -> None:
        files = {**PYTHON, "python/lib/python3.11/site-packages/a.txt": ""}
        folder = "python/lib/python3.11/site-packages/"
        self.assertFound(
            "site-packages", folder, files, words="another Python version and not searched by python3.13"
        )

    def test_reports_an_empty_zip(self) -> None:
        findings = self.findings(self.zip({}))
        self.assertEqual([(one.kind, one.severity) for one in findings], [("empty", ERROR)])

    def test_reports_a_layer_one_folder_too_deep(self) -> None:
        path = self.zip({"layer/python/a.py": "", "__MACOSX/layer/._python": ""})
        found = [one for one in self.findings(path) if one.kind == "root"]
        self.assertEqual([(one.file, one.severity) for one in found], [(path.name, ERROR)])
        self.assertIn("Create the zip from inside layer/", found[0].remedy)
        self.assertIn("python/, bin/, lib/", found[0].remedy)

    def test_reports_packages_in_an_extra_folder(self) -> None:
        path = self.zip({"site/six.py": "", "site/six-1.0.dist-info/METADATA": ""})
        found = [one for one in self.findings(path) if one.kind == "root"]
        self.assertEqual([(one.file, one.severity) for one in found], [(path.name, ERROR)])
        self.assertIn("has everything in site/, where neither Lambda nor Python looks", found[0].problem)

    def test_reports_a_zip_without_anything_that_lambda_looks_for(self) -> None:
        for files in ({"src/app.py": "", "src/lib/a.py": ""}, {"a.txt": "", "b/c.txt": ""}):
            with self.subTest(files):
                found = [one for one in self.findings(self.zip(files)) if one.kind == "root"]
                self.assertEqual([one.severity for one in found], [WARNING])

    def test_reports_what_cannot_be_unpacked_or_used(self) -> None:
        link = stat.S_IFLNK | 0o777
        for kind, name, files, modes, severity, words in (
            ("name", "python/a/b.py", {"python/a": "", "python/a/b.py": ""}, {}, ERROR, "is below python/a,"),
            ("name", f"python/{'x' * 53}…", {f"python/{'x' * 300}": ""}, {}, ERROR, "more than 255 bytes"),
            (
                "device",
                "python/null",
                {"python/null": ""},
                {"python/null": stat.S_IFCHR | 0o644},
                ERROR,
                "device",
            ),
            (
                "device",
                "python/pipe",
                {"python/pipe": ""},
                {"python/pipe": stat.S_IFIFO | 0o644},
                ERROR,
                "pipe",
            ),
            ("mode", "python/a", {"python/a": ""}, {"python/a": stat.S_IFREG | 0o4755}, WARNING, "setuid"),
            ("link", "python/a", {"python/a": "a"}, {"python/a": link}, ERROR, "leads to itself"),
        ):
            with self.subTest(name, kind=kind):
                self.assertFound(kind, name, {**files, **MODULE}, severity=severity, words=words, modes=modes)
        loop = self.zip({"python/a": "b", "python/b": "a", **MODULE}, {"python/a": link, "python/b": link})
        found = [(one.kind, one.file) for one in self.findings(loop) if one.severity == ERROR]
        self.assertEqual(found, [("link", "python/a"), ("link", "python/b")])

    def test_reports_files_for_secrets_and_private_keys(self) -> None:
        for name, content, words in (
            (".env", "KEY=1", "is a file that usually contains secrets"),
            ("a/.netrc", "", "is a file that usually contains secrets"),
            (".aws/credentials", "", "is a file that usually contains secrets"),
            ("python/terraform.tfstate", "", "is a file that usually contains secrets"),
            ("a/id_ed25519", "", "may be a private key"),
            ("a/b.pem", "-----BEGIN PRIVATE KEY-----", "may be a private key"),
        ):
            with self.subTest(name):
                self.assertFound("secret", name, {name: content, **MODULE}, severity=WARNING, words=words)

    def test_accepts_certificates_and_files_of_packages(self) -> None:
        record = "tornado/test/test.key,,\ntornado-1.dist-info/RECORD,,\n"
        files: dict[str, Content] = {
            "python/certifi/cacert.pem": "-----BEGIN CERTIFICATE-----",
            "python/tornado/test/test.key": "-----BEGIN PRIVATE KEY-----",
            "python/tornado-1.dist-info/RECORD": record,
        }
        self.assertEqual(self.findings(self.zip(files)), [])


class TheReport(ZipTestCase):
    def test_findings_name_their_zip(self) -> None:
        one, other = self.zip({"bootstrap": BOOTSTRAP}, {"bootstrap": stat.S_IFREG | 0o644}), self.zip(MODULE)
        findings = self.findings(one, other)
        text = listing.findings_text(findings, io.StringIO(), several=True)
        self.assertIn(f"{one}: bootstrap is not executable", text)
        self.assertIn(f"{other} has a module without bytecode", text)
        self.assertIn("  bootstrap is not executable", listing.findings_text(findings, io.StringIO()))

    def test_findings_beyond_the_limit_are_counted_for_each_kind(self) -> None:
        names = [f"python/{name}.txt" for name in "abcd"]
        path = self.zip(
            dict.fromkeys([*names, "python/e.py"], ""), dict.fromkeys(names, stat.S_IFREG | 0o600)
        )
        lines = listing.findings_text(self.findings(path), io.StringIO()).splitlines()
        self.assertEqual(lines[6], "error    and 1 more of this kind (unreadable)")
        self.assertIn("without bytecode", lines[7])

    def test_remedies_name_the_tool_that_compiles(self) -> None:
        for name, words in (
            ("runtime/lambda_runtime/main.py", "`make dist PYTHON_VERSION=3.13`"),
            ("lib/python3.13/os.py", "`make dist-python PYTHON_VERSION=3.13`"),
            ("python/a.py", "`make dist-deps PYTHON_VERSION=3.13`"),
            ("app.py", "`make dist-function PYTHON_VERSION=3.13`"),
        ):
            with self.subTest(name):
                found = [one for one in self.findings(self.zip({name: ""})) if one.kind == "no-bytecode"]
                self.assertIn(words, found[0].remedy)
        path = self.folder / "foreign.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("app.py", (2026, 1, 2, 3, 4, 6)), "")
        found = [one for one in self.findings(path) if one.kind == "no-bytecode"]
        self.assertIn("the tool that built the zip", found[0].remedy)


class ZipsThatGoTogether(ZipTestCase):
    LAMBDA: Mapping[str, Content] = {"bootstrap": BOOTSTRAP, "runtime/lambda_runtime/main.py": "x = 1\n"}
    MAIN = "runtime/lambda_runtime/__pycache__/main.cpython-3{}.pyc"

    def runtime(self, minor: int) -> Path:
        return self.zip({**self.LAMBDA, self.MAIN.format(minor): compiled(f"3.{minor}")})

    def kinds(self, *paths: Path) -> list[tuple[str, str]]:
        return [(one.severity, one.kind) for one in self.findings(*paths) if one.kind != "no-bytecode"]

    def test_reports_bytecode_and_an_extension_for_different_pythons(self) -> None:
        runtime = self.runtime(11)
        packages = self.zip({"python/a/core.cpython-312-x86_64-linux-gnu.so": elf()})
        found = [one for one in self.findings(runtime, packages) if one.kind == "versions"]
        self.assertEqual([one.severity for one in found], [WARNING])  # cold starts are slower
        for words in (str(runtime), str(packages), "Python 3.11", "Python 3.12", "core.cpython-312"):
            self.assertIn(words, repr(found[0]))

    def test_reports_folders_and_interpreters_for_different_pythons(self) -> None:
        packages = self.zip({"python/lib/python3.12/site-packages/a.txt": ""})
        self.assertIn((WARNING, "versions"), self.kinds(self.runtime(11), packages))
        self.assertIn((ERROR, "versions"), self.kinds(self.zip(PYTHON), packages))

    def test_accepts_zips_for_the_same_python(self) -> None:
        packages = self.zip({"python/a/core.cpython-312-x86_64-linux-gnu.so": elf()})
        self.assertEqual(self.kinds(self.runtime(12), packages), [])
        both = self.zip({**MODULE, CACHED: compiled("3.13"), CACHED.replace("313", "312"): compiled("3.12")})
        self.assertEqual(self.kinds(self.runtime(12), both), [])

    def test_accepts_bytecode_for_a_free_threaded_build(self) -> None:
        packages = self.zip({"python/a/core.cpython-313t-x86_64-linux-gnu.so": elf()})
        self.assertEqual(self.kinds(self.runtime(13), packages), [])

    def test_reports_layers_that_overwrite_each_other(self) -> None:
        one, other = self.zip(self.LAMBDA), self.zip({**self.LAMBDA, "bootstrap": "#!/bin/sh\n"})
        found = [one for one in self.findings(one, other) if one.kind == "overwritten"]
        self.assertEqual([(one.severity, one.file) for one in found], [(WARNING, "bootstrap")])
        for words in (str(one), str(other), "one of 2 common files, 1 with different content"):
            self.assertIn(words, found[0].problem)

    def test_accepts_the_same_file_in_a_function_and_a_layer(self) -> None:
        example = {"hello.py": "x = 1\n"}
        self.assertEqual(self.kinds(self.zip({**self.LAMBDA, **example}), self.zip(example)), [])


class Imports(ZipTestCase):
    """The packages that the function's modules import must be in one of the zips, or on Lambda."""

    def missing(
        self,
        source: str,
        *others: Path,
        python: str = "3.13",
        name: str = "app.py",
        more: Mapping[str, Content] | None = None,
    ) -> list[str]:
        """Return the findings about a function with this source and ``more`` files, with the other zips."""
        function = self.zip({name: source, **(more or {})})
        findings = self.findings(function, *others, target=Target(versions.parse(python)))
        ours = [one for one in findings if one.kind == "import"]
        self.assertEqual({one.severity for one in ours} | {WARNING}, {WARNING})
        return [f"{one.file} {one.problem}" for one in ours]

    def test_a_package_in_none_of_the_zips_is_reported(self) -> None:
        source = "import json, requests.adapters\nfrom yaml import load\nclass A:\n    import attr\n"
        self.assertEqual(
            self.missing(source),
            [
                f"app.py imports {name}, which is neither in the zips nor on Lambda"
                for name in ("requests", "yaml", "attr")
            ],
        )

    def test_packages_in_the_zips_are_accepted(self) -> None:
        source = "import alone, compiled, inlayer, insite, namespace.a, linked, own"
        layer = self.zip(
            {
                "python/inlayer.py": "",
                "python/lib/python3.13/site-packages/insite/__init__.py": "",
                "python/compiled.cpython-313-x86_64-linux-gnu.so": elf(),
                "python/more.pth": "vendor/more\n",
                "python/vendor/more/linked.py": "",
            }
        )
        own: dict[str, Content] = {
            "own/__init__.py": "from . import b",
            "alone.pyc": "",
            "namespace/a.py": "",
        }
        self.assertEqual(self.missing(source, layer, more=own), [])

    def test_packages_of_lambdas_runtime_are_accepted(self) -> None:
        source = (
            "import __future__, boto3, botocore.config, lambda_runtime, snapshot_restore_py, sqlite3, zlib"
        )
        self.assertEqual(self.missing(source), [])
        self.assertEqual(
            self.missing(source, self.zip(PYTHON)),
            [
                f"app.py imports {name}, which is neither in the zips nor on Lambda"
                for name in ("boto3", "botocore")
            ],
        )

    def test_modules_that_the_python_version_lacks_are_reported(self) -> None:
        source = "import distutils, tomllib, zoneinfo"
        since = "which Python 3.12 removed from the standard library"
        self.assertEqual(self.missing(source), [f"app.py imports distutils, {since}"])
        neither = "which is neither in the zips nor on Lambda"
        self.assertEqual(self.missing(source, python="3.10"), [f"app.py imports tomllib, {neither}"])
        self.assertEqual(len(self.missing(source, python="3.8")), 2)

    def test_optional_imports_are_ignored(self) -> None:
        for source in (
            "try:\n    import one\nexcept ImportError:\n    import two\n",
            "try:\n    import one\nexcept (ValueError, ModuleNotFoundError):\n    one = None\n",
            "try:\n    import one\nexcept Exception:\n    pass\n",
            "try:\n    import one\nexcept:\n    pass\n",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import one\n",
            "import sys\nif sys.version_info < (3, 11):\n    import tomli as tomllib\n",
            "import contextlib\nwith contextlib.suppress(ImportError):\n    import one\n",
            "def handler(event, context):\n    import one\n",
            "from . import one",
            "this is not Python",
        ):
            with self.subTest(source):
                self.assertEqual(self.missing(source), [])
        self.assertEqual(len(self.missing("try:\n    import one\nexcept ValueError:\n    pass\n")), 1)
        self.assertEqual(len(self.missing("try:\n    import one\nfinally:\n    pass\n")), 1)

    def test_a_module_outside_of_the_search_path_is_reported(self) -> None:
        files: dict[str, Content] = {"app/helpers.py": "", "app/vendor/toml/__init__.py": ""}
        found = self.missing("import helpers", name="app/orders.py", more=files)
        place = "which is at app/helpers.py, where Python does not look"
        self.assertEqual(found, [f"app/orders.py imports helpers, {place}"])
        self.assertEqual(len(self.missing("import toml", name="app/orders.py", more=files)), 1)
        source = "import sys\nsys.path.insert(0, 'app/vendor')\nimport toml"
        self.assertEqual(self.missing(source, name="app/orders.py", more=files), [])

    def test_each_package_is_reported_once_and_tests_and_installed_packages_are_skipped(self) -> None:
        more: dict[str, Content] = {
            "b.py": "import one",
            "test_app.py": "import pytest",
            "a/tests/b.py": "import moto",
            "six.py": "import optional",
            "six-1.dist-info/RECORD": "six.py,,\nsix-1.dist-info/RECORD,,\n",
        }
        self.assertEqual(
            self.missing("import one", more=more),
            ["app.py imports one, which is neither in the zips nor on Lambda (2 modules import it)"],
        )


class SoundZips(ZipTestCase):
    def assertSound(self, *paths: Path, target: Target | None = None) -> None:
        self.assertEqual(
            [one for one in self.findings(*paths, target=target) if one.kind != "no-bytecode"], []
        )

    def test_accepts_a_layer_with_an_interpreter(self) -> None:
        files: dict[str, Content] = {
            **PYTHON,
            "bin/python3.13": "python3",
            EXTENSION: elf(needed=["libssl.so.3"]),
        }
        files["lib/libssl.so.3"] = elf(versions={("libc.so.6", "GLIBC_2.34"): ["dlopen"]})
        self.assertSound(self.zip(files, {"bin/python3.13": stat.S_IFLNK | 0o777}))

    def test_accepts_programs_behind_links(self) -> None:
        files = {"bootstrap": "bin/a", "run": "#!/bin/sh\n", "bin/": "", "bin/a": "../run"}
        modes = {"run": stat.S_IFREG | 0o755, "bin/": stat.S_IFDIR | 0o755}
        modes.update(dict.fromkeys(("bootstrap", "bin/a"), stat.S_IFLNK | 0o777))
        self.assertSound(self.zip(files, modes))

    def test_accepts_modules_with_windows_line_endings_and_folders_of_windows(self) -> None:
        files = {"bootstrap": "#!/usr/bin/env python3\nprint()\r\n", "python/": "", **MODULE}
        self.assertSound(self.zip(files, {"python/": 0}))

    def test_accepts_a_package_that_brings_its_libraries(self) -> None:
        module = elf(needed=["libblas-1.so", "libm.so.6"], run_path="$ORIGIN/../../a.libs")
        names: dict[str, Content] = {
            "python/a/core/_a.abi3.so": module,
            "python/a.libs/libblas-1.so": elf(),
            "python/a-1.dist-info/WHEEL": "Tag: cp39-abi3-linux_x86_64\nTag: cp39-abi3-manylinux2014_x86_64",
        }
        self.assertSound(self.zip(names), target=Target(versions.parse("3.13"), ARCHITECTURES["x86_64"]))

    def test_accepts_libraries_found_by_an_inherited_rpath_but_not_by_a_runpath(self) -> None:
        fortran = {"python/a.libs/libblas.so": elf(needed=["libfortran.so"])}
        fortran["python/a.libs/libfortran.so"] = elf(needed=["libquad.so"])
        fortran["python/a.libs/libquad.so"] = elf()
        module, path = "python/a/_a.abi3.so", "$ORIGIN/../a.libs"
        self.assertSound(self.zip({module: elf(needed=["libblas.so"], rpath=path), **fortran}))
        for extension in (
            elf(needed=["libblas.so"], run_path=path),
            elf(needed=["libblas.so"], run_path=path, rpath=path),  # ignored because of the RUNPATH
        ):
            found = self.findings(self.zip({module: extension, **fortran}))
            self.assertEqual([one.kind for one in found], ["library-place"] * 2)

    def test_accepts_a_library_in_another_of_the_zips(self) -> None:
        package = self.zip({EXTENSION: elf(needed=["libpq.so.5"])})
        self.assertIn("library", [one.kind for one in self.findings(package)])
        self.assertSound(package, self.zip({"lib/libpq.so.5": elf()}))

    def test_accepts_a_function_with_a_library_beside_its_modules(self) -> None:
        self.assertSound(self.zip({"a.abi3.so": elf(needed=["libone.so"]), "libone.so": elf()}))

    def test_accepts_files_beside_programs_and_links_to_folders(self) -> None:
        files = {**PYTHON, "bin/README": "words", "share/doc/a/b.txt": "", "doc": "share/doc"}
        self.assertSound(self.zip(files, {"bin/README": stat.S_IFREG | 0o644, "doc": stat.S_IFLNK | 0o777}))

    def test_accepts_symbols_below_a_raised_limit(self) -> None:
        data = elf(needed=["libm.so.6"], versions={("libm.so.6", "GLIBC_2.35"): ["hypot"]})
        self.assertSound(self.zip({EXTENSION: data}), target=Target(glibc="2.36"))

    def test_accepts_allowed_files(self) -> None:
        path = self.zip({**PYTHON, "python/a/attach_x86.so": elf(I386)})
        self.assertTrue([one for one in self.findings(path) if one.severity == ERROR])
        self.assertEqual(
            [one for one in self.findings(path, allowed=["python/a/*"]) if one.severity == ERROR], []
        )

    def test_accepts_a_package_for_any_platform_that_brings_files_for_some(self) -> None:
        info = "python/debugger-1.dist-info"
        files: dict[str, Content] = {
            **PYTHON,
            "python/debugger/attach_arm64.so": elf(ARM64),
            "python/debugger/fast.cp39-win_amd64.pyd": b"MZ",
            f"{info}/WHEEL": "Root-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "debugger/attach_arm64.so,sha256=x,4\ndebugger/fast.cp39-win_amd64.pyd,,\n",
        }
        findings = {
            one.file: one.severity for one in self.findings(self.zip(files)) if one.kind != "no-bytecode"
        }
        names = ["python/debugger/attach_arm64.so", "python/debugger/fast.cp39-win_amd64.pyd"]
        self.assertEqual(findings, dict.fromkeys(names, WARNING))

    def test_accepts_valid_bytecode(self) -> None:
        for minor in range(8, 15):
            with self.subTest(minor=minor):
                name = f"python/__pycache__/a.cpython-3{minor}.pyc"
                self.assertSound(self.zip({**MODULE, name: compiled(f"3.{minor}", "/opt/python/a.py")}))

    def test_a_file_that_is_not_a_zip_is_rejected(self) -> None:
        path = self.folder / "a.zip"
        with self.assertRaisesRegex(ToolError, "does not exist"):
            Archive(path)
        path.write_bytes(b"no zip")
        with self.assertRaisesRegex(ToolError, "is not a zip file"):
            Archive(path)

    def test_a_zip_with_damaged_content_is_rejected(self) -> None:
        path = self.zip({"python/a.py": "print('as it was')\n"})
        path.write_bytes(path.read_bytes().replace(b"as it was", b"not so..."))
        with self.assertRaisesRegex(ToolError, r"python/a\.py is damaged"):
            self.findings(path)

    def test_a_zip_with_a_name_that_is_not_utf_8_is_rejected(self) -> None:
        for local, words in ((True, "python/café.py is damaged"), (False, "is not a zip file")):
            with self.subTest(local=local):
                path = self.zip({"python/café.py": ""})
                path.write_bytes(rename(path.read_bytes(), "é".encode(), b"\xc3\xff", local=local))
                with self.assertRaisesRegex(ToolError, words):
                    self.findings(path)


def rename(data: bytes, old: bytes, new: bytes, *, local: bool | None = None) -> bytes:
    """Replace bytes in a zip's names: before the files, in the directory at the end, or in both."""
    files, mark, directory = data.partition(b"PK\1\2")
    files = files if local is False else files.replace(old, new)
    return files + mark + (directory if local else directory.replace(old, new))


def compiled(version: str, path: str = "/opt/a.py") -> bytes:
    """Return bytecode of MODULE, with the right hash if this Python's hash is that of ``version``."""
    magic = bytecode.MAGICS[version]
    key = int.from_bytes(struct.pack("<HH", magic, 0x0A0D), "little")
    return pyc(magic, path, source_hash=_imp.source_hash(key, b"x = 1\n"))


if __name__ == "__main__":
    unittest.main()
