"""Honour AWS_LAMBDA_EXEC_WRAPPER where Lambda does not: on the OS-only runtime and in images.

A wrapper is a program that changes the environment, then executes its arguments: the interpreter and its
script, the script last (developer guide, runtimes-modify). On a managed runtime Lambda itself calls it.
"""

from __future__ import annotations

import os
import sys

from ..errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..environment import Settings

# The second of our two lives is told from the first by how the script is spelled, because a wrapper may
# drop any environment variable.
_MARK = "/./"


def execute(settings: Settings) -> None:
    """Replace this process by the wrapper, which executes us again; return if that has happened.

    Returns as well if the wrapper is this very bootstrap. Raises Fault if it cannot be executed.
    """
    program = settings.exec_wrapper
    script = os.path.realpath(sys.argv[0])
    if _MARK in sys.argv[0] or os.path.realpath(program) == script:
        return
    # Where the image's CMD named the handler, the wrapper must find it where wrappers look.
    environment = {**os.environ, "_HANDLER": settings.handler}
    if settings.telemetry_log_fd is not None:
        environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(settings.telemetry_log_fd)
    folder, name = os.path.split(script)
    try:
        os.execve(program, [program, sys.executable, folder + _MARK + name], environment)
    except OSError as error:
        raise Fault(
            "Runtime.InvalidEntrypoint",
            f"Cannot execute the wrapper {program} (AWS_LAMBDA_EXEC_WRAPPER): {error.strerror}; "
            "expected an executable file with its interpreter in the first line",
        ) from None
