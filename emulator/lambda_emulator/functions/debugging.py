"""Let a person debug the function: in this terminal, or with an editor through debugpy."""

from __future__ import annotations

import os
import socket
import subprocess
import termios
import time

from lambda_emulator.options import UsageError
from lambda_emulator.servers.port_owner import port_owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

HOST = "127.0.0.1"
# How long a new environment waits for the port of the last one: debugpy's adapter ends after its function.
PORT_PATIENCE_S = 5.0


class Debugging:
    """How the function's process is debugged; ``output`` is the descriptor that it writes to.

    The process reads from our stdin and writes to the same terminal as our log, not into a pipe: debuggers
    write prompts, which have no line break, and edit lines only if both are terminals.
    """

    def __init__(self, command: list[str], stream: TextIO, port: int, say: Callable[[str], None]) -> None:
        """``command``: what to start; ``port``: that of debugpy, 0 to debug in the terminal."""
        self.command = command
        self.output = stream.fileno()
        self._port = port
        self._say = say
        self._terminal = _settings()

    def prepare(self) -> None:
        """Make the terminal and the port ready for a new process of the function."""
        self.restore_terminal()
        if self._port:
            deadline = time.monotonic() + PORT_PATIENCE_S
            while not _is_free(self._port) and time.monotonic() < deadline:
                time.sleep(0.02)
            self._say(
                f"Waiting for a debugger: let your editor attach to {HOST}:{self._port}."
                " Press Ctrl-C to stop."
            )

    def restore_terminal(self) -> None:
        """Undo what a debugger that was killed at its prompt has set, such as a hidden input."""
        try:
            # In the background, changing them would stop us (SIGTTOU).
            if self._terminal is not None and os.tcgetpgrp(0) == os.getpgrp():
                termios.tcsetattr(0, termios.TCSANOW, self._terminal)
        except (OSError, termios.error):
            pass  # the terminal is gone


def with_debugpy(command: list[str], port: int, folder: str) -> list[str]:
    """Return the command that runs a Python program under debugpy; raise UsageError if that cannot work."""
    python, *program = command
    question = [python, "-c", "import debugpy"]
    found = subprocess.run(question, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if found.returncode:
        raise UsageError(
            f"--debug {port} needs debugpy, which {python} does not have;"
            f" run: {python} -m pip install debugpy. Without a port, --debug uses the terminal"
        )
    check_port(port)
    # With frozen modules, debugpy warns that it may miss breakpoints.
    options = ["-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"{HOST}:{port}", "--wait-for-client"]
    return [python, *options, *program]


def check_port(port: int) -> None:
    """Raise UsageError if another program listens on the port."""
    if not _is_free(port):
        owner = port_owner(port)
        raise UsageError(
            f"debugpy cannot listen on {HOST}:{port}: address already in use{owner and f' by {owner}'};"
            f" {owner and 'end that process, or '}use another port,"
            f" for example --debug {port + 1 if port < 65535 else port - 1}"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _settings() -> list[Any] | None:
    """Return the settings of the terminal that we read from, if it is one."""
    return termios.tcgetattr(0) if os.isatty(0) else None
