"""The ways to deploy the runtime, and AWS's own for comparison: how Lambda starts each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.sandbox.machine import INTERPRETER

LAMBDA_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
LAMBDA_LIBRARIES = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


@dataclass(frozen=True)
class Deployment:
    """One way to install and start the runtime."""

    name: str
    program: tuple[str, ...]  # and its arguments
    interpreter_at: str  # the folder that contains the interpreter's `bin` and `lib`
    bootstrap_at: str = "/opt"
    packages_at: str = "/opt/python"  # a layer
    is_aws: bool = False  # AWS's runtime instead of ours
    handler_as_argument: bool = False  # a container image's CMD, instead of _HANDLER
    environment: Mapping[str, str] = field(default_factory=dict)


OS_ONLY = Deployment("OS-only runtime", ("/opt/bootstrap",), interpreter_at="/opt")

# Lambda calls the wrapper with the command that it would have executed.
MANAGED = Deployment(
    "managed runtime",
    ("/opt/bootstrap", f"/var/lang/bin/{INTERPRETER}", "/var/runtime/bootstrap.py"),
    interpreter_at="/var/lang",
    environment={
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{INTERPRETER}",
        "PATH": f"/var/lang/bin:{LAMBDA_PATH}",
        "PYTHONPATH": "/var/runtime",
    },
)

IMAGE = Deployment(
    "container image",
    ("/opt/bootstrap",),
    interpreter_at="/usr/local",
    packages_at=f"/usr/local/lib/{INTERPRETER}/site-packages",
    handler_as_argument=True,
)

FUNCTION_ZIP = Deployment(
    "function zip", ("/var/task/bootstrap",), interpreter_at="/opt", bootstrap_at="/var/task"
)

OURS = (OS_ONLY, MANAGED, IMAGE, FUNCTION_ZIP)

AWS_MANAGED = Deployment(
    "AWS's managed runtime",
    (f"/var/lang/bin/{INTERPRETER}", "/var/runtime/bootstrap.py"),
    interpreter_at="/var/lang",
    is_aws=True,
    environment={
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{INTERPRETER}",
        "PATH": f"/var/lang/bin:{LAMBDA_PATH}",
        "PYTHONPATH": "/var/runtime",
    },
)
