"""Helpers of the tests: start a function, invoke it, inspect its requests and its log.

A function is real Python source in a temporary task root. The real ``bootstrap`` runs it against the
emulator, or against a scripted server for replies that the emulator never sends (see `scripted_server`).
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from lambda_emulator.functions.function import Function, Result

from tests.scripted_server import Reply, ScriptedServer, accepted, event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Union

    from lambda_emulator.servers.runtime_api import Recorded

    from tests.scripted_server import Request

    Files = Mapping[str, Union[str, bytes]]

__all__ = [
    "BOOTSTRAP",
    "FREE_THREADED",
    "PYPY",
    "ROOT",
    "Function",
    "FunctionTestCase",
    "Outcome",
    "Reply",
    "Result",
]
__all__ += ["SMALL_NURSERY", "accepted", "event", "joined", "own_log", "posts"]

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "bootstrap"
EMULATOR_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "emulator")}
PYPY = platform.python_implementation() == "PyPy"
FREE_THREADED = "t" in getattr(sys, "abiflags", "")

# For tests that measure memory. PyPy's garbage collector first runs when half of the processor's L3 cache is
# full, which may be 150 MB.
SMALL_NURSERY = {"PYPY_GC_NURSERY": "1MB"}

# The time limit for steps that usually take a tenth of a second, because the machine may be busy.
PATIENCE_S = 20.0


def emulator(command: str, *words: str) -> list[str]:
    """Return the emulator's command line, for EMULATOR_ENVIRONMENT, with a timeout for busy machines."""
    patience = [f"--timeout={PATIENCE_S:g}"] if command in ("run", "serve") else []
    return [sys.executable, "-m", "lambda_emulator", command, *patience, *words]


ECHO = """
    def handler(event, context):
        return event
"""
# For tables of cases: the event is an expression, the response its value.
EVALUATE = """
    import collections, dataclasses, datetime, decimal, enum, functools, sys, types, uuid
    from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
    from decimal import Decimal

    def handler(event, context):
        return eval(event, {**globals(), "context": context})
"""
# The same with statements.
EXECUTE = """
    import os, sys

    def handler(event, context):
        exec(event, {**globals(), "context": context})
"""


class Outcome:
    """The result of a process: its exit status, its output, and its requests to a scripted server."""

    def __init__(self, status: int, output: str, errors: str, requests: Sequence[Request] = ()) -> None:
        self.status = status
        self.output = output
        self.errors = errors
        self.requests = list(requests)

    @property
    def calls(self) -> list[str]:
        """The requests in short form, e.g. ``next``, ``r1/response``, ``r1/error``, ``init/error``."""
        return [request.call for request in self.requests]


class FunctionTestCase(unittest.TestCase):
    """A test of a function: `start` it, or `play` a script to it."""

    maxDiff = None

    # Starting

    def write(self, files: Files) -> str:
        """Create a temporary task root with these files: name → content. Text is dedented."""
        folder = tempfile.TemporaryDirectory(prefix="function-")
        self.addCleanup(folder.cleanup)
        root = os.path.realpath(folder.name)
        for name, content in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = textwrap.dedent(content).encode()
            path.write_bytes(content)
        return root

    def start(
        self,
        source: str | bytes = ECHO,
        handler: str = "function.handler",
        files: Files | None = None,
        **settings: Any,
    ) -> Function:
        """Start a function, until the test ends: ``source`` is its function.py, ``files`` its other files.

        ``settings`` are those of the emulator's Function.
        """
        root = settings.pop("task_root", None) or self.write({"function.py": source, **(files or {})})
        function = Function(handler, root, **{"timeout_s": PATIENCE_S, **settings})
        self.addCleanup(function.close)
        function.start()
        return function

    def run_bootstrap(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        cwd: str | None = None,
    ) -> Outcome:
        """Run ``bootstrap`` to its end with only these variables."""
        with subprocess.Popen(
            [*(command or [sys.executable, str(BOOTSTRAP)]), *arguments],
            env=_clean_environment(environment or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            return _wait(process)

    def play(
        self,
        *replies: Reply,
        source: str = ECHO,
        handler: str = "function.handler",
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> Outcome:
        """Run a function against a Runtime API that sends these replies, one for each request.

        After the last reply, the server reads one more request and closes, which ends the process.
        """
        root = self.write({"function.py": source})
        with ScriptedServer(replies, host, patience_s=PATIENCE_S) as server:
            variables = {
                "AWS_LAMBDA_RUNTIME_API": server.address,
                "_HANDLER": handler,
                "LAMBDA_TASK_ROOT": root,
                **(environment or {}),
            }
            outcome = self.run_bootstrap(environment=variables, command=command, cwd=root)
        problem = server.problem
        if problem is not None:
            raise AssertionError(f"The script was not completed: {problem}; {outcome.errors}")
        outcome.requests = server.requests
        return outcome

    # Invoking

    def invoke(self, function: Function, value: object = None, **settings: Any) -> Result:
        """Invoke with ``value`` as JSON."""
        return function.invoke(json.dumps(value).encode(), **settings)

    def call(self, function: Function, value: object = None, **settings: Any) -> Any:
        """Invoke, expect success, and return the value that the function returned."""
        result = self.invoke(function, value, **settings)
        self.assertIsNone(result.function_error, result.payload[:3000])
        return json.loads(result.payload.decode())

    def error(self, function: Function, value: object = None, **settings: Any) -> dict[str, Any]:
        """Invoke, expect an error, and return the payload that describes it."""
        result = self.invoke(function, value, **settings)
        self.assertEqual(result.function_error, "Unhandled", result.payload[:3000])
        payload: dict[str, Any] = json.loads(result.payload.decode())
        return payload

    def streamed(self, function: Function, value: object = None, **settings: Any) -> bytes:
        """Invoke as a streaming caller, expect success, and return the whole response."""
        result = function.invoke_streaming(json.dumps(value).encode(), **settings)
        payload = b"".join(result)
        self.assertIsNone(result.function_error, result.error_body[:3000])
        return payload

    # Expecting

    def assertResponse(self, function: Function, value: object, expected: object) -> None:
        """Expect ``expected`` as the response to ``value``."""
        self.assertEqual(self.call(function, value), expected)

    def assertStillWorks(self, function: Function) -> None:
        """Expect that the first process is still running and was not replaced."""
        self.assertEqual(function.restarts, 0, function.log_text()[-3000:])
        self.assertIsNone(function.exit_status, function.log_text()[-3000:])

    def assertInitError(self, function: Function, error_type: str, message: str = "") -> dict[str, Any]:
        """Expect that the only request was a report to /init/error, and that the process has ended.

        ``error_type`` is that of the body, ``message`` a pattern to search in its message. Return the body.
        """
        log = function.log_text()[-3000:]
        calls = [f"{request.method} {request.path}" for request in function.requests]
        self.assertEqual(calls, ["POST /2018-06-01/runtime/init/error"], log)
        report = function.requests[0]
        self.assertEqual(report.status, 202)
        self.assertEqual(report.header("Content-Type"), "application/json")
        body: dict[str, Any] = json.loads(report.body.decode())
        self.assertEqual(list(body)[:4], ["errorMessage", "errorType", "requestId", "stackTrace"])
        self.assertEqual(body["errorType"], error_type)
        self.assertEqual(body["requestId"], "")
        self.assertRegex(body["errorMessage"], re.compile(message))
        expected = error_type if error_type.startswith("Runtime.") else f"Function.{error_type}"
        self.assertEqual(report.header("Lambda-Runtime-Function-Error-Type"), expected)
        self.assertNotIn(function.exit_status, (0, None), log)
        return body

    def assertEnds(self, function: Function) -> int:
        """Expect that the process exits; return its exit status, negative for a signal."""
        deadline = time.monotonic() + PATIENCE_S
        while function.exit_status is None and time.monotonic() < deadline:
            time.sleep(0.005)
        self.assertIsNotNone(function.exit_status, f"the process is still running after {PATIENCE_S} s")
        return function.exit_status or 0

    def assertOneResponseEach(self, function: Function) -> None:
        """Expect exactly one response to each event, and one more call of `next` than events."""
        kinds = [request.path.rpartition("/")[2] for request in function.requests]
        self.assertEqual(kinds[::2], ["next"] * len(kinds[::2]))
        self.assertLessEqual(set(kinds[1::2]), {"response", "error"})
        paths = [request.path for request in posts(function)]
        self.assertEqual(len(paths), len(set(paths)))


def joined(*sources: str) -> str:
    """Join several sources, which may be indented differently."""
    return "\n".join(textwrap.dedent(source) for source in sources)


def posts(function: Function) -> list[Recorded]:
    """Return the POST requests of the function, in order."""
    return [request for request in function.requests if request.method == "POST"]


def own_log(result: Result) -> str:
    """Return the output of the function and the runtime during an invocation, without platform lines."""
    text = result.log.decode("utf-8", "surrogateescape")
    written = re.fullmatch(
        r'.*?(?:START RequestId: \S+ Version: \S+|{"time":"[^"]+","type":"platform\.start",[^\n]+)\n(.*)'
        r'(?:END RequestId: \S+\nREPORT |{"time":"[^"]+","type":"platform\.report",)[^\n]*\n',
        text,
        re.DOTALL,
    )
    if written is None:
        raise AssertionError(f"not the log of an invocation: {text!r}")
    return written.group(1)


def _clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return ``variables`` and those that an interpreter needs to start."""
    needed = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    # PyPy 3.11 fails to start if the locale in LANG is not installed, unless LC_CTYPE is set.
    return {"LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8", "TZ": ":UTC", **needed, **variables}


def _wait(process: subprocess.Popen[bytes]) -> Outcome:
    try:
        output, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        errors += b"\nThe process did not exit in time and was killed.\n"
    return Outcome(process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))
