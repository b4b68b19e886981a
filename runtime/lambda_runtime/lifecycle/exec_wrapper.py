"""Start the program in AWS_LAMBDA_EXEC_WRAPPER on the OS-only runtime and in images, where Lambda does not.

A wrapper is a program that changes the environment and then executes its arguments: the interpreter and,
last, its script (developer guide, runtimes-modify). On a managed runtime, Lambda itself starts it.
"""

from __future__ import annotations

import os
import sys

from ..errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..environment import Settings


def execute(settings: Settings) -> None:
    """Replace this process by the wrapper, which executes this script again.

    The variable is removed, so this happens only once. Returns only if the wrapper is this script itself.
    Raises Fault if the wrapper cannot be executed.
    """
    program = settings.exec_wrapper
    script = os.path.realpath(sys.argv[0])
    if os.path.realpath(program) == script:
        return
    # An image's CMD may have named the handler, but wrappers read it from the variable.
    environment = {**os.environ, "_HANDLER": settings.handler}
    del environment["AWS_LAMBDA_EXEC_WRAPPER"]
    if settings.telemetry_log_fd is not None:
        environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(settings.telemetry_log_fd)
    try:
        os.execve(program, [program, sys.executable, script], environment)
    except OSError as error:
        raise Fault(
            "Runtime.InvalidEntrypoint",
            f"Cannot execute the wrapper {program} (AWS_LAMBDA_EXEC_WRAPPER): {error.strerror}. Expected "
            "an executable file; a script needs its interpreter in the first line, such as #!/bin/sh",
        ) from None
