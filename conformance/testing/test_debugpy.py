"""`--debug PORT` with debugpy, and with a client that speaks the Debug Adapter Protocol as editors do.

The messages: https://microsoft.github.io/debug-adapter-protocol/specification
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.testing.project import ROOT

PATIENCE_S = 30
HOST = "127.0.0.1"
SOURCE = """\
def handler(event, context):
    name = event["name"]
    greeting = f"{word}, {{name}}"
    return greeting
"""
STOP_LINE = 4


class Editor:
    """A client of the debug adapter; it attaches as the launch.json of the documentation says."""

    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:  # the function says that it waits when it starts; its debugger listens soon after
            try:
                self._socket = socket.create_connection((HOST, port), PATIENCE_S)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "nothing listens"
                time.sleep(0.05)
        self._reader = self._socket.makefile("rb")
        self._sent = 0
        self.events: list[dict[str, Any]] = []
        self._responses: dict[int, dict[str, Any]] = {}

    def send(self, command: str, **arguments: Any) -> int:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self._sent

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a request; return the body of its response."""
        return self.response(self.send(command, **arguments))

    def response(self, number: int) -> Any:
        while number not in self._responses:
            self._receive()
        response = self._responses.pop(number)
        assert response["success"], response
        return response.get("body")

    def event(self, name: str) -> Any:
        """Wait for an event; return its body."""
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event.get("body")
            self._receive()

    def _receive(self) -> None:
        length = 0
        for line in iter(self._reader.readline, b"\r\n"):
            assert line, "the debugger closed the connection"
            if line.startswith(b"Content-Length:"):
                length = int(line.partition(b":")[2])
        message = json.loads(self._reader.read(length))
        if message["type"] == "event":
            self.events.append(message)
        elif message["type"] == "response":
            self._responses[message["request_seq"]] = message

    def attach(self, path: Path, line: int) -> None:
        """Attach with a breakpoint, which lets the function start."""
        self.ask("initialize", adapterID="python", pathFormat="path", linesStartAt1=True)
        attached = self.send("attach", **configuration())
        self.event("initialized")
        source = {"path": str(path)}
        found = self.ask("setBreakpoints", source=source, breakpoints=[{"line": line}])
        assert [one["verified"] for one in found["breakpoints"]] == [True]
        self.ask("configurationDone")
        self.response(attached)

    def variables(self) -> dict[str, str]:
        """Wait until the function stops; return its position and its local variables."""
        thread = self.event("stopped")["threadId"]
        frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        found = self.ask("variables", variablesReference=scopes[0]["variablesReference"])["variables"]
        position = f"{Path(frame['source']['path']).name}:{frame['line']}"
        return {"position": position, **{one["name"]: one["value"] for one in found}}

    def resume(self) -> None:
        self.ask("continue", threadId=1)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def configuration() -> dict[str, Any]:
    """Return the configuration of the documentation, without the port."""
    page = (ROOT / "docs" / "debugging.md").read_text("utf-8")
    block = re.search(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    found: dict[str, Any] = json.loads(block[1])["configurations"][0]
    return found


class Server:
    """`serve --debug PORT` with a pipe for its output."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port: int = probe.getsockname()[1]
        words = ["serve", "--handler=app.handler", f"--task-root={folder}", "--port=0", "--timeout=1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lambda_emulator", *words, "--debug", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "emulator"), "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for a line of the output."""
        while True:
            found = re.search(pattern, self._lines.get(timeout=PATIENCE_S))
            if found is not None:
                return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "app.py").write_text(SOURCE.format(word="Hello"))
    started = Server(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_an_editor_stops_the_function_looks_at_it_and_attaches_again_after_a_reload(
    server: Server, tmp_path: Path
) -> None:
    source = tmp_path / "app.py"
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def invoke(url: str) -> None:
        with urllib.request.urlopen(url, b'{"name": "Ada"}', timeout=PATIENCE_S) as response:
            answers.put(response.read().decode())

    assert int(server.wait_for(r"attach to 127\.0\.0\.1:(\d+)")[1]) == server.port
    editor = Editor(server.port)
    editor.attach(source, STOP_LINE)
    url = server.wait_for(r"ready at (http://\S+)")[1] + "/2015-03-31/functions/app/invocations"
    for word in ("Hello", "Bonjour"):
        caller = threading.Thread(target=invoke, args=(url,), daemon=True)
        if word == "Hello":
            caller.start()
        else:
            source.write_text(SOURCE.format(word=word))
            caller.start()
            editor.event("terminated")
            editor.ask("disconnect")
            editor.close()
            server.wait_for(r"Waiting for a debugger")
            editor = Editor(server.port)
            editor.attach(source, STOP_LINE)
        found = editor.variables()
        assert found["position"] == f"app.py:{STOP_LINE}"
        assert found["name"] == "'Ada'"
        assert found["greeting"] == f"'{word}, Ada'"
        editor.resume()
        assert answers.get(timeout=PATIENCE_S) == f'"{word}, Ada"'
    editor.close()
    assert server.stop() == 0


def test_ctrl_c_ends_the_wait_for_a_debugger_that_never_connects(server: Server) -> None:
    server.wait_for(r"Waiting for a debugger")
    deadline = time.monotonic() + PATIENCE_S
    while not is_listening(server.port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.stop() == 0
    while is_listening(server.port):
        assert time.monotonic() < deadline, "debugpy's adapter still listens"
        time.sleep(0.05)
