"""Hold a function's configuration, and derive the environment variables of its process."""

from __future__ import annotations

import configparser
import locale
import math
import os
import site
import time
import uuid
from dataclasses import dataclass, field
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_emulator.deployment.deployment import Deployment
    from lambda_emulator.functions.credentials import CredentialSource, Keys
    from lambda_emulator.functions.debugging import Debugging

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

# While a person debugs, this takes the place of the limits: as seconds, it fits into every timer. The event's
# deadline is as far away, so that a handler that looks at its remaining time does not stop either.
NO_LIMIT_S = 30 * 24 * 3600.0

# Without these, SDKs would find this machine's credentials: keys and profiles in ``~/.aws`` and ``~/.boto``,
# SSO tokens, and a virtual machine's role. The home folder is that of Lambda's user. It does not exist on
# Lambda either.
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "BOTO_CONFIG": os.devnull,
    "HOME": "/home/sbx_user1051",
}


@dataclass
class Configuration:
    """The settings of a function."""

    handler: str
    task_root: str  # absolute
    command: Sequence[str]  # program and arguments; the managed services run `bootstrap` here
    deployment: Deployment | None = None  # replaces the two above by what is in zips
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None removes a variable
    inherit: Sequence[str] = ()  # names of this machine's variables to pass on
    other_users: bool = False  # whether the runtime may have another user, as in a container
    credentials: CredentialSource | None = None  # of this machine, if the function may use them
    name: str = "function"
    version: str = "$LATEST"
    memory_mb: int = 128
    enforce_memory: bool = False
    debugging: Debugging | None = None  # lifts all limits of time
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
    locate_timeouts: bool = False  # whether to ask the runtime where the function was at its time limit
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
        if self.debugging is not None:
            self.timeout_s = self.init_timeout_s = self.restore_timeout_s = NO_LIMIT_S
            self.idle_s = math.inf
            self.concurrency = 1

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
        if given or self.credentials is None:
            return given or "us-east-1"
        return _profile_region(self.credentials.profile) or "us-east-1"


def variables(
    configuration: Configuration,
    runtime_api: str,
    special: Mapping[str, str] | None = None,
    keys: Keys | None = None,
) -> dict[str, str]:
    """Return the environment variables of the process, as on an OS-only runtime (``provided.al2023``).

    ``special`` are those that depend on how the process is started. ``keys`` are the only credentials of this
    machine among them, so that code under test does not change a real account by accident.

    AWS's developer guide documents them under "Defined runtime environment variables".
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
    result.update(NO_CREDENTIALS)
    if configuration.deployment is None and os.path.isdir(os.path.join(site.getuserbase(), "lib")):
        result["PYTHONUSERBASE"] = site.getuserbase()  # packages of `pip install --user`, in spite of HOME
    if keys is not None:
        result.update(keys.variables())
    # Some interpreters need the LD_LIBRARY_PATH of this machine to start.
    for name in ("LD_LIBRARY_PATH", *configuration.inherit):
        if name in os.environ:
            result[name] = os.environ[name]
    result.update(special or {})
    for name, value in configuration.environment.items():
        if value is None:
            result.pop(name, None)
        elif not name.startswith("_") or name in PRIVATE_VARIABLES:
            result[name] = value
    return result


def _profile_region(profile: str) -> str:
    """Return the region of an AWS profile, by default the one that this machine's environment selects."""
    profile = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
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
