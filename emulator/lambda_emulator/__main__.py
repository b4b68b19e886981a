"""Parse the command line: ``run`` invokes a function once, ``serve`` serves it to AWS CLI and browsers."""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from lambda_emulator.function import BOOTSTRAP, Function
from lambda_emulator.function_url import BUFFERED, RESPONSE_STREAM, FunctionUrl
from lambda_emulator.http_event import typed_request
from lambda_emulator.http_response import INTEGRATION_TYPE, InvalidResponse, read_prelude
from lambda_emulator.invoke_api import ApiError, InvokeApi, check_payload
from lambda_emulator.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lambda_emulator.invocation import Result

DEFAULT_EVENT = '{"name": "world"}'

# Lambda's limits: whole seconds; megabytes, where more than 10240 need managed instances.
LONGEST_TIMEOUT = 900
LEAST_MEMORY, MOST_MEMORY = 128, 32_768
MANAGED_MEMORY = 2048  # the least on managed instances
MOST_ENVIRONMENTS = 1000  # the default quota of an account
MOST_SLOTS = 1600
DEFAULT_CONCURRENCY = 10
MEMORY_RANGE = f"{LEAST_MEMORY} to 10240 MB (on managed instances up to {MOST_MEMORY} MB)"

# Exit statuses.
FUNCTION_FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT


class UsageError(Exception):
    """Report an option that cannot work; the message says what was found and what to do."""


class Terminated(BaseException):
    """Raised on SIGTERM and SIGHUP."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    errors = Terminal(sys.stderr)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        return run(options) if options.command == "run" else serve(options)
    except UsageError as error:
        errors.error(f"emulator: {error}")
        return USAGE
    except KeyboardInterrupt:
        return 0 if options.command == "serve" else INTERRUPTED  # Ctrl-C is the usual way to end `serve`
    except Terminated:
        return 0 if options.command == "serve" else 128 + signal.SIGTERM


def run(options: argparse.Namespace) -> int:
    """Invoke the function once, with the log on stderr and the response on stdout; return the exit status."""
    event = read_event(options.event)
    terminal = Terminal(sys.stderr)
    function = make_function(options, terminal)
    try:
        event = check_payload(event)
    except ApiError as error:
        terminal.error(f"{error.name}: {error}")
        terminal.message(
            f"Expected JSON, for example '{DEFAULT_EVENT}', or a request, for example 'GET /path?a=b'."
        )
        terminal.message(f"Found: {_excerpt(event)}")
        return FUNCTION_FAILED
    log = Terminal(sys.stderr, logs_json=function.configuration.logs_json)
    with function:
        return show(function.invoke_streaming(event), log, Terminal(sys.stdout))


def show(result: Result, log: Terminal, output: Terminal) -> int:
    """Print a response, each part of a streamed one as it arrives; return the exit status."""
    streamed = result.response_mode == "streaming"
    payload = b"" if streamed else b"".join(result)
    problem = show_stream(result, log, output) if streamed else ""
    _ = result.report  # wait until it is logged
    log.message()
    if result.function_error:
        midway = " midway" if streamed else ""
        log.error(f"The function failed{midway} ({result.function_error}). Its caller receives:")
        (log if streamed else output).payload(result.error_body)
        return FUNCTION_FAILED
    if problem:
        log.error(f"The response is not a valid HTTP response: {problem}")
        return FUNCTION_FAILED
    if not streamed:
        output.payload(payload)
    return 0


def show_stream(result: Result, log: Terminal, output: Terminal) -> str:
    """Print status and headers (if any) to the log, the body to the output; return what is invalid, or ""."""
    parts = iter(result)
    if result.content_type == INTEGRATION_TYPE:
        try:
            prelude, beginning = read_prelude(parts)
        except InvalidResponse as problem:
            result.close()
            return str(problem)
        log.remark(f"HTTP {prelude.status}")
        for name, value in prelude.headers:
            log.remark(f"{name}: {value}")
        log.message()
        output.part(beginning)
    for part in parts:
        output.part(part)
    output.end_parts()
    return ""


def serve(options: argparse.Namespace) -> int:
    """Serve the Invoke API and the function URL until a signal arrives."""
    terminal = Terminal(sys.stdout)
    function = make_function(options, terminal)
    url_port, url_option = options.url_port, "--url-port"
    if url_port is None:
        url_port, url_option = default_url_port(options.port), "--port"
    servers: list[InvokeApi | FunctionUrl] = []
    try:
        with _usage_error("the function URL", options.host, url_port, url_option):
            url = FunctionUrl(function, options.host, url_port, options.invoke_mode)
        servers.append(url)
        with _usage_error("the Invoke API", options.host, options.port, "--port"):
            api = InvokeApi(function, options.host, options.port, url.url)
        servers.append(api)
        with function:
            _introduce(terminal, options, function, api.url, url.url)
            while not threading.Event().wait(0.2):
                pass  # wake up regularly: Python runs signal handlers only on this, the main thread
    finally:
        for server in servers:
            server.close()
    return 0


def default_url_port(port: int) -> int:
    """Return the port after the Invoke API's; 0 (any free port) if that is 0."""
    return (port + 1) % 65536 if port else 0


@contextmanager
def _usage_error(what: str, host: str, port: int, option: str) -> Iterator[None]:
    """Turn the error of a server that cannot listen into a UsageError."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # an invalid host name is a UnicodeError
        if isinstance(error, (socket.gaierror, UnicodeError)):
            option, reason = "--host", getattr(error, "strerror", "") or "not a valid host name"
        else:
            option = "--host" if error.errno == errno.EADDRNOTAVAIL else option
            reason = os.strerror(error.errno or 0)
        with_make = "PORT=…" if option == "--port" else f"OPTIONS='{option} …'"
        remedy = f"use another {option} (with make: {with_make})"
        raise UsageError(f"{what} cannot listen on {host}:{port}: {reason.lower()}; {remedy}") from error


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 0 to 65535")
    return int(text)


def _introduce(
    terminal: Terminal, options: argparse.Namespace, function: Function, url: str, function_url: str
) -> None:
    name = function.configuration.name
    region = function.configuration.region
    payload = shlex.quote(DEFAULT_EVENT)
    if function.initialized:
        terminal.headline(f"{options.handler} is ready at {url} (press Ctrl-C to stop)")
    else:
        terminal.error(f"{options.handler} failed to initialize (see above). {url} responds with this error.")
        terminal.message(
            "Correct the function: the next event restarts it. Press Ctrl-C to stop the emulator."
        )
    terminal.message()
    terminal.message(
        f"aws lambda invoke --endpoint-url {url} --no-sign-request --region {region} --function-name {name}"
        f" --cli-binary-format raw-in-base64-out --payload {payload} /dev/stdout"
    )
    terminal.message("(AWS CLI version 1 does not have --cli-binary-format: leave it out.)")
    terminal.message()
    terminal.message(f"curl -d {payload} {url}/2015-03-31/functions/{name}/invocations")
    terminal.message()
    terminal.message(f"The function URL: open {function_url} in a browser, or curl -N {function_url}")
    if options.invoke_mode == RESPONSE_STREAM:
        terminal.message("It streams, and sends returned values unchanged. If your function returns")
        terminal.message('{"statusCode": …, "body": …}, restart with --invoke-mode BUFFERED.')
    terminal.message()


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
        name=options.name or default_name(options.handler),
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


def read_event(text: str) -> bytes:
    """Return the event: JSON text, ``@file``, ``-`` (standard input), or ``GET /path`` (an HTTP request)."""
    if text == "-":
        return sys.stdin.buffer.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read the event: {error.strerror}: {text[1:]}") from error
    if re.fullmatch(r"[A-Z]+ /\S*", text):
        return typed_request(*text.split(" "))
    return os.fsencode(text)


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


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--handler", default="", metavar="FILE.FUNCTION", help="the handler, for example hello.handler")
    add("--task-root", default=".", metavar="DIR", help="the folder with the function's code (default: .)")
    add("--python", metavar="PROGRAM", help="the interpreter for the function (default: this one)")
    add(
        "--bootstrap",
        default=BOOTSTRAP,
        metavar="PATH",
        help="the runtime's program (default: this repository's bootstrap)",
    )
    add(
        "--runtime",
        metavar="COMMAND",
        help="the command of another runtime, replaces --python and --bootstrap",
    )
    add("--name", help="the function's name (default: the handler's module)")
    add(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="set a variable, or pass on this machine's",
    )
    add("--credentials", action="store_true", help="let the function use your AWS credentials")
    add(
        "--timeout",
        type=_timeout,
        default=3.0,
        metavar="SECONDS",
        help=f"up to {LONGEST_TIMEOUT}; Lambda itself accepts only whole seconds (default: 3)",
    )
    add(
        "--memory",
        type=_memory,
        metavar="MB",
        help=f"the memory setting that the function sees, {MEMORY_RANGE}"
        f" (default: {LEAST_MEMORY}; with --managed {MANAGED_MEMORY})",
    )
    add(
        "--snap-start",
        action="store_true",
        help="emulate SnapStart: run the hooks before the snapshot and after the restore",
    )
    add(
        "--managed",
        type=_count("slots", MOST_SLOTS),
        default=0,
        metavar="N",
        help="emulate managed instances: one environment that handles up to N events at the same time",
    )
    add(
        "--vcpus",
        type=_count("processors", 192),
        metavar="K",
        help="with --managed: how many processors the function sees (default: all)",
    )
    add("--log-format", choices=("Text", "JSON"), help="the function's log format (default: Text)")
    add(
        "--log-level",
        choices=("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
        help="the function's application log level",
    )

    parser = argparse.ArgumentParser(
        prog="python3 -m lambda_emulator", description="Run a Lambda function on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | serve")
    run_parser = commands.add_parser("run", parents=[common], help="invoke a function once")
    run_parser.add_argument(
        "--event",
        default=DEFAULT_EVENT,
        metavar="JSON|@FILE|-|'GET /PATH'",
        help=f"JSON, a file, standard input or an HTTP request (default: {DEFAULT_EVENT})",
    )
    serve_parser = commands.add_parser(
        "serve", parents=[common], help="serve a function to AWS CLI, SDKs and curl"
    )
    serve_parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)"
    )
    serve_parser.add_argument(
        "--port",
        type=_port,
        default=9000,
        help="the port of the Invoke API, 0 for any free one (default: 9000)",
    )
    serve_parser.add_argument(
        "--url-port",
        type=_port,
        metavar="PORT",
        help="the port of the function URL, 0 for any free one (default: --port plus 1)",
    )
    serve_parser.add_argument(
        "--invoke-mode",
        choices=(RESPONSE_STREAM, BUFFERED),
        default=RESPONSE_STREAM,
        help="whether the function URL sends chunks as they arrive, or waits for the whole response and reads"
        f" statusCode, headers and body from it (default: {RESPONSE_STREAM})",
    )
    serve_parser.add_argument(
        "--concurrency",
        type=_count("environments", MOST_ENVIRONMENTS),
        metavar="N",
        help="how many environments handle events at the same time; more events get 429"
        f" (default: {DEFAULT_CONCURRENCY})",
    )
    serve_parser.add_argument(
        "--idle",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="end an environment that has been idle for so long (default: 300)",
    )
    serve_parser.add_argument(
        "--retry-delay",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="retry asynchronous events that failed after so long, then after twice as long (default: 60)",
    )
    serve_parser.add_argument(
        "--dead-letter",
        metavar="FILE",
        help="append asynchronous events that failed for good to this file, one JSON object per line",
    )
    serve_parser.add_argument(
        "--no-reload", dest="reload", action="store_false", help="do not restart when a .py file changes"
    )
    return parser


def _timeout(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= LONGEST_TIMEOUT:  # NaN fails this as well
        expected = f"expected a number of seconds above 0, up to {LONGEST_TIMEOUT}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a timeout; {expected}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; expected a number of seconds above 0")
    return value


def _count(what: str, most: int) -> Callable[[str], int]:
    """Return a reader of numbers from 1 to ``most``."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {what}; expected 1 to {most}")
        return int(text)

    return read


def _memory(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not LEAST_MEMORY <= int(text) <= MOST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is not a memory size; expected {MEMORY_RANGE}")
    return int(text)


def _excerpt(data: bytes, limit: int = 200) -> str:
    text = data.decode("utf-8", "replace")
    return text if len(text) <= limit else f"{text[:limit]}… ({len(data)} bytes)"


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
