"""The installed package: in images and function folders, and the command ``lambda-emulator``."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path
from unittest import mock

import lambda_runtime

from tests.support import ROOT, FunctionTestCase

SHADOWS = ("codec", "context", "errors", "handler", "http1", "logging", "main", "runtime_api", "traceback")
SAFE_PATH = ["-P"] if sys.version_info >= (3, 11) else []  # since Python 3.11


def install(folder: Path) -> None:
    """Copy both packages as pip does, which makes links files."""
    for package in (ROOT / "runtime" / "lambda_runtime", ROOT / "emulator" / "lambda_emulator"):
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))


class InstalledPackage(FunctionTestCase):
    """Both packages in the site-packages of an interpreter without other packages."""

    python: str
    site_packages: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="package-")
        cls.addClassCleanup(folder.cleanup)
        venv.EnvBuilder(symlinks=True).create(folder.name)
        cls.python = str(Path(folder.name, "bin", "python"))
        command = [cls.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        cls.site_packages = (
            subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        )
        install(Path(cls.site_packages))

    def command(self, *options: str) -> list[str]:
        return [self.python, *options, "-m", "lambda_runtime"]

    def test_it_invokes_the_handler_that_its_argument_names(self) -> None:
        command = [*self.command(), "function.handler"]
        function = self.start(command=command, environment={"_HANDLER": None})
        self.assertResponse(function, {"a": 1}, {"a": 1})
        self.assertResponse(function, 2, 2)
        self.assertOneResponseEach(function)

    def test_the_path_is_the_task_root_the_standard_library_and_site_packages(self) -> None:
        source = """
            import os, sys
            def handler(event, context):
                return {"path": sys.path, "standard": os.path.dirname(os.__file__)}
        """
        for options in ([], SAFE_PATH, ["-I"]):
            with self.subTest(options=options):
                root = self.write({"function.py": source})
                function = self.start(command=self.command(*options), task_root=root)
                response = self.call(function)
                path = response["path"]
                self.assertEqual(path[0], root)
                self.assertEqual(path[-1], self.site_packages)
                self.assertIn(response["standard"], path[1:-1])
                self.assertEqual(len(path), len(set(path)), path)
                self.assertFalse([entry for entry in path if "lambda_runtime" in entry], path)

    def test_the_functions_files_may_be_named_like_our_modules_or_standard_ones(self) -> None:
        bare = self.write({"bare.py": "import sys; print(*sys.modules)"})
        # PyPy needs traceback to run a module at all.
        taken = subprocess.check_output([self.python, "-m", "bare"], cwd=bare).decode().split()
        names = [name for name in SHADOWS if name not in taken]
        files = {f"{name}.py": f"whose = 'the function, {name}'" for name in names}
        source = f"""
            import importlib
            def handler(event, context):
                return [importlib.import_module(name).whose for name in {names!r}]
        """
        function = self.start(source, files=files, command=self.command(*SAFE_PATH))
        self.assertResponse(function, None, [f"the function, {name}" for name in names])

    def test_an_exec_wrapper_runs_once(self) -> None:
        wrapper = Path(self.write({"wrapper": '#!/bin/sh\nWRAPPED="$WRAPPED+" exec "$@"\n'}), "wrapper")
        wrapper.chmod(0o755)
        function = self.start(
            "import os\ndef handler(event, context): return os.environ['WRAPPED']",
            command=self.command(),
            environment={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper), "WRAPPED": ""},
        )
        self.assertResponse(function, None, "+")

    def test_vendors_tools_find_the_runtime_where_they_expect_awss(self) -> None:
        source = "import __main__\ndef handler(event, context): return hasattr(__main__.bootstrap, 'main')"
        self.assertResponse(self.start(source, command=self.command()), None, True)

    def test_multiprocessing_can_spawn_children(self) -> None:
        source = """
            import multiprocessing
            def child(pipe):
                pipe.send("hello from the child")
            def handler(event, context):
                spawn = multiprocessing.get_context("spawn")
                ours, theirs = spawn.Pipe()
                process = spawn.Process(target=child, args=(theirs,))
                process.start()
                process.join()
                return ours.recv() if ours.poll() else process.exitcode
        """
        function = self.start(source, command=self.command())
        self.assertResponse(function, None, "hello from the child")

    def test_without_a_runtime_api_it_explains_itself(self) -> None:
        outcome = self.run_bootstrap(command=self.command())
        self.assertEqual(outcome.status, 2)
        self.assertIn("AWS_LAMBDA_RUNTIME_API is not set", outcome.errors)

    def test_type_checkers_find_the_markers_of_typed_packages(self) -> None:
        for package in ("lambda_runtime", "lambda_emulator"):
            self.assertTrue(Path(self.site_packages, package, "py.typed").is_file())

    def test_the_emulator_starts_the_bootstrap_beside_it(self) -> None:
        root = self.write({"app.py": "import sys\ndef handler(event, context): return [event, sys.argv[0]]"})
        done = subprocess.run(
            [self.python, "-m", "lambda_emulator", "run", "--handler", "app.handler", "--event", "1"],
            cwd=root,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        bootstrap = str(Path(self.site_packages, "lambda_runtime", "bootstrap").resolve())
        self.assertEqual(json.loads(done.stdout), [1, bootstrap])

    def test_the_emulators_paths_are_relative_to_the_current_folder(self) -> None:
        here = self.write(
            {
                "src/app.py": "import os, sys\ndef handler(event, context): return [event, os.getcwd()]",
                "event.json": "1",
                "src/event.json": "2",
            }
        )
        shutil.copy(ROOT / "bootstrap", here)
        shutil.copytree(ROOT / "runtime", Path(here, "runtime"))
        Path(here, "python").symlink_to(sys.executable)
        emulator = [self.python, "-m", "lambda_emulator", "run", "--handler=app.handler", "--task-root=src"]
        for words in (["--bootstrap=bootstrap"], ["--python=./python"], ["--runtime=./python bootstrap"]):
            with self.subTest(words):
                done = subprocess.run(
                    [*emulator, *words, "--event=@event.json"], cwd=here, capture_output=True, text=True
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout), [1, str(Path(here, "src").resolve())])


FACTS = """
    import sys
    import lambda_runtime
    def handler(event, context):
        return {"path": sys.path, "runtime": lambda_runtime.__file__, "arguments": sys.argv}
"""


class InTheFunctionsFolder(FunctionTestCase):
    """``pip install --target FOLDER`` with the function's files in the same folder."""

    def setUp(self) -> None:
        self.root = Path(self.write({"function.py": FACTS})).resolve()
        install(self.root)

    def facts(self, *command: object, **environment: str) -> dict[str, list[str]]:
        function = self.start(
            command=list(map(str, command)), task_root=str(self.root), environment=environment
        )
        facts: dict[str, list[str]] = self.call(function)
        return facts

    @property
    def bootstrap(self) -> Path:
        return self.root / "lambda_runtime" / "bootstrap"

    def test_bootstrap_is_an_executable_file_that_is_also_the_main_module(self) -> None:
        self.assertTrue(os.access(self.bootstrap, os.X_OK))
        main = self.bootstrap.with_name("__main__.py")
        self.assertEqual(self.bootstrap.read_bytes(), main.read_bytes())

    def test_the_folder_is_on_the_path_once_and_first(self) -> None:
        for command in ([self.bootstrap], [self.bootstrap, sys.executable, "/var/runtime/bootstrap.py"]):
            with self.subTest(command):
                path = self.facts(sys.executable, *command)["path"]
                self.assertEqual(path[0], str(self.root))
                self.assertEqual(len(path), len(set(path)), path)

    def test_a_link_to_bootstrap_starts_it(self) -> None:
        link = self.root / "bootstrap"
        link.symlink_to("lambda_runtime/bootstrap")
        self.assertEqual(self.facts(sys.executable, link)["path"][0], str(self.root))

    def test_the_functions_files_may_be_named_like_standard_modules(self) -> None:
        for name in (*SHADOWS, "__future__", "_json", "_socket"):
            (self.root / f"{name}.py").write_text("raise SystemExit('not the standard module')\n")
        for mode in ("normal", "all"):  # of the lazy imports of CPython 3.15
            with self.subTest(mode):
                facts = self.facts(sys.executable, self.bootstrap, PYTHON_LAZY_IMPORTS=mode)
                self.assertEqual(facts["path"][0], str(self.root))

    def test_of_two_copies_the_one_that_is_started_runs(self) -> None:
        layer = Path(self.write({})).resolve()
        install(layer)
        shutil.copy(ROOT / "bootstrap", layer / "bootstrap")
        shutil.copytree(ROOT / "runtime", layer / "runtime")
        cases: list[tuple[Path, Path, dict[str, str]]] = [
            (self.bootstrap, self.root, {"PYTHONPATH": str(layer)}),
            (layer / "bootstrap", layer / "runtime", {}),
            (layer / "lambda_runtime" / "bootstrap", layer, {}),
            # On OS-only runtimes, the layer's copy executes the wrapper.
            (layer / "bootstrap", self.root, {"AWS_LAMBDA_EXEC_WRAPPER": str(self.bootstrap)}),
        ]
        for program, place, environment in cases:
            with self.subTest(program, environment=environment):
                facts = self.facts(sys.executable, program, **environment)
                self.assertEqual(facts["runtime"], str(place / "lambda_runtime" / "__init__.py"))


class Metadata(unittest.TestCase):
    """The content of pyproject.toml, as far as it can be read without a TOML parser."""

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    def test_the_version_is_that_of_the_package(self) -> None:
        self.assertRegex(lambda_runtime.__version__, r"\A\d+\.\d+\.\d+\Z")
        self.assertIn('dynamic = ["version"]', self.project)
        found = re.search(r'\[tool\.hatch\.version\]\npath = "(.+)"', self.project)
        assert found is not None
        self.assertIn(f'__version__ = "{lambda_runtime.__version__}"', (ROOT / found[1]).read_text("utf-8"))

    def test_it_has_no_dependencies(self) -> None:
        self.assertIn('requires-python = ">=3.8"', self.project)
        self.assertNotIn("dependencies", self.project)

    def test_it_contains_two_packages(self) -> None:
        found = re.search(r"^packages = (\[.+\])$", self.project, re.MULTILINE)
        assert found is not None
        self.assertEqual(json.loads(found[1]), ["runtime/lambda_runtime", "emulator/lambda_emulator"])

    def test_the_command_calls_the_emulators_main_function(self) -> None:
        found = re.search(r'^lambda-emulator = "(.+):(.+)"$', self.project, re.MULTILINE)
        assert found is not None
        main = getattr(importlib.import_module(found[1]), found[2])
        output = io.StringIO()
        with mock.patch("sys.argv", ["lambda-emulator", "--help"]), contextlib.redirect_stdout(output):
            self.assertRaises(SystemExit, main)
        self.assertIn("usage: lambda-emulator [-h] run | serve", output.getvalue())


@unittest.skipUnless(shutil.which("make"), "make is not installed")
class Cleaning(FunctionTestCase):
    """``make clean`` with a copy of the Makefile in a temporary folder."""

    def test_it_removes_build_results_but_not_the_users_virtual_environment(self) -> None:
        built = {".environments/tools/ready": "", "layers/lambda.zip": "", "app/__pycache__/a.pyc": ""}
        own = {".venv/pyvenv.cfg": "home = /usr/bin", ".venv/lib/__pycache__/a.pyc": "", "app/app.py": ""}
        folder = Path(self.write({**built, **own}))
        shutil.copy(ROOT / "Makefile", folder)
        subprocess.run(["make", "clean"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(left, {"Makefile", *own})


AWS_CLI = """\
#!{python}
import base64, hashlib, json, sys
words = sys.argv[1:]
if words == ["--version"]:
    sys.exit()
print(json.dumps(words), file=open({log!r}, "a"))
if "--fail" in words:
    sys.exit("An error occurred (AccessDenied)")
content = open(words[words.index("--zip-file") + 1][len("fileb://"):], "rb").read()
name = words[words.index("--layer-name") + 1]
sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
if words[-2:] != ["--output", "json"]:
    sys.exit(print("CONTENT", sha256, sep="\\t"))
if "--strange" in words:
    sys.exit(print("[]"))
print(json.dumps(dict(Content=dict(CodeSha256=sha256), LayerVersionArn=f"arn:{{name}}:1")))
"""


class Publishing(FunctionTestCase):
    """tools/publish.py, with a program in place of AWS CLI that records its arguments."""

    def setUp(self) -> None:
        self.folder = Path(self.write({"layers/lambda.zip": "L", "layers/python3.13-arm64.zip": "P"}))
        self.log = self.folder / "log"
        program = self.folder / "bin" / "aws"
        program.parent.mkdir()
        program.write_text(AWS_CLI.format(python=sys.executable, log=str(self.log)))
        program.chmod(0o755)

    def publish(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "tools" / "publish.py"), *arguments],
            cwd=self.folder,
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )

    def asked(self) -> list[str]:
        words: list[str] = json.loads(self.log.read_text().splitlines()[-1])
        return words

    def test_it_prints_the_arn_of_each_zip_and_nothing_else(self) -> None:
        done = self.publish()
        self.assertEqual(done.stdout, "arn:python-runtime:1\narn:python3-13-arm64:1\n", done.stderr)

    def test_the_architecture_is_in_the_file_name_and_the_runtime_is_for_both(self) -> None:
        for path, architectures in (
            ("layers/lambda.zip", ["x86_64", "arm64"]),
            ("layers/python3.13-arm64.zip", ["arm64"]),
        ):
            with self.subTest(path):
                self.publish(path)
                words = self.asked()
                start = words.index("--compatible-architectures") + 1
                self.assertEqual(words[start : start + len(architectures)], architectures)
                self.assertEqual(words[start + len(architectures)], "--compatible-runtimes")

    def test_options_are_passed_on(self) -> None:
        self.publish("layers/lambda.zip", "--", "--region", "eu-west-3")
        self.assertEqual(self.asked()[-4:-2], ["--region", "eu-west-3"])

    def test_the_reply_is_read_with_any_output_option(self) -> None:
        for words in (["--output", "text"], ["--output=table"]):
            with self.subTest(words):
                done = self.publish("layers/lambda.zip", "--", *words)
                self.assertEqual(done.stdout, "arn:python-runtime:1\n", done.stderr)

    def test_a_query_is_rejected_before_anything_is_published(self) -> None:
        for words in (["--query", "LayerVersionArn"], ["--query=Version"]):
            with self.subTest(words):
                done = self.publish("layers/lambda.zip", "--", *words)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("publish: --query is not supported", done.stderr)
                self.assertFalse(self.log.exists())

    def test_a_published_layer_is_reported_even_if_the_reply_is_invalid(self) -> None:
        done = self.publish("layers/lambda.zip", "--", "--strange")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(
            "publish: layers/lambda.zip is published, but AWS CLI's output contains no ARN", done.stderr
        )
        self.assertIn("list-layer-versions --layer-name python-runtime", done.stderr)

    def test_a_failure_stops_it_before_the_next_zip(self) -> None:
        done = self.publish("--", "--fail")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("AccessDenied", done.stderr)
        self.assertIn("publish: AWS CLI did not publish layers/lambda.zip", done.stderr)
        self.assertEqual(len(self.log.read_text().splitlines()), 1)

    def test_a_missing_zip_is_reported_in_one_line(self) -> None:
        done = self.publish("layers/nowhere.zip")
        expected = "publish: layers/nowhere.zip does not exist; `make dist` builds layers/lambda.zip\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", expected))


class Exploring(FunctionTestCase):
    """tools/explore_context.py, which prepares the container's content."""

    def lay_out(self, *layers: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
        context = Path(self.write({}), "context")
        command = [sys.executable, str(ROOT / "tools" / "explore_context.py"), str(context), *layers]
        done = subprocess.run(command, capture_output=True, text=True)
        return context, done

    def zip(self, *entries: tuple[str, int, str]) -> str:
        """Create a layer of these members: name, mode including the file type, content."""
        path = Path(self.write({}), "layer.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, mode, content in entries:
                entry = zipfile.ZipInfo(name)
                entry.create_system, entry.external_attr = 3, mode << 16
                archive.writestr(entry, content)
        return str(path)

    def test_modes_and_links_are_those_of_the_layer(self) -> None:
        program = ("bin/python3.13", stat.S_IFREG | 0o755, "")
        context, done = self.lay_out(self.zip(program, ("bin/python3", stat.S_IFLNK | 0o777, "python3.13")))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((context / "opt/bin/python3").is_symlink())
        self.assertEqual((context / "opt/bin/python3").stat().st_mode & 0o777, 0o755)

    def test_a_later_layer_replaces_a_link_and_not_what_it_points_to(self) -> None:
        first = self.zip(("a", stat.S_IFREG | 0o644, "A"), ("b", stat.S_IFLNK | 0o777, "a"))
        context, _ = self.lay_out(first, self.zip(("b", stat.S_IFREG | 0o644, "B")))
        self.assertEqual([(context / "opt" / name).read_text() for name in "ab"], ["A", "B"])

    def test_the_examples_and_the_emulator_are_beside_the_layers(self) -> None:
        context, _ = self.lay_out()
        for name in (
            "task/hello.py",
            "explore/emulator/lambda_emulator/__main__.py",
            "explore/welcome.sh",
            "invoke",
        ):
            self.assertTrue((context / name).is_file(), name)
        self.assertEqual((context / "invoke").stat().st_mode & 0o777, 0o755)

    def test_a_layer_that_cannot_be_unpacked_is_reported(self) -> None:
        sound = Path(self.zip(("a.py", stat.S_IFREG | 0o644, "as it was"))).read_bytes()
        encrypted = bytearray(sound)
        for flags in (
            6,
            sound.index(b"PK\1\2") + 8,
        ):  # the general purpose flags, in the file and in the directory
            encrypted[flags] |= 1
        for name, content, words in (
            ("no.zip", b"no zip", "no.zip is not a zip file"),
            ("corrupt.zip", sound.replace(b"as it was", b"not so..."), "corrupt.zip: a.py is damaged"),
            ("encrypted.zip", bytes(encrypted), "encrypted.zip: a.py is encrypted"),
            ("escaping.zip", sound.replace(b"a.py", b"../a"), "escaping.zip: '../a' is not a relative path"),
        ):
            with self.subTest(name):
                path = Path(self.write({}), name)
                path.write_bytes(content)
                _, done = self.lay_out(str(path))
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(words, done.stderr)
                self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
