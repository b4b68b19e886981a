"""Functions that cannot be initialized: one report, then the process exits."""

from __future__ import annotations

import json
import os
import time
import unittest

from tests.scripted_server import CLOSE, Reply, refusal
from tests.support import PYPY, FunctionTestCase, accepted

HANDLER = "\ndef handler(event, context): return 'never'\n"

NO_LOOP = "There is no current event loop in thread 'MainThread'."  # asyncio.get_event_loop on Python 3.14

# name, the module's code before its handler, type, pattern of the message
EXCEPTIONS = [
    ("an exception", "raise ValueError('bad thing')", "ValueError", r"\Abad thing\Z"),
    ("without a message", "raise KeyError", "KeyError", r"\A\Z"),
    ("a class of one's own", "class Broken(Exception): pass\nraise Broken('no')", "Broken", r"\Ano\Z"),
    ("a failing assertion", "assert 1 > 2, 'arithmetic'", "AssertionError", r"\Aarithmetic\Z"),
    ("division by zero", "1 / 0", "ZeroDivisionError", r"\A\S+ (\S+ )?by zero\Z"),
    ("endless recursion", "def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded"),
    ("a BaseException", "class Stop(BaseException): pass\nraise Stop('now')", "Stop", r"\Anow\Z"),
    ("GeneratorExit", "raise GeneratorExit", "GeneratorExit", r"\A\Z"),
    ("KeyboardInterrupt", "raise KeyboardInterrupt", "KeyboardInterrupt", r"\A\Z"),
    ("Ctrl-C", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)",
     "KeyboardInterrupt", r"\A\Z"),
    ("a message that is not ASCII", "raise ValueError('größer 中 😀')", "ValueError", r"\Agrößer 中 😀\Z"),
    ("a lone surrogate", r"raise ValueError('half \ud83d')", "ValueError", "\\Ahalf \ud83d\\Z"),
    ("control characters", r"raise ValueError('a\0b\r\nc\x1b[0m\x7f')", "ValueError", "\\Aa\0b\r\nc"),
    (
        "a message that cannot be had",
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise Mute",
        "Mute",
        "RuntimeError",
    ),
]  # fmt: skip

SYNTAX_ERRORS: list[tuple[str, str | bytes, str]] = [
    ("a missing colon", "def f()\n    pass\n", r"\(function\.py, line 1\)"),
    ("wrong indentation", "def f():\n    pass\n  pass\n", r"\(function\.py, line 3\)"),
    ("tabs and spaces", "if 1:\n\tpass\n        pass\n", r"\((function\.py, )?line 3\)"),
    ("an unclosed bracket", "x = (1,\n", r"\(function\.py, lines? [\d-]+\)"),
    ("not UTF-8", b"x = '\xff'\n", "utf-8|UTF-8"),
    ("an unknown encoding", "# coding: klingon\n", "klingon"),
    ("in a module that it imports", "import other\n", r"\(other\.py, line 2\)"),
    ("in code that it compiles", "exec('1 +')\n", r"\(<string>, line 1\)"),
]

EXITS = [
    ("sys.exit(0)", "import sys\nsys.exit(0)", 1),
    ("sys.exit()", "import sys\nsys.exit()", 1),
    ("sys.exit(7)", "import sys\nsys.exit(7)", 7),
    ("sys.exit(text)", "import sys\nsys.exit('no configuration')", 1),
    ("raise SystemExit", "raise SystemExit(3)", 3),
]


class Reports(FunctionTestCase):
    def test_every_exception_of_the_module_is_reported_with_its_class_and_message(self) -> None:
        for name, statements, error_type, message in EXCEPTIONS:
            with self.subTest(name):
                function = self.start(statements + HANDLER)
                self.assertInitError(function, error_type, message)
                self.assertEqual(function.exit_status, 1)

    def test_syntax_errors_are_reported_with_file_and_line(self) -> None:
        for name, source, where in SYNTAX_ERRORS:
            with self.subTest(name):
                function = self.start(source, files={"other.py": "x = 1\nx = = 2\n"})
                body = self.assertInitError(function, "Runtime.UserCodeSyntaxError", where)
                self.assertRegex(body["errorMessage"], "^Syntax error in module 'function': ")
                self.assertEqual(len(body["stackTrace"]), 1)

    def test_a_syntax_error_shows_the_line(self) -> None:
        root = self.write({"function.py": "# first line\ndef handler(event, context)\n"})
        body = self.assertInitError(self.start(task_root=root), "Runtime.UserCodeSyntaxError")
        expected = f'  File "{root}/function.py" Line 2\n    def handler(event, context)\n'
        self.assertEqual(body["stackTrace"], [expected])

    def test_null_bytes_in_the_source_are_reported(self) -> None:
        function = self.start(task_root=self.write({"function.py": b"x = 1\0\n"}))
        report = function.requests[0]
        self.assertEqual(report.path, "/2018-06-01/runtime/init/error")
        self.assertIn("null byte", json.loads(report.body.decode())["errorMessage"])

    def test_an_exit_while_loading_is_reported_and_the_process_ends_unsuccessfully(self) -> None:
        for name, statements, status in EXITS:
            with self.subTest(name):
                function = self.start(statements + HANDLER)
                self.assertInitError(function, "SystemExit", r"sys\.exit")
                self.assertEqual(function.exit_status, status)

    def test_the_argument_of_sys_exit_is_in_the_report(self) -> None:
        function = self.start("import sys\nsys.exit('no configuration')" + HANDLER)
        self.assertInitError(function, "SystemExit", "no configuration")

    def test_a_process_that_exits_immediately_reports_nothing(self) -> None:
        function = self.start("import os\nos._exit(5)" + HANDLER)
        self.assertEqual(function.requests, [])
        self.assertEqual(function.exit_status, 5)

    def test_the_trace_begins_in_the_function_s_own_code(self) -> None:
        root = self.write(
            {
                "function.py": "import helper\nhelper.work()" + HANDLER,
                "helper.py": "def work():\n    raise ValueError('bad thing')\n",
            }
        )
        body = self.assertInitError(self.start(task_root=root), "ValueError")
        self.assertEqual(
            body["stackTrace"],
            [
                f'  File "{root}/function.py", line 2, in <module>\n    helper.work()\n',
                f"  File \"{root}/helper.py\", line 2, in work\n    raise ValueError('bad thing')\n",
            ],
        )

    def test_the_cause_is_reported_with_it(self) -> None:
        function = self.start(
            """
            try:
                {}["region"]
            except KeyError as error:
                raise RuntimeError("not configured") from error
            """
        )
        body = self.assertInitError(function, "RuntimeError", "not configured")
        self.assertEqual(body["cause"]["errorType"], "KeyError")
        self.assertEqual(body["cause"]["errorMessage"], "'region'")


class Extremes(FunctionTestCase):
    def test_a_very_long_message_is_shortened(self) -> None:
        for name, message in (("ASCII", "'x' * 5_000_000"), ("emoji", "'😀' * 2_000_000")):
            with self.subTest(name):
                function = self.start(f"raise ValueError({message})" + HANDLER)
                body = self.assertInitError(function, "ValueError")
                self.assertLess(len(function.requests[0].body), 1024 * 1024)
                self.assertEqual(body["errorMessage"][:100], eval(message)[:100])

    def test_a_class_name_cannot_add_a_header_or_end_the_header_block(self) -> None:
        for name in ("Bad\r\nInjected: yes", "Bad\r\n\r\nGET / HTTP/1.1", "Bad\nthing", "Ошибка", "", " "):
            with self.subTest(name=name):
                function = self.start(f"raise type({name!r}, (Exception,), {{}})('x')" + HANDLER)
                self.assertEqual(len(function.requests), 1)
                report = function.requests[0]
                self.assertIsNone(report.header("Injected"))
                error_type = report.header("Lambda-Runtime-Function-Error-Type") or ""
                self.assertRegex(error_type, r"\AFunction\.[A-Z][A-Za-z][\w.]*\Z")
                self.assertEqual(json.loads(report.body.decode())["errorType"], name)

    def test_a_very_long_class_name_is_reported(self) -> None:
        function = self.start("raise type('Long' * 500_000, (Exception,), {})('x')" + HANDLER)
        self.assertEqual([request.status for request in function.requests], [202])
        self.assertLess(len(function.requests[0].body), 1024 * 1024)
        self.assertEqual(function.exit_status, 1)

    def test_many_causes_and_notes_stay_below_the_limit(self) -> None:
        function = self.start(
            """
            error = None
            for number in range(500):
                following = ValueError("y" * 100_000)
                following.__cause__ = error
                following.__notes__ = ["z" * 100_000] * 50
                error = following
            raise error
            """
        )
        self.assertInitError(function, "ValueError")
        self.assertLess(len(function.requests[0].body), 1024 * 1024)


class Ending(FunctionTestCase):
    def test_running_threads_do_not_keep_the_process_alive(self) -> None:
        began = time.monotonic()
        function = self.start(
            """
            import threading, time
            threading.Thread(target=time.sleep, args=(60,)).start()
            raise ValueError("too late to join")
            """
        )
        self.assertInitError(function, "ValueError")
        self.assertEqual(function.exit_status, 1)
        self.assertLess(time.monotonic() - began, 30)

    def test_atexit_functions_run_and_output_is_flushed(self) -> None:
        function = self.start(
            """
            import atexit, sys
            atexit.register(print, "closing the database")
            print("half a line", end="")
            raise ValueError("x")
            """
        )
        self.assertInitError(function, "ValueError")
        log = function.log_text()
        self.assertIn("half a line", log)
        self.assertIn("closing the database", log)

    def test_it_is_logged_before_it_is_reported(self) -> None:
        function = self.start("raise ValueError('bad thing')" + HANDLER)
        self.assertInitError(function, "ValueError")
        log = function.log_text()
        self.assertEqual(log.count("[ERROR] ValueError: bad thing"), 1, log)
        self.assertLess(log.index("bad thing"), log.index("INIT_REPORT"))

    def test_the_first_caller_gets_the_error_and_the_next_one_a_new_process(self) -> None:
        marker = os.path.join(self.write({}), "started")
        function = self.start(
            f"""
            import os
            if not os.path.exists({marker!r}):
                open({marker!r}, "w").close()
                raise ValueError("only the first time")

            def handler(event, context): return "works"
            """
        )
        self.assertEqual(self.error(function)["errorMessage"], "only the first time")
        self.assertResponse(function, None, "works")

    def test_a_refused_report_does_not_change_the_exit_status(self) -> None:
        replies = [
            ("403", refusal(403, "InvalidStateTransition")),
            ("500", refusal(500, "InternalServerError")),
            ("404", Reply(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
            ("413", refusal(413, "RequestEntityTooLarge")),
            ("hung up", Reply(b"", CLOSE)),
            ("garbage", Reply(b"what?\r\n\r\n", CLOSE)),
            ("accepted", accepted()),
        ]
        for name, reply in replies:
            with self.subTest(name):
                outcome = self.play(reply, source="raise ValueError('bad thing')")
                self.assertEqual(outcome.calls, ["init/error"])
                self.assertEqual(outcome.status, 1)
                self.assertIn("bad thing", outcome.output)
                self.assertNotIn("Traceback", outcome.errors)
                if name not in ("accepted", "403"):  # 403: another process has already reported it
                    self.assertRegex(outcome.output, "LAMBDA_RUNTIME POST .*/init/error")


@unittest.skipIf(PYPY, "extension modules are CPython's")
class ExtensionModules(FunctionTestCase):
    def test_a_broken_extension_module_is_an_import_error(self) -> None:
        root = self.write({"function.py": "import broken" + HANDLER, "broken.so": b"\x7fELF and no more"})
        self.assertInitError(self.start(task_root=root), "Runtime.ImportModuleError", "broken")


class Suggestions(FunctionTestCase):
    def notes(self, handler: str) -> list[str]:
        files = {
            "app/orders.py": "def create(event, context): pass",
            "shop.py": "def create(event, context): pass\ndef delete(event, context): pass\nlimit = 3",
        }
        function = self.start(handler=handler, files=files)
        notes: list[str] = json.loads(function.requests[0].body.decode()).get("notes", [])
        return notes

    def test_a_misspelt_name_gets_a_suggestion(self) -> None:
        for handler, name in [
            ("shop.creat", "create"),
            ("shop.Create", "create"),
            ("shop.creat()", "create()"),  # a factory keeps its parentheses
            ("shop.handler", None),
            ("shop.limits", None),
            ("app/orders.craete", "create"),
            ("shopp.create", "shop"),
            ("chop.create", "shop"),
            ("nowhere.create", None),
        ]:
            with self.subTest(handler):
                suggestions = [note for note in self.notes(handler) if note.startswith("Did you mean")]
                self.assertEqual(suggestions, [f"Did you mean {name!r}?"] if name else [])

    def test_what_needs_an_event_loop_before_there_is_one_is_explained(self) -> None:
        needs_loop = "import asyncio, sys\ndef connect(): return asyncio.get_running_loop()\n"
        sources = {
            "in a module": f"{needs_loop}loop = connect()",
            "in a module it imports": "import other",
            "of Python 3.14": f"raise RuntimeError({NO_LOOP!r})",
        }
        for name, source in sources.items():
            with self.subTest(name):
                function = self.start(source, files={"other.py": f"{needs_loop}loop = connect()"})
                (note,) = self.assertInitError(function, "RuntimeError")["notes"]
                self.assertRegex(note, r"\AAn event loop runs only while .* aiohttp\.ClientSession, in ")
                self.assertIn(note, function.log_text())
        function = self.start(f"{needs_loop}def handler(event, context): connect()")
        self.assertEqual([note], self.error(function)["notes"])

    def test_a_debugger_without_a_terminal_gets_a_note(self) -> None:
        function = self.start("def handler(event, context):\n    breakpoint()\n    return 1")
        (note,) = self.error(function)["notes"]
        self.assertIn("emulator with --debug", note)
        function = self.start("raise RuntimeError('no running engine')")
        self.assertNotIn("notes", self.assertInitError(function, "RuntimeError"))

    def test_a_file_name_as_handler_is_explained(self) -> None:
        for handler, better in [("app/orders.py", "app/orders.create"), ("shop.py", "shop.handler")]:
            with self.subTest(handler):
                (note,) = self.notes(handler)
                self.assertIn(f"use {better}", note)


if __name__ == "__main__":
    unittest.main()
