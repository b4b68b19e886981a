"""Installed as a package: ``python -m lambda_runtime hello.handler``, as images do after ``pip install``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path

import lambda_runtime

from tests.support import ROOT, FunctionTestCase

SHADOWS = ("codec", "context", "errors", "handler", "http1", "logging", "main", "runtime_api", "traceback")
SAFE_PATH = ["-P"] if sys.version_info >= (3, 11) else []  # an option of Python's since then


class InstalledPackage(FunctionTestCase):
    """The package in the site-packages of an interpreter that has nothing else."""

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
        shutil.copytree(
            ROOT / "runtime" / "lambda_runtime",
            Path(cls.site_packages, "lambda_runtime"),
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def command(self, *options: str) -> list[str]:
        return [self.python, *options, "-m", "lambda_runtime"]

    def test_it_invokes_the_handler_that_its_argument_names(self) -> None:
        command = [*self.command(), "function.handler"]
        function = self.start(command=command, environment={"_HANDLER": None})
        self.assertAnswer(function, {"a": 1}, {"a": 1})
        self.assertAnswer(function, 2, 2)
        self.assertOneAnswerEach(function)

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
                answer = self.answer(function)
                path = answer["path"]
                self.assertEqual(path[0], root)
                self.assertEqual(path[-1], self.site_packages)
                self.assertIn(answer["standard"], path[1:-1])
                self.assertEqual(len(path), len(set(path)), path)
                self.assertFalse([entry for entry in path if "lambda_runtime" in entry], path)

    def test_files_of_the_function_may_have_the_names_of_our_modules_and_of_standard_ones(self) -> None:
        files = {f"{name}.py": f"whose = 'the function, {name}'" for name in SHADOWS}
        source = f"""
            import importlib
            def handler(event, context):
                return [importlib.import_module(name).whose for name in {SHADOWS!r}]
        """
        function = self.start(source, files=files, command=self.command(*SAFE_PATH))
        self.assertAnswer(function, None, [f"the function, {name}" for name in SHADOWS])

    def test_a_wrapper_is_honoured_once(self) -> None:
        wrapper = Path(self.write({"wrapper": '#!/bin/sh\nWRAPPED="$WRAPPED+" exec "$@"\n'}), "wrapper")
        wrapper.chmod(0o755)
        function = self.start(
            "import os\ndef handler(event, context): return os.environ['WRAPPED']",
            command=self.command(),
            environment={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper), "WRAPPED": ""},
        )
        self.assertAnswer(function, None, "+")

    def test_tools_find_the_runtime_where_they_look_for_that_of_aws(self) -> None:
        source = "import __main__\ndef handler(event, context): return hasattr(__main__.bootstrap, 'main')"
        self.assertAnswer(self.start(source, command=self.command()), None, True)

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
        self.assertAnswer(function, None, "hello from the child")

    def test_without_a_runtime_api_it_says_what_it_is(self) -> None:
        outcome = self.run_bootstrap(command=self.command())
        self.assertEqual(outcome.status, 2)
        self.assertIn("custom AWS Lambda runtime", outcome.errors)

    def test_type_checkers_find_the_marker_of_a_typed_package(self) -> None:
        self.assertTrue(Path(self.site_packages, "lambda_runtime", "py.typed").is_file())


class Metadata(unittest.TestCase):
    """What pyproject.toml says, as far as a program without a TOML parser can read it."""

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    def test_the_version_is_the_one_that_the_package_states(self) -> None:
        self.assertRegex(lambda_runtime.__version__, r"\A\d+\.\d+\.\d+\Z")
        self.assertIn('dynamic = ["version"]', self.project)
        found = re.search(r'\[tool\.hatch\.version\]\npath = "(.+)"', self.project)
        assert found is not None
        self.assertIn(f'__version__ = "{lambda_runtime.__version__}"', (ROOT / found[1]).read_text("utf-8"))

    def test_it_needs_nothing_but_python(self) -> None:
        self.assertIn('requires-python = ">=3.8"', self.project)
        self.assertNotIn("dependencies", self.project)

    def test_it_brings_one_package(self) -> None:
        found = re.search(r"^packages = (\[.+\])$", self.project, re.MULTILINE)
        assert found is not None
        self.assertEqual(json.loads(found[1]), ["runtime/lambda_runtime"])


if __name__ == "__main__":
    unittest.main()
