"""Make functions from options, or explain which option cannot work."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from lambda_emulator.deployment.deployment_builder import is_deployment, make_deployment
from lambda_emulator.deployment.interpreter import Interpreter, InterpreterError, find_program
from lambda_emulator.functions.configuration import NO_LIMIT_S
from lambda_emulator.functions.credentials import CredentialSource, CredentialsUnavailable
from lambda_emulator.functions.debugging import Debugging, with_debugpy
from lambda_emulator.functions.function import Function
from lambda_emulator.options import DEFAULT_CONCURRENCY, LEAST_MEMORY, MANAGED_MEMORY, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack
    from typing import Any, Protocol

    class Output(Protocol):
        """What receives the log: a Terminal, or the log of a test."""

        logs_json: bool

        def log(self, data: bytes, request_id: str, /) -> None: ...
        def request(self, record: dict[str, Any], /) -> None: ...
        def warning(self, text: str, /) -> None: ...


# A line of a file with variables: empty, a comment, or a variable with a value in quotes or without.
_ENV_LINE = re.compile(
    r"""\s*(?:\#.*|(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"""
    r"""(?:'([^']*)'\s*(?:\#.*)?|"([^"]*)"\s*(?:\#.*)?|(.*?)(?:\s+\#.*)?))?\s*"""
)


def split_handlers(options: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the options of each function, for every ``--handler [NAME=]FILE.FUNCTION``."""
    if len(options.handler) > 1 and options.name:
        raise UsageError("--name is for one function; use --handler NAME=FILE.FUNCTION for each of several")
    found = []
    handlers = [handler for handler in options.handler if handler]  # with make, HANDLER may be empty
    for handler in handlers or [""]:
        name, _, handler = handler.rpartition("=")
        one = argparse.Namespace(**vars(options))
        one.handler, one.name, one.url_port = handler, name or options.name or default_name(handler), None
        found.append(one)
    return found


def check_names(names: list[str]) -> None:
    """Raise UsageError if a name is not valid on Lambda, or is that of two functions."""
    for name in names:
        if not re.fullmatch("[a-zA-Z0-9-_]{1,64}", name):
            raise UsageError(f"{name!r} is not a function's name; expected up to 64 letters, digits, - and _")
        if names.count(name) > 1:
            raise UsageError(f"two functions are named {name}; use --handler NAME=FILE.FUNCTION for each")


def make_function(options: argparse.Namespace, terminal: Output, cleanup: ExitStack) -> Function:
    """Create the function that the options describe; raise UsageError if one of them cannot work.

    ``cleanup`` deletes temporary files in the end.
    """
    if not options.handler:
        raise UsageError(
            "no handler is set; use --handler FILE.FUNCTION, for example --handler hello.handler"
        )
    task_root = Path(options.task_root)
    if not task_root.exists():
        raise UsageError(
            f"{task_root.absolute()} does not exist;"
            " set --task-root to the folder that contains the handler's file, or to a zip"
        )
    check_managed(options)
    command = [] if is_deployment(options) else find_command(options)
    environment, inherit = read_variables(options.env)
    environment = {**read_env_file(options.env_file), **environment}
    if options.log_format:
        environment["AWS_LAMBDA_LOG_FORMAT"] = options.log_format
    if options.log_level:
        environment["AWS_LAMBDA_LOG_LEVEL"] = options.log_level
    terminal.logs_json = options.log_format == "JSON"  # for warnings, until all variables are known
    debugging = None
    if getattr(options, "debug", None) is not None:  # `profile` lacks the option
        debugging = make_debugging(options, command, terminal)
    if debugging is not None:
        cleanup.callback(debugging.restore_terminal)
        command = debugging.command
    serving = options.command == "serve"
    deployment = None
    if is_deployment(options):
        deployment = make_deployment(options, environment, terminal.warning, cleanup)
    function = Function(
        options.handler,
        task_root,
        command=command,
        debugging=debugging,
        deployment=deployment,
        enforce_memory=deployment is not None,
        environment=environment,
        inherit=inherit,
        credentials=find_credentials(options),
        name=options.name,
        memory_mb=options.memory or (MANAGED_MEMORY if options.managed else LEAST_MEMORY),
        managed=options.managed,
        vcpus=options.vcpus,
        timeout_s=options.timeout,
        locate_timeouts=debugging is None and options.command != "profile",
        initialization_type="snap-start" if options.snap_start else "on-demand",
        concurrency=getattr(options, "concurrency", None) or (DEFAULT_CONCURRENCY if serving else 1),
        idle_s=options.idle if serving else math.inf,
        reload=serving and options.reload,
        record=False,
        retry_delay_s=options.retry_delay if serving else 0,
        dead_letter=check_dead_letter(options.dead_letter) if serving else None,
        # `run` waits for the end of the invocation, including what runs after the response.
        response_grace_s=1.0 if serving else NO_LIMIT_S,
        log=terminal.log,
        request_log=terminal.request,
    )
    terminal.logs_json = function.configuration.logs_json
    return function


def find_credentials(options: argparse.Namespace) -> CredentialSource | None:
    """Return where the function's AWS credentials come from, if it may use them.

    Raise UsageError if there are none, before an event fails for that reason.
    """
    if options.credentials is None:
        return None
    python = [] if options.python is None else [find_interpreter(options.python)]
    names = sorted(name for name in os.environ if name.startswith("AWS_") or name in ("HOME", "PATH"))
    environment = tuple((name, os.environ[name]) for name in names)
    source = _credential_source(options.credentials, (sys.executable, *python), environment)
    try:
        source.keys()
    except CredentialsUnavailable as problem:
        raise UsageError(str(problem)) from None
    return source


@lru_cache(maxsize=None)
def _credential_source(
    profile: str, interpreters: tuple[str, ...], _environment: tuple[tuple[str, str], ...]
) -> CredentialSource:
    """Return one source for functions with the same credentials, which takes a second or two to ask."""
    return CredentialSource(profile, interpreters)


def check_dead_letter(path: str | None) -> str | None:
    """Return the absolute path of a file that can be appended to, or None."""
    if path is None:
        return None
    check_writable("--dead-letter", path)
    return os.path.abspath(path)


def check_writable(option: str, path: str) -> None:
    """Raise UsageError if the file that the option names cannot be written."""
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as error:
        raise UsageError(
            f"{option} {path} cannot be written: {(error.strerror or '').lower()};"
            " use a file in an existing folder"
        ) from error


def check_managed(options: argparse.Namespace) -> None:
    """Raise UsageError for options that contradict --managed."""
    if options.vcpus and not options.managed:
        raise UsageError("--vcpus works only together with --managed; add for example --managed 16")
    if options.managed and options.snap_start:
        raise UsageError("managed instances have no SnapStart; use either --managed or --snap-start")
    if options.managed and getattr(options, "concurrency", None):
        raise UsageError(
            "--managed has one environment with several slots, --concurrency several environments with one;"
            " use one of them"
        )
    if options.vcpus:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        if not count:
            raise UsageError("--vcpus needs Linux, where a process can be bound to processors")
        if options.vcpus > count:
            raise UsageError(f"--vcpus {options.vcpus} is more than the {count} processors of this machine")


def make_debugging(options: argparse.Namespace, command: list[str], terminal: Output) -> Debugging:
    """Return how the function is debugged; raise UsageError if that cannot work."""
    port: int = options.debug
    if options.managed or getattr(options, "concurrency", None) not in (None, 1):
        raise UsageError("--debug handles one event at a time; leave --managed and --concurrency out")
    if getattr(options, "event", None) == "-":
        raise UsageError("--debug and --event - would both read standard input; use --event @FILE")
    if port and not command:
        raise UsageError(
            f"--debug {port} is for a function in a folder, where your editor finds its files;"
            " leave zips, layers and the sandbox out, or use --debug without a port"
        )
    if port and options.runtime:
        raise UsageError(f"--debug {port} does not work with --runtime; add debugpy to its command instead")
    if port:
        command = with_debugpy(command, port, options.task_root)
    # `run` logs to stderr, because the response is on stdout.
    stream = sys.stderr if options.command == "run" else sys.stdout
    return Debugging(command, stream, port, terminal.warning)


def find_command(options: argparse.Namespace) -> list[str]:
    """Return the command that starts the runtime."""
    if options.runtime:
        words = shlex.split(options.runtime)
        if not words or not shutil.which(words[0]):
            raise UsageError(f"program {options.runtime!r} does not exist; set --runtime to a command line")
        # The function's process starts in the task root, not in the current folder.
        arguments = [os.path.abspath(word) if os.path.isfile(word) else word for word in words[1:]]
        return [os.path.abspath(shutil.which(words[0]) or words[0]), *arguments]
    bootstrap = Path(options.bootstrap)
    if not bootstrap.is_file():
        raise UsageError(
            f"file {bootstrap.absolute()} does not exist; set --bootstrap to the runtime's program"
        )
    return [find_interpreter(options.python), str(bootstrap.absolute())]


def find_interpreter(program: str | None) -> str:
    """Return the interpreter's own path: a version manager's shim needs variables that Lambda lacks."""
    if program is None:
        return sys.executable
    found = find_program(program)
    if found is None:
        raise UsageError(
            f"program {program!r} does not exist; set --python to the name or path of an interpreter"
        )
    try:
        return Interpreter(found).program
    except InterpreterError as error:
        raise UsageError(f"{found} is not a working Python interpreter: {error}") from None


def read_variables(settings: list[str]) -> tuple[dict[str, str | None], list[str]]:
    """Return variables to set (``NAME=VALUE``) and names to pass on from this machine (``NAME``)."""
    environment: dict[str, str | None] = {}
    inherit = []
    for setting in settings:
        name, given, value = setting.partition("=")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageError(f"{setting!r} is not a variable; use --env NAME=VALUE or --env NAME")
        if given:
            environment[name] = value
        elif name in os.environ:
            inherit.append(name)
        else:
            raise UsageError(
                f"{name} is not set on this machine, so it cannot be passed on; use --env {name}=…"
            )
    return environment, inherit


def read_env_file(path: str | None) -> dict[str, str | None]:
    """Return the variables in a file: lines ``NAME=VALUE``, with ``export`` and quotes as in shell files.

    Nothing is expanded. Raises UsageError with the first line that is neither a variable nor a comment.
    """
    if path is None:
        return {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot read --env-file {path}: {reason}") from error
    environment: dict[str, str | None] = {}
    for number, line in enumerate(lines, 1):
        match = _ENV_LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"{path}, line {number}: found {line[:60]!r}, expected NAME=VALUE")
        name, single, double, plain = match.groups()
        if name:
            environment[name] = next(value for value in (single, double, plain) if value is not None)
    return environment


def default_name(handler: str) -> str:
    """Return the name of the handler's module, e.g. ``hello`` for ``hello.handler``."""
    return re.sub("[^A-Za-z0-9_-]+", "-", handler.rpartition(".")[0]).strip("-") or "function"
