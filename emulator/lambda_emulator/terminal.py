"""Print logs, messages and responses for a person, in colour on a terminal."""

from __future__ import annotations

import json
import os
import re
import threading

from lambda_emulator.platform_log import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_DIM = "\x1b[2m"
_RED = "\x1b[31m"
_YELLOW = "\x1b[33m"
_BOLD = "\x1b[1m"
_PLAIN = "\x1b[0m"
_ERASE = b"\x1b[K"  # from the cursor to the end of the line

# The beginnings of lines, and their style.
_STYLES = (
    (("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_REPORT "), _DIM),
    (
        (
            "A source file has changed: ",
            "More memory was used ",
            "The client of RequestId ",
            "An environment was ",
        ),
        _YELLOW,
    ),
    (("[ERROR]", "[CRITICAL]", "RequestId: ", "Error: ", "Runtime."), _RED),
    (("[WARNING]",), _YELLOW),
)

# The same for the JSON objects of `platform_log`; all others are dim.
_OBJECT = re.compile(r'\{"time":"[^"]+","type":"((?:platform|emulator)\.\w+)"')
_OBJECT_STYLES = {"platform.runtimeDone": _RED, "emulator.error": _RED, "emulator.warning": _YELLOW}


class Screen:
    """What the streams of one process share if they are the same terminal: its last line."""

    lock = threading.RLock()
    unfinished = False  # whether it is an unfinished line of a response
    _status = b""  # the status line that stands there
    _stream: TextIO | None = None

    @classmethod
    def write_status(cls, stream: TextIO, line: bytes) -> None:
        """Replace the status line, unless it is the same or a response stands there."""
        with cls.lock:
            if line != cls._status and not cls.unfinished:
                cls._status, cls._stream = line, stream
                stream.buffer.write(b"\r" + line + _ERASE)
                stream.flush()

    @classmethod
    def erase_status(cls) -> None:
        """Make room for other text; the status line comes back with its next turn."""
        with cls.lock:
            if cls._status and cls._stream is not None:
                cls._status = b""
                cls._stream.buffer.write(b"\r" + _ERASE)
                cls._stream.flush()


class Terminal:
    """Text for a person on one stream, a terminal or a file.

    ``logs_json``: messages around the log are JSON objects too, so that the output stays machine-readable.
    ``label``: a name before each line of the log, unless it is a JSON object.
    """

    def __init__(self, stream: TextIO, *, logs_json: bool = False, label: str = "") -> None:
        self._stream = stream
        self._logs_json = logs_json
        self._label = label
        # NO_COLOR: see no-color.org
        self._colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self._line = b""  # the unfinished last line

    def log(self, data: bytes) -> None:
        """Show a piece of the log, only whole lines, so that two writers do not share one."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            # Lambda's runtimes join the lines of one record with a carriage return; CloudWatch breaks them.
            text = line.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
            label = f"{self._label} | " if self._label and not text.startswith("{") else ""
            self.message(label + text.replace("\n", f"\n{label}"), self._style(text))

    def line(self, text: str) -> None:
        """Show a line of the log in the colour of its kind."""
        self.message(text, self._style(text))

    def message(self, text: str = "", style: str = "") -> None:
        line = f"{style}{text}{_PLAIN}\n" if style and self._colour else text + "\n"
        if Screen.unfinished and self._stream.isatty():
            Screen.unfinished = False
            line = "\n" + line
        self._write(line.encode("utf-8", "replace"))

    def headline(self, text: str) -> None:
        self.message(text, _BOLD)

    def error(self, text: str) -> None:
        self.message(encode("emulator.error", {"message": text}) if self._logs_json else text, _RED)

    def remark(self, text: str) -> None:
        self.message(encode("emulator.remark", {"message": text}) if self._logs_json else text, _DIM)

    def part(self, data: bytes) -> None:
        """Write a piece of a response, unchanged and at once."""
        if data and self._stream.isatty():
            Screen.unfinished = not data.endswith(b"\n")
        self._write(data)

    def end_parts(self) -> None:
        """Finish the last line on a terminal."""
        if Screen.unfinished and self._stream.isatty():
            self.part(b"\n")

    def payload(self, payload: bytes) -> None:
        """Write a response: indented on a terminal, otherwise unchanged (with a final line break if text)."""
        if self._stream.isatty():
            try:
                self.message(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
                return
            except (ValueError, RecursionError):
                pass  # not JSON, or nested too deeply: show it as it is
        try:
            payload.decode("utf-8")
        except UnicodeDecodeError:
            self._write(payload)
        else:
            self._write(payload if payload.endswith(b"\n") else payload + b"\n")

    def _style(self, line: str) -> str:
        if " Task timed out after " in line:
            return _RED
        found = _OBJECT.match(line)
        if found is not None:
            return _OBJECT_STYLES.get(found[1], _DIM)
        return next((style for beginnings, style in _STYLES if line.startswith(beginnings)), "")

    def _write(self, data: bytes) -> None:
        try:
            with Screen.lock:
                if self._stream.isatty():
                    Screen.erase_status()
                self._stream.buffer.write(data)
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader is gone, which must not disturb the function
