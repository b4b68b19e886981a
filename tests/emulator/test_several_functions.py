"""Several functions in one emulator, from the command line and from a file."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

from lambda_emulator.config_file import read_config
from lambda_emulator.options import make_parser

from tests.emulator.test_emulator import PRELUDE, REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNTIME = """
while True:
    request_id, event, headers = take()
    print("handling")
    names = ("_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "TABLE")
    respond(request_id, [os.environ.get(name) for name in names] + [os.getcwd()])
"""


class ServerTestCase(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "script.py").write_text(PRELUDE + textwrap.dedent(RUNTIME))
        self.runtime = f"--runtime={sys.executable} -ISu {self.folder / 'script.py'}"

    def serve(self, *words: str) -> tuple[str, list[str]]:
        """Start a server; return the address of its Invoke API and those of the function URLs."""
        server = subprocess.Popen(
            emulator("serve", self.runtime, "--port=0", *words),
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
        )
        self.server = server
        self.addCleanup(server.wait)
        assert server.stdout is not None
        self.addCleanup(server.stdout.close)  # the last one called is the first one added
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        output = ""
        while not output.endswith("/\n\n"):  # the last of the function URLs
            line = server.stdout.readline()
            self.assertTrue(line, f"the server has ended: {output}")
            output += line
        return re.findall(r"is ready at http://(\S+)", output)[0], re.findall(
            r"curl -N http://(\S+)/", output
        )

    def ask(self, address: str, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(address, timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, path, b"{}" if method == "POST" else None)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())

    def invoke(self, address: str, name: str) -> Any:
        return self.ask(address, "POST", f"/2015-03-31/functions/{name}/invocations")

    def refuse(self, *words: str) -> str:
        done = subprocess.run(
            emulator(*words),
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=EMULATOR_ENVIRONMENT,
            timeout=20,
            check=False,
        )
        self.assertEqual((2, ""), (done.returncode, done.stdout), done.stderr)
        return done.stderr


class Handlers(ServerTestCase):
    def test_have_a_name_environments_and_a_url_each(self) -> None:
        root = str(self.folder.resolve())
        address, urls = self.serve("--handler=a=one.handler", "--handler=two.handler", f"--task-root={root}")
        self.assertEqual((200, ["one.handler", "a", "128", None, root]), self.invoke(address, "a"))
        self.assertEqual((200, ["two.handler", "two", "128", None, root]), self.invoke(address, "two"))
        self.assertEqual(404, self.invoke(address, "one")[0])
        self.assertEqual(["a", "two"], [self.ask(url, "GET", "/")[1][1] for url in urls])
        self.server.terminate()
        assert self.server.stdout is not None
        output = self.server.stdout.read()
        for name in ("a  ", "two"):
            self.assertRegex(
                output, rf"(?s)(?:\A|\n){name} \| START .*\n{name} \| handling\n.*\n{name} \| END "
            )
        self.assertRegex(output, r"\n[0-9:]{8}  200  .* ms  .* B  [0-9a-f]{8}  a    event  cold start\n")
        self.assertRegex(output, r"\n[0-9:]{8}  200  .* ms  .* B  [0-9a-f]{8}  two  GET /\n")

    def test_need_different_names(self) -> None:
        root = f"--task-root={self.folder}"
        cases = [
            ("two functions are named a", ["--handler=a=one.handler", "--handler=a=two.handler"]),
            ("two functions are named one", ["--handler=one.handler", "--handler=one.other"]),
            ("--name is for one function", ["--handler=a.b", "--handler=c.d", "--name=x"]),
            ("'a b' is not a function's name", ["--handler=a b=one.handler"]),
        ]
        for complaint, words in cases:
            with self.subTest(words):
                self.assertIn(f"emulator: {complaint}", self.refuse("serve", self.runtime, root, *words))


@unittest.skipIf(sys.version_info < (3, 11), "needs tomllib")
class AConfigurationFile(ServerTestCase):
    def write(self, text: str) -> str:
        path = self.folder / "functions.toml"
        path.write_text(textwrap.dedent(text))
        return f"--config={path}"

    def test_has_credentials_with_and_without_a_profile(self) -> None:
        tables = "".join(
            f'[functions.{name}]\nhandler = "one.handler"\n{line}\n'
            for name, line in (("a", ""), ("b", "credentials = false"), ("c", 'credentials = "work"'))
        )
        path = self.write(f"credentials = true\n{tables}").partition("=")[2]
        _, described = read_config(path, make_parser(), [])
        self.assertEqual({"a": "", "b": None, "c": "work"}, {one.name: one.credentials for one in described})

    def test_describes_functions_and_what_they_have_in_common(self) -> None:
        (self.folder / "sub").mkdir()
        root = self.folder.resolve()
        config = self.write(
            """
            memory = 256
            host = "127.0.0.1"

            [functions.a]
            handler = "one.handler"
            env = { TABLE = "t" }
            task-root = "sub"

            [functions.b]
            handler = "two.handler"
            memory = 512
            reload = false

            [functions.c]
            handler = "three.handler"
            http-event = "rest-api"
            """
        )
        address, urls = self.serve(config)
        self.assertEqual(["one.handler", "a", "256", "t", str(root / "sub")], self.invoke(address, "a")[1])
        self.assertEqual(["two.handler", "b", "512", None, str(root)], self.invoke(address, "b")[1])
        self.assertEqual(["a", "b"], [self.ask(url, "GET", "/")[1][1] for url in urls[:2]])
        self.assertEqual((502, {"message": "Internal server error"}), self.ask(urls[2], "GET", "/"))

    def test_names_the_interpreter_and_the_runtime_relative_to_itself(self) -> None:
        self.runtime = "--no-reload"
        (self.folder / "one.py").write_text("def handler(event, context): return 'hello'")
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "python").symlink_to(sys.executable)
        config = self.write(
            """
            [functions.a]
            handler = "one.handler"
            python = "bin/python"

            [functions.b]
            handler = "one.handler"
            runtime = "bin/python -ISu script.py"
            """
        )
        address, _ = self.serve(config)
        self.assertEqual((200, "hello"), self.invoke(address, "a"))
        self.assertEqual("one.handler", self.invoke(address, "b")[1][0])

    def test_is_overruled_by_the_command_line(self) -> None:
        config = self.write('[functions.a]\nhandler = "one.handler"\nmemory = 512\nenv = { TABLE = "t" }')
        address, _ = self.serve(config, "--memory=1024", "--env=TABLE=u")
        self.assertEqual(["1024", "u"], self.invoke(address, "a")[1][2:4])

    def test_is_rejected_with_one_clear_message(self) -> None:
        handler = 'handler = "one.handler"\n'
        cases = [
            ("", "PATH describes no function. Add for example [functions.hello] with a handler"),
            (
                "[function.a]",
                "PATH describes no function. It has [function]. Add for example [functions.hello]",
            ),
            ("[functions.a]\nhandler = 3", "PATH: [functions.a] has the handler 3, expected a text. Use"),
            (
                "[functions.a]",
                'PATH: [functions.a] has no handler. Use for example handler = "hello.handler"',
            ),
            (
                f'timeot = 3\nhandler = "x"\n[functions.a]\n{handler}memry = 1\nport = 1',
                "PATH has unknown keys: 'timeot' at the top, 'handler' at the top, 'memry' in [functions.a],"
                " 'port' in [functions.a]. A function's keys are bootstrap, concurrency, credentials, ",
            ),
            (
                f"[functions.a]\n{handler}timeout = 0",
                "PATH: [functions.a]: argument --timeout: '0' is not a timeout; expected a number of seconds",
            ),
            ("memory = true\n[functions.a]\n" + handler, "PATH: memory is True; expected text or a number"),
            (
                f"[functions.a]\n{handler}reload = 1",
                "[functions.a] reload is 1; expected true or false",
            ),
            (f"[functions.a]\n{handler}env = [1]", "[functions.a] env is [1]; expected a table such as {"),
            (
                f"[functions.a]\n{handler}env = 'A=b'\nlog-level = 'x'",
                "argument --log-level: invalid choice: 'x'",
            ),
            (f"[functions.'a b']\n{handler}", "'a b' is not a function's name"),
            ("a = ", "PATH is not valid TOML: "),
        ]
        for text, complaint in cases:
            with self.subTest(text):
                config = self.write(text)
                error = self.refuse("serve", config)
                self.assertIn(complaint.replace("PATH", config[len("--config=") :]), error)
                self.assertEqual(1, error.count("\n"), error)
        self.assertIn("cannot read /no/such: no such file", self.refuse("serve", "--config=/no/such"))
        self.assertIn("use either --handler or --config", self.refuse("serve", config, "--handler=a.b"))


class AnOldPython(ServerTestCase):
    @unittest.skipIf(sys.version_info >= (3, 11), "has tomllib")
    def test_is_told_what_to_use_instead_of_a_file(self) -> None:
        Path(self.folder, "f.toml").write_text("")
        error = self.refuse("serve", f"--config={self.folder}/f.toml")
        self.assertRegex(error, "--config needs Python 3.11 or newer.*; this is .* Use --handler NAME=FILE")
