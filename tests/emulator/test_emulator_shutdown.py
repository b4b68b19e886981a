"""How the emulator ends an environment (extensions, SIGTERM, SIGKILL) and restores it from a snapshot."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest

from lambda_emulator.functions.function import Function

from tests.emulator.test_emulator import PRELUDE, REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Continues the client of tests.emulator.test_emulator.
EXTENSION = """
import http.client, threading

def extension(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    names = {"Lambda-Extension-" + name: value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, names)
    return connection

def register(name="x", body='{"events": []}'):
    reply = extension("POST", "register", body, Name=name).getresponse()
    return reply.status, reply.read().decode(), reply.headers["Lambda-Extension-Identifier"]

def ready(identifier):
    return extension("GET", "event/next", Identifier=identifier)

def on_sigterm(action):
    signal.signal(signal.SIGTERM, lambda *_: action())
"""


class ExtensionTestCase(EmulatorTestCase):
    def function(self, runtime: str, **options: Any) -> Function:
        return super().function(EXTENSION + textwrap.dedent(runtime), **options)


class AnExtension(ExtensionTestCase):
    def test_learns_the_functions_name_and_handler_when_it_registers(self) -> None:
        function = self.start(
            "status, body, identifier = register(); kept = ready(identifier)\n"
            "r, *_ = take(); respond(r, [status, body, identifier]); take()",
            name="hello",
            version="7",
        )
        status, body, identifier = json.loads(function.invoke().payload)
        self.assertEqual(200, status)
        expected = '{"functionName":"hello","functionVersion":"7","handler":"hello.handler"}\n'
        self.assertEqual(expected, body)
        self.assertRegex(identifier, "^[0-9a-f-]{36}$")
        statuses = self.statuses(function)
        self.assertEqual(
            [("register", 200), {("next", None), ("next", 200)}], [statuses[0], set(statuses[1:3])]
        )

    def test_is_rejected_like_on_lambda(self) -> None:
        function = self.start(
            """
            def refused(method, path, body=None, **headers):
                reply = extension(method, path, body, **headers).getresponse()
                return reply.status, json.loads(reply.read())
            refusals = [
                refused("POST", "register", '{"events": []}'),
                refused("POST", "register", "nope", Name="x"),
                refused("POST", "register", '{"events": "INVOKE"}', Name="x"),
                refused("POST", "register", '{"events": ["SHUTDOWN"]}', Name="x"),
                refused("POST", "register", '{"events": ["INVOKE", "BOGUS"]}', Name="x"),
                refused("GET", "event/next"),
                refused("GET", "event/next", Identifier="x"),
                refused("GET", "event/next", Identifier="11111111-1111-1111-1111-111111111111"),
            ]
            kept = ready(register(body='{"events": ["INVOKE"]}')[2])
            refusals.append(refused("POST", "register", "{}", Name="x"))
            kept = [kept] + [ready(register(f"x{n}")[2]) for n in range(9)]
            refusals.append(refused("POST", "register", "{}", Name="y"))
            r, *_ = take()
            refusals.append(refused("POST", "register", "{}", Name="z"))
            respond(r, refusals); take()
            """
        )
        expected = [
            ("Extension.InvalidExtensionName", "Empty extension name"),
            ("InvalidRequestFormat", "char "),
            ("InvalidRequestFormat", "expected {"),
            ("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
            ("Extension.InvalidEventType", "BOGUS: ErrorInvalidEventType"),
            ("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
            ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
            ("Extension.UnknownExtensionIdentifier", "Unknown extension 11111111-1111-"),
            ("Extension.InvalidExtensionState", "Extension with this name already registered"),
            ("Extension.TooManyExtensions", "Extension limit (10) reached"),
            ("Extension.RegistrationClosed", "Extension registration closed already"),
        ]
        refusals = json.loads(function.invoke().payload)
        for (error_type, message), (status, body) in zip(expected, refusals):
            with self.subTest(error_type):
                self.assertEqual((403, error_type), (status, body["errorType"]))
                self.assertIn(message, body["errorMessage"])
        self.assertEqual(len(expected), len(refusals))

    def test_delays_the_end_of_the_init_phase_until_it_is_ready(self) -> None:
        function = self.start(
            "identifier = register()[2]\n"
            "def late(): time.sleep(0.2); globals().update(kept=ready(identifier))\n"
            "threading.Thread(target=late).start()\n"
            "r, *_ = take(); respond(r, 1); take()"
        )
        self.assertGreater(function.invoke().report.init_ms or 0, 200)

    def test_that_never_calls_next_makes_the_init_phase_time_out(self) -> None:
        function = self.start("register(); take()", init_timeout_s=0.2, timeout_s=0.2, shutdown_grace_s=0.1)
        self.assertFunctionError(function.invoke(), "Sandbox.Timedout")


class TheEnd(ExtensionTestCase):
    READY = "kept = ready(register()[2])\n"
    BYE = "on_sigterm(lambda: (print('bye'), time.sleep(0.02), print('the end'), os._exit(7)))\n"

    def test_is_announced_by_sigterm_and_its_log_is_kept(self) -> None:
        function = self.start(self.READY + self.BYE + "take()", shutdown_grace_s=60)
        function.close()
        self.assertEqual(7, function.exit_status)
        self.assertEqual("bye\nthe end\n", function.log_text())

    def test_is_not_announced_without_an_extension(self) -> None:
        function = self.start(self.BYE + "take()")
        function.close()
        self.assertEqual((-signal.SIGKILL, ""), (function.exit_status, function.log_text()))

    def test_is_forced_after_the_grace_period(self) -> None:
        function = self.start(self.READY + "on_sigterm(lambda: print('no'))\ntake()", shutdown_grace_s=0.1)
        began = time.monotonic()
        function.close()
        self.assertTrue(0.1 <= time.monotonic() - began < 3)
        self.assertEqual(-signal.SIGKILL, function.exit_status)
        self.assertIn(function.log_text(), ("no\n", ""))  # on a slow machine

    def test_kills_a_process_that_does_not_handle_sigterm(self) -> None:
        function = self.start(self.READY + "take()", shutdown_grace_s=60)
        function.close()
        self.assertEqual(-signal.SIGTERM, function.exit_status)

    def test_is_announced_to_the_whole_process_group(self) -> None:
        function = self.start(
            self.READY + "if os.fork() == 0:\n"
            "    on_sigterm(lambda: (os.write(1, b'child\\n'), os._exit(0)))\n"
            "    os.write(1, b'ready\\n'); time.sleep(60)\n"
            "on_sigterm(lambda: (os.wait(), os._exit(0)))\n"
            "take()",
            shutdown_grace_s=60,
        )
        self.wait_for_log(function, "ready\n")
        function.close()
        self.assertEqual((0, "ready\nchild\n"), (function.exit_status, function.log_text()))

    def test_is_announced_after_a_timeout(self) -> None:
        function = self.start(
            self.READY + "on_sigterm(lambda: (print('late', respond(r, 1)[0]), os._exit(7)))\n"
            "r, *_ = take(); time.sleep(60)",
            timeout_s=2,
            shutdown_grace_s=60,
        )
        result = function.invoke()
        self.assertFunctionError(result, "Sandbox.Timedout")
        self.assertRegex(result.log.decode(), r"(?s)late 410\n.* Task timed out after 2\.00 seconds\n")
        self.assertEqual(7, function.exit_status)

    def test_sends_no_event_to_a_runtime_that_calls_next(self) -> None:
        function = self.start(
            self.READY + "on_sigterm(lambda: (api.close(), print('event', take())))\n"
            "r, *_ = take(); time.sleep(60)",
            timeout_s=2,
            shutdown_grace_s=0.1,
        )
        result = function.invoke()
        self.assertFunctionError(result, "Sandbox.Timedout")
        self.assertNotIn(b"event", result.log)
        self.assertEqual(-signal.SIGKILL, function.exit_status)

    def test_is_announced_when_a_source_file_has_changed(self) -> None:
        function = self.start(
            self.READY + self.BYE + "while True: r, *_ = take(); respond(r, 1)",
            reload=True,
            shutdown_grace_s=60,
        )
        function.invoke()
        (self.folder / "hello.py").touch()
        result = function.invoke()
        self.assertEqual((7, 1), (function.exit_status, function.restarts))
        self.assertIn("bye\nthe end\n", function.log_text())
        self.assertNotIn(b"bye", result.log)

    def test_waits_for_a_sigterm_handler_within_the_grace_period(self) -> None:
        function = self.start(
            self.READY + "asked = []; on_sigterm(lambda: asked.append(1))\n"
            "r, *_ = take(); print('begun')\n"
            "while not asked: time.sleep(0.002)\n"
            "respond(r, 'done'); os._exit(0)",
            timeout_s=60,
            shutdown_grace_s=60,
        )
        responses: list[bytes] = []
        thread = threading.Thread(target=lambda: responses.append(function.invoke().payload))
        thread.start()
        self.wait_for_log(function, "begun\n")
        function.close()
        thread.join()
        self.assertEqual(([b"done"], 0), (responses, function.exit_status))

    def test_of_the_command_line_ends_the_function_and_shows_what_it_logs(self) -> None:
        script = self.folder / "runtime_script.py"
        script.write_text(PRELUDE + EXTENSION + self.READY + self.BYE + "print('up')\ntake()")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                command = ["serve", "--handler=hello.handler", f"--task-root={self.folder}", "--port=0"]
                with subprocess.Popen(
                    emulator(*command, f"--runtime={sys.executable} -ISu {script}"),
                    stdout=subprocess.PIPE,
                    cwd=REPOSITORY,
                    env=EMULATOR_ENVIRONMENT,
                    text=True,
                ) as server:
                    assert server.stdout is not None
                    self.addCleanup(server.kill)
                    while "is ready at" not in server.stdout.readline():
                        pass
                    server.send_signal(number)
                    self.assertIn("bye\nthe end\n", server.stdout.read())
                self.assertEqual(0, server.returncode)


class ARestore(ExtensionTestCase):
    def function(self, runtime: str, **options: Any) -> Function:
        return super().function(runtime, initialization_type="snap-start", **options)

    def test_is_logged_and_reported(self) -> None:
        function = self.start(
            "print('before'); time.sleep(0.1)\n"
            "call('GET', 'restore/next'); api.close()\n"
            "print('after'); time.sleep(0.1)\n"
            "while True: r, *_ = take(); respond(r, 1)"
        )
        result = function.invoke()
        log = (
            r"^before\nINIT_REPORT Init Duration: (\S+) ms\t\nRESTORE_START Runtime Version: \S+\t\nafter\n"
            r"RESTORE_REPORT Restore Duration: (\S+) ms\t\nSTART .*\nEND .*\nREPORT .*"
            r"\tMax Memory Used: \d+ MB\tRestore Duration: (\S+) ms\tBilled Restore Duration: (\d+) ms\t\n$"
        )
        found = re.search(log, result.log.decode())
        assert found is not None, result.log
        init_ms, restore_ms, reported_ms, billed_ms = map(float, found.groups())
        self.assertTrue(100 <= init_ms < 30_000 and 100 <= restore_ms < 30_000, found.groups())
        self.assertEqual(restore_ms, reported_ms)
        self.assertTrue(0 <= billed_ms - restore_ms <= 1, found.groups())  # the latter is rounded
        self.assertLessEqual(billed_ms + result.report.duration_ms, result.report.billed_ms)
        self.assertNotIn(b"Restore", function.invoke().log)

    def test_without_hooks_needs_no_call_of_the_runtime(self) -> None:
        result = self.start("r, *_ = take(); respond(r, 1); take()").invoke()
        self.assertRegex(result.log.decode(), r"^INIT_REPORT .*\nRESTORE_START .*\nRESTORE_REPORT .*\nSTART ")

    def test_closes_all_connections(self) -> None:
        function = self.start(
            """
            import socket
            host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
            before = socket.create_connection((host, int(port)))
            before.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            found = before.recv(1000).split()[1].decode()
            kept = ready(register()[2])
            _, _, headers = call("GET", "restore/next")
            ended = before.recv(1) + kept.sock.recv(1)
            r, *_ = take(); respond(r, [found, headers["Connection"], ended.decode()]); take()
            """
        )
        self.assertSucceeds(function.invoke(), ["404", "close", ""])

    def test_has_a_separate_time_limit(self) -> None:
        function = self.start(
            "call('GET', 'restore/next'); api.close(); time.sleep(60)",
            restore_timeout_s=0.2,
        )
        result = function.invoke()
        self.assertFunctionError(
            result, "Runtime.RestoreHookUserTimeout", "Restore timed out after 0.20 seconds"
        )
        self.assertRegex(
            result.log.decode(), r"\nRESTORE_REPORT Restore Duration: \S+ ms\tStatus: timeout\t\n"
        )
        self.assertIn(b"\tStatus: timeout\tError Type: Runtime.RestoreHookUserTimeout\t\n", result.log)
        self.assertEqual((-signal.SIGKILL, 0), (function.exit_status, function.restarts))

    def test_that_fails_fails_the_next_invocation(self) -> None:
        body = json.dumps({"errorType": "Hook", "errorMessage": "m"})
        function = self.start(
            "call('GET', 'restore/next'); api.close()\n"
            f"call('POST', 'restore/error', {body!r}, Function_Error_Type='Runtime.AfterRestoreError')\n"
            "sys.exit(65)"
        )
        result = function.invoke()
        self.assertFunctionError(result, "Hook", "m")
        self.assertRegex(
            result.log.decode(),
            r"\nRESTORE_REPORT Restore Duration: \S+ ms"
            r"\tStatus: error\tError Type: Runtime.AfterRestoreError\t\n",
        )
        self.assertEqual(65, function.exit_status)

    def test_does_not_shorten_the_init_phase(self) -> None:
        function = self.start(
            "time.sleep(2.2); call('GET', 'restore/next'); api.close()\n"
            "r, *_ = take(); respond(r, 1); take()",
            restore_timeout_s=2,
        )
        self.assertSucceeds(function.invoke(), 1)
        self.assertEqual(0, function.restarts)


if __name__ == "__main__":
    unittest.main()
