"""Collect the function's output and the platform's own log lines in one log."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import traceback
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from lambda_emulator.functions.output_socket import OutputSocket


READ_SIZE = 64 * 1024
# How much data a pipe or a socket may hold: by default 64 or 208 KiB, at most 1 MiB without privileges.
PIPE_LIMIT = 1024 * 1024

# A line without an end becomes lines of this size, as CloudWatch cuts it.
LONGEST_LINE = 256 * 1024


class Log:
    """Everything that a function logs: the lines of its environments, in the order in which they end."""

    def __init__(self, listener: Callable[[bytes, str], None] | None = None, *, keep: bool = True) -> None:
        """``listener`` is called with whole lines and the id of their request, "" if they belong to none.

        If it raises an exception, that is printed and it is not called again: invocations go on. Without
        ``keep``, the log remembers nothing.
        """
        self._listener = listener
        self._keep = keep
        self._data = bytearray()
        self._streams: list[LogStream] = []  # those with an unfinished line are the reason to know them
        self._lock = threading.Lock()

    def stream(self) -> LogStream:
        """Open a stream for one writer, which ends with `close`."""
        stream = LogStream(self)
        with self._lock:
            self._streams.append(stream)
        return stream

    def append(self, lines: bytes, request_id: str) -> None:
        with self._lock:
            if self._keep:
                self._data += lines
            self._show(lines, request_id)

    def remark(self, line: bytes) -> None:
        """Let the listener see a line that is not part of the log."""
        with self._lock:
            self._show(line, "")

    def _show(self, lines: bytes, request_id: str) -> None:
        if self._listener is not None:
            try:
                self._listener(lines, request_id)
            except Exception:
                self._listener = None
                with contextlib.suppress(Exception):  # there may be nobody who reads the errors either
                    traceback.print_exc()

    def remove(self, stream: LogStream) -> None:
        with self._lock:
            self._streams.remove(stream)

    def text(self) -> bytes:
        """Return the whole log, including unfinished lines."""
        with self._lock:
            return b"".join([self._data, *(stream.unfinished for stream in self._streams)])


class LogStream:
    """The log of one environment; an invocation's log is a slice of it.

    It passes whole lines on to the function's log, so that those of several environments do not mix.
    """

    def __init__(self, log: Log) -> None:
        self.unfinished = b""
        self.request_id = ""  # of the only invocation that runs, "" if there is none
        self._log = log
        self._data = bytearray()
        self._forgotten = 0  # bytes that were logged before those in ``_data``
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append output of the function, unchanged."""
        with self._lock:
            self._append(data)

    def write_line(self, text: str) -> None:
        """Append a line of the platform, on a new line even if the function's last one is unfinished."""
        with self._lock:
            line = text.encode("utf-8", "replace") + b"\n"
            self._append(b"\n" + line if self.unfinished else line)

    def remark(self, text: str) -> None:
        """Show a line where the log is shown, without logging it."""
        self._log.remark(text.encode("utf-8", "replace") + b"\n")

    def __len__(self) -> int:
        with self._lock:
            return self._forgotten + len(self._data)

    def since(self, start: int) -> bytes:
        """Return what was logged after the log was ``start`` bytes long, unless it is forgotten."""
        with self._lock:
            return bytes(self._data[max(0, start - self._forgotten) :])

    def forget(self, end: int) -> None:
        """Drop the first ``end`` bytes: no slice begins there any more."""
        with self._lock:
            del self._data[: max(0, end - self._forgotten)]
            self._forgotten = max(self._forgotten, end)

    def close(self) -> None:
        with self._lock:
            if self.unfinished:
                self._log.append(self.unfinished + b"\n", self.request_id)
            self.unfinished = b""
        self._log.remove(self)

    def _append(self, data: bytes) -> None:
        self._data += data
        self.unfinished += data
        end = self.unfinished.rfind(b"\n") + 1
        if not end and len(self.unfinished) > LONGEST_LINE:
            self.unfinished += b"\n"
            end = len(self.unfinished)
        if end:
            lines, self.unfinished = self.unfinished[:end], self.unfinished[end:]
            self._log.append(lines, self.request_id)


class Frame(NamedTuple):
    """One record that a runtime sent through the descriptor in ``_LAMBDA_TELEMETRY_LOG_FD``."""

    type: int
    timestamp_us: int  # microseconds since 1970
    message: bytes


class FrameDecoder:
    """Cut the telemetry stream into frames and put their messages into the log.

    A frame, as AWS's runtimes write it, big-endian::

        | 4 bytes type | 4 bytes length of the message | 8 bytes microseconds since 1970 | message |
    """

    HEAD = struct.Struct(">IIQ")

    def __init__(self, frames: list[Frame], log: LogStream) -> None:
        self._frames = frames
        self._log = log
        self._buffer = b""

    def write(self, data: bytes) -> None:
        """Decode a piece of the stream; an incomplete frame waits for the next piece."""
        self._buffer += data
        while len(self._buffer) >= self.HEAD.size:
            frame_type, length, timestamp_us = self.HEAD.unpack_from(self._buffer)
            end = self.HEAD.size + length
            if len(self._buffer) < end:
                return
            message = self._buffer[self.HEAD.size : end]
            self._buffer = self._buffer[end:]
            self._frames.append(Frame(frame_type, timestamp_us, message))
            self._log.write(message if message.endswith(b"\n") else message + b"\n")


class Pipe:
    """A pipe from the function's process to ``sink``.

    Any thread may drain it. What a process writes before a request is in the pipe before the request arrives,
    so draining when a request arrives reads all of it.
    """

    def __init__(self, sink: Callable[[bytes], None], undo: ExitStack) -> None:
        """``undo`` receives the closing of both ends."""
        self.reader, self.writer = os.pipe()
        undo.callback(self.close)
        undo.callback(self.close_writer)
        os.set_blocking(self.reader, False)
        self._sink = sink
        self._lock = threading.Lock()
        self._closed = False

    def drain(self) -> bool:
        """Pass the available data to the sink; return False once the pipe has ended."""
        with self._lock:
            # At most what fits into a pipe: it was written before, and other processes may go on writing.
            for _ in range(PIPE_LIMIT // READ_SIZE):
                if self._closed:
                    return False
                try:
                    data = os.read(self.reader, READ_SIZE)
                except BlockingIOError:
                    return True
                if not data:
                    return False
                self._sink(data)
            return True

    def close_writer(self) -> None:
        """Close the writing end, once the process has its own copy."""
        if self.writer >= 0:
            os.close(self.writer)
        self.writer = -1

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                os.close(self.reader)
            self._closed = True


class PipeReader:
    """A thread that drains pipes continuously, so that the function never blocks on a full one."""

    def __init__(self, pipes: Sequence[Pipe | OutputSocket]) -> None:
        self._pipes = pipes
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._read, name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads
            os.close(self._wake_reader)
            os.close(self._wake_writer)
            raise

    def stop(self) -> None:
        """Read the remaining data and close the pipes, even if a stray process still has the other ends."""
        os.close(self._wake_writer)
        self._thread.join()
        os.close(self._wake_reader)
        for pipe in self._pipes:
            pipe.drain()
            pipe.close()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        open_pipes = {pipe.reader: pipe for pipe in self._pipes}
        for reader in open_pipes:
            poll.register(reader, select.POLLIN)
        while open_pipes:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_reader:
                    return
                if not open_pipes[descriptor].drain():
                    poll.unregister(descriptor)
                    del open_pipes[descriptor]
