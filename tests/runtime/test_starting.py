"""The start of the process: its settings, and its messages if they are wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys
import tempfile
import unittest

from tests.support import BOOTSTRAP, EVALUATE, FunctionTestCase, Outcome, accepted, event


class WithoutLambda(FunctionTestCase):
    def test_bootstrap_explains_itself_without_a_runtime_api(self) -> None:
        for environment in ({}, {"AWS_LAMBDA_RUNTIME_API": ""}):
            with self.subTest(environment=environment):
                outcome = self.run_bootstrap(environment={"_HANDLER": "function.handler", **environment})
                self.assertNotEqual(outcome.status, 0)
                self.assertEqual(outcome.output, "")
                self.assertEqual(outcome.errors.count("\n"), 2, outcome.errors)
                self.assertIn("AWS_LAMBDA_RUNTIME_API", outcome.errors)
                self.assertIn("make run", outcome.errors)

    def test_a_closed_port_is_named_in_one_line(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # reserved by this test, and not listening
            address = f"127.0.0.1:{unused.getsockname()[1]}"
            outcome = self._start_at(address)
        self.assertOneClearLine(outcome, address)

    def test_a_malformed_address_is_named_in_one_line(self) -> None:
        for address in (
            "localhost",
            "127.0.0.1:",
            ":9001",
            "127.0.0.1:http",
            "127.0.0.1:99999",
            "127.0.0.1:-1",
            "http://127.0.0.1:9001",
            "127.0.0.1:9001/path",
            "nowhere.invalid:9001",
        ):
            with self.subTest(address=address):
                outcome = self._start_at(address)
                self.assertOneClearLine(outcome, address)

    def _start_at(self, address: str) -> Outcome:
        root = self.write({"function.py": "def handler(event, context): pass"})
        variables = {"AWS_LAMBDA_RUNTIME_API": address, "_HANDLER": "function.handler"}
        return self.run_bootstrap(environment={**variables, "LAMBDA_TASK_ROOT": root}, cwd=root)

    def assertOneClearLine(self, outcome: Outcome, address: str) -> None:
        self.assertEqual(outcome.status, 1, outcome.errors)
        self.assertEqual(outcome.errors.count("\n"), 1, outcome.errors)
        self.assertIn(address, outcome.errors)
        self.assertIn("AWS_LAMBDA_RUNTIME_API", outcome.errors)

    def test_an_init_error_that_cannot_be_reported_is_in_the_log(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{unused.getsockname()[1]}"
            outcome = self.run_bootstrap(
                environment={"AWS_LAMBDA_RUNTIME_API": address, "_HANDLER": "nowhere.handler"},
                cwd=self.write({}),
            )
        self.assertNotEqual(outcome.status, 0)
        self.assertIn("No module named 'nowhere'", outcome.output)
        self.assertIn(address, outcome.output + outcome.errors)


class Handler(FunctionTestCase):
    def test_the_argument_of_an_image_is_the_handler_when_the_variable_is_absent_or_empty(self) -> None:
        for variable in (None, ""):
            with self.subTest(_HANDLER=variable):
                function = self.start(arguments=["function.handler"], environment={"_HANDLER": variable})
                self.assertResponse(function, "hello", "hello")

    def test_the_variable_wins_over_the_argument(self) -> None:
        function = self.start(arguments=["nowhere.handler"])
        self.assertResponse(function, "hello", "hello")

    def test_the_command_of_a_managed_runtime_is_not_taken_for_a_handler(self) -> None:
        # Lambda calls a wrapper (AWS_LAMBDA_EXEC_WRAPPER) with the interpreter and script it replaces.
        command = ["/var/lang/bin/python3.13", "/var/runtime/bootstrap.py"]
        with self.subTest("with the variable"):
            self.assertResponse(self.start(arguments=command), "hello", "hello")
        with self.subTest("without the variable"):
            function = self.start(arguments=command, environment={"_HANDLER": None})
            self.assertInitError(function, "Runtime.MalformedHandlerName", "Bad handler ''")


class TaskRoot(FunctionTestCase):
    def test_modules_are_found_in_the_task_root_from_any_working_directory(self) -> None:
        root = self.write({"function.py": "def handler(event, context): return __file__"})
        elsewhere = self.write({})
        function = self.start(task_root=elsewhere, environment={"LAMBDA_TASK_ROOT": root})
        self.assertResponse(function, None, os.path.join(root, "function.py"))

    def test_without_a_task_root_modules_are_found_in_the_working_directory(self) -> None:
        for variable in (None, ""):
            with self.subTest(LAMBDA_TASK_ROOT=variable):
                function = self.start(environment={"LAMBDA_TASK_ROOT": variable})
                self.assertResponse(function, "hello", "hello")

    def test_a_slash_at_the_end_of_the_task_root_does_not_matter(self) -> None:
        root = self.write({"function.py": "import sys\ndef handler(event, context): return sys.path[0]"})
        function = self.start(task_root=root, environment={"LAMBDA_TASK_ROOT": root + "/"})
        self.assertResponse(function, None, root)


class Process(FunctionTestCase):
    def test_bootstrap_runs_by_itself_with_the_python3_on_the_path(self) -> None:
        self.assertTrue(os.stat(BOOTSTRAP).st_mode & stat.S_IXOTH)
        self.assertEqual(BOOTSTRAP.read_bytes().partition(b"\n")[0], b"#!/usr/bin/env python3")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.symlink(sys.executable, os.path.join(folder.name, "python3"))
        path = f"{folder.name}:{os.environ.get('PATH', os.defpath)}"
        function = self.start(EVALUATE, command=[BOOTSTRAP], environment={"PATH": path})
        self.assertResponse(function, "list(sys.version_info[:3])", list(sys.version_info[:3]))

    def test_it_works_with_an_interpreter_that_does_not_load_site(self) -> None:
        function = self.start(command=[sys.executable, "-S", BOOTSTRAP])
        self.assertResponse(function, "hello", "hello")

    def test_it_works_in_the_c_locale_and_with_only_the_necessary_variables(self) -> None:
        function = self.start(
            """
            import os
            def handler(event, context):
                print("naïve 😀")
                return [event, sorted(os.environ)]
            """,
            environment={"LC_ALL": "C", "TZ": None, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        )
        result = self.invoke(function, "é 😀")
        self.assertIsNone(result.function_error, result.payload)
        self.assertIn("é 😀", result.payload.decode())

    def test_it_works_when_standard_output_is_closed(self) -> None:
        shell = 'exec "$0" "$@" >&-'
        function = self.start(
            """
            def handler(event, context):
                print("nobody reads this")
                if event == "fail":
                    raise ValueError("nor this, but the caller")
                return event
            """,
            command=["/bin/sh", "-c", shell, sys.executable, BOOTSTRAP],
        )
        self.assertResponse(function, "hello", "hello")
        self.assertEqual(self.error(function, "fail")["errorMessage"], "nor this, but the caller")
        self.assertStillWorks(function)

    def test_ctrl_c_while_waiting_ends_it_without_a_traceback(self) -> None:
        function = self.start()
        self.call(function)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGINT)
        self.assertEqual(self.assertEnds(function), 130)
        self.assertNotIn("Traceback", function.log_text())

    def test_sigterm_ends_it_immediately(self) -> None:
        function = self.start()
        self.call(function)
        assert function.pid is not None
        os.kill(function.pid, signal.SIGTERM)
        self.assertEqual(self.assertEnds(function), -signal.SIGTERM)

    def test_losing_the_server_ends_it_with_one_clear_line(self) -> None:
        outcome = self.play(event(), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])
        self.assertEqual(outcome.status, 1)
        self.assertRegex(outcome.errors, re.compile(r"\ALAMBDA_RUNTIME .*Runtime API.*\n\Z"))


if __name__ == "__main__":
    unittest.main()
