"""The environment variables that Lambda sets (developer guide, configuration-envvars)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


TRACE_ID = "_X_AMZN_TRACE_ID"
_ENCODING = sys.getfilesystemencoding()  # of `os.environ`
trace_variables = os.environ  # where the trace id goes; `slots` replaces it


class Settings:
    """The settings of this function, read once."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """``arguments`` of bootstrap: none; the handler, from a container image's CMD; or an absolute path
        first, when Lambda starts us as the exec wrapper of a managed runtime.
        """
        environ = os.environ
        self.runtime_api = environ.get("AWS_LAMBDA_RUNTIME_API", "")  # host:port
        self.handler = environ.get("_HANDLER", "")
        self.exec_wrapper = environ.get("AWS_LAMBDA_EXEC_WRAPPER", "")
        if arguments and arguments[0].startswith("/"):
            self.exec_wrapper = ""  # we are the wrapper, or the wrapper executed us
        elif arguments and not self.handler:
            self.handler = arguments[0]
        self.task_root = environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
        self.concurrency = environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "")  # on managed instances only
        self.worker_output_path = environ.get("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "")
        self.snap_start = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        self.log_as_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = environ.get("AWS_LAMBDA_LOG_LEVEL", "")
        self.log_level = "DEBUG" if level == "TRACE" else level.upper()
        dump_stacks = environ.get("LAMBDA_RUNTIME_DUMP_STACKS_MS", "")  # milliseconds before the deadline
        self.dump_stacks_ms = int(dump_stacks) if dump_stacks.isdecimal() else 0
        # Removed, because child processes must not write into our frames.
        descriptor = environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
        self.telemetry_log_fd = int(descriptor) if descriptor.isdecimal() else None


class FunctionFacts:
    """The variables that the context object repeats, read for each invocation, as AWS's runtime does."""

    __slots__ = ("log_group_name", "log_stream_name", "memory_limit_in_mb", "name", "version")

    def __init__(self) -> None:
        # An implementation detail of CPython and PyPy. `os.environ.get` takes three times as long, and six
        # times as long if the variable is not set.
        data = getattr(os.environ, "_data", None)
        if data is None:  # the function has replaced os.environ
            data = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
        self.log_group_name = _text(data.get(b"AWS_LAMBDA_LOG_GROUP_NAME"))  # not set under SnapStart
        self.log_stream_name = _text(data.get(b"AWS_LAMBDA_LOG_STREAM_NAME"))  # not set under SnapStart
        self.name = _text(data.get(b"AWS_LAMBDA_FUNCTION_NAME"))
        self.memory_limit_in_mb = _text(data.get(b"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))  # decimal text
        self.version = _text(data.get(b"AWS_LAMBDA_FUNCTION_VERSION"))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(_ENCODING, "surrogateescape")


def stacks_descriptor() -> int | None:
    """Where the emulator wants the stacks, None for stderr. Removed, because it belongs to this process."""
    descriptor = os.environ.pop("_LAMBDA_RUNTIME_DUMP_STACKS_FD", "")
    return int(descriptor) if descriptor.isdecimal() else None


def set_trace_id(trace_id: str | None) -> None:
    """Put the trace header where the X-Ray SDK and botocore look for it, or remove the previous one.

    A process serves one invocation at a time, so the variable can belong to it (runtimes-custom).

    Child processes must see it too, so it is set with setenv(3), as in AWS's runtime. glibc never frees a
    value that a variable had: 134 bytes for each trace id, 13 MB in 100,000 invocations. Python offers no
    other way: `os.putenv` calls setenv since 3.9.
    """
    if trace_id is not None:
        trace_variables[TRACE_ID] = trace_id
    elif TRACE_ID in trace_variables:
        del trace_variables[TRACE_ID]
