"""Serve several invocations at once, each in a process of its own (lambda-managed-instances-runtime).

The process that Lambda started becomes the parent: it waits for its workers, and replaces one that died. A
worker is the ordinary runtime with a connection of its own. It loads the handler itself, so functions need
not be safe to fork; and its `_X_AMZN_TRACE_ID` is of its own invocation only.
"""

from __future__ import annotations

import _socket
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def become_worker(count: int, output_path: str) -> Callable[[], None]:
    """Fork ``count`` workers and return in each of them; the parent ends its life in here.

    ``output_path`` is the Unix socket that takes a worker's stdout and stderr, or empty. The returned
    function must be called when the worker is initialized: one that died before is not replaced, because
    the next would die as well. With no worker left, the parent ends with the last one's exit status.
    """
    workers: dict[int, int] = {}  # process id: a pipe that holds one byte if the worker was initialized
    missing = count
    terminate = signal.signal(signal.SIGTERM, lambda number, frame: _end_all(workers, number))
    while True:
        for _ in range(missing):
            reader, writer = os.pipe()
            process = os.fork()
            if process == 0:
                signal.signal(signal.SIGTERM, terminate)
                for inherited in (reader, *workers.values()):
                    os.close(inherited)
                if output_path:
                    _redirect_output(output_path)
                return lambda: _write_byte(writer)
            os.close(writer)
            os.set_blocking(reader, False)
            workers[process] = reader
        process, status = os.wait()
        reader = workers.pop(process, -1)
        missing = 0 if reader < 0 else int(_holds_byte(reader))  # as process 1 we inherit orphans, too
        if not workers and not missing:
            os._exit(os.WEXITSTATUS(status) or 1 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _end_all(workers: dict[int, int], signal_number: int) -> NoReturn:
    for process in workers:
        os.kill(process, signal_number)
    os._exit(128 + signal_number)


def _write_byte(writer: int) -> None:
    os.write(writer, b"i")
    os.close(writer)


def _holds_byte(reader: int) -> bool:
    try:
        return os.read(reader, 1) != b""
    except BlockingIOError:  # a process that the worker left behind still has the other end
        return False
    finally:
        os.close(reader)


def _redirect_output(path: str) -> None:
    """Connect stdout and stderr to the platform's log, each with a connection of its own."""
    for descriptor in (1, 2):
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.connect(path)
        os.dup2(sock.fileno(), descriptor)
        sock.close()
