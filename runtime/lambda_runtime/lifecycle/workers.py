"""Serve several invocations at once, each in its own process (lambda-managed-instances-runtime).

The process that Lambda starts becomes the parent, which waits for its workers and replaces one that dies. A
worker is the ordinary runtime with its own connection. It loads the handler itself, so functions need not be
safe to fork, and its `_X_AMZN_TRACE_ID` belongs to its own invocation. On SIGTERM, the parent forwards the
signal and exits after its workers, because the function may have a SIGTERM handler in each of them.
"""

from __future__ import annotations

import _socket
import os
import signal
import time

from .. import process_exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

_INITIALIZED = b"i"
_API_LOST = b"l"

_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How long workers may take to exit. Lambda kills all processes 300 to 500 ms after SIGTERM.
GRACE_S = 0.3


class Parent:
    """A worker's connection to its parent: a pipe for messages of one byte."""

    def __init__(self, writer: int) -> None:
        self._writer = writer
        self._inode = os.fstat(writer).st_ino

    def note_initialized(self) -> None:
        """Notify the parent that the function is loaded, so that it replaces this worker if it dies."""
        self._note(_INITIALIZED)

    def note_api_lost(self) -> None:
        """Notify the parent that neither this worker nor another one can use the Runtime API any more."""
        self._note(_API_LOST)

    def _note(self, message: bytes) -> None:
        try:
            if os.fstat(self._writer).st_ino == self._inode:  # the function may have closed and reused it
                os.write(self._writer, message)
        except OSError:
            pass


def become_worker(count: int, output_path: str) -> Parent:
    """Fork ``count`` workers and return in each of them. In the parent, this does not return.

    ``output_path`` is the Unix socket for the stdout and stderr of workers, or empty. A worker that dies is
    replaced if it was initialized and the Runtime API is not lost; otherwise the next one would die as well.
    When no worker is left, the parent exits with the status of the last one.
    """
    workers: dict[int, int] = {}  # process id: the end of a pipe that holds the worker's messages
    missing = count
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)  # while ``workers`` may be incomplete
    before = [signal.getsignal(number) for number in _END_SIGNALS]
    for number in _END_SIGNALS:
        signal.signal(number, lambda number, frame: _end_all(workers, number))
    while True:
        for _ in range(missing):
            reader, writer = os.pipe()
            process = os.fork()
            if process == 0:
                for number, handler in zip(_END_SIGNALS, before):
                    signal.signal(number, handler)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _END_SIGNALS)
                for inherited in (reader, *workers.values()):
                    os.close(inherited)
                process_exit.serve_from_here()
                _exit_with_parent(parent, writer)
                if output_path:
                    _redirect_output(output_path)
                return Parent(writer)
            os.close(writer)
            os.set_blocking(reader, False)
            workers[process] = reader
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _END_SIGNALS)
        process, status = os.wait()
        signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)
        reader = workers.pop(process, -1)  # process 1 also inherits orphans
        missing = int(reader >= 0 and _last_message(reader) == _INITIALIZED)
        if not workers and not missing:
            os._exit(os.WEXITSTATUS(status) or 1 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _end_all(workers: dict[int, int], signal_number: int) -> NoReturn:
    """Forward a signal to the workers, wait until they have exited, and exit."""
    _signal_all(workers, signal_number)
    until = time.monotonic() + GRACE_S
    rest = [process for process in workers if not _has_ended(process)]
    while rest and time.monotonic() < until:
        time.sleep(0.002)
        rest = [process for process in rest if not _has_ended(process)]
    _signal_all(rest, signal.SIGKILL)
    os._exit(128 + signal_number)


def _signal_all(workers: Iterable[int], signal_number: int) -> None:
    for process in workers:
        try:
            os.kill(process, signal_number)
        except ProcessLookupError:
            pass  # it has just exited


def _has_ended(process: int) -> bool:
    try:
        return os.waitpid(process, os.WNOHANG)[0] == process
    except ChildProcessError:
        return True  # its status was read before


def _exit_with_parent(parent: int, writer: int) -> None:
    """Make the system end this process when its parent has ended, even if the parent was killed.

    Only the parent has the other end of this pipe. When it closes, the system sends SIGIO (fcntl(2), O_ASYNC;
    Linux does so for pipes), which ends a process that has no handler for it.
    """
    if not hasattr(os, "O_ASYNC"):
        return
    import fcntl

    fcntl.fcntl(writer, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_ASYNC)
    if os.getppid() != parent:
        os._exit(1)


def _last_message(reader: int) -> bytes:
    try:
        return os.read(reader, 100)[-1:]
    except BlockingIOError:  # no message yet, and a child process of the worker keeps the other end open
        return b""
    finally:
        os.close(reader)


def _redirect_output(path: str) -> None:
    """Connect stdout and stderr to the platform's log, each with its own connection."""
    for descriptor in (1, 2):
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.connect(path)
        os.dup2(sock.fileno(), descriptor)
        sock.close()
