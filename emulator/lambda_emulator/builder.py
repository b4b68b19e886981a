"""Make functions from options, or explain which option cannot work."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from lambda_emulator.function import Function
from lambda_emulator.options import DEFAULT_CONCURRENCY, LEAST_MEMORY, MANAGED_MEMORY, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambda_emulator.terminal import Terminal


def split_handlers(options: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the options of each function, for every ``--handler [NAME=]FILE.FUNCTION``."""
    if len(options.handler) > 1 and options.name:
        raise UsageError("--name is for one function; use --handler NAME=FILE.FUNCTION for each of several")
    found = []
    for handler in options.handler or [""]:
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


def make_function(options: argparse.Namespace, terminal: Terminal) -> Function:
    """Create the function that the options describe; raise UsageError if one of them cannot work."""
    if not options.handler:
        raise UsageError(
            "no handler is set; use --handler FILE.FUNCTION, for example --handler hello.handler"
        )
    task_root = Path(options.task_root)
    if not task_root.is_dir():
        raise UsageError(
            f"folder {task_root.absolute()} does not exist;"
            " set --task-root to the folder that contains the handler's file"
        )
    check_managed(options)
    environment, inherit = read_variables(options.env)
    if options.log_format:
        environment["AWS_LAMBDA_LOG_FORMAT"] = options.log_format
    if options.log_level:
        environment["AWS_LAMBDA_LOG_LEVEL"] = options.log_level
    serving = options.command == "serve"
    return Function(
        options.handler,
        task_root,
        command=find_command(options),
        environment=environment,
        inherit=inherit,
        credentials=options.credentials,
        name=options.name,
        memory_mb=options.memory or (MANAGED_MEMORY if options.managed else LEAST_MEMORY),
        managed=options.managed,
        vcpus=options.vcpus,
        timeout_s=options.timeout,
        initialization_type="snap-start" if options.snap_start else "on-demand",
        concurrency=getattr(options, "concurrency", None) or (DEFAULT_CONCURRENCY if serving else 1),
        idle_s=options.idle if serving else math.inf,
        reload=serving and options.reload,
        record=False,
        retry_delay_s=options.retry_delay if serving else 0,
        dead_letter=check_dead_letter(options.dead_letter) if serving else None,
        # `run` waits for the end of the invocation, including what runs after the response.
        response_grace_s=1.0 if serving else options.timeout + 1,
        log=terminal.log,
        request_log=terminal.line,
    )


def check_dead_letter(path: str | None) -> str | None:
    """Return the absolute path of a file that can be appended to, or None."""
    if path is not None:
        try:
            with open(path, "a", encoding="utf-8"):
                return os.path.abspath(path)
        except OSError as error:
            raise UsageError(
                f"--dead-letter {path} cannot be written: {(error.strerror or '').lower()};"
                " use a file in an existing folder"
            ) from error
    return None


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


def find_command(options: argparse.Namespace) -> list[str]:
    """Return the command that starts the runtime."""
    if options.runtime:
        words = shlex.split(options.runtime)
        if not words or not shutil.which(words[0]):
            raise UsageError(f"program {options.runtime!r} does not exist; set --runtime to a command line")
        return [os.path.abspath(shutil.which(words[0]) or words[0]), *words[1:]]
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
    found = shutil.which(program)
    if found is None:
        raise UsageError(
            f"program {program!r} does not exist; set --python to the name or path of an interpreter"
        )
    asked = subprocess.run(
        [found, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise UsageError(f"{found} is not a working Python interpreter: {asked.stderr.strip()}")
    return asked.stdout.strip()


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


def default_name(handler: str) -> str:
    """Return the name of the handler's module, e.g. ``hello`` for ``hello.handler``."""
    return re.sub("[^A-Za-z0-9_-]+", "-", handler.rpartition(".")[0]).strip("-") or "function"
