"""Functions and layers that are run from the zips that would be uploaded."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from lambda_emulator.builder import make_function, split_handlers
from lambda_emulator.functions.function import Function
from lambda_emulator.options import UsageError, make_parser
from lambda_emulator.terminal.terminal import Terminal
from lambda_emulator.testing import LambdaFunction

from tests.emulator.test_emulator import PRELUDE, REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, PYPY, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple, Union

    from lambda_emulator.deployment.deployment import Deployment

    Content = Union[str, Tuple[int, str]]  # a text, or a mode and a text (of a link: its target)

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = "def handler(event, context): return eval(event)\n"
LINK = stat.S_IFLNK | 0o777


def write_zip(path: Path, files: dict[str, Content]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            mode, text = (0o644, content) if isinstance(content, str) else content
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            archive.writestr(entry, text)
    return path


class ZipTestCase(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.temporary = self.folder / "temporary"
        self.temporary.mkdir()
        patch = mock.patch.object(tempfile, "tempdir", str(self.temporary))
        patch.start()
        self.addCleanup(patch.stop)
        self.messages = io.TextIOWrapper(io.BytesIO())

    def zip(self, name: str, files: dict[str, Content]) -> str:
        return str(write_zip(self.folder / name, files))

    def make(self, *words: str, cleanup: ExitStack, handler: str = "app.handler") -> Function:
        # Sandboxes are tested by conformance/layers.
        options = make_parser().parse_args(["run", f"--handler={handler}", "--sandbox=never", *words])
        return make_function(split_handlers(options)[0], Terminal(self.messages), cleanup)

    def evaluate(self, expression: str, *words: str, handler: str = "app.handler") -> Any:
        """Return the value of an expression in a function that evaluates its event."""
        with ExitStack() as cleanup:
            function = cleanup.enter_context(self.make(*words, cleanup=cleanup, handler=handler))
            result = function.invoke(json.dumps(expression).encode())
        self.assertIsNone(result.function_error, result.payload)
        self.assertEqual([], os.listdir(self.temporary))
        return json.loads(result.payload)

    def refuse(self, *words: str, handler: str = "app.handler") -> str:
        with ExitStack() as cleanup, self.assertRaises(UsageError) as caught:
            self.make(*words, cleanup=cleanup, handler=handler)
        self.assertEqual([], os.listdir(self.temporary))
        return str(caught.exception)


class AFunctionZip(ZipTestCase):
    def test_is_unpacked_with_its_modes_and_links(self) -> None:
        task_root = self.zip(
            "f.zip",
            {
                "app.py": APP + "import os, subprocess\n",
                "bin/": (stat.S_IFDIR | 0o755, ""),
                "bin/tool": (stat.S_IFREG | 0o755, "#!/bin/sh\necho from the tool\n"),
                "link": (LINK, "bin/tool"),
                "private": (0o600, "only for its owner, which on Lambda is not the function"),
            },
        )
        modes = "[oct(os.lstat(n).st_mode) for n in ('bin/tool', 'app.py', 'private')]"
        found = self.evaluate(
            f"[subprocess.getoutput('./link'), os.readlink('link'), {modes},"
            " os.getcwd() == os.environ['LAMBDA_TASK_ROOT']]",
            f"--task-root={task_root}",
        )
        self.assertEqual(["from the tool", "bin/tool", ["0o100755", "0o100644", "0o100000"], True], found)

    def test_is_put_together_with_layers_the_later_over_the_earlier(self) -> None:
        task_root = self.zip("f.zip", {"app.py": APP + "import os, shutil, shared, own\n"})
        first = self.zip(
            "first.zip",
            {
                "python/shared.py": "who = 'first'",
                f"python/lib/python{VERSION}/site-packages/own.py": "who = 'own'",
                "bin/tool": (0o755, "#!/bin/sh\n"),
                "lib/x.so": "",
            },
        )
        second = self.folder / "second"
        (second / "python").mkdir(parents=True)
        (second / "python" / "shared.py").write_text("who = 'second'")
        (second / "bin").mkdir()
        (second / "bin" / "tool").symlink_to("/bin/true")
        third = self.zip("third.zip", {"python/shared.py": "who = 'third'", "lib/x.so": (LINK, "y.so")})
        found = self.evaluate(
            "[shared.who, own.who, os.readlink(shutil.which('tool')),"
            " os.listdir(os.environ['LD_LIBRARY_PATH'].split(':')[1])]",
            *(f"--task-root={task_root}", f"--layer={first}", f"--layer={second}", f"--layer={third}"),
        )
        self.assertEqual(["third", "own", "/bin/true", ["x.so"]], found)

    def test_can_get_its_handler_from_a_layer(self) -> None:
        layer = self.zip("l.zip", {"python/pkg/app.py": APP})
        words = (f"--task-root={self.zip('f.zip', {'README': ''})}", f"--layer={layer}")
        self.assertEqual(2, self.evaluate("1 + 1", *words, handler="pkg/app.handler"))

    def test_hides_the_packages_of_the_interpreter_but_not_its_builtins(self) -> None:
        venv = self.folder / "venv"
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(venv)], check=True)
        packages = next(venv.glob("lib*/py*/site-packages"))
        (packages / "installed.py").touch()
        (self.folder / "app.py").write_text(APP + "import importlib.util, subprocess, sys\n")
        task_root = self.zip("f.zip", {"app.py": (self.folder / "app.py").read_text()})
        search = "importlib.util.find_spec('installed') is not None"
        child = "subprocess.call(['python3', '-c', 'import installed'], stderr=subprocess.DEVNULL) == 0"
        python = f"--python={venv}/bin/python3"
        self.assertIs(True, self.evaluate(search, f"--task-root={self.folder}", python))
        found = self.evaluate(f"[{search}, {child}, callable(exit)]", f"--task-root={task_root}", python)
        self.assertEqual([False, False, True], found)

    def test_runs_the_runtime_that_a_zip_brings(self) -> None:
        runtime = (
            "#!/usr/bin/env python3\n"
            + PRELUDE
            + textwrap.dedent(
                """
            while True:
                request_id, event, headers = take()
                respond(request_id, [os.path.relpath(__file__, os.environ["LAMBDA_TASK_ROOT"]), sys.argv[1:]])
            """
            )
        )
        own: dict[str, Content] = {"app.py": APP, "lambda_runtime/bootstrap": (0o755, runtime)}
        layer = f"--layer={self.zip('l.zip', {'bootstrap': (0o755, runtime)})}"
        task_root = f"--task-root={self.zip('f.zip', own)}"
        wrapper = "--env=AWS_LAMBDA_EXEC_WRAPPER=/var/task/lambda_runtime/bootstrap"
        self.assertEqual(["lambda_runtime/bootstrap", []], self.evaluate("", task_root))
        self.assertEqual(["../opt/bootstrap", []], self.evaluate("", task_root, layer))
        self.assertEqual(["lambda_runtime/bootstrap", []], self.evaluate("", task_root, layer, wrapper))
        chosen = f"--bootstrap={REPOSITORY}/bootstrap"
        self.assertEqual(2, self.evaluate("1 + 1", task_root, layer, chosen))

    def test_can_be_tested_like_a_folder(self) -> None:
        layer = self.zip("l.zip", {"python/who.py": "name = 'layer'"})
        task_root = self.zip(
            "f.zip", {"app.py": "import who\ndef handler(event, context): return who.name\n"}
        )
        with LambdaFunction("app.handler", task_root, layer=[layer], sandbox="never") as function:
            self.assertEqual("layer", function.invoke({}).payload)
        with self.assertRaisesRegex(ValueError, "^/.* does not exist; use a zip file or a folder"):
            LambdaFunction("app.handler", task_root, layer=["no.zip"])
        self.assertEqual([], os.listdir(self.temporary))

    @unittest.skipUnless(os.path.exists("/proc/self/status"), "needs Linux")
    def test_is_killed_when_it_uses_more_memory_than_it_has(self) -> None:
        task_root = self.zip(
            "f.zip",
            {"app.py": "def handler(event, context):\n    b'x' * 200_000_000\n    return 'late'\n"},
        )
        with ExitStack() as cleanup:
            function = cleanup.enter_context(self.make(f"--task-root={task_root}", cleanup=cleanup))
            result = function.invoke()
            self.assertFunctionError(
                result, "Runtime.ExitError", "Error: Runtime exited with error: signal: killed"
            )
            self.assertIsNotNone(result.report)
            assert result.report is not None
            self.assertEqual(128, result.report.max_memory_mb)


class AFaultyZip(ZipTestCase):
    def test_without_the_handler_is_refused_with_what_it_contains(self) -> None:
        top = ["__MACOSX/x", *(f"m{n}.py" for n in range(10))]
        cases: list[tuple[str, dict[str, Content], str]] = [
            (
                "app.handler",
                {},
                "PATH does not contain app.py, the module of the handler app.handler. It is empty.",
            ),
            (
                "app.handler",
                {"src/app.py": APP, "README": ""},
                "It contains README, src/. Found src/app.py: zip the files in src/, not the folder itself",
            ),
            ("ap.handler", {"app.py": APP}, "It contains app.py. Use for example --handler app.handler"),
            ("a/b.go", {"a/c.py": APP}, "does not contain a/b.py"),
            (
                "app.handler",
                {name: "" for name in top},
                "It contains m0.py, m1.py, m2.py, m3.py, m4.py, m5.py, m6.py, m7.py, m8.py, m9.py"
                " and 1 more. Use for example --handler ",
            ),
        ]
        for handler, files, complaint in cases:
            with self.subTest(complaint):
                path = self.zip("f.zip", files)
                error = self.refuse(f"--task-root={path}", handler=handler)
                self.assertIn(complaint.replace("PATH", path), error)

    def test_for_another_python_is_refused(self) -> None:
        other = "cpython-37m-x86_64-linux-gnu"
        cases: list[tuple[dict[str, Content], str]] = [
            (
                {f"python/pkg/_core.{other}.so": "", "python/pkg/x.so": ""},
                f"is for {other} (python/pkg/_core.",
            ),
            ({"python/lib/python3.7/site-packages/a.py": ""}, "is for Python 3.7 (python/lib/python3.7/)"),
        ]
        for files, complaint in cases:
            with self.subTest(complaint):
                layer = self.zip("l.zip", files)
                task_root = self.zip("f.zip", {"app.py": APP})
                error = self.refuse(f"--task-root={task_root}", f"--layer={layer}")
                self.assertIn(f"{layer} {complaint}", error)
                self.assertIn(f"but the function runs on Python {VERSION} (", error)
        both: dict[str, Content] = {
            f"python/lib/python{version}/site-packages/a.py": "" for version in ("3.7", VERSION)
        }
        self.assertEqual(
            1, self.evaluate("1", f"--task-root={task_root}", f"--layer={self.zip('l.zip', both)}")
        )

    def test_that_cannot_be_unpacked_is_refused(self) -> None:
        good = Path(self.zip("good.zip", {"app.py": APP})).read_bytes()
        encrypted = bytearray(good)
        encrypted[6] |= 1
        encrypted[good.index(b"PK\1\2") + 8] |= 1
        damaged = good.replace(b"eval(", b"EVAL(")
        large = bytearray(good)
        at = good.index(b"PK\1\2") + 24
        large[at : at + 4] = (262_144_001).to_bytes(4, "little")
        cases = [
            (b"not a zip", "PATH is not a zip file, or its end is missing; build it again"),
            (good[:-30], "PATH is not a zip file, or its end is missing; build it again"),
            (bytes(encrypted), "PATH is encrypted, which Lambda cannot read; build it without"),
            (damaged, "PATH is damaged: Bad CRC-32 for file 'app.py'; build the zip again"),
            (
                bytes(large),
                "250.0 MB unpacked (PATH 250.0 MB) is more than Lambda's limit for the function and its",
            ),
        ]
        path = self.folder / "f.zip"
        for data, complaint in cases:
            with self.subTest(complaint):
                path.write_bytes(data)
                self.assertIn(complaint.replace("PATH", str(path)), self.refuse(f"--task-root={path}"))
        path.unlink()
        self.assertIn("does not exist; set --task-root to", self.refuse(f"--task-root={path}"))
        missing = f"{path} does not exist; use a zip file or a folder"
        self.assertEqual(missing, self.refuse(f"--task-root={self.folder}", f"--layer={path}"))

    def test_that_would_write_elsewhere_is_refused(self) -> None:
        outside = self.folder / "outside"
        outside.mkdir()
        for files in (
            {"../escaped": "x"},
            {"a/../../escaped": "x"},
            {str(outside / "escaped"): "x"},
            {"link": (LINK, str(outside)), "link/escaped": "x"},
            {"link": (LINK, ".."), "link/escaped": "x"},
        ):
            with self.subTest(files):
                error = self.refuse(f"--task-root={self.zip('f.zip', {'app.py': APP, **files})}")  # type: ignore[dict-item]
                self.assertIn("escaped' is not the name of a file inside; build the zip again", error)
                self.assertEqual([], list(outside.iterdir()))

    def test_with_a_runtime_that_is_not_executable_is_refused(self) -> None:
        path = self.zip("f.zip", {"app.py": APP, "bootstrap": "#!/bin/sh\n"})
        self.assertIn(
            "/var/task/bootstrap is not executable, so Lambda cannot start it",
            self.refuse(f"--task-root={path}"),
        )

    def test_with_an_interpreter_for_another_machine_is_refused(self) -> None:
        layer = self.zip("l.zip", {"bin/python3": (0o755, "\x7fELF no program")})
        error = self.refuse(f"--task-root={self.zip('f.zip', {'app.py': APP})}", f"--layer={layer}")
        self.assertIn(f"bin/python3 of {layer} does not run on this machine ({os.uname().machine}): ", error)

    def test_more_than_five_layers_are_a_warning(self) -> None:
        layer = self.zip("l.zip", {"x": ""})
        task_root = self.zip("f.zip", {"app.py": APP})
        self.assertEqual(1, self.evaluate("1", f"--task-root={task_root}", *[f"--layer={layer}"] * 6))
        self.messages.seek(0)
        self.assertIn("6 layers are set, but Lambda allows 5.", self.messages.read())


class WithoutBubblewrap(ZipTestCase):
    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.dict(os.environ, PATH=str(self.folder))
        patch.start()
        self.addCleanup(patch.stop)

    def test_what_is_less_true_is_said(self) -> None:
        with ExitStack() as cleanup:
            self.make(f"--task-root={self.zip('f.zip', {'app.py': APP})}", "--sandbox=auto", cleanup=cleanup)
        self.messages.seek(0)
        self.assertRegex(
            self.messages.read(),
            r"^No sandbox: .*(bubblewrap|needs Linux).*\. So less is as on Lambda: the function is in /",
        )

    def test_a_sandbox_that_was_asked_for_is_refused(self) -> None:
        (self.folder / "app.py").write_text(APP)
        error = self.refuse(f"--task-root={self.folder}", "--sandbox=always")
        self.assertRegex(error, "^--sandbox always cannot work: (bwrap is not installed|it needs Linux)")


class TheCommandLine(ZipTestCase):
    def start_command(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            emulator(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**EMULATOR_ENVIRONMENT, "TMPDIR": str(self.temporary)},
        )
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def test_leaves_no_files_behind_when_it_is_ended(self) -> None:
        slow = self.zip("f.zip", {"app.py": "import time\ndef handler(event, context): time.sleep(60)\n"})
        for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number):
                process = self.start_command(
                    "run", f"--task-root={slow}", "--handler=app.handler", "--timeout=60"
                )
                assert process.stdout is not None
                while b"START" not in process.stdout.readline():
                    pass
                self.assertEqual(1, len(os.listdir(self.temporary)))
                process.send_signal(number)
                self.assertEqual(expected, process.wait(20))
                self.assertEqual([], os.listdir(self.temporary))

    def test_uses_a_zip_again_when_it_has_changed(self) -> None:
        path = self.zip("f.zip", {"app.py": "def handler(event, context): return 1"})
        options = make_parser().parse_args(
            ["serve", f"--task-root={path}", "--handler=app.handler", "--sandbox=never"]
        )
        with ExitStack() as cleanup:
            function = make_function(split_handlers(options)[0], Terminal(self.messages), cleanup)
            cleanup.enter_context(function)
            self.assertSucceeds(function.invoke(), 1)
            self.zip("f.zip", {"app.py": "def handler(event, context): return 'changed'"})
            self.assertSucceeds(function.invoke(), "changed")
            deployment = function.configuration.deployment
            assert deployment is not None
            self.wait_until(lambda: len(list(deployment.folder.glob("*/opt"))) == 1)
            Path(path).write_bytes(b"half a zip")
            self.assertSucceeds(function.invoke(), "changed")
            self.zip("f.zip", {"app.py": "def handler(event, context): return 'complete'"})
            self.assertSucceeds(function.invoke(), "complete")
        self.messages.seek(0)
        output = self.messages.read()
        self.assertIn("\nf.zip changed; reloading\n", output)
        self.assertIn("\nf.zip changed, but cannot be used: ", output)
        self.assertEqual([], os.listdir(self.temporary))

    def test_uses_a_changed_zip_once_if_several_events_arrive(self) -> None:
        path = self.zip("f.zip", {"app.py": APP})
        options = make_parser().parse_args(
            ["serve", f"--task-root={path}", "--handler=app.handler", "--sandbox=never"]
        )
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-4 if PYPY else 1e-6)
        changes, threads = 30, 4
        with ExitStack() as cleanup:
            function = make_function(split_handlers(options)[0], Terminal(self.messages), cleanup)
            deployment = function.configuration.deployment
            assert deployment is not None
            callers = cleanup.enter_context(ThreadPoolExecutor(threads))
            barrier = threading.Barrier(threads, timeout=20)

            def look(deployment: Deployment) -> None:
                barrier.wait()
                function._pool._retire_changed(deployment)

            for number in range(changes):
                os.utime(path, (number, number))
                list(callers.map(look, [deployment] * threads))
        self.messages.seek(0)
        self.assertEqual(changes, self.messages.read().count("f.zip changed; reloading\n"))

    @unittest.skipIf(sys.version_info < (3, 11), "needs tomllib")
    def test_takes_zips_from_a_configuration_file(self) -> None:
        self.zip("f.zip", {"app.py": "import who\ndef handler(event, context): return who.name\n"})
        for name in ("a", "b"):
            self.zip(f"{name}.zip", {"python/who.py": f"name = '{name}'"})
        (self.folder / "functions.toml").write_text(
            'task_root = "f.zip"\nlayers = ["a.zip"]\nsandbox = "never"\n'
            '[functions.one]\nhandler = "app.handler"\n'
            '[functions.two]\nhandler = "app.handler"\nlayers = ["b.zip"]\n'
        )
        process = self.start_command("serve", f"--config={self.folder}/functions.toml", "--port=0")
        assert process.stdout is not None
        output = b""
        while not output.endswith(b"/\n\n"):  # the last of the function URLs
            output += process.stdout.readline()
        address = re.findall(r"is ready at (\S+)", output.decode())[0]
        for name, expected in (("one", b'"a"'), ("two", b'"b"')):
            url = f"{address}/2015-03-31/functions/{name}/invocations"
            with urllib.request.urlopen(url, b"{}", timeout=20) as reply:
                self.assertEqual(expected, reply.read())
        process.terminate()
        self.assertEqual(0, process.wait(20))
        self.assertEqual([], os.listdir(self.temporary))
