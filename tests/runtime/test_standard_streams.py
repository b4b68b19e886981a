"""Standard streams: the log contains the function's output even if it replaces the streams."""

from __future__ import annotations

import unittest

from tests.support import FunctionTestCase, own_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The module's code, the handler's code, the output in the log.
STREAMS = [
    ("plain print", "", "print('é')", "é\n"),
    (
        "stdout wrapped anew",
        "import io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
        "print('é')",
        "é\n",
    ),
    (
        "stdout in a writer",
        "import codecs\nsys.stdout = codecs.getwriter('utf-8')(sys.stdout.buffer)",
        "print('é')",
        "é\n",
    ),
    (
        "stderr wrapped anew",
        "import io\nsys.stderr = io.TextIOWrapper(sys.stderr.buffer)",
        "print('x', file=sys.stderr)",
        "x\n",
    ),
    ("the original stdout", "", "sys.__stdout__.write('original\\n')", "original\n"),
    ("the original stderr", "", "sys.__stderr__.write('original\\n')", "original\n"),
    (
        "the original stdout after another took its place",
        "import io\nsys.stdout = io.StringIO()",
        "sys.__stdout__.write('original\\n')",
        "original\n",
    ),
    ("the buffer", "", "sys.stdout.buffer.write(b'bytes\\n')", "bytes\n"),
    ("the original's buffer", "", "sys.__stdout__.buffer.write(b'bytes\\n')", "bytes\n"),
    (
        "a stream kept from before",
        "out = sys.stdout\nimport io\nsys.stdout = io.StringIO()",
        "print('kept', file=out)",
        "kept\n",
    ),
    ("reconfigured", "sys.stdout.reconfigure(encoding='latin-1')", "print('x')", "x\n"),
    (
        "redirect_stdout",
        "import contextlib, io",
        "with contextlib.redirect_stdout(io.StringIO()) as caught: print('caught')\n"
        "print('not', caught.getvalue())",
        "not caught\n\n",
    ),
    (
        "redirect_stdout to stderr",
        "import contextlib",
        "with contextlib.redirect_stdout(sys.stderr): print('redirected')",
        "redirected\n",
    ),
    (
        "a logging handler on the original stderr",
        "import logging\nlogger = logging.getLogger('a')\nlogger.propagate = False\n"
        "logger.addHandler(logging.StreamHandler(sys.__stderr__))",
        "logger.warning('logged')",
        "logged\n",
    ),
    (
        "another file on the descriptor",
        "",
        "import os\nwith os.fdopen(1, 'w', closefd=False) as out: out.write('x\\n')",
        "x\n",
    ),
    ("the descriptor", "", "import os\nos.write(1, b'x\\n')", "x\n"),
    (
        "captured as pytest does",
        "import os, tempfile",
        "kept = os.dup(1)\n"
        "with tempfile.TemporaryFile() as file:\n"
        "    os.dup2(file.fileno(), 1)\n"
        "    print('captured')\n"
        "    os.dup2(kept, 1)\n"
        "    file.seek(0)\n"
        "    print('was', file.read().decode())\n",
        "was captured\n\n",
    ),
    ("closed by a with block", "", "with sys.stdout: print('inside')\nprint('after')", "inside\nafter\n"),
    (
        "faulthandler",
        "import faulthandler\nfaulthandler.enable()",
        "faulthandler.dump_traceback()",
        "most recent call first",
    ),
    ("text without a line end", "", "print('no end', end='')", "no end"),
    (
        "a child process",
        "import subprocess",
        "print('before')\nsubprocess.run(['echo', 'child'])",
        "before\nchild\n",
    ),
]


class StandardStreams(FunctionTestCase):
    def check(self, **settings: Any) -> None:
        for name, load, handle, expected in STREAMS:
            with self.subTest(name):
                body = "".join(f"    {line}\n" for line in handle.splitlines())
                source = f"import sys\n{load}\ndef handler(event, context):\n{body}"
                function = self.start(source, **settings)
                for _ in range(2):
                    result = self.invoke(function)
                    self.assertIsNone(result.function_error, result.payload[:2000])
                    log = own_log(result)
                    self.assertIn(expected, log)
                    self.assertEqual(log.count(expected), 1, log)
                self.assertStillWorks(function)
                function.close()

    def test_output_of_the_function_is_in_the_log_of_the_invocation(self) -> None:
        self.check()

    def test_output_of_workers_is_in_the_log(self) -> None:
        self.check(environment={"AWS_LAMBDA_MAX_CONCURRENCY": "1"})

    def test_text_without_a_line_end_is_written_immediately(self) -> None:
        source = """
            import os

            def handler(event, context):
                print("last words", end="")
                os._exit(1)
            """
        function = self.start(source)
        self.assertIn(b"last words", self.invoke(function).log)


class OddStreams(FunctionTestCase):
    def test_a_stream_without_a_descriptor_is_kept(self) -> None:
        site = self.write(
            {
                "sitecustomize.py": """
            import sys

            class Tee:
                def __init__(self, stream): self.stream = stream
                def write(self, text): return self.stream.write(text)
                def flush(self): self.stream.flush()

            sys.stdout = Tee(sys.stdout)
            """
            }
        )
        function = self.start(
            "def handler(event, context): print('through the tee')", environment={"PYTHONPATH": site}
        )
        self.assertIn("through the tee\n", own_log(self.invoke(function)))

    def test_a_deleted_stream_does_not_matter(self) -> None:
        function = self.start("""
            import sys

            def handler(event, context):
                if hasattr(sys, "stdout"):
                    del sys.stdout
                return event
            """)
        for number in range(2):
            self.assertResponse(function, number, number)
        self.assertStillWorks(function)


if __name__ == "__main__":
    unittest.main()
