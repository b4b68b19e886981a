"""Print logs, messages and responses for a person, in colour on a terminal."""

from __future__ import annotations

import json
import os
import re
import threading
import time

from lambda_emulator.functions.platform_log import encode, is_object
from lambda_emulator.terminal.request_log import SHORT_ID, request_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

_DIM = "\x1b[2m"
_RED = "\x1b[31m"
_YELLOW = "\x1b[33m"
_BOLD = "\x1b[1m"
_PLAIN = "\x1b[0m"
_ERASE = b"\x1b[K"  # from the cursor to the end of the line

# What a terminal would obey instead of showing it: control characters, and marks of the direction of text. A
# function, or a client that sends a header, could otherwise change the title, the clipboard or other lines.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|\xc2[\x80-\x9f]")

# The beginnings of lines, and their style.
_STYLES = (
    (("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_REPORT "), _DIM),
    (
        (
            "Hint: ",
            "More memory was used ",
            "The client of RequestId ",
            "An environment was ",
            "No sandbox: ",
        ),
        _YELLOW,
    ),
    (("[ERROR]", "[CRITICAL]", "RequestId: ", "Error: ", "Runtime."), _RED),
    (("[WARNING]",), _YELLOW),
)

# The same for the JSON objects of `platform_log`; all others are dim.
_OBJECT = re.compile(r'\{"time":"[^"]+","type":"((?:platform|emulator)\.\w+)"')
_CHANGE = re.compile(r".+ changed(; reloading|, but cannot be used: .*)")
_OBJECT_STYLES = {"platform.runtimeDone": _RED, "emulator.error": _RED}
_OBJECT_STYLES.update(dict.fromkeys(("emulator.hint", "emulator.warning"), _YELLOW))


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

    ``logs_json``: every line is a JSON object, so that programs can read the output: one is put around what
    the function prints, and around messages. ``label``: the function's name before each line of its log, if
    there are several.
    """

    ansi = False  # whether control sequences, such as colours, reach the terminal

    def __init__(self, stream: TextIO, *, logs_json: bool = False, label: str = "") -> None:
        self._stream = stream
        self.logs_json = logs_json
        self._label = label
        # NO_COLOR: see no-color.org
        self._colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self.muted = False

    def log(self, data: bytes, request_id: str = "") -> None:
        """Show whole lines of the log. With a request id, they can be told from those of other requests."""
        label = " ".join(filter(None, [self._label, request_id[:SHORT_ID]]))
        for line in data.split(b"\n")[:-1]:
            # Lambda's runtimes join the lines of one record with a carriage return; CloudWatch breaks them.
            text = line.decode("utf-8", "replace").rstrip("\r")
            style = self._style(text)
            if is_object(text):
                self.message(text.replace("\r", " "), style)
                continue
            text = text.replace("\r", "\n")
            if self.logs_json:
                members = {"requestId": request_id, "function": self._label.rstrip()}
                # As the Telemetry API describes output that is not JSON.
                text = encode("function", text, **{name: value for name, value in members.items() if value})
            elif label:
                text = f"{label} | " + text.replace("\n", f"\n{label} | ")
            self.message(text, style)

    def request(self, record: dict[str, Any]) -> None:
        """Show what became of a request from outside."""
        if self.logs_json:
            self.message(encode("emulator.request", record))
            return
        colour = _YELLOW if record["status"] >= 400 else ""
        colour = _RED if record["status"] >= 500 or "error" in record else colour
        line = request_line(record, time.strftime("%H:%M:%S"), self._label, columns(self._stream))
        self.message(line, colour)

    def warning(self, text: str) -> None:
        self.message(encode("emulator.warning", {"message": text}) if self.logs_json else text, _YELLOW)

    def ready(self, text: str, **members: str) -> None:
        """Show that a function can be invoked."""
        record = {"message": text, **members}
        self.message(encode("emulator.ready", record) if self.logs_json else text, _BOLD)

    def message(self, text: str = "", style: str = "") -> None:
        if self._stream.isatty() and not Terminal.ansi:
            text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
        line = f"{style}{text}{_PLAIN}\n" if style and self._colour else text + "\n"
        with Screen.lock:
            if Screen.unfinished and self._stream.isatty():
                Screen.unfinished = False
                line = "\n" + line
            self._write(line.encode("utf-8", "replace"))

    def gap(self) -> None:
        """Separate what follows from the log."""
        if not self.logs_json:
            self.message()

    def error(self, text: str, **members: str) -> None:
        record = {"message": text, **members}
        self.message(encode("emulator.error", record) if self.logs_json else text, _RED)

    def remark(self, text: str) -> None:
        self.message(encode("emulator.remark", {"message": text}) if self.logs_json else text, _DIM)

    def part(self, data: bytes) -> None:
        """Write a piece of a response at once, unchanged unless the stream is a terminal."""
        with Screen.lock:
            if data and self._stream.isatty():
                Screen.unfinished = not data.endswith(b"\n")
            self._write(self._shown(data))

    def end_parts(self) -> None:
        """Finish the last line on a terminal."""
        with Screen.lock:
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
            self._write(self._shown(payload))
        else:
            self._write(self._shown(payload if payload.endswith(b"\n") else payload + b"\n"))

    def _shown(self, data: bytes) -> bytes:
        """Return the data, on a terminal with escapes in place of control characters."""
        if not self._stream.isatty() or Terminal.ansi:
            return data
        return _CONTROL_BYTES.sub(lambda found: ascii(found[0])[2:-1].encode(), data)

    def _style(self, line: str) -> str:
        if " Task timed out after " in line:
            return _RED
        if _CHANGE.fullmatch(line):
            return _YELLOW
        found = _OBJECT.match(line)
        if found is not None:
            return _OBJECT_STYLES.get(found[1], _DIM)
        return next((style for beginnings, style in _STYLES if line.startswith(beginnings)), "")

    def _write(self, data: bytes) -> None:
        if self.muted:
            return
        try:
            with Screen.lock:
                if self._stream.isatty():
                    Screen.erase_status()
                self._stream.buffer.write(data)
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader is gone, which must not disturb the function


def columns(stream: TextIO) -> int | None:
    """Return how many columns a line may take; None if the stream is not a terminal.

    One stays free: some terminals begin a new line after the last one.
    """
    if not stream.isatty():
        return None
    try:
        return (os.get_terminal_size(stream.fileno()).columns or 80) - 1
    except OSError:
        return None
