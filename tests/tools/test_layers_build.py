"""The tools build reproducible zips, and none that would not work on Lambda."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pty
import py_compile
import runpy
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import unittest
import zipfile
from pathlib import Path

from tests.support import FREE_THREADED, PYPY, ROOT
from tests.tools.layer_files import ARM64, X86_64, elf, write_zip
from tools import dependencies
from tools.build import elf as elf_facts
from tools.build import exclusion, listing, pyc, pythons, requirements, trimming, uv, versions, wheels
from tools.build.errors import ToolError
from tools.build.lambda_os import ARCHITECTURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

LOADER = "/lib64/ld-linux-x86-64.so.2"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def without_bytecode(name: str, arguments: Sequence[object]) -> list[str]:
    """Return the option for a zip without bytecode, unless the arguments select bytecode or none is built."""
    needed = name in ("layer", "function") and "--bytecode" not in arguments
    return ["--bytecode", "none"] if needed else []


class ToolTestCase(unittest.TestCase):
    """A test that runs the tools like make, in a temporary folder."""

    maxDiff = None

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="layer-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def run_tool(
        self, name: str, *arguments: object, quickly: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool in this process, which is much faster than in a separate one.

        ``quickly``: unless the arguments select bytecode, do without, instead of compiling with every Python.
        """
        program = str(ROOT / "tools" / f"{name}.py")
        if quickly:
            arguments = (*arguments, *without_bytecode(name, arguments))
        output, errors = io.StringIO(), io.StringIO()
        before = os.getcwd(), sys.argv, list(sys.path)
        os.chdir(self.folder)
        sys.argv = [program, *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            status = end.code
        finally:
            os.chdir(before[0])
            sys.argv, sys.path[:] = before[1], before[2]
        assert isinstance(status, int)
        return subprocess.CompletedProcess(sys.argv, status, output.getvalue(), errors.getvalue())

    def run_process(
        self, name: str, *arguments: object, umask: int = 0o022, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool in a separate process, with these differences."""
        arguments = (*arguments, *without_bytecode(name, arguments))
        words = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)]
        variables = {**os.environ, **environment}
        before = os.umask(umask)
        try:
            return subprocess.run(
                words, cwd=self.folder, env=variables, capture_output=True, text=True, check=False
            )
        finally:
            os.umask(before)

    def build(self, name: str, *arguments: object, **settings: Any) -> Path:
        """Run a tool; return the zip that it builds in the test's folder."""
        output = self.folder / f"{len(list(self.folder.iterdir()))}.zip"
        run = self.run_process if settings else self.run_tool
        outcome = run(name, *arguments, "--output", output, **settings)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        return output

    def assertToolError(self, words: str, name: str, *arguments: object) -> str:
        """Expect that the tool fails with one message that has ``words`` and a remedy, and writes nothing."""
        before = self.files()
        outcome = self.run_tool(name, *arguments)
        self.assertEqual((outcome.returncode, outcome.stdout), (2, ""), outcome.stderr)
        self.assertIn(words, outcome.stderr)
        self.assertRegex(outcome.stderr, r"^make [\w-]+: .+\n.+")  # what was found, then the remedy
        self.assertNotIn("Traceback", outcome.stderr)
        self.assertEqual(self.files(), before)
        return outcome.stderr

    def files(self) -> list[str]:
        return sorted(str(path) for path in self.folder.rglob("*") if path.is_file())

    def write(self, files: Mapping[str, str | bytes]) -> Path:
        folder = self.folder / "files"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return folder

    def prefix(self, version: str = "3.13", machine: int = X86_64, program: bytes | None = None) -> Path:
        """Create an imitation of an installed CPython for Linux, a few bytes long."""
        library = f"lib/python{version}"
        tag = f"cpython-{version.replace('.', '')}"
        return self.write(
            {
                f"bin/python{version}": elf(machine, loader=LOADER) if program is None else program,
                f"{library}/os.py": "import abc\n",
                f"{library}/json/decoder.py": "",
                f"{library}/__pycache__/os.{tag}.pyc": b"stale",
                f"{library}/test/test_os.py": "",
                f"{library}/sqlite3/test/all.py": "",
                f"{library}/idlelib/idle.py": "",
                f"{library}/site-packages/pip/main.py": "",
                f"{library}/config-{version}-x86_64-linux-gnu/libpython.a": "",
                f"{library}/_sysconfigdata__linux_.py": "v = {'prefix': '/build/py', 'A': '/build/python'}\n",
                f"{library}/lib-dynload/_ssl.so": elf(machine, needed=["libssl.so.3", "libc.so.6"]),
                f"{library}/lib-dynload/_testcapi.so": elf(machine),
                "lib/libssl.so.3": elf(machine, needed=["libcrypto.so.3"]),
                "lib/libtcl8.6.so": elf(machine),
                "libraries/libcrypto.so.3": elf(machine),
                "include/Python.h": "",
            }
        )


class TheRuntimesLayer(ToolTestCase):
    def test_two_builds_are_equal_with_any_umask_and_time_zone(self) -> None:
        one = self.build("layer", umask=0o077, TZ="Asia/Tokyo")
        two = self.build("layer", umask=0o002, TZ="America/New_York", PYTHONHASHSEED="5")
        self.assertEqual(one.read_bytes(), two.read_bytes())

    @unittest.skipIf(PYPY, "PyPy does not always write the same bytecode")
    def test_two_builds_with_bytecode_are_equal(self) -> None:
        one = self.build("layer", "--bytecode", sys.executable)
        two = self.build("layer", "--bytecode", sys.executable, PYTHONHASHSEED="7")
        self.assertEqual(hashlib.sha256(one.read_bytes()).digest(), hashlib.sha256(two.read_bytes()).digest())

    def test_bytecode_is_unchecked_and_contains_the_path_on_lambda(self) -> None:
        with zipfile.ZipFile(self.build("layer", "--bytecode", sys.executable)) as archive:
            names = [name for name in archive.namelist() if "/main." in name and name.endswith(".pyc")]
            data = archive.read(names[0])
        header = pyc.parse(data)
        assert header is not None
        self.assertEqual((header.mode, header.magic), (pyc.UNCHECKED, pyc.OWN_MAGIC))
        name = pyc.code_filename(data, "main.py")
        self.assertEqual(name, "/opt/runtime/lambda_runtime/main.py")

    def test_a_version_selects_any_interpreter_of_that_version(self) -> None:
        if PYPY:
            self.skipTest("its bytecode is not CPython's")
        one = self.build("layer", "--bytecode", VERSION)
        self.assertEqual(one.read_bytes(), self.build("layer", "--bytecode", sys.executable).read_bytes())

    def test_bootstrap_is_executable_and_everything_can_be_read(self) -> None:
        with zipfile.ZipFile(self.build("layer", umask=0o077)) as archive:
            modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        self.assertEqual(modes.pop("bootstrap"), stat.S_IFREG | 0o755)
        self.assertEqual(set(modes.values()), {stat.S_IFREG | 0o644})

    def test_the_table_gives_sizes_and_shares_of_the_limits(self) -> None:
        outcome = self.run_tool("layer", "--output", self.folder / "a.zip")
        head, row, digest = outcome.stdout.splitlines()
        self.assertEqual(head.split("  ")[0], "file")
        self.assertRegex(row, r"a\.zip +\d+ +\d+ KB +0\.\d% +\d+ KB +0\.\d%$")
        found = hashlib.sha256((self.folder / "a.zip").read_bytes()).hexdigest()
        self.assertEqual(digest, f"sha256  {found}")
        self.assertNotIn("\033", outcome.stdout + outcome.stderr)

    def test_the_checks_find_no_error_in_it(self) -> None:
        if PYPY:
            self.skipTest("its bytecode has no version of CPython's")
        layer = self.build("layer", "--bytecode", sys.executable)
        outcome = self.run_tool("verify", layer, "--strict", "--python", VERSION)
        self.assertEqual(outcome.returncode, 0, outcome.stdout)
        self.assertEqual(outcome.stdout.splitlines()[-1], "0 errors, 0 warnings")

    def test_a_program_that_is_not_a_python_is_rejected(self) -> None:
        self.assertToolError("nowhere is not a Python", "layer", "--bytecode", "nowhere")

    def test_an_interpreter_with_a_relative_path_compiles(self) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "python").symlink_to(sys.executable)
        with zipfile.ZipFile(self.build("layer", "--bytecode", "bin/../bin/python")) as archive:
            self.assertTrue([name for name in archive.namelist() if name.endswith(".pyc")])

    @unittest.skipIf(PYPY, "its bytecode has no version of CPython's")
    def test_several_versions_can_be_selected(self) -> None:
        words = ["--bytecode", sys.executable, "--bytecode", "none", "--python", "3.8", "--python", "3.99"]
        self.build("layer", *words)

    def test_bytecode_for_another_version_is_rejected(self) -> None:
        if PYPY:
            self.skipTest("its bytecode has no version of CPython's")
        other = "3.13" if VERSION != "3.13" else "3.12"
        words = f"not for Python {other}"
        self.assertToolError(words, "layer", "--bytecode", sys.executable, "--python", other)

    def test_an_output_below_a_file_is_rejected(self) -> None:
        (self.folder / "file").write_text("")
        self.assertToolError("cannot be written", "layer", "--output", self.folder / "file" / "a.zip")

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_an_output_in_a_read_only_folder_is_rejected(self) -> None:
        (self.folder / "closed").mkdir(mode=0o555)
        self.assertToolError("cannot be written", "layer", "--output", self.folder / "closed" / "a.zip")

    def test_a_full_disk_is_reported(self) -> None:
        limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
        program = f"{limited}; runpy.run_path(sys.argv.pop(), run_name='__main__')"
        words = [sys.executable, "-c", program, str(ROOT / "tools" / "layer.py")]
        outcome = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(outcome.returncode, 2)
        self.assertRegex(outcome.stderr, r"^make dist: Not enough space to write: .*File too large")
        self.assertNotIn("Traceback", outcome.stderr)
        self.assertEqual(self.files(), [])

    def test_the_previous_zip_stays_when_a_build_fails(self) -> None:
        (self.folder / "a.zip").write_text("as it was")
        files = self.write({"bootstrap": "#!/usr/bin/env python3\r\n"})
        self.assertToolError("CR LF", "function", files, "--output", self.folder / "a.zip")
        self.assertEqual((self.folder / "a.zip").read_text(), "as it was")


class AnyZip(ToolTestCase):
    def verify(self, files: Mapping[str, str | bytes], *options: str) -> tuple[int, list[str]]:
        """Verify a zip of these files; return the exit status and the output's lines."""
        write_zip(self.folder / "a.zip", files)
        outcome = self.run_tool("verify", self.folder / "a.zip", *options)
        return outcome.returncode, outcome.stdout.splitlines()

    def test_it_is_checked_for_the_default_python_and_architecture_unless_others_are_chosen(self) -> None:
        files = {"a.cpython-311-aarch64-linux-gnu.so": elf(ARM64)}
        status, lines = self.verify(files)
        self.assertEqual((status, lines[-1]), (1, "2 errors, 0 warnings"))
        expected = "checked for Python 3.13 on x86_64 (to change: PYTHON_VERSION=… and ARCH=…)"
        self.assertIn(expected, lines)
        status, lines = self.verify(files, "--python", "3.11", "--arch", "arm64")
        self.assertEqual((status, lines[-2]), (0, "checked for Python 3.11 on arm64"))

    def test_a_missing_package_is_a_warning(self) -> None:
        status, lines = self.verify({"app.py": "import requests"})
        self.assertEqual((status, lines[-1]), (0, "0 errors, 2 warnings"))
        self.assertIn("warning  app.py imports requests, which is neither in the zips nor on Lambda.", lines)
        self.assertEqual(
            self.verify({"app.py": "import requests"}, "--allow", "app.py")[1][-1], "0 errors, 1 warning"
        )

    def test_an_interpreter_in_the_zips_determines_the_target_of_the_checks(self) -> None:
        program = elf(ARM64, loader="/lib/ld-linux-aarch64.so.1")
        files: dict[str, str | bytes] = {"bin/python3.12": program, "lib/python3.12/os.py": ""}
        _, lines = self.verify(files)
        self.assertIn("checked for Python 3.12 on arm64 (", "\n".join(lines))


class AFunction(ToolTestCase):
    def test_the_zip_has_files_and_bytecode_but_not_the_leftovers_of_tools(self) -> None:
        files = self.write({"app.py": "x = 1", "data/table.csv": "1,2", ".git/HEAD": "", "__pycache__/a": ""})
        (files / "run.sh").write_text("#!/bin/sh\n")
        (files / "run.sh").chmod(0o755)
        output = self.build("function", files, "--bytecode", sys.executable, umask=0o077)
        with zipfile.ZipFile(output) as archive:
            entries = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        compiled = f"__pycache__/app.{sys.implementation.cache_tag}.pyc"
        self.assertEqual(sorted(entries), sorted([compiled, "app.py", "data/table.csv", "run.sh"]))
        self.assertEqual(oct(entries["run.sh"]), oct(stat.S_IFREG | 0o755))
        self.assertEqual(oct(entries["app.py"]), oct(stat.S_IFREG | 0o644))

    def test_secrets_are_left_out_and_listed(self) -> None:
        files = self.write({"app.py": "", ".env": "KEY=1", "a/.env.local": "KEY=2", "a/.environment": ""})
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), ["a/.environment", "app.py"])
        self.assertEqual(outcome.returncode, 0)
        self.assertIn(": .env, a/.env.local;", outcome.stderr)

    def test_credentials_and_the_output_of_other_tools_are_left_out(self) -> None:
        secrets = [".netrc", ".npmrc", ".pypirc", "a/terraform.tfstate", "terraform.tfstate.backup"]
        output = [".chalice/a", ".serverless/a", ".terraform/a", "cdk.out/a", "node_modules/a"]
        files = self.write(dict.fromkeys(["app.py", *secrets, *output], ""))
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), ["app.py"])
        self.assertIn(f": {', '.join(secrets)};", outcome.stderr)
        expected = "left out: .chalice, .serverless, .terraform, cdk.out, node_modules"
        self.assertIn(expected, outcome.stderr.splitlines())

    def test_patterns_in_a_file_and_on_the_command_line_leave_out_more(self) -> None:
        lines = "# documents\n\n*.md\n!README.md\ntests/\n/data\n**/fixtures/*.json  \n.lambdaignore\n"
        kept = ["README.md", "app.py", "a/data/b", "a/fixtures/b/c.json"]
        left_out = ["NEWS.md", "a/tests/b", "data/b", "a/fixtures/b.json", "notes/a.txt", "notes/b.txt"]
        files = self.write({".lambdaignore": lines, **dict.fromkeys([*kept, *left_out], "")})
        words = ["--exclude", "*.txt", "--exclude", "!b.txt", "--output", self.folder / "a.zip"]
        outcome = self.run_tool("function", files, *words)
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), sorted([*kept, "notes/b.txt"]))
        expected = "left out: NEWS.md, a/fixtures/b.json, a/tests, data, notes/a.txt"
        self.assertIn(expected, outcome.stderr.splitlines())

    def test_files_that_are_left_out_by_default_can_be_included(self) -> None:
        files = self.write(
            {".lambdaignore": "!node_modules/\n!.npmrc", ".npmrc": "", "node_modules/a.js": ""}
        )
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), [".npmrc", "node_modules/a.js"])
        self.assertIn("warning  .npmrc is a file that usually contains secrets", outcome.stderr)

    def test_an_invalid_pattern_is_rejected(self) -> None:
        files = self.write({"app.py": ""})
        self.assertToolError("The pattern '[z-a]' is not valid", "function", files, "--exclude", "[z-a]")
        files = self.write({".lambdaignore": b"caf\xe9\n"})
        self.assertToolError(".lambdaignore is not UTF-8", "function", files)

    def test_files_that_macos_adds_are_left_out_silently(self) -> None:
        files = self.write({"app.py": "", "._app.py": b"\0\x05\x16\x07", "a/.DS_Store": "", "a/b.py": ""})
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), ["a/b.py", "app.py"])
        self.assertNotIn("left out", outcome.stderr)

    def test_left_out_files_are_listed_in_one_line(self) -> None:
        names = (
            ".aws-sam/a",
            ".git/a",
            ".idea/a",
            ".venv/a",
            ".vscode/a",
            "a/node_modules/b",
            "env/pyvenv.cfg",
        )
        files = self.write({"app.py": "", "__pycache__/a": "", **dict.fromkeys(names, "")})
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), ["app.py"])
        expected = "left out: .aws-sam, .git, .idea, .venv, .vscode, a/node_modules, env"
        self.assertIn(expected, outcome.stderr.splitlines())

    def test_earlier_zips_are_not_packed(self) -> None:
        files = self.write({"app.py": ""})
        output = files / "dist" / "a.zip"
        digests = []
        for _ in range(2):
            outcome = self.run_tool("function", files, "--output", output)
            self.assertEqual(outcome.returncode, 0, outcome.stderr)
            digests.append(outcome.stdout.splitlines()[-1])
        self.assertEqual(digests[0], digests[1])
        self.assertIn("left out: dist/a.zip", outcome.stderr)

    def test_this_projects_layers_are_not_packed(self) -> None:
        project = self.folder / "project"
        shutil.copytree(ROOT / "tools", project / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        (project / "layers").mkdir()
        (project / "layers" / "lambda.zip").write_text("")
        tool = str(project / "tools" / "function.py")
        words = [sys.executable, tool, str(project), "--output", str(self.folder / "a.zip")]
        outcome = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=True)
        self.assertIn("left out: layers\n", outcome.stderr)

    def test_private_keys_are_left_out_by_name_in_any_case_and_by_content(self) -> None:
        key = "-----BEGIN RSA PRIVATE KEY-----"
        account = '{"type": "service_account", "private_key": "x"}'
        kept = {
            "app.py": f"KEY = '{key}'",
            "ca.pem": "-----BEGIN CERTIFICATE-----",
            "id_rsa_notes.txt": "",
            "public.txt": "-----BEGIN PUBLIC KEY-----",
            "settings.json": '{"type": "service"}',
            "tornado/test.key": key,
            "tornado-1.dist-info/RECORD": "tornado/test.key,,\ntornado-1.dist-info/RECORD,,\n",
        }
        secret = {
            ".ENV": "A=1",
            "a/b.pem": f"-----BEGIN CERTIFICATE-----\n{key}",
            "app.PEM": key,
            "c.key": "",
            "firebase.json": account,
            "id_ed25519": key,
            "key.txt": key,
            "prod.env": "A=1",
            "store.P12": "",
        }
        files = self.write({**kept, **secret})
        outcome = self.run_tool("function", files, "--output", self.folder / "a.zip")
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), sorted(kept))
        self.assertIn(f": {', '.join(sorted(secret))}; set variables", outcome.stderr)
        self.assertIn("To include one, use EXCLUDE='!NAME'", outcome.stderr)
        words = ["--exclude", "!id_ed25519", "--exclude", "!key.txt", "--output", self.folder / "a.zip"]
        outcome = self.run_tool("function", files, *words)
        with zipfile.ZipFile(self.folder / "a.zip") as archive:
            self.assertEqual(archive.namelist(), sorted([*kept, "id_ed25519", "key.txt"]))
        self.assertIn("warning  key.txt may be a private key", outcome.stderr)

    def test_devices_are_rejected(self) -> None:
        files = self.write({"app.py": ""})
        os.mkfifo(files / "pipe")
        self.assertToolError("pipe is neither a file nor a folder", "function", files)

    def test_broken_and_endless_links_are_rejected(self) -> None:
        for places, words in (
            ({"gone": "nowhere"}, "gone is a link to nowhere, which does not exist"),
            ({"self": "self"}, "self is a link to self, which does not exist"),
            ({"a/up": ".."}, "a/up is a link to a folder that contains it"),
            ({"a/b": "../b", "b/a": "../a"}, "is a link to a folder that contains it"),
        ):
            with self.subTest(words):
                files = self.write({"a/app.py": "", "b/app.py": ""})
                for name, target in places.items():
                    (files / name).symlink_to(target)
                problem = self.assertToolError(words, "function", files)
                self.assertLess(len(problem), 500)
                shutil.rmtree(files)

    def test_links_to_other_places_are_followed_only_on_purpose(self) -> None:
        elsewhere = self.write({"shared/a.py": ""}) / "shared"
        root = self.folder / "root"
        root.mkdir()
        for name in ("one", "two"):
            (root / name).symlink_to(elsewhere)
        (root / "three").symlink_to("two")
        self.assertToolError("one is a link to ", "function", root)
        words = ["--exclude", "!one", "--exclude", "!two", "--exclude", "!three"]
        with zipfile.ZipFile(self.build("function", root, *words)) as archive:
            self.assertEqual(archive.namelist(), ["one/a.py", "three/a.py", "two/a.py"])

    def test_help_lists_what_is_left_out(self) -> None:
        words = " ".join(self.run_tool("function", "--help").stdout.split())
        self.assertIn("Left out in every folder: .env, .env.*, .envrc, *.env, .aws, ", words)

    def test_it_is_checked_for_the_default_python_and_architecture_unless_others_are_chosen(self) -> None:
        for name, problem, options in (
            ("a.cpython-311-x86_64-linux-gnu.so", "is for cpython-311", ["--python", "3.11"]),
            ("a.cpython-313-aarch64-linux-gnu.so", "is for arm64", ["--arch", "arm64"]),
        ):
            with self.subTest(name):
                files = self.write({"app.py": "", name: elf(ARM64 if "aarch64" in name else X86_64)})
                text = self.assertToolError(problem, "function", files)
                self.assertIn("Checked for Python 3.13 on x86_64 (to change: PYTHON_VERSION=", text)
                chosen = {"--python": "3.13", "--arch": "x86_64", options[0]: options[1]}
                outcome = self.run_tool("function", files, *options)
                expected = f"checked for Python {chosen['--python']} on {chosen['--arch']}"
                self.assertIn(expected, outcome.stdout, outcome.stderr)
                shutil.rmtree(files)

    @unittest.skipIf(PYPY, "it has no version of CPython's")
    def test_the_compiling_python_determines_the_target_of_the_checks(self) -> None:
        files = self.write({"app.py": ""})
        outcome = self.run_tool("function", files, "--bytecode", sys.executable)
        found = f"checked for Python {VERSION}{'t' if FREE_THREADED else ''} "
        self.assertIn(found, outcome.stdout, outcome.stderr)

    def test_modules_named_like_standard_ones_do_not_disturb_the_compiler(self) -> None:
        files = self.write({"struct.py": "raise SystemExit(1)", "py_compile.py": "raise SystemExit(1)"})
        self.build("function", files, "--bytecode", sys.executable)

    def test_imports_that_another_zip_may_contain_are_not_reported(self) -> None:
        outcome = self.run_tool("function", self.write({"app.py": "import requests"}))
        self.assertEqual(outcome.returncode, 0)
        self.assertNotIn("requests", outcome.stderr)

    @unittest.skipIf(PYPY, "PyPy does not always write the same bytecode")
    def test_two_builds_are_equal(self) -> None:
        files = self.write({"b.py": "x = {'a', 'b', 'c'} and y in {'d', 'e'}", "a/c.py": ""})
        one = self.build("function", files, "--bytecode", sys.executable, PYTHONHASHSEED="1")
        two = self.build("function", files, "--bytecode", sys.executable, PYTHONHASHSEED="2")
        self.assertEqual(one.read_bytes(), two.read_bytes())

    def test_a_name_that_is_not_utf_8_is_rejected(self) -> None:
        files = self.write({"app.py": ""})
        try:
            Path(os.fsdecode(os.fsencode(files) + b"/caf\xe9.txt")).write_text("")
        except OSError:
            self.skipTest("this file system takes names of UTF-8 only")
        self.assertToolError(r"caf\xe9.txt has a name that is not UTF-8", "function", files)

    def test_a_module_that_is_not_valid_python_is_rejected(self) -> None:
        files = self.write({"app.py": "def handler(\n", "fine.py": ""})
        self.assertToolError("app.py (SyntaxError", "function", files, "--bytecode", sys.executable)

    def test_a_missing_folder_is_rejected(self) -> None:
        self.assertToolError("is not a folder", "function", self.folder / "nowhere")

    def test_a_folder_without_files_is_rejected(self) -> None:
        (self.folder / "empty").mkdir()
        self.assertToolError("contains no files", "function", self.folder / "empty")


class AnInterpreter(ToolTestCase):
    """Without bytecode, because the imitated Python cannot run."""

    def options(self, **changed: str) -> list[str]:
        options = {"python": "3.13", "arch": "x86_64", "bytecode": "none", **changed}
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def test_a_prefix_is_trimmed_and_gets_the_libraries_that_lambda_lacks(self) -> None:
        prefix = self.prefix()
        output = self.build(
            "interpreter", *self.options(), "--from", prefix, "--libraries", prefix / "libraries"
        )
        with zipfile.ZipFile(output) as archive:
            modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
            link = archive.read("bin/python3.13").decode()
            variables = archive.read("lib/python3.13/_sysconfigdata__linux_.py").decode()
        self.assertEqual(
            sorted(modes),
            [
                "bin/python3",
                "bin/python3.13",
                "lib/libcrypto.so.3",
                "lib/libssl.so.3",
                "lib/python3.13/_sysconfigdata__linux_.py",
                "lib/python3.13/json/decoder.py",
                "lib/python3.13/lib-dynload/_ssl.so",
                "lib/python3.13/os.py",
                "lib/python3.13/site-packages/certificates.pth",
            ],
        )
        self.assertEqual(oct(modes["bin/python3"]), oct(stat.S_IFREG | 0o755))
        self.assertEqual((oct(modes["bin/python3.13"]), link), (oct(stat.S_IFLNK | 0o777), "python3"))
        self.assertEqual(variables, "v = {'prefix': '/opt', 'A': '/build/python'}\n")

    def test_two_builds_are_equal(self) -> None:
        prefix = self.prefix()
        words = [*self.options(), "--from", prefix, "--libraries", prefix / "libraries"]
        self.assertEqual(
            self.build("interpreter", *words).read_bytes(), self.build("interpreter", *words).read_bytes()
        )

    def test_a_free_threaded_build_is_accepted(self) -> None:
        prefix = self.prefix("3.13t")
        words = [*self.options(python="3.13t"), "--from", prefix, "--libraries", prefix / "libraries"]
        with zipfile.ZipFile(self.build("interpreter", *words)) as archive:
            self.assertEqual(archive.read("bin/python3.13t"), b"python3")
            self.assertIn("lib/python3.13t/os.py", archive.namelist())

    def test_an_archive_with_a_python_in_a_folder_is_accepted(self) -> None:
        prefix = self.prefix(machine=ARM64, program=elf(ARM64, loader="/lib/ld-linux-aarch64.so.1"))
        packed = self.folder / "python.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(prefix, "python")
        words = [*self.options(arch="arm64"), "--from", packed, "--libraries", prefix / "libraries"]
        with zipfile.ZipFile(self.build("interpreter", *words)) as layer:
            self.assertIn("lib/libcrypto.so.3", layer.namelist())

    def test_messages_contain_the_archives_path(self) -> None:
        packed = self.folder / "python.tar"
        for content, options, words in (
            (self.prefix(), self.options(arch="arm64"), f"{packed}/python/bin/python3.13 is for x86_64"),
            (self.prefix(), self.options(python="3.12"), f"{packed} contains Python 3.13"),
            (ROOT / "examples", self.options(), f"{packed} is not a Python"),
        ):
            with self.subTest(words):
                with tarfile.open(packed, "w") as archive:
                    archive.add(content, "python")
                self.assertToolError(words, "interpreter", *options, "--from", packed)

    def test_a_full_disk_is_reported_for_an_archive_or_a_function(self) -> None:
        packed = self.folder / "python.tar"
        with tarfile.open(packed, "w") as archive:
            archive.add(self.prefix(program=bytes(100_000)), "python")
        limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))"
        program = f"{limited}; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
        before = self.files()
        for name, words in (("interpreter", ["--from", packed]), ("function", [self.folder / "files"])):
            with self.subTest(name):
                command = [sys.executable, "-c", program, ROOT / "tools" / f"{name}.py", *words]
                outcome = subprocess.run(
                    command, cwd=self.folder, capture_output=True, text=True, check=False
                )
                self.assertEqual((outcome.returncode, outcome.stdout), (2, ""))
                self.assertIn("Not enough space to write", outcome.stderr)
                self.assertIn("Free some space", outcome.stderr)
                self.assertEqual(self.files(), before)

    def test_a_python_without_the_decompression_module_is_reported(self) -> None:
        prefix = self.prefix()
        for kind, module in (("xztar", "lzma"), ("bztar", "bz2")):
            with self.subTest(kind):
                packed = Path(shutil.make_archive(str(self.folder / "python"), kind, prefix))
                names = [module, f"_{module}"]
                lacking = f"import runpy, sys; sys.modules.update(dict.fromkeys({names})); sys.argv.pop(0)"
                program = f"{lacking}; runpy.run_path(sys.argv[0], run_name='__main__')"
                command = [sys.executable, "-c", program, str(ROOT / "tools" / "interpreter.py")]
                command += [*self.options(), "--libraries", str(prefix / "libraries"), "--from"]
                for source, status in ((prefix, 0), (packed, 2)):
                    outcome = subprocess.run(
                        [*command, str(source)], cwd=self.folder, capture_output=True, text=True, check=False
                    )
                    self.assertEqual(outcome.returncode, status, outcome.stderr)
                    self.assertNotIn("Traceback", outcome.stderr)
                self.assertIn(
                    f"{packed} cannot be unpacked: {sys.executable} lacks the module", outcome.stderr
                )

    def test_an_archive_with_outside_paths_is_rejected(self) -> None:
        packed = self.folder / "python.tar"
        with tarfile.open(packed, "w") as archive:
            archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
        self.assertToolError("cannot be unpacked", "interpreter", *self.options(), "--from", packed)

    def test_a_missing_library_is_reported(self) -> None:
        words = self.assertToolError(
            "libcrypto.so.3", "interpreter", *self.options(), "--from", self.prefix()
        )
        self.assertIn("LIBRARIES=", words)

    def test_a_symbol_above_the_limit_is_rejected_unless_the_limit_is_raised(self) -> None:
        program = elf(loader=LOADER, versions={("libm.so.6", "GLIBC_2.35"): ["hypot"]})
        prefix = self.prefix(program=program)
        words = [*self.options(), "--from", prefix, "--libraries", prefix / "libraries"]
        self.assertToolError("GLIBC_2.35 of libm.so.6 (hypot)", "interpreter", *words)
        self.build("interpreter", *words, "--glibc", "2.36")

    def test_a_python_for_another_machine_is_rejected(self) -> None:
        words = [*self.options(arch="arm64"), "--from", self.prefix()]
        problem = self.assertToolError("is for x86_64, not for arm64", "interpreter", *words)
        self.assertIn("Use ARCH=x86_64", problem)

    def test_a_python_of_another_version_is_rejected(self) -> None:
        words = [*self.options(python="3.12"), "--from", self.prefix()]
        problem = self.assertToolError("contains Python 3.13, not 3.12", "interpreter", *words)
        self.assertIn("Use PYTHON_VERSION=3.13", problem)

    def test_a_folder_that_is_not_a_python_is_rejected(self) -> None:
        folder = self.write({"bin/python3.13": elf(loader=LOADER), "README": ""})
        self.assertToolError("is not a Python", "interpreter", *self.options(), "--from", folder)

    def test_a_file_that_is_not_a_python_is_rejected(self) -> None:
        path = self.write({"readme": "words"}) / "readme"
        self.assertToolError("is not a Python", "interpreter", *self.options(), "--from", path)

    def test_a_virtual_environment_is_rejected(self) -> None:
        folder = self.write({"pyvenv.cfg": "home = /usr/bin\n", "bin/python3.13": ""})
        self.assertToolError("virtual environment", "interpreter", *self.options(), "--from", folder)

    def test_a_python_for_macos_is_rejected(self) -> None:
        prefix = self.prefix(program=b"\xcf\xfa\xed\xfe" + bytes(100))
        self.assertToolError("for macOS", "interpreter", *self.options(), "--from", prefix)

    def test_a_script_in_place_of_the_program_is_rejected(self) -> None:
        prefix = self.prefix(program=b"#!/bin/sh\nexec pyenv exec python3.13\n")
        self.assertToolError("is a script", "interpreter", *self.options(), "--from", prefix)

    def test_a_missing_source_is_rejected(self) -> None:
        words = [*self.options(), "--from", self.folder / "nowhere"]
        self.assertToolError("does not exist", "interpreter", *words)

    def test_a_compiler_of_another_version_is_rejected(self) -> None:
        other = "3.13" if VERSION != "3.13" else "3.12"
        prefix = self.prefix(other)
        options = self.options(python=other, bytecode=sys.executable)
        self.assertToolError(f"not for Python {other}", "interpreter", *options, "--from", prefix)

    def test_two_versions_or_architectures_are_rejected(self) -> None:
        words = ["--from", self.prefix()]
        for option, values, variable in (
            ("--python", ("3.9", "3.13"), "PYTHON_VERSION"),
            ("--arch", ("arm64", "x86_64"), "ARCH"),
        ):
            with self.subTest(option):
                both = [word for value in values for word in (option, value)]
                problem = self.assertToolError(
                    f"{variable} is {' and '.join(values)}", "interpreter", *both, *words
                )
                self.assertIn(f"Use {variable}={values[0]}", problem)

    @unittest.skipIf(PYPY, "it has no version of CPython's")
    def test_the_version_is_that_of_the_chosen_python(self) -> None:
        version = pythons.version_name(sys.executable)
        prefix = self.prefix(version)
        words = ["--bytecode", "none", "--from", prefix, "--libraries", prefix / "libraries"]
        with zipfile.ZipFile(self.build("interpreter", *words, "--version-of", sys.executable)) as layer:
            self.assertIn(f"lib/python{version}/os.py", layer.namelist())

    def test_invalid_options_are_rejected(self) -> None:
        prefix = self.prefix()
        for option, value, words in (
            ("arch", "mips", "'mips' is not an architecture of Lambda"),
            ("python", "2.7", "not a Python version"),
            ("python", "3.6", "too old"),
            ("glibc", "new", "not a glibc version"),
        ):
            with self.subTest(option=option, value=value):
                self.assertToolError(words, "interpreter", *self.options(**{option: value}), "--from", prefix)


class Progress(ToolTestCase):
    def test_a_terminal_shows_what_is_done_and_keeps_only_the_result(self) -> None:
        root = self.write({"src/app.py": "x = 1\n"}) / "src"
        ours, terminal = pty.openpty()
        words = [
            sys.executable,
            str(ROOT / "tools/function.py"),
            str(root),
            "--bytecode=none",
            "--output=a.zip",
        ]
        subprocess.run(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=terminal, check=True)
        os.close(terminal)
        written = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while True:
                written += os.read(ours, 65536)
        os.close(ours)
        lines = written.decode().split("\r\x1b[K")
        steps = [line.partition(" ")[0] for line in lines if line.endswith(" …")]
        self.assertEqual(steps, ["Copying", "Writing", "Checking", "Removing"])
        self.assertEqual(lines[-1], "")


class Packages(ToolTestCase):
    def test_missing_requirements_are_rejected(self) -> None:
        self.assertToolError("does not exist", "dependencies", self.folder / "requirements.txt")

    def test_requirements_that_would_be_built_are_refused(self) -> None:
        self.write({"mine/setup.py": "", "folder.whl/setup.py": "", "other.txt": "./mine\n"})
        for line in (
            *(
                "./mine",
                "mine/",
                "../mine",
                "./mine[extra]",
                "mine @ ./mine",
                "mine @ file:///mine",
                "./folder.whl",
            ),
            *("-e ./mine", "-e./mine", "--editable=./mine", "--edit ./mine", "-e git+https://a.example/mine"),
            *("mine.tar.gz", "mine-1.0.zip ; python_version > '3'", "./mine-1.0.tar.gz --hash=sha256:00"),
            *("https://a.example/mine.zip", "mine[x] @ https://a.example/mine-1.tar.gz#sha256=00"),
            *("git+https://a.example/mine.whl", "mine @ git+ssh://a.example/mine@v1", "file:folder.whl"),
            *("mine \\\n  @ ./mine", "${PWD}/mine", "# a comment\n./mine # another"),
            *("-r other.txt", "-rother.txt", "--requirement=other.txt", "-c other.txt", "--constr other.txt"),
            *(
                "--no-index -e ./mine",
                "--pre -e ./mine",
                '-"e" mine',
                '--"editable" mine',
                "--pre \\\n -e mine",
            ),
            *(
                "./x.whl#/../mine",
                "./x.whl?/../mine",
                "./mine;python_version!='x.whl'",
                "file:mine",
                "./x.whl\t-x/../mine",
            ),
            *(
                "mine @ file:///mine;sys_platform!='x.whl'",
                "# coding: utf-7\n+AC0-e mine",
                "x\x0c-e mine",
                "-r a\0b",
            ),
            *(
                "./folder%2ewhl",
                "mine-1.0.tlz",
                "--prefer-binary -r other.txt",
                "--no-index --no-binary mine",
            ),
            *("--no-binary :all:", "--no-binary=mine", "--only-binary :none:", "-r https://a.example/r.txt"),
        ):
            with self.subTest(line):
                path = self.write({"requirements.txt": f"{line}\n"}) / "requirements.txt"
                with self.assertRaisesRegex(ToolError, "wheel|Write the path|UTF-8"):
                    requirements.check(path)
        self.assertToolError("Line 1 of", "dependencies", path, "--python=3.13", "--arch=arm64")

    def test_requirements_of_wheels_are_allowed(self) -> None:
        lines = """
            requests==2.32.3 --hash=sha256:00
            requests[socks]>=2 ; python_version > "3.8"   # a comment
            urllib3 (>=2,<3);python_version>"3.8"
            zope.interface~=7.0
            mine @ https://a.example/mine-1.0-py3-none-any.whl#sha256=00 ; python_version > "3.8"
            ./wheels/mine-1.0-py3-none-any.whl
            mine-1.0-py3-none-any.whl
            mine @ file:///wheels/mine-1.0-py3-none-any.whl
            --index-url https://a.example/simple
            -c requirements.txt
            -f ./wheels
        """
        path = self.write({"requirements.txt": lines}) / "requirements.txt"
        requirements.check(path)

    def test_long_messages_of_uv_and_pip_are_explained_in_one_sentence(self) -> None:
        git = "error: Git operation failed\n  fatal: unable to access: Could not resolve host: x.invalid"
        for said, found in (
            ("error: Failed to fetch: `https://x/`\n  cause: tcp connect error", "cannot be reached"),
            ("  cause: dns error", "cannot be reached"),
            ("ERROR: Max retries exceeded with url: /x.whl", "cannot be reached"),
            (git, "cannot be reached"),
            ("error: Distribution not found at: file:///project/shared", "does not exist"),
            ("  cause: failed to read from file `a.txt`: No such file or directory", "does not exist"),
            ("ERROR: ./shared is not a valid editable requirement.", "does not exist"),
            ("Hint: It looks like a path. File './a.whl' does not exist.", "does not exist"),
            ("No download found for request: cpython-3.77-linux-aarch64-gnu", "not available"),
            ("Because x was not found in the package registry", "package does not exist"),
            ("Because there is no version of x==99", "package does not exist"),
            ("Because x has no usable wheels", "no wheel that works on Lambda"),
            ("Because x has no wheels with a matching platform tag", "no wheel that works on Lambda"),
            ("error: Building source distributions is disabled", "no wheel that works on Lambda"),
            ("  cause: Building source distributions for `x` is disabled", "no wheel that works on Lambda"),
            ("ERROR: No matching distribution found for x", "no wheel that works on Lambda"),
            ("error: something else", "uv has failed"),
        ):
            with self.subTest(said):
                problem = uv.explained(said, "uv")
                self.assertIn(found, problem.found)
                self.assertIn(said.splitlines()[0].strip(), problem.found)

    def test_a_pip_without_network_is_explained_as_such(self) -> None:
        none = "ERROR: No matching distribution found for x"
        warning = "WARNING: Retrying after connection broken by 'NewConnectionError(…)': /simple/x/"
        problem = uv.explained(
            f"{warning}\n{warning}\n{none}", "pip", ToolError("uv is not here.", "Fetch it.")
        )
        found = "The download failed, because the server cannot be reached. Output of pip:\n"
        found += f"    {none}\nuv is not here."
        self.assertEqual(problem.found, found)

    def test_an_unknown_message_is_printed_without_advice(self) -> None:
        self.assertEqual(str(uv.explained("error: x", "uv")), "uv has failed. Output of uv:\n    error: x")

    def test_a_record_lists_only_files_in_the_zip(self) -> None:
        rows = ["a.py,sha256=x,1", '"a,b.py",,', "a-1.dist-info/METADATA,,", "a-1.dist-info/RECORD,,"]
        gone = ["bin/f2py,sha256=y,2", "../../bin/f2py,,", "a-1.dist-info/uv_cache.json,,", "nowhere.py,,"]
        names = ["a.py", "a,b.py", "a-1.dist-info/METADATA", "a-1.dist-info/uv_cache.json", "bin/f2py"]
        record = "a-1.dist-info/RECORD"
        folder = self.write({**dict.fromkeys(names, ""), record: "\n".join([*gone, *rows]) + "\n"})
        dependencies.remove_what_is_for_this_machine(folder)
        self.assertEqual((folder / record).read_text().splitlines(), rows)
        self.assertFalse((folder / "bin").exists())

    def test_a_missing_wheel_is_explained_with_the_command_to_build_it(self) -> None:
        remedy = uv.explained("ERROR: No matching distribution found for x", "pip").remedy
        self.assertIn("\n    pip wheel --no-deps PACKAGE --wheel-dir wheels\n", remedy)
        self.assertRegex(remedy, r"\n    PACKAGE @ file:///.*/wheels/….whl$")


class Facts(unittest.TestCase):
    def test_elf_files_are_parsed(self) -> None:
        needs = {("libm.so.6", "GLIBC_2.35"): ["hypot", "exp"], ("libc.so.6", "GLIBC_2.34"): ["dlopen"]}
        facts = elf_facts.parse(elf(ARM64, ["libm.so.6", "libc.so.6"], needs, "/a:$ORIGIN/b", "/lib/ld.so"))
        self.assertEqual((facts.machine, facts.bits, facts.interpreter), (ARM64, 64, "/lib/ld.so"))
        self.assertEqual(facts.needed, ["libm.so.6", "libc.so.6"])
        self.assertEqual(facts.run_path, ["/a", "$ORIGIN/b"])
        found = {(need.library, need.version): need.symbols for need in facts.versions}
        self.assertEqual(found, needs)

    def test_truncated_elf_files_are_rejected(self) -> None:
        data = elf(needed=["liba.so"], versions={("libc.so.6", "GLIBC_2.34"): ["dlopen"]})
        for size in range(len(data)):
            try:
                elf_facts.parse(data[:size])
            except elf_facts.ElfError:
                pass

    def test_patterns_match_like_gitignore(self) -> None:
        """Expect the results of `git check-ignore`."""
        names = ["a.md", "ab/c", "data/b", "data/x/b", "docs/a.png", "docs/x/y/a.png", "x/a.md", "x/data/b"]
        for pattern, expected in (
            ("*.md", ["a.md", "x/a.md"]),
            ("/*.md", ["a.md"]),
            ("?.md", ["a.md", "x/a.md"]),
            ("[!b].md", ["a.md", "x/a.md"]),
            (r"\a.md", ["a.md", "x/a.md"]),
            ("data/b", ["data/b"]),
            ("**/data/b", ["data/b", "x/data/b"]),
            ("data/**", ["data/b", "data/x/b"]),
            ("data/*", ["data/b"]),
            ("docs/**/*.png", ["docs/a.png", "docs/x/y/a.png"]),
            ("a**/c", ["ab/c"]),
            ("b/", []),  # folders only
            ("x/a.m", []),
        ):
            with self.subTest(pattern):
                rule = exclusion.Rule(pattern)
                self.assertEqual([name for name in names if rule.matches(name, is_folder=False)], expected)
        self.assertTrue(exclusion.Rule("b/").matches("a/b", is_folder=True))

    def test_wheel_tags_are_checked(self) -> None:
        python, architecture = versions.parse("3.13"), ARCHITECTURES["arm64"]
        for tags, problem in (
            ("py3-none-any", ""),
            ("py2-none-any py3-none-any", ""),
            ("cp313-cp313-manylinux_2_17_aarch64", ""),
            ("cp313-cp313-manylinux2014_aarch64 cp313-cp313-musllinux_1_2_aarch64", ""),
            ("cp38-abi3-manylinux_2_34_aarch64", ""),
            ("cp313-none-linux_aarch64", ""),
            ("py3-none-manylinux_2_17_aarch64", ""),
            ("cp314-abi3-manylinux_2_17_aarch64", "is for cp314-abi3, not for cp313"),
            ("cp312-cp312-manylinux_2_17_aarch64", "is for cp312-cp312, not for cp313"),
            ("cp313-cp313t-manylinux_2_17_aarch64", "is for cp313-cp313t, not for cp313"),
            ("pp311-pypy311_pp73-any", "is for pp311, not for CPython 3.13"),
            ("cp313-cp313-manylinux_2_17_x86_64", "is for x86_64, not for aarch64"),
            ("cp313-cp313-manylinux_2_39_aarch64", "needs glibc 2.39, but Lambda has 2.34"),
            ("cp313-cp313-musllinux_1_2_aarch64", "is for musllinux_1_2_aarch64, not for Lambda's Linux"),
            ("cp313-cp313-win_amd64", "is for win_amd64, not for Lambda's Linux"),
            ("cp313", "has the tag 'cp313', which is not valid for a wheel"),
        ):
            with self.subTest(tags):
                self.assertEqual(wheels.wheel_problem(tags.split(), python, architecture, "2.34"), problem)
        free = versions.parse("3.13t")
        self.assertEqual(
            wheels.wheel_problem(["cp38-abi3-manylinux_2_17_aarch64"], free, architecture, "2.34"),
            "is for cp38-abi3, not for cp313t",
        )

    def test_names_of_extension_modules_are_checked(self) -> None:
        python, architecture = versions.parse("3.13"), ARCHITECTURES["x86_64"]
        for name, problem in (
            ("a.cpython-313-x86_64-linux-gnu.so", ""),
            ("a.abi3.so", ""),
            ("a.so", ""),
            ("libone.so.1", ""),
            ("a.cpython-313-aarch64-linux-gnu.so", "is for aarch64, not for x86_64"),
            ("a.cpython-313t-x86_64-linux-gnu.so", "is for cpython-313t, not for cpython-313"),
            ("a.cpython-313-x86_64-linux-musl.so", "is for musl (Alpine), but Lambda has glibc"),
            ("a.cpython-313-darwin.so", "is for macOS"),
            ("a.cp313-win_amd64.pyd", "is for Windows"),
            ("a.pypy311-pp73-x86_64-linux-gnu.so", "is for pypy311-pp73, not for cpython-313"),
        ):
            with self.subTest(name):
                self.assertEqual(wheels.extension_problem(f"python/{name}", python, architecture), problem)

    def test_platforms_for_pip_are_listed(self) -> None:
        self.assertEqual(
            wheels.platforms("aarch64", "2.28"),
            [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 24, 17, 12, 5)]
            + ["manylinux1_aarch64", "manylinux2010_aarch64", "manylinux2014_aarch64"],
        )

    def test_headers_of_bytecode_are_parsed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "main.py")
            source.write_text("def handler(event, context):\n    return __file__\n")
            for name, mode in (
                (pyc.UNCHECKED, py_compile.PycInvalidationMode.UNCHECKED_HASH),
                (pyc.CHECKED, py_compile.PycInvalidationMode.CHECKED_HASH),
                (pyc.TIMESTAMP, py_compile.PycInvalidationMode.TIMESTAMP),
            ):
                with self.subTest(name):
                    target = Path(folder, "main.pyc")
                    py_compile.compile(
                        str(source), str(target), "/var/task/main.py", True, invalidation_mode=mode
                    )
                    data = target.read_bytes()
                    header = pyc.parse(data)
                    assert header is not None
                    self.assertEqual((header.magic, header.mode), (pyc.OWN_MAGIC, name))
                    self.assertEqual(pyc.code_filename(data, "a/main.py"), "/var/task/main.py")
                    self.assertFalse(pyc.is_stale(header, source.read_bytes()))

    def test_names_of_bytecode_are_parsed(self) -> None:
        for name, tag, source in (
            ("a/__pycache__/b.cpython-313.pyc", "cpython-313", "a/b.py"),
            ("__pycache__/b.cpython-38.opt-2.pyc", "cpython-38", "b.py"),
            ("a/__pycache__/b.c.pypy311.pyc", "pypy311", "a/b.c.py"),
            ("a/b.pyc", "", ""),
        ):
            with self.subTest(name):
                self.assertEqual((pyc.tag(name), pyc.source_name(name)), (tag, source))

    def test_versions_are_parsed(self) -> None:
        for text, name, full, abi in (
            ("3.13", "3.13", "3.13", "cp313"),
            ("3.13.5", "3.13", "3.13.5", "cp313"),
            ("3.14t", "3.14t", "3.14", "cp314t"),
            ("python3.8", "3.8", "3.8", "cp38"),
        ):
            with self.subTest(text):
                version = versions.parse(text)
                self.assertEqual((version.name, version.full, version.abi), (name, full, abi))
        for text in ("", "3", "2.7", "3.7", "3.x", "3.13-dev", "latest"):
            with self.subTest(text), self.assertRaises(ToolError):
                versions.parse(text)

    def test_unneeded_files_of_an_interpreter_are_left_out(self) -> None:
        names = ("test/a.py", "unittest/test/a.py", "ctypes/tests/a.py", "turtle.py", "curses/ascii.py")
        for name in (*names, "._os.py", "json/._decoder.py"):
            with self.subTest(name):
                self.assertTrue(trimming.is_left_out(name))
        for name in (
            "unittest/case.py",
            "doctest.py",
            "_pyrepl/pager.py",
            "contest/a.py",
            "lib-dynload/_json.so",
        ):
            with self.subTest(name):
                self.assertFalse(trimming.is_left_out(name))

    def test_sizes_are_aligned(self) -> None:
        class Zip:
            path, size, unzipped_size = Path("layers/a.zip"), 26_214_400, 131_072_000
            members = (1, 2)

        text = listing.sizes_text([Zip()])  # type: ignore[list-item]
        self.assertEqual(
            text.splitlines(),
            [
                "file          files     size  of 50 MB  unzipped  of 250 MB",
                "layers/a.zip      2  25.0 MB     50.0%  125.0 MB      50.0%",
            ],
        )


if __name__ == "__main__":
    unittest.main()
