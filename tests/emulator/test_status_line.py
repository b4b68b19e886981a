"""The status line at the bottom of a terminal, on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import http.client
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import textwrap
import time
import unittest

from lambda_emulator.functions.function import Throttled
from lambda_emulator.terminal.status_line import Status

from tests.emulator.test_concurrency import WAITING, ConcurrencyTestCase
from tests.emulator.test_emulator import PRELUDE, REPOSITORY, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, PATIENCE_S, emulator

# A status line as it is written: over what stood there, with the rest of the line erased.
SHOWN = re.compile("\r(▸[^\r\n\x1b]*)\x1b\\[K")


class TheStatus(ConcurrencyTestCase):
    def test_counts_events_and_measures_environments(self) -> None:
        function = self.start(WAITING, concurrency=2, timeout_s=60)
        self.assertEqual((0, 2, 0, 0, 0, 1), tuple(vars(function.status()).values())[:6])
        waiting = [self.begin(function, "go"), self.begin(function, "go")]
        self.assertRaises(Throttled, function.invoke)
        self.assertEqual((2, 2, 0, 0, 1, 2), tuple(vars(function.status()).values())[:6])
        self.let("go")
        for future in waiting:
            future.result()
        self.assertEqual("Unhandled", function.invoke(b"nonsense").function_error)
        status = function.status()
        self.assertEqual((0, 2, 2, 1, 1, 1), tuple(vars(status).values())[:6])
        time.sleep(0.5)  # the memory is not measured each time
        status = function.status()
        self.assertEqual(1, status.processes)
        self.assertTrue(1000 < status.memory_kb < 100_000)

    def test_is_worded_with_singular_and_plural(self) -> None:
        cases = [
            (
                Status(12, 16, 1834, 3, 0, 1, 17, 115_000),
                "▸ 12/16 busy · 1,834 ok · 3 errors · 0 throttled · 1 environment (17 processes) · 112 MB",
            ),
            (
                Status(0, 1, 0, 1, 1, 1, 1, 9_000) + Status(1, 1, 0, 0, 0, 1, 0, 0),
                "▸ 1/2 busy · 0 ok · 1 error · 1 throttled · 2 environments (1 process) · 9 MB",
            ),
        ]
        for status, text in cases:
            self.assertEqual(text, str(status))


@unittest.skipUnless(sys.platform == "linux", "the size of a new pseudo-terminal differs elsewhere")
class TheStatusLine(EmulatorTestCase):
    RUNTIME = """
    while True:
        r, event, _ = take()
        print("handled", flush=True)
        respond(r, event)
    """

    def serve(self, columns: int, *, piped: bool = False) -> str:
        """Serve a function on a terminal, invoke it three times, stop; return what was written to stderr.

        On the terminal, that is stdout as well.
        """
        (self.folder / "script.py").write_text(PRELUDE + textwrap.dedent(self.RUNTIME))
        ours, terminal = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        words = ["--handler=hello.handler", f"--task-root={self.folder}", "--port=0", "--env=NO_COLOR=1"]
        server = subprocess.Popen(
            emulator("serve", *words, f"--runtime={sys.executable} -ISu {self.folder / 'script.py'}"),
            stdout=terminal,
            stderr=subprocess.PIPE if piped else terminal,
            cwd=REPOSITORY,
            env={**EMULATOR_ENVIRONMENT, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        )
        os.close(terminal)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        written = self.read(ours, "curl -N ")
        address = re.findall(r"ready at http://(\S+)", written)[0]
        if not piped:
            written += self.read(ours, "▸")
        for _ in range(3):
            connection = http.client.HTTPConnection(address, timeout=20)
            connection.request("POST", "/2015-03-31/functions/hello/invocations", b"1")
            connection.getresponse().read()
            connection.close()
        if not piped:
            written += self.read(ours, "3 ok" if columns > 40 else "▸ ")
        server.terminate()
        if piped:
            assert server.stderr is not None
            with server.stderr:
                return server.stderr.read().decode()
        server.wait()
        return written + self.read(ours, "")

    def read(self, terminal: int, text: str) -> str:
        """Read from a terminal until the text was written, or without it until nothing follows."""
        data, deadline = b"", time.monotonic() + PATIENCE_S
        while not text or text.encode() not in data:
            self.assertLess(time.monotonic(), deadline, data)
            if not select.select([terminal], [], [], 1 if text else 0.2)[0]:
                if not text:
                    break
                continue
            try:
                data += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
        return data.decode()

    def test_shows_the_status_and_gives_way_to_the_log(self) -> None:
        written = self.serve(200)
        lines = SHOWN.findall(written)
        self.assertRegex(
            lines[-1],
            r"^▸ 0/10 busy · 3 ok · 0 errors · 0 throttled · \d environments? \(\d process(es)?\) · \d+ MB$",
        )
        without = SHOWN.sub("", written).replace("\r\x1b[K", "")
        self.assertNotIn("▸", without)
        self.assertEqual(3, without.count("\r\nhandled\r\n"), without)
        self.assertNotRegex(written, "▸[^\r\n\x1b]*\x1b\\[K[^\r]", "nothing is written beside it")
        self.assertRegex(written[written.rindex("▸") :], "^[^\r\n]*\r\x1b\\[K", "it is erased at the end")

    def test_is_cut_to_the_width_of_the_terminal(self) -> None:
        written = self.serve(30)
        lines = SHOWN.findall(written)
        self.assertTrue(lines)
        self.assertEqual({29}, {len(line) for line in lines})
        requests = re.findall("[0-9:]{8} 200 [^\r\n]*", SHOWN.sub("", written).replace("\r\x1b[K", ""))
        self.assertEqual(["ms hello e…"] * 3, [line[-11:] for line in requests])
        self.assertEqual({29}, {len(line) for line in requests})

    def test_is_absent_if_stderr_is_not_a_terminal(self) -> None:
        self.assertEqual("", self.serve(200, piped=True))


if __name__ == "__main__":
    unittest.main()
