"""Debugging: pdb on a real pseudo-terminal, and what is said when debugging cannot work.

conformance/testing/test_debugpy.py attaches a client of the Debug Adapter Protocol.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import textwrap
import threading
import time
import unittest
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from unittest import mock

from lambda_emulator.functions import pool
from lambda_emulator.functions.debugging import Debugging
from lambda_emulator.functions.function import Throttled

from tests.emulator.test_emulator import EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, PATIENCE_S, PYPY, emulator

STOPS = """
    import os

    def handler(event, context):
        total = event["n"] + 1
        breakpoint()
        return [total, {version}]
"""
PROMPT = "(Pdb) "


class DebuggingTestCase(EmulatorTestCase):
    """A test of a command on a pseudo-terminal, its controlling one: Ctrl-C reaches it."""

    def write(self, source: str) -> None:
        (self.folder / "app.py").write_text(textwrap.dedent(source))

    def words(self, command: str, *options: str) -> list[str]:
        return emulator(command, "--handler=app.handler", f"--task-root={self.folder}", *options)

    def open(self, command: str, *options: str) -> subprocess.Popen[bytes]:
        """Start the command with a new terminal; only its stdout is a pipe if it is `run`."""
        self.ours, terminal = pty.openpty()
        self.settings = termios.tcgetattr(terminal)
        self.terminal = os.dup(terminal)
        self.addCleanup(os.close, self.ours)
        self.addCleanup(os.close, self.terminal)
        self.written = ""
        process = subprocess.Popen(
            self.words(command, *options),
            stdin=terminal,
            stdout=subprocess.PIPE if command == "run" else terminal,
            stderr=terminal,
            env={**EMULATOR_ENVIRONMENT, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if process.stdout is not None:
            self.addCleanup(process.stdout.close)
        return process

    def read(self, text: str) -> str:
        """Read from the terminal until the text was written; return what was written up to there."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.written:
            self.assertLess(time.monotonic(), deadline, self.written)
            if select.select([self.ours], [], [], 1)[0]:
                self.written += os.read(self.ours, 65536).decode()
        found, _, self.written = self.written.partition(text)
        return found

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())


class Pdb(DebuggingTestCase):
    def test_stops_at_a_breakpoint_of_run_and_leaves_stdout_to_the_response(self) -> None:
        self.write(STOPS.format(version="os.isatty(0), os.isatty(1), os.isatty(2)"))
        process = self.open("run", "--debug", "--event", '{"n": 4}', "--timeout", "0.01")
        self.assertRegex(self.read(PROMPT), r"app\.py\([67]\)handler\(\)")  # 3.13 stops before the next line
        self.type("p 'total is', total\n")
        self.assertIn("('total is', 5)", self.read(PROMPT))
        self.type("context.get_remaining_time_in_millis() > 864e5\n")
        self.assertIn("True", self.read(PROMPT))
        self.type("c\n")
        self.read("REPORT RequestId: ")
        output, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((0, [5, True, True, True]), (process.returncode, json.loads(output)))

    def test_stops_again_after_a_reload(self) -> None:
        self.write(STOPS.format(version=1))
        server = self.open("serve", "--debug", "--port=0", "--timeout", "0.01", "--idle", "0.01")
        address = re.findall(r"ready at http://(\S+)", self.read("curl -N "))[0]
        bodies: dict[int, bytes] = {}

        def invoke(n: int, kind: str = "RequestResponse") -> None:
            connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
            body, headers = json.dumps({"n": n}), {"X-Amz-Invocation-Type": kind}
            connection.request("POST", "/2015-03-31/functions/app/invocations", body, headers)
            sent.set()
            bodies[n] = connection.getresponse().read()
            connection.close()

        sent = threading.Event()

        callers = [threading.Thread(target=invoke, args=(n,)) for n in (1, 2)]
        callers[0].start()
        self.read(PROMPT)
        self.write(STOPS.format(version="'new'"))
        sent.clear()
        callers[1].start()
        sent.wait()
        invoke(0, "DryRun")  # by its end, the other event has arrived, too
        self.type("p 'still', total\n")
        self.assertIn("('still', 2)", self.read(PROMPT))
        self.assertNotIn(" changed; reloading", self.written)  # one process at a time
        self.type("c\n")
        self.read("app.py changed; reloading")
        self.read(PROMPT)
        self.type("total = 40\n")
        self.read(PROMPT)
        self.type("c\n")
        for caller in callers:
            caller.join()
        self.assertEqual({0: b"", 1: b"[2, 1]", 2: b'[40, "new"]'}, bodies)
        self.assertNotIn("▸", self.written)
        self.type("\x03")
        self.assertEqual(0, server.wait(PATIENCE_S))

    def test_stops_in_the_init_phase(self) -> None:
        self.write("breakpoint()\nhandler = lambda event, context: 'ok'\n")
        process = self.open("run", "--debug")
        self.read(PROMPT)
        self.type("c\n")
        self.assertEqual(b'"ok"\n', process.communicate(timeout=PATIENCE_S)[0])

    def test_an_endless_handler_ends_with_ctrl_c_and_the_terminal_is_as_before(self) -> None:
        self.write(
            """
            import os, termios
            def handler(event, context):
                settings = termios.tcgetattr(0)
                settings[3] &= ~termios.ECHO
                termios.tcsetattr(0, termios.TCSANOW, settings)
                print("looping in", os.getpid())
                while True:
                    pass
            """
        )
        process = self.open("run", "--debug")
        self.read("looping in ")
        pid = int(self.read("\r\n"))
        self.type("\x03")
        self.assertEqual(128 + signal.SIGINT, process.wait(PATIENCE_S))
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        self.assertEqual(self.settings, termios.tcgetattr(self.terminal))

    def test_reads_commands_from_a_pipe(self) -> None:
        self.write(STOPS.format(version=1))
        done = subprocess.run(
            self.words("run", "--debug", "--event", '{"n": 4}'),
            input=b"total = 7\nc\n",
            capture_output=True,
            env=EMULATOR_ENVIRONMENT,
            check=False,
        )
        self.assertEqual((0, b"[7, 1]\n"), (done.returncode, done.stdout), done.stderr)


class TwoEvents(EmulatorTestCase):
    def test_at_once_are_handled_one_after_the_other_unless_the_client_leaves(self) -> None:
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-4 if PYPY else 1e-6)
        for number in range(1000):
            (self.folder / f"module_{number}.py").touch()  # to look for changes takes some time
        output = self.folder / "output"
        stream = output.open("w")
        self.addCleanup(stream.close)
        runtime = (
            "while True:\n"
            "    r, *_ = take(); print('event', flush=True)\n"
            "    while not os.path.exists('go'): time.sleep(0.002)\n"
            "    respond(r, 1)"
        )
        function = self.start(runtime, reload=True, debugging=Debugging([], stream, 0, print))
        barrier, gone = threading.Barrier(2), threading.Event()

        def invoke() -> str:
            barrier.wait()
            try:
                return function.invoke(client_has_left=gone.is_set).payload.decode()
            except Throttled as refusal:
                return refusal.reason

        with ThreadPoolExecutor(2) as callers, mock.patch.object(pool, "CLIENT_INTERVAL_S", 0.05):
            waiting = [callers.submit(invoke) for _ in range(2)]
            self.wait_until(lambda: output.read_text() == "event\n")
            gone.set()
            done, _ = wait(waiting, 10, FIRST_COMPLETED)
            (self.folder / "go").touch()
            self.assertEqual(["ClientHasLeft"], [future.result() for future in done])
            self.assertEqual(["1", "ClientHasLeft"], sorted(future.result() for future in waiting))


class WhatCannotWork(DebuggingTestCase):
    def complaint(self, command: str, *options: str, **environment: str) -> str:
        done = subprocess.run(
            self.words(command, *options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**EMULATOR_ENVIRONMENT, **environment},
            text=True,
            check=False,
        )
        self.assertEqual((2, ""), (done.returncode, done.stdout), done.stderr)
        return done.stderr

    def setUp(self) -> None:
        super().setUp()
        self.write(STOPS.format(version=1))

    def test_a_missing_debugpy_is_reported_with_the_command_that_installs_it(self) -> None:
        packages = self.folder / "packages"
        packages.mkdir()
        (packages / "debugpy.py").write_text("raise ImportError")
        path = f"{packages}{os.pathsep}{EMULATOR_ENVIRONMENT['PYTHONPATH']}"
        self.assertEqual(
            f"emulator: --debug 5678 needs debugpy, which {sys.executable} does not have; run:"
            f" {sys.executable} -m pip install debugpy. Without a port, --debug uses the terminal\n",
            self.complaint("run", "--debug", "5678", PYTHONPATH=path),
        )

    def test_a_port_in_use_is_reported_with_the_process(self) -> None:
        packages = self.folder / "packages"
        packages.mkdir()
        (packages / "debugpy.py").write_text("")
        path = f"{packages}{os.pathsep}{EMULATOR_ENVIRONMENT['PYTHONPATH']}"
        linux = sys.platform == "linux"
        in_use = os.strerror(errno.EADDRINUSE).lower()
        owner = rf" by process {os.getpid()} \(.+\); end that process, or" if linux else ";"
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            for what, options in (
                ("debugpy", ["--debug", port]),
                ("the Invoke API", ["--url-port=0", "--port", port]),
            ):
                with self.subTest(what):
                    self.assertRegex(
                        self.complaint("serve", *map(str, options), PYTHONPATH=path),
                        rf"^emulator: {what} cannot listen on 127\.0\.0\.1:{port}: {in_use}"
                        rf"{owner} use another (port|--port)",
                    )

    def test_options_that_contradict_debugging_are_reported(self) -> None:
        cases = [
            ("'0' is not a port; expected 1 to 65535", ["run", "--debug", "0"]),
            ("--debug handles one event at a time", ["run", "--debug", "--managed=2"]),
            ("--debug handles one event at a time", ["serve", "--debug", "--concurrency=2"]),
            ("use --event @FILE", ["run", "--debug", "--event=-"]),
            ("--debug is for one function", ["serve", "--debug", "--handler=b=app.handler"]),
            ("add debugpy to its command", ["run", "--debug=5678", f"--runtime={sys.executable}"]),
            ("use --debug without a port", ["run", "--debug=5678", "--layer=x.zip"]),
        ]
        for expected, words in cases:
            with self.subTest(words):
                self.assertIn(expected, self.complaint(*words))


if __name__ == "__main__":
    unittest.main()
