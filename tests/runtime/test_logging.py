"""The content and the format of the log: `logging`, print, context.log, unhandled errors, frames."""

from __future__ import annotations

import json
import time
import unittest

from tests.scripted_server import refusal
from tests.support import EXECUTE, PYPY, Function, FunctionTestCase, accepted, event, joined, own_log

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"

LOGGING = """
    import logging, os, sys
    log = logging.getLogger("orders")

    def handler(event, context):
        exec(event, {**globals(), "context": context})
"""
JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}

# `capture` calls ``write`` with a pipe on the descriptor. When the pipe is full, SIGALRM arrives.
# Then its handler lets a thread read from the pipe, and calls ``ring``.
FULL_PIPE = """
    import logging, os, select, signal, sys, threading, time
    log = logging.getLogger()

    class Late(Exception): pass

    def capture(write, ring=lambda: None, *, descriptor=1, blocking=True):
        received, raised, rung = [], None, threading.Event()
        reader, writer = os.pipe()
        os.set_blocking(writer, blocking)
        kept = os.dup(descriptor)
        os.dup2(writer, descriptor)

        def on_alarm(number, frame):
            if not rung.is_set():
                rung.set()
                ring()

        def read():
            while select.select([], [writer], [], 0)[1]:
                time.sleep(0.001)
            while not rung.is_set():  # PyPy may note a signal only after the next write
                signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
                rung.wait(0.1)
            while not received or received[-1]:
                received.append(os.read(reader, 65536))

        signal.signal(signal.SIGALRM, on_alarm)
        thread = threading.Thread(target=read)
        thread.start()
        try:
            write()
        except Exception as error:
            raised = type(error).__name__
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(writer)
        thread.join()
        os.close(reader)
        return raised, b"".join(received).decode("latin-1")

    def fill():
        try:
            while True: os.write(1, b"." * 4096)
        except BlockingIOError:
            pass

    def late(): raise Late
    def timeout(): raise TimeoutError

    def handler(event, context):
        return eval(event, {**globals(), "context": context})
"""

ERROR_SOURCE = "def handler(event, context):\n    raise ValueError('bad thing')\n"


class LogTestCase(FunctionTestCase):
    def logged(self, function: Function, statements: str, **settings: str) -> str:
        """Return the log of the function while it executes ``statements``."""
        result = self.invoke(function, statements, request_id="r1", **settings)
        self.assertIsNone(result.function_error, result.payload)
        return own_log(result)

    def logged_objects(self, function: Function, statements: str, **settings: str) -> list[dict[str, object]]:
        """Return the same log, parsed: every line is a JSON object."""
        return [json.loads(line) for line in self.logged(function, statements, **settings).splitlines()]


class Text(LogTestCase):
    def test_a_record_is_one_line_with_level_time_request_id_and_message(self) -> None:
        function = self.start(LOGGING)
        for level in ("WARNING", "ERROR", "CRITICAL"):
            with self.subTest(level):
                line = self.logged(function, f"log.{level.lower()}('order %s failed', 17)")
                self.assertRegex(line, rf"\A\[{level}\]\t{TIME}\.\d\d\dZ\tr1\torder 17 failed\n\Z")

    def test_the_time_is_utc_in_every_time_zone(self) -> None:
        function = self.start(LOGGING, environment={"TZ": "America/New_York"})
        line = self.logged(function, "log.warning('now')")
        logged = line.split("\t")[1]
        now = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
        a_little_ago = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 10))
        self.assertIn(logged[:16], (now, a_little_ago))

    def test_records_of_the_init_phase_have_no_request_id(self) -> None:
        function = self.start("import logging\nlogging.error('while loading')\ndef handler(e, c): pass")
        self.assertRegex(function.log_text(), rf"\A\[ERROR\]\t{TIME}\.\d\d\dZ\t\twhile loading\n")

    def test_text_of_any_kind_is_logged(self) -> None:
        function = self.start(LOGGING)
        for name, message, expected in [
            ("beyond ASCII", "'hé 中 😀'", "hé 中 😀"),
            ("a lone surrogate", r"'half \ud83d'", r"half \ud83d"),
            ("line breaks", r"'one\ntwo'", "one\ntwo"),
            ("a percent sign", "'100 %'", "100 %"),
            ("an object", "{'a': 1}", "{'a': 1}"),
            ("nothing", "''", ""),
            ("much", "'x' * 300_000", "x" * 300_000),
        ]:
            with self.subTest(name):
                self.assertEqual(
                    self.logged(function, f"log.error({message})").split("\t", 3)[3], expected + "\n"
                )

    def test_a_traceback_follows_its_line(self) -> None:
        function = self.start(LOGGING)
        text = self.logged(function, "try: 1 / 0\nexcept Exception: log.exception('it failed')")
        self.assertRegex(text, rf"\A\[ERROR\]\t{TIME}\.\d\d\dZ\tr1\tit failed\nTraceback \(most recent call")
        self.assertRegex(text, r"\nZeroDivisionError: \S+ (\S+ )?by zero\n?\Z")

    def test_a_wrong_logging_call_does_not_end_the_process(self) -> None:
        # It raises, as on AWS's runtime, whose handler does not protect the function either.
        function = self.start(LOGGING)
        self.assertEqual(self.error(function, "log.error('%d', 'no number')")["errorType"], "TypeError")
        self.assertStillWorks(function)

    def test_unknown_formats_are_text(self) -> None:
        for value in ("Text", "TEXT", "", "xml"):
            with self.subTest(AWS_LAMBDA_LOG_FORMAT=value):
                function = self.start(LOGGING, environment={"AWS_LAMBDA_LOG_FORMAT": value})
                self.assertRegex(self.logged(function, "log.error('x')"), r"\A\[ERROR\]\t")
                function.close()


class Levels(LogTestCase):
    ROOT_LEVEL = "import logging\ndef handler(event, context): return logging.getLogger().level"

    def test_the_root_level_is_warning_unless_the_environment_names_another(self) -> None:
        for value, level in [
            (None, 30),
            ("", 30),
            ("TRACE", 10),
            ("DEBUG", 10),
            ("debug", 10),
            ("INFO", 20),
            ("WARN", 30),
            ("ERROR", 40),
            ("error", 40),
            ("FATAL", 50),
            ("CRITICAL", 50),
            ("LOUD", 30),
            ("10", 30),
        ]:
            with self.subTest(AWS_LAMBDA_LOG_LEVEL=value):
                function = self.start(self.ROOT_LEVEL, environment={"AWS_LAMBDA_LOG_LEVEL": value})
                self.assertResponse(function, None, level)
                function.close()

    def test_records_below_the_level_are_not_logged(self) -> None:
        function = self.start(LOGGING)
        self.assertEqual(self.logged(function, "log.info('quiet'); log.debug('quiet')"), "")
        function = self.start(LOGGING, environment={"AWS_LAMBDA_LOG_LEVEL": "INFO"})
        text = self.logged(function, "log.info('loud'); log.debug('quiet')")
        self.assertRegex(text, r"\A\[INFO\]\t[^\n]*\tloud\n\Z")

    def test_the_level_that_the_function_sets_takes_precedence(self) -> None:
        source = self.ROOT_LEVEL.replace("\ndef", "\nlogging.getLogger().setLevel('DEBUG')\ndef")
        for environment in ({}, {"AWS_LAMBDA_LOG_LEVEL": "ERROR"}):
            with self.subTest(environment):
                self.assertResponse(self.start(source, environment=environment), None, 10)


class RootHandler(LogTestCase):
    DESCRIBE = """
        import logging
        at_import = [type(handler).__name__ for handler in logging.getLogger().handlers]

        def handler(event, context):
            return at_import + [type(handler).__name__ for handler in logging.getLogger().handlers]
    """

    def test_it_exists_before_the_function_is_loaded_with_the_name_that_tools_expect(self) -> None:
        self.assertResponse(self.start(self.DESCRIBE), None, ["LambdaLoggerHandler"] * 2)

    def test_it_has_another_name_when_format_or_level_are_configured(self) -> None:
        for environment in (JSON, {"AWS_LAMBDA_LOG_LEVEL": "INFO"}):
            with self.subTest(environment):
                function = self.start(self.DESCRIBE, environment=environment)
                self.assertResponse(function, None, ["LambdaLoggerHandlerWithFrameType"] * 2)

    def test_it_exists_after_every_form_of_importing_logging(self) -> None:
        for statement in [
            "import logging",
            "from logging import getLogger",
            "import logging.handlers",
            "import logging.config",
            "import concurrent.futures",
            "from lambda_runtime import asgi",  # which imports it with asyncio
            "import importlib\nimportlib.import_module('logging')",
            "import importlib.util\nimportlib.util.find_spec('logging')\nimportlib.util.find_spec('logging')",
            "import threading\n"
            "threads = [threading.Thread(target=__import__, args=('logging',)) for _ in range(8)]\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()",
        ]:
            with self.subTest(statement):
                function = self.start(joined(statement, LOGGING))
                text = self.logged(function, "log.error('once')")
                self.assertRegex(text, r"\A\[ERROR\]\t[^\n]*\tonce\n\Z")
                function.close()

    def test_it_exists_when_logging_is_imported_in_the_handler(self) -> None:
        function = self.start(EXECUTE)
        for _ in range(2):
            text = self.logged(function, "import logging\nlogging.warning('late')")
            self.assertRegex(text, r"\A\[WARNING\]\t[^\n]*\tr1\tlate\n\Z")
        function = self.start("async def handler(e, c):\n    import logging\n    logging.warning('late')")
        self.assertRegex(self.logged(function, ""), r"\A\[WARNING\]\t[^\n]*\tr1\tlate\n\Z")

    def test_basic_config_has_no_effect(self) -> None:
        configuration = "import logging\nlogging.basicConfig(level='DEBUG', format='mine')"
        function = self.start(joined(configuration, LOGGING))
        self.assertEqual(self.logged(function, "log.info('quiet')"), "")
        self.assertRegex(self.logged(function, "log.error('loud')"), r"\A\[ERROR\]\t[^\n]*\tloud\n\Z")

    def test_the_function_may_configure_everything_itself(self) -> None:
        configuration = "logging.basicConfig(level='DEBUG', format='%(levelname)s:%(message)s', force=True)"
        function = self.start(joined(LOGGING, configuration))
        self.assertEqual(self.logged(function, "log.debug('mine')"), "DEBUG:mine\n")

    def test_the_functions_own_format_may_use_the_ids(self) -> None:
        function = self.start(
            """
            import logging
            log = logging.getLogger()
            formatter = logging.Formatter("%(aws_request_id)s|%(tenant_id)s|%(message)s\\n")
            log.handlers[0].setFormatter(formatter)

            def handler(event, context):
                log.error(event)
            """
        )
        self.assertEqual(self.logged(function, "a", tenant_id="blue"), "r1|blue|a\n")
        self.assertEqual(self.logged(function, "a"), "r1|None|a\n")

    @unittest.skipIf(PYPY, "PyPy's json imports it")
    def test_a_function_that_never_logs_does_not_import_it(self) -> None:
        function = self.start(
            """
            import sys
            at_import = "logging" in sys.modules
            def handler(event, context):
                if event == "fail": raise ValueError
                return [at_import, "logging" in sys.modules]
            """
        )
        self.assertResponse(function, None, [False, False])
        self.error(function, "fail")
        self.assertResponse(function, None, [False, False])


class JsonFormat(LogTestCase):
    def test_a_record_is_one_object_with_the_keys_of_awss_runtime(self) -> None:
        for value in ("JSON", "json", "Json"):
            function = self.start(LOGGING, environment={"AWS_LAMBDA_LOG_FORMAT": value})
            text = self.logged(function, "log.warning('order %s', 17)")
            self.assertRegex(
                text,
                rf'\A{{"timestamp": "{TIME}Z", "level": "WARNING", "message": "order 17", '
                r'"logger": "orders", "requestId": "r1"}\n\Z',
            )

    def test_during_init_the_request_id_is_empty(self) -> None:
        function = self.start("import logging\nlogging.error('x')\ndef handler(e, c): pass", environment=JSON)
        entry = json.loads(function.log_text().splitlines()[0])
        self.assertEqual((entry["requestId"], entry["logger"]), ("", "root"))

    def test_messages_of_any_kind_are_logged(self) -> None:
        function = self.start(LOGGING, environment=JSON)
        for statement, message in [
            ("log.error('hé 中 😀')", "hé 中 😀"),
            (r"log.error('half \ud83d')", "half \ud83d"),
            (r"log.error('one\ntwo')", "one\ntwo"),
            ("log.error({'a': [1, None]})", {"a": [1, None]}),
            ("log.error({'when': ...})", {"when": "Ellipsis"}),
            ("log.error({'a': 1}, 'argument') if 0 else log.error('%(a)s', {'a': 1})", "1"),
            ("log.error([1, 2])", "[1, 2]"),
            ("log.error(None)", "None"),
        ]:
            with self.subTest(statement):
                (entry,) = self.logged_objects(function, statement)
                self.assertEqual(entry["message"], message)

    def test_non_ascii_text_is_not_escaped(self) -> None:
        function = self.start(LOGGING, environment=JSON)
        self.assertIn("hé 中 😀", self.logged(function, "log.error('hé 中 😀')"))

    def test_extra_fields_come_last(self) -> None:
        function = self.start(LOGGING, environment=JSON)
        (entry,) = self.logged_objects(
            function,
            "log.error('x', extra={'order': 17, 'when': {1}, 'none': None, 'real': 1.5})",
            tenant_id="blue",
        )
        self.assertEqual(list(entry)[4:], ["requestId", "tenantId", "order", "when", "real"])
        self.assertEqual((entry["tenantId"], entry["order"], entry["when"]), ("blue", 17, "{1}"))

    def test_an_exception_is_described(self) -> None:
        root = self.write({"function.py": LOGGING})
        function = self.start(task_root=root, environment=JSON)
        (entry,) = self.logged_objects(
            function, "try: {}['x']\nexcept Exception: log.exception('it failed', extra={'a': 1})"
        )
        keys = [
            "timestamp",
            "level",
            "message",
            "logger",
            "stackTrace",
            "errorType",
            "errorMessage",
            "requestId",
        ]
        self.assertEqual(list(entry), [*keys, "location", "a"])
        self.assertEqual((entry["errorType"], entry["errorMessage"]), ("KeyError", "'x'"))
        self.assertIsInstance(entry["stackTrace"], list)
        self.assertRegex(str(entry["location"]), r"\A.+:<module>:\d+\Z")

    def test_exc_info_without_an_exception_is_logged(self) -> None:
        function = self.start(LOGGING, environment=JSON)
        (entry,) = self.logged_objects(function, "log.error('x', exc_info=True)")
        self.assertEqual(entry["message"], "x")

    def test_custom_levels_are_rounded_down(self) -> None:
        function = self.start(LOGGING, environment={**JSON, "AWS_LAMBDA_LOG_LEVEL": "DEBUG"})
        for number, name in [
            (10, "DEBUG"),
            (15, "DEBUG"),
            (25, "INFO"),
            (39, "WARNING"),
            (50, "CRITICAL"),
            (99, "CRITICAL"),
        ]:
            with self.subTest(number=number):
                (entry,) = self.logged_objects(function, f"log.log({number}, 'x')")
                self.assertEqual(entry["level"], name)

    def test_output_of_print_is_unchanged(self) -> None:
        function = self.start(LOGGING, environment=JSON)
        self.assertEqual(
            self.logged(function, "print('plain')\ncontext.log('as it is')"), "plain\nas it is\n"
        )

    def test_an_unhandled_error_is_one_object(self) -> None:
        root = self.write({"function.py": ERROR_SOURCE})
        function = self.start(task_root=root, environment=JSON)
        result = self.invoke(function, request_id="r1")
        entry = json.loads(own_log(result))
        keys = ["timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace"]
        self.assertEqual(list(entry), keys)
        self.assertRegex(entry["timestamp"], rf"\A{TIME}Z\Z")
        self.assertEqual((entry["level"], entry["requestId"]), ("ERROR", "r1"))
        self.assertEqual({**json.loads(result.payload.decode())}, {key: entry[key] for key in keys[2:]})

    def test_messages_of_the_runtime_are_objects(self) -> None:
        outcome = self.play(event(), refusal(410, "InvokeTimeout", "Invoke timeout"), environment=JSON)
        (entry,) = [json.loads(line) for line in outcome.output.splitlines()]
        self.assertEqual((entry["level"], entry["requestId"]), ("ERROR", "r1"))
        self.assertRegex(entry["message"], "r1/response returned 410")


class UnhandledErrors(LogTestCase):
    def test_it_is_one_record_that_keeps_its_lines_and_indentation(self) -> None:
        # "\n" ends a record on the way to CloudWatch, and leading spaces are trimmed there.
        root = self.write({"function.py": ERROR_SOURCE})
        result = self.invoke(self.start(task_root=root))
        space = "\u00a0"
        self.assertEqual(
            own_log(result),
            "[ERROR] ValueError: bad thing\rTraceback (most recent call last):"
            f'\r{space * 2}File "{root}/function.py", line 2, in handler'
            f"\r{space * 4}raise ValueError('bad thing')\n",
        )

    def test_without_a_message_only_the_type_is_logged(self) -> None:
        function = self.start("def handler(event, context): raise KeyError")
        self.assertTrue(own_log(self.invoke(function)).startswith("[ERROR] KeyError\rTraceback"))

    def test_without_frames_there_is_no_traceback_line(self) -> None:
        function = self.start("def handler(event, context): return {1}")
        text = own_log(self.invoke(function))
        self.assertRegex(
            text, r"\A\[ERROR\] Runtime\.MarshalError: [^\r\n]+\rConvert it: list\(value\) [^\r\n]+\n\Z"
        )

    def test_the_whole_chain_is_reported(self) -> None:
        function = self.start(
            """
            def handler(event, context):
                try:
                    {}["region"]
                except KeyError as error:
                    raise RuntimeError("not configured") from error
            """
        )
        text = own_log(self.invoke(function))
        self.assertRegex(text, r"RuntimeError: not configured\r.*KeyError: 'region'\r.*\n\Z")
        self.assertEqual(text.count("\n"), 1)

    def test_text_of_any_kind_is_logged(self) -> None:
        function = self.start(EXECUTE)
        for name, message, expected in [
            ("beyond ASCII", "'hé 中 😀'", "hé 中 😀"),
            ("a lone surrogate", r"'half \ud83d'", r"half \ud83d"),
            ("much", "'x' * 100_000", "x" * 1000),
        ]:
            with self.subTest(name):
                result = self.invoke(function, f"raise ValueError({message})")
                self.assertTrue(own_log(result).startswith(f"[ERROR] ValueError: {expected}"))

    def test_it_is_logged_after_the_functions_own_output(self) -> None:
        function = self.start(LOGGING)
        text = own_log(
            self.invoke(function, "print('first'); log.error('second'); raise ValueError('third')")
        )
        self.assertLess(text.index("first"), text.index("second"))
        self.assertLess(text.index("second"), text.index("third"))


class Frames(LogTestCase):
    """If the platform passes a descriptor, records are written to it, with their level and time."""

    def types(self, function: Function, statements: str) -> list[tuple[str, str]]:
        before = len(function.frames)
        self.invoke(function, statements)
        return [(f"{frame.type:08X}", frame.message.decode()) for frame in function.frames[before:]]

    def test_without_format_and_level_they_have_no_level(self) -> None:
        function = self.start(LOGGING, telemetry=True)
        for statement in ("log.warning('x')", "log.critical('x')"):
            ((kind, message),) = self.types(function, statement)
            self.assertEqual(kind, "A55A0003")
            self.assertRegex(message, r"\A\[[A-Z]+\]\t.*\tx\n\Z")
        self.assertEqual(self.types(function, "context.log('as it is')"), [("A55A0003", "as it is")])

    def test_with_a_level_each_has_its_own(self) -> None:
        function = self.start(LOGGING, telemetry=True, environment={"AWS_LAMBDA_LOG_LEVEL": "DEBUG"})
        for level, kind in [
            ("debug", "A55A000B"),
            ("info", "A55A000F"),
            ("warning", "A55A0013"),
            ("error", "A55A0017"),
            ("critical", "A55A001B"),
        ]:
            with self.subTest(level):
                self.assertEqual([found for found, _ in self.types(function, f"log.{level}('x')")], [kind])
        self.assertEqual(self.types(function, "log.log(25, 'x')")[0][0], "A55A000F")
        self.assertEqual(self.types(function, "context.log('x')"), [("A55A0003", "x")])

    def test_as_json(self) -> None:
        function = self.start(LOGGING, telemetry=True, environment={**JSON, "AWS_LAMBDA_LOG_LEVEL": "DEBUG"})
        for level, kind in [
            ("debug", "A55A000A"),
            ("info", "A55A000E"),
            ("warning", "A55A0012"),
            ("error", "A55A0016"),
            ("critical", "A55A001A"),
        ]:
            with self.subTest(level):
                ((found, message),) = self.types(function, f"log.{level}('x')")
                self.assertEqual(found, kind)
                self.assertEqual(json.loads(message)["message"], "x")
                self.assertTrue(message.endswith("}\n"))

    def test_context_log_writes_text_even_with_the_json_format(self) -> None:
        function = self.start(LOGGING, telemetry=True, environment=JSON)
        self.assertEqual(self.types(function, "context.log('x')"), [("A55A0003", "x")])

    def test_an_unhandled_error_has_the_level_error(self) -> None:
        for environment, kind in [({}, "A55A0017"), (JSON, "A55A0016")]:
            with self.subTest(environment):
                function = self.start(LOGGING, telemetry=True, environment=environment)
                ((found, message),) = self.types(function, "raise ValueError('bad thing')")
                self.assertEqual(found, kind)
                if environment:
                    self.assertEqual(json.loads(message)["errorMessage"], "bad thing")
                else:
                    self.assertRegex(
                        message, r'\A\[ERROR\] ValueError: bad thing\nTraceback \(.*\n[ \xa0]{2}File "'
                    )
                    self.assertFalse(message.endswith("\n"))

    def test_the_time_is_in_microseconds(self) -> None:
        function = self.start(LOGGING, telemetry=True)
        before = time.time()
        self.types(function, "log.error('x')")
        self.assertTrue(before - 1 <= function.frames[-1].timestamp_us / 1e6 <= time.time() + 1)

    def test_print_writes_to_standard_output(self) -> None:
        function = self.start(LOGGING, telemetry=True)
        result = self.invoke(function, "print('plain')")
        self.assertEqual(function.frames, [])
        self.assertEqual(own_log(result), "plain\n")

    def test_lengths_are_in_bytes_and_large_records_are_complete(self) -> None:
        function = self.start(LOGGING, telemetry=True)
        messages = [
            message for _, message in self.types(function, "context.log('é😀'); context.log('ü' * 500_000)")
        ]
        self.assertEqual(messages, ["é😀", "ü" * 500_000])

    def test_records_of_several_threads_do_not_mix(self) -> None:
        function = self.start(LOGGING, telemetry=True)
        frames = self.types(
            function,
            "import threading\n"
            "def work(letter):\n"
            "    for _ in range(10): log.error(letter * 70_000)\n"
            "threads = [threading.Thread(target=work, args=(letter,)) for letter in 'abcd']\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()\n",
        )
        self.assertEqual(len(frames), 40)
        for _, message in frames:
            self.assertRegex(message, r"\t([abcd])\1{69999}\n\Z")

    def test_child_processes_do_not_see_the_variable(self) -> None:
        function = self.start(
            "import os\ndef handler(e, c): return os.environ.get('_LAMBDA_TELEMETRY_LOG_FD')", telemetry=True
        )
        self.assertResponse(function, None, None)

    def test_an_unusable_descriptor_does_not_prevent_the_response(self) -> None:
        for value in ("", "no number", "-1", "12345"):
            with self.subTest(_LAMBDA_TELEMETRY_LOG_FD=value):
                function = self.start(LOGGING, environment={"_LAMBDA_TELEMETRY_LOG_FD": value})
                self.assertEqual(
                    self.error(function, "raise ValueError('bad thing')")["errorMessage"], "bad thing"
                )
                self.assertStillWorks(function)


class Streams(LogTestCase):
    def test_every_write_is_flushed_immediately(self) -> None:
        # In a frozen environment, buffered output appears in a later invocation, or never.
        for name, statements in [
            ("print", "print('half a line', end='')"),
            ("write", "sys.stdout.write('half a line')"),
            ("writelines", "sys.stdout.writelines(['half ', 'a line'])"),
            ("stderr", "print('half a line', end='', file=sys.stderr)"),
            ("bytes", "sys.stdout.buffer.write(b'half a line')"),
            ("logging", "import logging\nlogging.error('half a line')"),
        ]:
            with self.subTest(name):
                function = self.start(EXECUTE)
                result = self.invoke(function, f"{statements}\nos._exit(3)")
                self.assertIn("half a line", result.log.decode())

    def test_output_keeps_its_order(self) -> None:
        function = self.start(EXECUTE)
        text = self.logged(
            function,
            "import subprocess\nprint('a')\nprint('b', file=sys.stderr)\nos.write(1, b'c\\n')\n"
            "subprocess.run(['echo', 'd'])\nprint('e')",
        )
        self.assertEqual(text, "a\nb\nc\nd\ne\n")

    def test_text_that_cannot_be_encoded_does_not_raise(self) -> None:
        function = self.start(EXECUTE)
        self.assertEqual(
            self.logged(function, r"print('hé 中 😀', 'half \ud83d')"), "hé 中 😀 half \\ud83d\n"
        )

    def test_large_output_is_complete(self) -> None:
        function = self.start(EXECUTE)
        self.assertEqual(self.logged(function, "print('x' * 1_000_000)"), "x" * 1_000_000 + "\n")
        lines = self.logged(function, "for number in range(5000): print(number)").splitlines()
        self.assertEqual(lines, [str(number) for number in range(5000)])

    def test_streams_are_ordinary_text_streams(self) -> None:
        function = self.start(
            """
            import sys
            def handler(event, context):
                return [[stream.fileno(), stream.isatty(), stream.encoding.lower(), stream.closed]
                        for stream in (sys.stdout, sys.stderr)]
            """
        )
        self.assertResponse(function, None, [[1, False, "utf-8", False], [2, False, "utf-8", False]])

    def test_line_ends_are_not_translated(self) -> None:
        function = self.start(EXECUTE)
        self.assertEqual(self.logged(function, r"print('a\r\nb\rc')"), "a\r\nb\rc\n")

    def test_a_stream_of_the_function_is_flushed_between_events(self) -> None:
        function = self.start(EXECUTE)
        statements = "sys.stdout = open(1, 'w', closefd=False)\nprint('buffered')"
        self.assertEqual(self.logged(function, statements), "buffered\n")

    def test_a_warning_goes_to_standard_error(self) -> None:
        outcome = self.play(
            event(), accepted(), source="import warnings\ndef handler(e, c): warnings.warn('careful')"
        )
        self.assertIn("UserWarning: careful", outcome.errors)
        self.assertEqual(outcome.output, "")

    def test_a_signal_or_a_pipe_that_does_not_block_loses_nothing_of_a_long_line(self) -> None:
        line = "x" * 1_000_000 + "\n"
        for variables in ({}, {"AWS_LAMBDA_MAX_CONCURRENCY": "1"}):
            function = self.start(FULL_PIPE, environment=variables)
            for write, expected in [
                ("lambda: print('x' * 1_000_000)", line),
                ("lambda: sys.stdout.buffer.write(memoryview(b'x' * 1_000_000 + b'\\n'))", line),
                ("lambda: print('x' * 1_000_000), blocking=False", line),
                ("lambda: (fill(), print('end')), blocking=False", "end\n"),
            ]:
                with self.subTest(write, **variables):
                    raised, text = self.call(function, f"capture({write})")
                    self.assertIsNone(raised)
                    self.assertEqual(text.lstrip("."), expected)
            function.close()


class SignalHandlers(LogTestCase):
    """Exceptions of the function's signal handlers that interrupt a write."""

    def test_they_reach_the_function_and_the_record_is_not_repeated(self) -> None:
        function = self.start(FULL_PIPE)
        for write in ("log.error('x' * 200_000)", "context.log('x' * 200_000)"):
            for ring, error_type in [("timeout", "TimeoutError"), ("late", "Late")]:
                with self.subTest(write, error_type=error_type):
                    raised, text = self.call(function, f"capture(lambda: {write}, {ring})")
                    self.assertEqual(raised, error_type)
                    self.assertLess(text.count("x"), 200_000)

    def test_they_reach_the_function_after_the_frame_is_complete(self) -> None:
        source = joined("import os\nos.dup2(os.open('/dev/null', os.O_WRONLY), 50)", FULL_PIPE)
        function = self.start(source, environment={"_LAMBDA_TELEMETRY_LOG_FD": "50"})
        for ring, error_type in [("timeout", "TimeoutError"), ("late", "Late")]:
            for _ in range(2):  # the first one does not end the use of the descriptor
                write = f"capture(lambda: context.log('x' * 200_000), {ring}, descriptor=50)"
                raised, frame = self.call(function, write)
                self.assertEqual(raised, error_type)
                self.assertEqual(frame[16:], "x" * 200_000)

    def test_a_stream_of_the_function_may_fail_or_be_interrupted(self) -> None:
        function = self.start(
            """
            import logging, os, signal, sys
            log = logging.getLogger()

            def late(number, frame): raise TimeoutError("late")
            signal.signal(signal.SIGALRM, late)

            class Stream:
                fails = False
                def write(self, text):
                    if self.fails:
                        raise ValueError("I/O operation on closed file")
                    os.write(1, text.encode())
                    signal.raise_signal(signal.SIGALRM)

            sys.stdout = Stream()

            def handler(event, context):
                if event == "fail":
                    raise LookupError("of the function")
                sys.stdout.fails = event == "closed"
                try:
                    log.error("logged")
                except TimeoutError as error:
                    return str(error)
            """
        )
        for value, expected in [("alarm", "late"), ("closed", None)]:
            with self.subTest(value):
                result = self.invoke(function, value)
                self.assertEqual(json.loads(result.payload), expected)
                self.assertEqual(own_log(result).count("logged"), 1)
        self.call(function, "alarm")
        result = self.invoke(function, "fail")  # a message of the runtime never raises
        self.assertEqual(json.loads(result.payload)["errorType"], "LookupError")
        self.assertEqual(own_log(result).count("[ERROR] LookupError"), 1)
        self.assertStillWorks(function)


if __name__ == "__main__":
    unittest.main()
