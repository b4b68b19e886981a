"""The function's log: where lines go, and the format of the runtime's own lines.

Lines go to stdout, which the platform reads line by line. If the platform passes a descriptor in
``_LAMBDA_TELEMETRY_LOG_FD``, they go there as frames with a level and a time (integers are big-endian):

    +--------------------+--------------------+-----------------------------------+-----------------+
    | type, 4 bytes      | length L, 4 bytes  | microseconds since 1970, 8 bytes  | L bytes UTF-8   |
    +--------------------+--------------------+-----------------------------------+-----------------+

The formats are those of AWS's runtime, so tools that read its log can read this one.
"""

from __future__ import annotations

import io
import os
import sys
import time

from . import codec
from .process_exit import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from .diagnostics import Diagnostic
    from .environment import Settings

ERROR = 40
_LEVELS = {"WARNING": 30, "ERROR": ERROR}
_FRAME_TYPE = 0xA55A0003  # of text without a level; a level of `logging` adds its step, JSON is one less
_FRAME_TYPE_STEPS = {0: 0, 10: 8, 20: 12, 30: 16, 40: 20, 50: 24}


class FunctionLog:
    """The log that the function, its libraries and the runtime write to."""

    def __init__(self, settings: Settings) -> None:
        self.as_json = settings.log_as_json
        self.level = settings.log_level  # name of a level of `logging`, or "" to leave the level unchanged
        self.request_id = ""  # of the current invocation; empty during the init phase
        self.tenant_id: str | None = None
        self.ids: Any = self  # has these two; `slots` replaces it
        self._telemetry_fd = settings.telemetry_log_fd

    def begin(self, request_id: str, tenant_id: str | None) -> None:
        """Note the invocation that the next records belong to."""
        self.ids.request_id = request_id
        self.ids.tenant_id = tenant_id

    def write(self, text: str, frame_type: int = _FRAME_TYPE) -> None:
        """Write ``text`` unchanged. Raises nothing but exceptions of the function's signal handlers."""
        if self._telemetry_fd is not None and self._write_frame(text, frame_type):
            return
        try:
            sys.stdout.write(text)
        except Exception as error:  # the function closed or replaced it
            if is_of_a_signal_handler(error):
                raise  # the text may be written already
            try:
                _write_all(1, text.encode("utf-8", "backslashreplace"))
            except OSError as error:  # no stream is left to write to
                if is_of_a_signal_handler(error):
                    raise

    def _write_own(self, text: str, frame_type: int) -> None:
        # For the runtime's messages, which must not raise what a signal handler raises.
        try:
            self.write(text, frame_type)
        except Exception as error:
            if isinstance(error, MemoryError):  # for `write_error`
                raise

    def _write_frame(self, text: str, frame_type: int) -> bool:
        assert self._telemetry_fd is not None
        message = text.encode("utf-8", "backslashreplace")
        head = (frame_type << 32 | len(message)) << 64 | time.time_ns() // 1000
        try:
            _write_all(self._telemetry_fd, head.to_bytes(16, "big") + message)
        except OSError as error:
            if is_of_a_signal_handler(error):
                raise
            self._telemetry_fd = None  # closed, or the other end is gone: use stdout from now on
            return False
        return True

    def frame_type(self, level: int) -> int:
        """The frame type for a level of `logging`: 0, 10 … 50."""
        return _FRAME_TYPE + _FRAME_TYPE_STEPS.get(level, 0) - self.as_json

    def write_error(self, diagnostic: Diagnostic) -> None:
        """Log why an invocation, or the init phase, failed. Never raises."""
        try:
            self._write_error(diagnostic)
        except MemoryError:
            self._write_own(f"[ERROR] {diagnostic.error_type}\n", self.frame_type(ERROR))

    def _write_error(self, diagnostic: Diagnostic) -> None:
        framed = self._telemetry_fd is not None
        if self.as_json:
            entry = {"timestamp": _timestamp(), "level": "ERROR", **diagnostic.entries(self.ids.request_id)}
            text = codec.encode_json(entry)
        else:
            # On stdout, "\n" would end the record. No-break spaces keep the indentation from being trimmed.
            separator = "\n" if framed else "\r"
            text = separator.join(_with_no_break_indentation(line) for line in diagnostic.lines())
        self._write_own(text if framed else f"{text}\n", self.frame_type(ERROR))

    def write_runtime_message(self, message: str, level: str = "ERROR") -> None:
        """Log a line of the runtime itself; ``level`` is ``"ERROR"`` or ``"WARNING"``."""
        if self.as_json:
            text = self._runtime_entry(message, level)
        else:
            text = f"[{level}]\t{_timestamp()}\t{self.ids.request_id}\tLAMBDA_RUNTIME {message}\n"
        self._write_own(text, self.frame_type(_LEVELS[level]))

    def write_process_message(self, message: str) -> None:
        """Write a line about a process to stderr: the log of the function may be gone with that process."""
        text = self._runtime_entry(message, "ERROR") if self.as_json else f"LAMBDA_RUNTIME {message}\n"
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except Exception:  # the function closed or replaced it
            pass

    def _runtime_entry(self, message: str, level: str) -> str:
        entry = {
            "timestamp": _timestamp(),
            "level": level,
            "message": message,
            "logger": "LAMBDA_RUNTIME",
            "requestId": self.ids.request_id,
        }
        return codec.encode_json(entry) + "\n"


class UnbufferedStream(io.TextIOWrapper):
    """A standard stream that a ``with`` block does not close, because the next invocation needs it."""

    mode = "w"

    def __exit__(self, *exception: object) -> None:
        self.flush()


def replace_standard_streams(kind: type[UnbufferedStream] = UnbufferedStream) -> None:
    """Make writes to stdout and stderr reach the platform at once, as ``python -u`` does.

    Text that is buffered when the environment is frozen appears in a later invocation, or never.
    """
    # sys.__stdout__ keeps our stream alive when the function wraps its buffer in another stream: the
    # buffer closes with the last reference to our stream.
    sys.stdout = sys.__stdout__ = _replacement(sys.stdout, kind)  # type: ignore[assignment,misc]
    sys.stderr = sys.__stderr__ = _replacement(sys.stderr, kind)  # type: ignore[assignment,misc]


def _replacement(stream: TextIO | None, kind: type[UnbufferedStream]) -> TextIO:
    if stream is None:  # closed before we were started
        return open(os.devnull, "w")
    try:
        stream.flush()
        # Opened anew, because the descriptor may refer to another kind of file by now (`workers`).
        raw = io.FileIO(stream.fileno(), "w", closefd=False)
        raw.name, encoding = stream.name, stream.encoding
        _write_completely(raw)
    except (AttributeError, OSError, ValueError):
        return stream  # not a file: a sitecustomize has replaced it
    return kind(raw, encoding, "backslashreplace", newline="\n", write_through=True)


def _write_completely(raw: io.FileIO) -> None:
    # `io.TextIOWrapper` drops what a single system call does not take. A pipe takes a part, or nothing (None)
    # if a signal with a Python handler arrives, or if a child process has made it non-blocking.
    write_once = raw.write

    def write(data: Any) -> int:
        written = write_once(data)
        if type(data) is bytes and written == len(data):  # as for nearly every `print`
            return written
        data = memoryview(data).tobytes()
        _write_all(raw.fileno(), data[written or 0 :])
        return len(data)

    raw.write = write  # type: ignore[method-assign]


def is_of_a_signal_handler(error: BaseException) -> bool:
    """Whether a signal handler of the function raised ``error``, and not the stream that it interrupted."""
    # A stream may be Python code, so the rule of `connection` does not suffice. But only a signal handler has
    # the frame of its caller as an argument.
    trace = error.__traceback__
    while trace is not None:
        caller = trace.tb_frame.f_back
        for value in trace.tb_frame.f_locals.values() if caller else ():
            if value is caller or (type(value) is tuple and id(caller) in map(id, value)):
                return True
        trace = trace.tb_next
    return False


def _write_all(descriptor: int, data: bytes) -> None:
    # If a signal handler raises in between, the rest is still written: a frame must have its length.
    written: list[int] = []
    try:
        while sum(written) < len(data):
            try:  # write and count in one bytecode, because signal handlers run between two (see `upload`)
                written += map(os.write, (descriptor,), (memoryview(data)[sum(written) :],))
            except BlockingIOError:
                sleep(0.001)  # a child process has made the pipe non-blocking
    except BaseException as error:
        if written and is_of_a_signal_handler(error):
            _write_all(descriptor, data[sum(written) :])
        raise


def _with_no_break_indentation(line: str) -> str:
    content = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(content)) + content


def _timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
