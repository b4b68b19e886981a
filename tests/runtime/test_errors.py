"""Errors of handlers: the reports to the caller and to X-Ray, and whether the process continues."""

from __future__ import annotations

import io
import json
import re
import sys
import textwrap
import time
import unittest
import zipfile

from lambda_emulator.functions.function import Result
from lambda_runtime.diagnostics import Diagnostic

from tests.support import EXECUTE, FREE_THREADED, PYPY, Function, FunctionTestCase, own_log, posts

XRAY = "Lambda-Runtime-Function-XRay-Error-Cause"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"

PREPARED = (
    EXECUTE
    + r"""
    class Custom(Exception): pass
    class Base(BaseException): pass
    class Unprintable(Exception):
        def __str__(self): raise RuntimeError("no text")
    class Exiting(Exception):
        def __str__(self): sys.exit(3)
    class NotText(Exception):
        def __str__(self): return 7
    class Endless(Exception):
        def __str__(self): return str(self)
    class WithText(str):
        def __len__(self): return 10**9
        def __getitem__(self, key): raise IndexError
    class SubclassOfText(Exception):
        def __str__(self): return WithText("a subclass of str")
    class Hostile(Exception):
        def __getattribute__(self, name): raise RuntimeError(name)
    class WrongNotes(Exception):
        __notes__ = 7
    class StrangeNote(str):
        def __len__(self): raise RuntimeError
        def __str__(self): raise RuntimeError
    class StrangeNotes(Exception):
        __notes__ = [StrangeNote("x")]
    class Nameless(type):
        __name__ = 7
    class OfNameless(Exception, metaclass=Nameless): pass
    def recurse(): recurse()
    def chain(length, text="x"):
        error = None
        for number in range(length):
            following = ValueError(f"{number} {text}")
            following.__cause__ = error
            error = following
        return error
    def circle():
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        return first
"""
)

# name, statements, type, pattern of the message
RAISED = [
    ("an exception", "raise ValueError('bad thing')", "ValueError", r"\Abad thing\Z"),
    ("a class of one's own", "raise Custom('wrapped')", "Custom", r"\Awrapped\Z"),
    ("no message", "raise Custom()", "Custom", r"\A\Z"),
    ("several arguments", "raise Custom(1, 'a')", "Custom", r"\A\(1, 'a'\)\Z"),
    ("KeyError", "{}['key']", "KeyError", r"\A'key'\Z"),
    ("OSError", "open('/nowhere')", "FileNotFoundError", r"\A\[Errno 2\] No such file.*: '/nowhere'\Z"),
    ("assert", "assert False, 'no'", "AssertionError", r"\Ano\Z"),
    ("wrong syntax", "exec('1 +')", "SyntaxError", r"<string>, line 1"),
    ("a missing module", "import not_there", "ModuleNotFoundError", r"\ANo module named 'not_there'\Z"),
    ("StopIteration", "next(iter([]))", "StopIteration", r"\A\Z"),
    ("endless recursion", "recurse()", "RecursionError", "maximum recursion depth exceeded"),
    ("no memory", "'x' * (sys.maxsize // 2)", "MemoryError", ""),
    ("KeyboardInterrupt", "raise KeyboardInterrupt", "KeyboardInterrupt", r"\A\Z"),
    ("GeneratorExit", "raise GeneratorExit('done')", "GeneratorExit", r"\Adone\Z"),
    ("a BaseException", "raise Base('be')", "Base", r"\Abe\Z"),
    ("beyond ASCII", r"raise ValueError('hé中😀 \nsecond line')", "ValueError", r"\Ahé中😀 \nsecond line\Z"),
    ("a lone surrogate", r"raise ValueError('half \ud83d')", "ValueError", "\\Ahalf \ud83d\\Z"),
    ("controls", r"raise ValueError('\x00\x1b\x7f\x85\u2028')", "ValueError", "\\A\0\x1b\x7f\x85\u2028\\Z"),
    ("no text to be had", "raise Unprintable", "Unprintable", "Unprintable.*RuntimeError"),
    ("text that exits", "raise Exiting", "Exiting", "SystemExit"),
    ("text that is none", "raise NotText", "NotText", "TypeError"),
    ("text without end", "raise Endless", "Endless", "RecursionError"),
    ("text of a strange class", "raise SubclassOfText", "SubclassOfText", ""),
    # PyPy reads the attributes of an exception as soon as it is raised.
    ("attributes that raise", "raise Hostile('x')", "RuntimeError" if PYPY else "Hostile", ""),
    ("notes that are none", "raise WrongNotes('x')", "WrongNotes", r"\Ax\Z"),
    ("notes of a strange class", "raise StrangeNotes('x')", "StrangeNotes", r"\Ax\Z"),
    ("a class with a strange name", "raise OfNameless('x')", "OfNameless", r"\Ax\Z"),
    ("a class without a name", "raise type('', (Exception,), {})('x')", "", r"\Ax\Z"),
    ("a circle of causes", "raise circle()", "ValueError", r"\Afirst\Z"),
    ("no exception at all", "raise 'text'", "TypeError", "exceptions must derive from BaseException"),
]  # fmt: skip

# what a class of exceptions overrides: its metaclass's body, its own body
HOSTILE_CLASSES = [
    ("the trace", "", "__traceback__ = property(refuse)"),
    ("the trace, by a lie", "", "__traceback__ = 7"),
    ("the causes", "", "__cause__ = __context__ = property(refuse)"),
    ("the causes, by a lie", "", "__cause__ = __context__ = Liar()"),
    ("the notes", "", "__notes__ = property(refuse)"),
    ("the notes, by a lie", "", "__notes__ = Liar()"),
    ("the notes, by a strange list", "", "__notes__ = StrangeList([1])"),
    ("the arguments", "", "args = property(refuse)"),
    ("the class", "", "__class__ = property(refuse)"),
    ("each attribute", "", "__getattribute__ = refuse"),
    ("the text", "", "__str__ = __repr__ = refuse"),
    ("each attribute of the class", "__getattribute__ = refuse", ""),
    ("each attribute of the class, and the text", "__getattribute__ = refuse", "__str__ = refuse"),
    ("attributes of the class", "__name__ = __module__ = __mro__ = property(refuse)", ""),
]

HOSTILE_NAMES = [
    "Bad\r\nInjected: yes",
    "Bad\nInjected: yes",
    "Bad\rInjected: yes",
    "Bad\r\n\r\nGET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n",
    "Bad\u2028name",
    "Ошибка",
    "lower",
    "X",
    "Runtime.Pretending",
    "Runtime.x",
    "A" * 5000,
]


def cause_of(result: Result, function: Function) -> dict[str, object]:
    """Return the X-Ray cause that was posted for ``result``."""
    post = posts(function)[-1]
    assert post.path.endswith(f"/{result.request_id}/error")
    cause: dict[str, object] = json.loads(post.header(XRAY) or "")
    return cause


class Payload(FunctionTestCase):
    def test_it_has_the_four_keys_of_aws_s_runtime_in_their_order(self) -> None:
        root = self.write(
            {"function.py": "def handler(event, context):\n    raise ValueError('bad thing')\n"}
        )
        function = self.start(task_root=root)
        result = self.invoke(function, request_id="r1")
        source = (
            f"  File \\\"{root}/function.py\\\", line 2, in handler\\n    raise ValueError('bad thing')\\n"
        )
        self.assertEqual(
            result.payload.decode(),
            '{"errorMessage": "bad thing", "errorType": "ValueError", "requestId": "r1", '
            f'"stackTrace": ["{source}"]}}',
        )
        post = posts(function)[-1]
        self.assertEqual(post.path, "/2018-06-01/runtime/invocation/r1/error")
        self.assertEqual(post.header("Content-Type"), "application/json")
        self.assertEqual(post.header(ERROR_TYPE), "Function.ValueError")

    def test_every_exception_is_reported_and_the_loop_continues(self) -> None:
        function = self.start(PREPARED)
        for name, statements, error_type, message in RAISED:
            if function.exit_status is not None:
                function = self.start(PREPARED)  # a failing row must not affect the following rows
            with self.subTest(name):
                payload = self.error(function, statements)
                self.assertEqual(payload["errorType"], error_type)
                self.assertRegex(payload["errorMessage"], re.compile(message))
                self.assertIsInstance(payload["stackTrace"], list)
                self.assertStillWorks(function)
        self.assertOneResponseEach(function)

    @unittest.skipIf(PYPY, "PyPy reads the attributes of an exception as soon as it is raised")
    def test_a_hostile_class_keeps_its_type_its_message_and_its_trace(self) -> None:
        function = self.start(
            PREPARED
            + r"""
    def refuse(*arguments): raise RuntimeError
    class Liar:
        __getattribute__ = __len__ = __iter__ = __getitem__ = __bool__ = refuse
    class StrangeList(list):
        __len__ = __iter__ = __getitem__ = refuse
    """
        )
        for name, metaclass, body in HOSTILE_CLASSES:
            with self.subTest(name):
                statements = [
                    f"class Meta(type): {metaclass or 'pass'}",
                    f"class Wrong(Exception, metaclass=Meta): {body or 'pass'}",
                    "raise Wrong('out of stock')",
                ]
                payload = self.error(function, "\n".join(statements))
                self.assertEqual(payload["errorType"], "Wrong")
                self.assertRegex(payload["errorMessage"], r"\Aout of stock( <str\(\) of this Wrong .*>)?\Z")
                self.assertIn("line 3, in <module>", payload["stackTrace"][-1])
        exits = "class Exit(SystemExit): code = property(refuse)\nraise Exit(4)"
        self.assertIn("sys.exit(4)", self.error(function, exits)["errorMessage"])
        self.assertEqual(self.assertEnds(function), 4)

    def test_a_handler_with_other_parameters_is_a_type_error(self) -> None:
        function = self.start("def handler(event): return event")
        payload = self.error(function)
        self.assertEqual(payload["errorType"], "TypeError")
        self.assertRegex(payload["errorMessage"], r"handler\(\) takes 1 positional argument but 2 were given")
        self.assertEqual(payload["stackTrace"], [])

    def test_the_trace_has_all_frames_of_the_function_and_none_of_the_runtime(self) -> None:
        root = self.write(
            {
                "function.py": """\
                    import helper
                    def handler(event, context):
                        return [helper.work(number) for number in event][0]
                    """,
                "helper.py": "def work(number):\n    (lambda: 1 / 0)()\n",
            }
        )
        payload = self.error(self.start(task_root=root), [1])
        places = [
            re.match(r'  File "(.*)", line (\d+), in (.*)\n    .*\n\Z', e) for e in payload["stackTrace"]
        ]
        self.assertNotIn(None, places, payload["stackTrace"])
        found = [match.groups() for match in places if match and match[3] != "<listcomp>"]
        self.assertEqual(
            found,
            [
                (f"{root}/function.py", "3", "handler"),
                (f"{root}/helper.py", "2", "work"),
                (f"{root}/helper.py", "2", "<lambda>"),
            ],
        )

    def test_frames_without_source_have_no_source_line(self) -> None:
        function = self.start(EXECUTE)
        payload = self.error(function, "1 / 0")
        self.assertEqual(payload["stackTrace"][-1], '  File "<string>", line 1, in <module>\n')

    def test_endless_recursion_is_reported_in_a_few_lines(self) -> None:
        function = self.start(PREPARED)
        payload = self.error(function, "recurse()")
        entries = payload["stackTrace"]
        self.assertLess(len(entries), 10)
        self.assertRegex(entries[-1], r"\A  \[Previous line repeated \d+ more times\]\n\Z")


class Chains(FunctionTestCase):
    def test_the_cause_is_reported_in_the_same_shape(self) -> None:
        function = self.start(
            """
            def load():
                return {}["region"]
            def handler(event, context):
                try:
                    load()
                except KeyError as error:
                    raise RuntimeError("not configured") from error
            """
        )
        payload = self.error(function)
        self.assertEqual(list(payload), ["errorMessage", "errorType", "requestId", "stackTrace", "cause"])
        cause = payload["cause"]
        self.assertEqual(list(cause), ["errorMessage", "errorType", "stackTrace"])
        self.assertEqual((cause["errorType"], cause["errorMessage"]), ("KeyError", "'region'"))
        self.assertEqual(len(cause["stackTrace"]), 2)
        self.assertIn("in load", cause["stackTrace"][1])

    def test_an_exception_being_handled_is_a_cause_unless_it_is_suppressed(self) -> None:
        function = self.start(EXECUTE)
        payload = self.error(function, "try: 1 / 0\nexcept ZeroDivisionError: {}['x']")
        self.assertEqual(payload["errorType"], "KeyError")
        self.assertEqual(payload["cause"]["errorType"], "ZeroDivisionError")
        payload = self.error(function, "try: 1 / 0\nexcept ZeroDivisionError: raise KeyError('x') from None")
        self.assertNotIn("cause", payload)

    def test_causes_of_causes_are_reported_up_to_a_limit(self) -> None:
        function = self.start(PREPARED)
        payload = self.error(function, "raise chain(4)")
        messages = []
        error = payload
        while error:
            messages.append(error["errorMessage"])
            error = error.get("cause", {})
        self.assertEqual(messages, ["3 x", "2 x", "1 x", "0 x"])
        text = json.dumps(self.error(function, "raise chain(51)"))
        self.assertEqual(text.count(' x"'), 51)
        self.assertNotIn("left out", text)
        text = json.dumps(self.error(function, "raise chain(60)"))
        self.assertEqual(text.count(' x"'), 51)
        self.assertEqual(text.count("Further causes are left out"), 1)
        for statements in (
            "raise chain(5000)",
            "raise chain(300, 'x' * 100_000)",
            "raise chain(50, 'é' * 59_000)",
        ):
            with self.subTest(statements):
                result = self.invoke(function, statements)
                self.assertLess(len(result.payload), 1024 * 1024)
                self.assertEqual(json.loads(result.payload.decode())["errorType"], "ValueError")
        self.assertStillWorks(function)

    def test_notes_are_reported(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                error = ValueError("bad thing")
                error.__notes__ = ["while ordering", "naïve 😀"]  # add_note() since Python 3.11
                raise error
            """
        )
        result = self.invoke(function)
        self.assertEqual(json.loads(result.payload.decode())["notes"], ["while ordering", "naïve 😀"])
        self.assertIn("while ordering", own_log(result))

    def test_notes_and_exceptions_beyond_the_limit_are_counted(self) -> None:
        function = self.start(PREPARED)
        payload = self.error(function, "e = ValueError(); e.__notes__ = list('n' * 23); raise e")
        self.assertEqual(payload["notes"], [*"n" * 20, "3 more notes are left out"])
        if sys.version_info >= (3, 11):
            payload = self.error(function, "raise ExceptionGroup('many', [ValueError()] * 24)")
            self.assertEqual(payload["notes"], ["4 more exceptions of this group are left out"])

    @unittest.skipIf(sys.version_info < (3, 11), "exception groups came with Python 3.11")
    def test_the_exceptions_of_a_group_are_reported(self) -> None:
        function = self.start(
            """
            def fail(message):
                raise KeyError(message)
            def handler(event, context):
                errors = [ValueError("one")]
                try:
                    fail("two")
                except KeyError as error:
                    errors.append(ExceptionGroup("inner", [error]))
                raise ExceptionGroup("eg", errors)
            """
        )
        result = self.invoke(function)
        payload = json.loads(result.payload.decode())
        self.assertEqual(payload["errorType"], "ExceptionGroup")
        self.assertEqual(payload["errorMessage"], "eg (2 sub-exceptions)")
        one, inner = payload["exceptions"]
        self.assertEqual((one["errorType"], one["errorMessage"]), ("ValueError", "one"))
        self.assertEqual(inner["exceptions"][0]["errorMessage"], "'two'")
        self.assertIn("in fail", inner["exceptions"][0]["stackTrace"][-1])
        self.assertIn("KeyError: 'two'", own_log(result))

    @unittest.skipIf(sys.version_info < (3, 11), "exception groups came with Python 3.11")
    def test_details_of_a_member_of_a_group_are_indented_in_the_log(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                inner = KeyError("inner")
                inner.__cause__ = ValueError("why")
                raise ExceptionGroup("outer", [ExceptionGroup("nested", [inner]), TypeError("last")])
            """
        )
        lines = own_log(self.invoke(function)).replace("\u00a0", " ").rstrip().split("\r")
        self.assertEqual(
            lines[4:],
            [
                "Exception of the group: ExceptionGroup: nested (1 sub-exception)",
                "  Exception of the group: KeyError: 'inner'",
                "    Caused by: ValueError: why",
                "Exception of the group: TypeError: last",
            ],
        )

    @unittest.skipIf(sys.version_info < (3, 11), "exception groups came with Python 3.11")
    def test_a_large_group_stays_below_the_limit(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                raise ExceptionGroup("many", [ValueError("x" * 50_000) for _ in range(1000)])
            """
        )
        result = self.invoke(function)
        self.assertLess(len(result.payload), 1024 * 1024)
        self.assertEqual(json.loads(result.payload.decode())["errorMessage"], "many (1000 sub-exceptions)")


class Exits(FunctionTestCase):
    def test_sys_exit_is_reported_to_the_caller_then_the_process_ends_with_its_status(self) -> None:
        for statements, status in [
            ("sys.exit(3)", 3),
            ("sys.exit()", 0),
            ("sys.exit(0)", 0),
            ("sys.exit('a reason')", 1),
            ("raise SystemExit(7)", 7),
            ("sys.exit(-1)", 255),
        ]:
            with self.subTest(statements):
                function = self.start(EXECUTE)
                payload = self.error(function, statements)
                self.assertEqual(payload["errorType"], "SystemExit")
                self.assertIn("sys.exit(", payload["errorMessage"])
                self.assertEqual(function.exit_status, status)
                self.assertEqual([post.status for post in posts(function)], [202])

    def test_the_reason_of_the_function_is_reported(self) -> None:
        payload = self.error(self.start(EXECUTE), "sys.exit('no configuration')")
        self.assertIn("no configuration", payload["errorMessage"])

    def test_the_next_event_is_handled_by_a_new_process(self) -> None:
        function = self.start(
            """
            import sys
            def handler(event, context):
                if event == "exit": sys.exit(3)
                return event
            """
        )
        self.error(function, "exit")
        self.assertResponse(function, "hello", "hello")
        self.assertEqual(function.restarts, 1)

    def test_running_threads_do_not_delay_the_exit(self) -> None:
        function = self.start(EXECUTE)
        began = time.monotonic()
        thread = "threading.Thread(target=time.sleep, args=(60,))"
        self.error(function, f"import threading, time\n{thread}.start()\nsys.exit(3)")
        self.assertEqual(self.assertEnds(function), 3)
        self.assertLess(time.monotonic() - began, 30)

    def test_atexit_functions_run(self) -> None:
        function = self.start(EXECUTE)
        self.error(function, "import atexit\natexit.register(print, 'closing the database')\nsys.exit(3)")
        self.assertEqual(self.assertEnds(function), 3)
        self.assertIn("closing the database", function.log_text())

    def test_a_process_that_exits_immediately_posts_nothing(self) -> None:
        for statements, status, reason in [
            ("os._exit(5)", 5, "exit status 5"),
            ("os.kill(os.getpid(), 9)", -9, "signal: killed"),
        ]:
            with self.subTest(statements):
                function = self.start(EXECUTE)
                payload = self.error(function, statements)
                self.assertEqual(payload["errorType"], "Runtime.ExitError")
                self.assertIn(reason, payload["errorMessage"])
                self.assertEqual(function.exit_status, status)
                self.assertEqual(posts(function), [])

    def test_ctrl_c_in_a_handler_is_an_error_like_others(self) -> None:
        function = self.start(EXECUTE)
        payload = self.error(
            function, "import signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)"
        )
        self.assertEqual(payload["errorType"], "KeyboardInterrupt")
        self.assertStillWorks(function)


class Sizes(FunctionTestCase):
    """A body of 1 MiB and more is refused on managed instances, and the invocation then stays open."""

    def test_messages_of_any_size_fit(self) -> None:
        function = self.start(EXECUTE)
        for name, message in [
            ("ASCII", "'x' * 10_000_000"),
            ("two bytes each", "'é' * 1_000_000"),
            ("four bytes each", "'😀' * 1_000_000"),
            ("just what is kept, four bytes each", "'😀' * 60_000"),
            ("twelve characters of JSON in the header each", "'😀' * 5_000"),
            ("six characters of JSON each", r"'\x00' * 1_000_000"),
            ("lone surrogates", r"'\ud83d' * 5_000"),
            ("quotes", "'\"' * 1_000_000"),
        ]:
            with self.subTest(name):
                result = self.invoke(function, f"raise ValueError({message})")
                payload = json.loads(result.payload.decode())
                self.assertEqual(payload["errorType"], "ValueError", payload)
                self.assertEqual(payload["errorMessage"][:500], eval(message)[:500])
                self.assertLess(len(result.payload), 1024 * 1024)
                post = posts(function)[-1]
                self.assertLess(len(post.header(XRAY) or ""), 65536)
                self.assertEqual(post.status, 202)

    def test_a_class_s_name_of_any_size_fits(self) -> None:
        function = self.start(EXECUTE)
        for size in (1000, 70_000, 2_000_000):
            with self.subTest(size=size):
                result = self.invoke(function, f"raise type('A' * {size}, (Exception,), {{}})('x')")
                payload = json.loads(result.payload.decode())
                self.assertEqual(payload["errorType"][:100], "A" * 100, payload)
                self.assertLess(len(result.payload), 1024 * 1024)
                self.assertLess(len(posts(function)[-1].header(XRAY) or ""), 65536)

    def test_many_long_frames_fit(self) -> None:
        function = self.start(EXECUTE)
        deep = (
            "name = 'x' * 3000\n"
            "names = {}\n"
            "exec(f'def {name}0(n):\\n    raise ValueError(n)\\n', names)\n"
            "for i in range(1, 400):\n"
            "    code = f'def {name}{i}(n):\\n    return {name}{i-1}(n + 1)\\n'\n"
            "    exec(compile(code, f'/var/{name}/{i}.py', 'exec'), names)\n"
            "names[f'{name}{i}'](0)\n"
        )
        result = self.invoke(function, deep)
        payload = json.loads(result.payload.decode())
        self.assertEqual((payload["errorType"], payload["errorMessage"]), ("ValueError", "399"))
        self.assertLess(len(result.payload), 1024 * 1024)
        self.assertLess(len(posts(function)[-1].header(XRAY) or ""), 65536)


class XRay(FunctionTestCase):
    def test_the_cause_has_the_frames(self) -> None:
        root = self.write(
            {"function.py": "def handler(event, context):\n    raise ValueError('bad thing')\n"}
        )
        function = self.start(task_root=root)
        result = self.invoke(function)
        path = f"{root}/function.py"
        expected = {
            "working_directory": root,
            "exceptions": [
                {
                    "message": "bad thing",
                    "type": "ValueError",
                    "stack": [{"label": "handler", "path": path, "line": 2}],
                }
            ],
            "paths": [path],
        }
        self.assertEqual(cause_of(result, function), expected)

    def test_each_path_is_named_once(self) -> None:
        function = self.start(PREPARED)
        cause = cause_of(self.invoke(function, "recurse()"), function)
        paths = cause["paths"]
        assert isinstance(paths, list)
        self.assertEqual(len(paths), len(set(paths)))

    def test_it_is_one_line_of_ascii_below_64_kib_with_the_exception(self) -> None:
        function = self.start(PREPARED)
        for name, statements in [
            ("recursion", "recurse()"),
            ("a long message", "raise ValueError('x' * 1_000_000)"),
            ("beyond ASCII", r"raise ValueError('hé 中 😀 \n\r\x00\x7f\x85\u2028 \ud83d')"),
            ("a name beyond ASCII", "raise type('Ошибка', (Exception,), {})('x')"),
            ("a name with line breaks", r"raise type('A\r\nB: c', (Exception,), {})('x')"),
            ("a path beyond ASCII", r"exec(compile('1 / 0', '/var/é\n\x7f.py', 'exec'))"),
        ]:
            with self.subTest(name):
                self.error(function, statements)
                header = posts(function)[-1].header(XRAY) or ""
                self.assertTrue(header.isascii() and header.isprintable(), header[:300])
                self.assertLess(len(header), 65536)
                cause = json.loads(header)
                self.assertEqual(len(cause["exceptions"]), 1)

    def test_a_control_character_that_json_does_not_escape_is_escaped(self) -> None:
        # Called directly, because the emulator does not record such a character.
        self.assertIn(r'"message": "a\u007fb"', Diagnostic("ValueError", "a\x7fb").xray_cause())

    def test_a_long_trace_is_cut_to_its_innermost_frames(self) -> None:
        name = "a_module_with_a_rather_long_name_" * 3
        function = self.start(
            f"""
            from {name} import descend
            def handler(event, context): descend(400)
            """,
            files={
                f"{name}.py": """
                    def descend(further):
                        return descend(further - 1) if further else innermost()
                    def innermost():
                        raise ValueError
                """
            },
        )
        cause = cause_of(self.invoke(function), function)
        exceptions = cause["exceptions"]
        assert isinstance(exceptions, list)
        labels = [frame["label"] for frame in exceptions[0]["stack"]]
        self.assertGreater(len(labels), 50)
        self.assertEqual(labels[-2:], ["descend", "innermost"])
        self.assertNotIn("handler", labels)

    def test_a_deleted_working_directory_does_not_matter(self) -> None:
        function = self.start(EXECUTE)
        payload = self.error(
            function,
            "import tempfile\nfolder = tempfile.mkdtemp()\nos.chdir(folder)\nos.rmdir(folder)\n1 / 0",
        )
        self.assertEqual(payload["errorType"], "ZeroDivisionError")
        self.assertStillWorks(function)


class Names(FunctionTestCase):
    def test_a_class_name_adds_neither_a_header_nor_a_request(self) -> None:
        function = self.start(EXECUTE)
        for name in HOSTILE_NAMES:
            with self.subTest(name=name[:40]):
                before = len(function.requests)
                payload = self.error(function, f"raise type({name!r}, (Exception,), {{}})('x')")
                self.assertEqual(payload["errorType"][:100], name[:100])
                post = posts(function)[-1]
                self.assertIsNone(post.header("Injected"))
                self.assertEqual(post.status, 202)
                self.assertRegex(post.header(ERROR_TYPE) or "", r"\A(Function|Runtime)\.[\w.]+\Z")
                self.assertEqual(len(function.requests) - before, 2)  # the error, and the next `next`

    def test_a_message_can_neither_add_a_header_nor_a_request(self) -> None:
        function = self.start(EXECUTE)
        for message in ("x\r\nInjected: yes", "x\r\n\r\nGET / HTTP/1.1\r\n\r\n", "\n" * 100):
            with self.subTest(message=message):
                self.assertEqual(
                    self.error(function, f"raise ValueError({message!r})")["errorMessage"], message
                )
                self.assertIsNone(posts(function)[-1].header("Injected"))
        self.assertOneResponseEach(function)


class Robustness(FunctionTestCase):
    """The caller gets a response even if the function has changed objects that the runtime uses."""

    def test_unwritable_standard_streams_do_not_prevent_the_response(self) -> None:
        for name, statements in [
            ("none", "sys.stdout = sys.stderr = None"),
            ("closed", "sys.stdout.close(); sys.stderr.close()"),
            ("closed beneath", "os.close(1); os.close(2)"),
            (
                "broken",
                "class Broken:\n    def write(self, text): raise OSError('full')\nsys.stdout = Broken()",
            ),
            ("detached", "sys.stdout.detach()"),
            ("of bytes", "import io\nsys.stdout = io.BytesIO()"),
        ]:
            with self.subTest(name):
                function = self.start(EXECUTE)
                self.invoke(function, statements)
                payload = self.error(function, "raise ValueError('bad thing')")
                self.assertEqual(payload["errorMessage"], "bad thing")
                self.assertIsNone(self.invoke(function, "pass").function_error)
                self.assertStillWorks(function)
                function.close()

    def test_streams_that_are_redirected_are_used(self) -> None:
        function = self.start(EXECUTE)
        statements = "import io\nsys.stdout = io.StringIO()\nraise ValueError('bad thing')"
        self.assertEqual(self.error(function, statements)["errorMessage"], "bad thing")
        payload = self.error(function, "raise ValueError(sys.stdout.getvalue())")
        self.assertEqual(payload["errorMessage"][:20], "[ERROR] ValueError: ")

    def test_changed_limits_and_modules_do_not_prevent_the_response(self) -> None:
        for name, statements in [
            ("a low recursion limit", "sys.setrecursionlimit(200)"),
            ("no search path", "sys.path.clear()"),
            ("another builtin", "import builtins\nbuiltins.__dict__['str_'] = builtins.str"),
            ("no open", "import builtins\nbuiltins.open = None"),
            ("a tracing function", "sys.settrace(lambda *a: None)"),
            (
                "modules forgotten",
                "for n in ('json', 'traceback', 're', 'logging'): sys.modules.pop(n, None)",
            ),
            ("garbage collection off", "import gc\ngc.disable()"),
            ("an own excepthook", "sys.excepthook = None"),
            ("os.environ emptied", "os.environ.clear()"),
        ]:
            with self.subTest(name):
                function = self.start(EXECUTE)
                self.invoke(function, statements)
                payload = self.error(function, "raise ValueError('bad thing')")
                self.assertEqual(payload["errorMessage"], "bad thing")
                self.assertStillWorks(function)
                function.close()


# If CPython finds no memory for the trace of a MemoryError, it raises SystemError. That depends on the layout
# of the memory.
OUT_OF_MEMORY = "MemoryError|SystemError"
USED_UP = [
    (
        "descriptors",
        "OSError",
        """
        held = []
        while True:
            held.append(open("/dev/null"))
        """,
    ),
    (
        "memory, in large pieces",
        OUT_OF_MEMORY,
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        held = []
        while True:
            held.append(bytes(1 << 20))
        """,
    ),
    (
        "memory, in small pieces",
        OUT_OF_MEMORY,
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        held = [None] * 1_000_000
        for number in range(len(held)):
            held[number] = bytes(64)
        """,
    ),
    (
        "memory, by a list that grows",
        OUT_OF_MEMORY,
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        held = []
        while True:
            held.append([1, 2, 3])
        """,
    ),
    (
        "the ways to import, to open a file, to find a folder",
        "ZeroDivisionError",
        """
        import builtins, os, sys
        def refuse(*arguments, **keywords):
            raise RuntimeError("refused")
        builtins.__import__ = builtins.open = os.getcwd = refuse
        sys.path.clear()
        sys.path_importer_cache.clear()
        1 / 0
        """,
    ),
    (
        "the folder of the function",
        "ZeroDivisionError",
        """
        import os, shutil
        shutil.rmtree(os.environ["LAMBDA_TASK_ROOT"])
        1 / 0
        """,
    ),
]


class UsedUp(FunctionTestCase):
    """Errors of functions that have used up the memory or the descriptors."""

    def code(self, body: str) -> str:
        # Limit the address space to the current size and a little more.
        limit = "LIMIT = 4096 * int(open('/proc/self/statm').read().split()[0]) + (24 << 20)\n"
        return (limit if "LIMIT" in body else "") + textwrap.dedent(body)

    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_an_error_of_the_handler_is_reported_and_the_process_continues(self) -> None:
        for what, error_type, body in USED_UP:
            if "memory" in what and (PYPY or FREE_THREADED):
                continue  # their garbage collectors end the process, or hide the error
            with self.subTest(what):
                function = self.start(EXECUTE)
                error = self.error(function, self.code(body))
                self.assertRegex(error["errorType"], error_type)
                self.assertRegex(function.log_text(), rf"\[ERROR\] ({error_type})")
                self.assertResponse(function, "pass", None)
                self.assertStillWorks(function)

    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_an_error_while_loading_is_reported(self) -> None:
        for what, error_type, body in USED_UP:
            if "memory" in what and (PYPY or FREE_THREADED):
                continue
            with self.subTest(what):
                function = self.start(self.code(body))
                kinds = [kind for kind in error_type.split("|") if f"[ERROR] {kind}" in function.log_text()]
                self.assertInitError(function, (kinds or [error_type])[0])

    def test_work_after_the_response_that_cannot_be_imported_is_logged(self) -> None:
        function = self.start("""
            held = []

            def handler(event, context):
                if event:
                    held.clear()
                    return "again"
                context.after_response(print, "after")
                try:
                    while True:
                        held.append(open("/dev/null"))
                except OSError:
                    return "full"
            """)
        self.assertResponse(function, None, "full")
        self.assertResponse(function, 1, "again")
        self.assertIn("[ERROR] OSError", function.log_text())
        self.assertStillWorks(function)

    def test_the_first_error_imports_nothing(self) -> None:
        function = self.start("""
            import sys

            def handler(event, context):
                if event:
                    return sorted(set(sys.modules) - handler.before)
                handler.before = set(sys.modules)
                {}["missing"]
            """)
        self.assertEqual(self.error(function)["errorType"], "KeyError")
        self.assertResponse(function, True, [])


class SourceLines(FunctionTestCase):
    def entry(self, source: str | bytes) -> str:
        stack_trace: list[str] = self.error(self.start(source))["stackTrace"]
        return stack_trace[-1]

    def test_they_are_shown_for_every_encoding_of_the_file(self) -> None:
        statement = "def handler(event, context): raise ValueError('é')"
        for name, source in [
            ("UTF-8", statement.encode()),
            ("with a byte order mark", b"\xef\xbb\xbf" + statement.encode()),
            ("Latin-1", b"# coding: latin-1\n" + statement.encode("latin-1")),
            ("old Mac line ends", f"# first\r{statement}\r".encode()),
            ("DOS line ends", f"# first\r\n{statement}\r\n".encode()),
        ]:
            with self.subTest(name):
                self.assertTrue(self.entry(source).endswith(f"\n    {statement}\n"), source)

    def test_they_are_shown_for_a_module_in_a_zip_file(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inside.py", "def fail():\n    raise ValueError('inside')\n")
        source = """
            import os, sys
            sys.path.append(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "packed.zip"))
            import inside

            def handler(event, context):
                inside.fail()
            """
        function = self.start(source, files={"packed.zip": packed.getvalue()})
        entry = self.error(function)["stackTrace"][-1]
        self.assertTrue(entry.endswith("in fail\n    raise ValueError('inside')\n"), entry)

    def test_a_long_trace_is_complete(self) -> None:
        source = """
            def even(number):
                return odd(number - 1) if number else 1 / 0

            def odd(number):
                return even(number - 1)

            def handler(event, context):
                even(600)
            """
        self.assertEqual(len(self.error(self.start(source))["stackTrace"]), 602)

    def test_repeated_lines_are_counted_as_traceback_does(self) -> None:
        source = """
            import traceback, sys

            def fall(number):
                return fall(number - 1) if number else 1 / 0

            def handler(event, context):
                try:
                    fall(event)
                except ZeroDivisionError as error:
                    tuples = [tuple(entry) for entry in traceback.extract_tb(error.__traceback__)]
                    print(traceback.format_list(tuples))
                    raise
            """
        function = self.start(source)
        for number in (0, 1, 2, 3, 4, 5, 50):
            with self.subTest(number):
                stack_trace = self.error(function, number)["stackTrace"]
                self.assertIn(str(stack_trace), function.log_text())


if __name__ == "__main__":
    unittest.main()
