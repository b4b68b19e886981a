"""What a function's owner decides about it, and the environment variables that come of it."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Lambda's PATH on OS-only runtimes; what the interpreter and the tools of this machine need comes after.
LAMBDA_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"

# Variables with a leading underscore never reach the function, except these.
PRIVATE_VARIABLES = {
    "_HANDLER",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_LAMBDA_TELEMETRY_LOG_FD",
}


@dataclass
class Configuration:
    """What a function's owner decides about it."""

    handler: str
    task_root: str  # absolute
    command: Sequence[str]  # program and arguments; the managed services run `bootstrap` here
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None removes a variable
    inherit: Sequence[str] = ()  # names of this machine's variables to pass on
    name: str = "function"
    version: str = "$LATEST"
    memory_mb: int = 128
    timeout_s: float = 3.0
    initialization_type: str = "on-demand"
    restore_timeout_s: float = 10.0
    shutdown_grace_s: float = 0.5
    telemetry: bool = False
    max_response_bytes: int = 6_291_556
    early_413: bool = False
    max_stream_bytes: int = 209_715_200
    bandwidth: float | None = None  # bytes per second

    @property
    def snap_start(self) -> bool:
        return self.initialization_type == "snap-start"

    @property
    def logs_json(self) -> bool:
        """Whether JSON is the log format, which the process learns from its environment."""
        return variables(self, "").get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"

    @property
    def region(self) -> str:
        return os.environ.get("AWS_REGION") or "us-east-1"


def variables(configuration: Configuration, runtime_api: str) -> dict[str, str]:
    """The environment variables of the process, as on an OS-only runtime (``provided.al2023``).

    They are documented in AWS's developer guide, "Defined runtime environment variables". Credentials
    are not among them unless inherited: code under trial should not act on a real account by accident.
    """
    result = {
        "_HANDLER": configuration.handler,
        "AWS_DEFAULT_REGION": configuration.region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
        "AWS_LAMBDA_FUNCTION_VERSION": configuration.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": configuration.initialization_type,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": configuration.region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": configuration.task_root,
        "LANG": "en_US.UTF-8",
        "PATH": LAMBDA_PATH + os.pathsep + os.environ.get("PATH", os.defpath),
        "TZ": ":UTC",
    }
    if not configuration.snap_start:  # a snapshot's log stream is not known yet
        day = time.strftime("%Y/%m/%d", time.gmtime())
        result["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{configuration.name}"
        result["AWS_LAMBDA_LOG_STREAM_NAME"] = f"{day}/[{configuration.version}]{uuid.uuid4().hex}"
    # An interpreter may need the host's LD_LIBRARY_PATH to start at all.
    for name in ("LD_LIBRARY_PATH", *configuration.inherit):
        if name in os.environ:
            result[name] = os.environ[name]
    for name, value in configuration.environment.items():
        if value is None:
            result.pop(name, None)
        elif not name.startswith("_") or name in PRIVATE_VARIABLES:
            result[name] = value
    return result
