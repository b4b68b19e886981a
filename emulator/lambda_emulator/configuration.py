"""Hold a function's configuration, and derive the environment variables of its process."""

from __future__ import annotations

import configparser
import locale
import os
import time
import uuid
from dataclasses import dataclass, field
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Lambda's PATH on OS-only runtimes; this machine's PATH follows, for its interpreter and tools.
LAMBDA_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"

# Variables with a leading underscore never reach the function, except these.
PRIVATE_VARIABLES = {
    "_HANDLER",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_LAMBDA_TELEMETRY_LOG_FD",
}

LANG = "en_US.UTF-8"

# Where AWS's SDKs find credentials: keys, roles, profiles (whose SSO tokens are below HOME). Without HOME,
# ``os.path.expanduser`` finds the user's default home folder, but not a different one that HOME names.
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "HOME",
)
# Without these, the SDKs would still find ``~/.aws`` through the user database, and a virtual machine's role.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Configuration:
    """The settings of a function."""

    handler: str
    task_root: str  # absolute
    command: Sequence[str]  # program and arguments; the managed services run `bootstrap` here
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None removes a variable
    inherit: Sequence[str] = ()  # names of this machine's variables to pass on
    credentials: bool = False  # whether the function may use this machine's AWS credentials
    name: str = "function"
    version: str = "$LATEST"
    memory_mb: int = 128
    timeout_s: float = 3.0
    concurrency: int = 1  # how many environments, with one invocation each
    idle_s: float = 300.0  # after how long an idle environment ends
    managed: int = 0  # on managed instances: the slots of the one environment
    vcpus: int | None = None  # how many processors the function sees; None: all
    initialization_type: str = "on-demand"
    init_timeout_s: float = 0.0  # 0 is Lambda's limit
    retry_delay_s: float = 60.0  # before the first of two retries of an asynchronous event
    dead_letter: str | None = None  # the file for asynchronous events that failed for good
    restore_timeout_s: float = 10.0
    # From SIGTERM to SIGKILL with an extension; Lambda grants 0.3 seconds if one of them is external.
    shutdown_grace_s: float = 0.5
    telemetry: bool = False
    max_response_bytes: int = 6_291_556
    max_error_bytes: int = 6_291_556
    early_413: bool = False  # reject an oversized response before reading it, as managed instances do
    max_stream_bytes: int = 209_715_200
    # Bytes per second of a streamed response after its first 6 MiB; Lambda's limit is 2 MiB.
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        if self.managed:
            self.initialization_type = "lambda-managed-instances"
            self.early_413 = True
            self.max_error_bytes = 1024 * 1024
        if not self.init_timeout_s:
            on_demand = self.initialization_type == "on-demand"
            self.init_timeout_s = 10.0 if on_demand else min(max(self.timeout_s, 130.0), 900.0)

    @property
    def snap_start(self) -> bool:
        return self.initialization_type == "snap-start"

    @property
    def logs_json(self) -> bool:
        """Whether the function logs JSON, according to its environment."""
        return variables(self, "").get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"

    @property
    def region(self) -> str:
        """The region from the environment, or from the profile whose credentials the function uses."""
        given = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return given or (_profile_region() if self.credentials else "") or "us-east-1"


def variables(configuration: Configuration, runtime_api: str) -> dict[str, str]:
    """Return the environment variables of the process, as on an OS-only runtime (``provided.al2023``).

    AWS's developer guide documents them under "Defined runtime environment variables". They include
    credentials only if the function may use them, so that code under test does not change a real account by
    accident.
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
        "LANG": LANG,
        "PATH": LAMBDA_PATH + os.pathsep + os.environ.get("PATH", os.defpath),
        "TZ": ":UTC",
    }
    if not configuration.snap_start:  # a snapshot's log stream is not known yet
        day = time.strftime("%Y/%m/%d", time.gmtime())
        result["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{configuration.name}"
        result["AWS_LAMBDA_LOG_STREAM_NAME"] = f"{day}/[{configuration.version}]{uuid.uuid4().hex}"
    if configuration.managed:
        result["AWS_LAMBDA_MAX_CONCURRENCY"] = str(configuration.managed)
        result["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if not _is_installed(LANG):
        # CPython would set this itself, as on Lambda (PEP 538). PyPy 3.11 fails to start without it.
        result["LC_CTYPE"] = "C.UTF-8"
    if not configuration.credentials:
        result.update(NO_CREDENTIALS)
    # Some interpreters need the LD_LIBRARY_PATH of this machine to start.
    credentials = CREDENTIALS if configuration.credentials else ()
    for name in ("LD_LIBRARY_PATH", *credentials, *configuration.inherit):
        if name in os.environ:
            result[name] = os.environ[name]
    for name, value in configuration.environment.items():
        if value is None:
            result.pop(name, None)
        elif not name.startswith("_") or name in PRIVATE_VARIABLES:
            result[name] = value
    return result


def _profile_region() -> str:
    """Return the region of the AWS profile that this machine's environment selects, or ""."""
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(os.path.expanduser(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"))
    except (configparser.Error, UnicodeDecodeError):
        return ""  # the function's SDK will complain about the file
    section = profile if profile == "default" else f"profile {profile}"
    return parser.get(section, "region", fallback="")


@lru_cache(maxsize=None)
def _is_installed(name: str) -> bool:
    """Return whether this machine has the locale ``name``."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_CTYPE, before)
    return True
