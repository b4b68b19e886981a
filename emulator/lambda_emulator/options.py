"""Define the options of the command line, and which values they may have."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from contextlib import contextmanager

from lambda_emulator.functions.function import BOOTSTRAP
from lambda_emulator.sample_events import EVENTS
from lambda_emulator.servers.event_sources import EVENT_SOURCES, FUNCTION_URL
from lambda_emulator.servers.function_url import BUFFERED, RESPONSE_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

SCRIPT = "lambda-emulator"  # the command that pyproject.toml defines
DEFAULT_EVENT = '{"name": "world"}'

# Lambda's limits: whole seconds; megabytes, where more than 10240 need managed instances.
LONGEST_TIMEOUT = 900
LEAST_MEMORY, MOST_MEMORY = 128, 32_768
MANAGED_MEMORY = 2048  # the least on managed instances
MOST_ENVIRONMENTS = 1000  # the default quota of an account
MOST_SLOTS = 1600
DEFAULT_CONCURRENCY = 10
AUTO, ALWAYS, NEVER = "auto", "always", "never"  # when to use a sandbox
MEMORY_RANGE = f"{LEAST_MEMORY} to 10240 MB (on managed instances up to {MOST_MEMORY} MB)"


class UsageError(Exception):
    """Report an option that cannot work; the message says what was found and what to do."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are short, and can be about a file instead of the command line."""

    source = ""

    def error(self, message: str) -> NoReturn:
        if Parser.source:
            raise UsageError(f"{Parser.source}: {message}")
        self.exit(2, f"{self.prog}: {message}\nUse --help to see all options.\n")


@contextmanager
def errors_name(source: str) -> Iterator[None]:
    """Let the parser's errors name the source of the options."""
    Parser.source = source
    try:
        yield
    finally:
        Parser.source = ""


def make_parser() -> argparse.ArgumentParser:
    common = Parser(add_help=False)
    add = common.add_argument
    add(
        "--handler",
        action="append",
        default=[],
        metavar="[NAME=]FILE.FUNCTION",
        help="the handler, for example hello.handler; `serve` accepts several",
    )
    add(
        "--task-root",
        default=".",
        metavar="DIR|ZIP",
        help="the folder with the function's code, or the zip that you will upload (default: .)",
    )
    add(
        "--layer",
        action="append",
        default=[],
        metavar="ZIP|DIR",
        help="a layer, unpacked over earlier ones; repeat it for each",
    )
    add(
        "--sandbox",
        choices=(AUTO, ALWAYS, NEVER),
        default=AUTO,
        help=f"whether the function runs in a root like Lambda's, which needs Linux and bubblewrap; {AUTO}:"
        f" zips and layers, if possible (default: {AUTO})",
    )
    add("--python", metavar="PROGRAM", help="the interpreter for the function (default: this one)")
    add(
        "--bootstrap",
        default=BOOTSTRAP,
        metavar="PATH",
        help="the runtime's program (default: the bootstrap that comes with the emulator)",
    )
    add(
        "--runtime",
        metavar="COMMAND",
        help="the command of another runtime, replaces --python and --bootstrap;"
        " its files are relative to the current folder",
    )
    add("--name", help="the function's name (default: the handler's module)")
    add(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="set a variable, or pass on this machine's",
    )
    add(
        "--env-file",
        metavar="FILE",
        help="set the variables in a file of lines NAME=VALUE; --env takes precedence",
    )
    add(
        "--credentials",
        nargs="?",
        const="",
        metavar="PROFILE",
        help="let the function use your AWS credentials: those that the environment selects, or a profile's",
    )
    # How one function of a file declines what the file sets for all.
    add("--no-credentials", dest="credentials", action="store_const", const=None, help=argparse.SUPPRESS)
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
    add(
        "--ansi",
        action="store_true",
        help="let the function's colours and other control sequences reach the terminal",
    )
    add("--log-format", choices=("Text", "JSON"), help="the function's log format (default: Text)")
    add(
        "--log-level",
        choices=("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
        help="the function's application log level",
    )
    interactive = Parser(add_help=False)
    interactive.add_argument(
        "--debug",
        nargs="?",
        type=_debug_port,
        const=0,
        metavar="PORT",
        help="debug the function: without limits of time, one event at a time, in this terminal (pdb) or"
        " with an editor that attaches to PORT (debugpy)",
    )
    interactive.add_argument(
        "--http-event",
        choices=tuple(EVENT_SOURCES),
        help="the event that HTTP requests become, and for `serve` how the response is read"
        f" (default: {FUNCTION_URL})",
    )

    prog = SCRIPT if os.path.basename(sys.argv[0]) == SCRIPT else "python3 -m lambda_emulator"
    parser = Parser(prog=prog, description="Run a Lambda function on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | serve | profile")
    run_parser = commands.add_parser("run", parents=[common, interactive], help="invoke a function once")
    run_parser.add_argument(
        "--event",
        default=DEFAULT_EVENT,
        metavar="JSON|@FILE|-|'GET /PATH'|NAME",
        help=f"JSON, a file, standard input, an HTTP request, or a sample event: {', '.join(EVENTS)}"
        f" (default: {DEFAULT_EVENT})",
    )
    run_parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header of the HTTP request in --event; repeat it for several",
    )
    run_parser.add_argument(
        "-d", "--data", metavar="TEXT|@FILE", help="the body of the HTTP request in --event"
    )
    serve_parser = commands.add_parser(
        "serve", parents=[common, interactive], help="serve a function to AWS CLI, SDKs and curl"
    )
    serve_parser.add_argument(
        "--config", metavar="FILE", help="a TOML file that describes several functions (Python 3.11 or newer)"
    )
    serve_parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)"
    )
    serve_parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which clients may address this machine, for example host.docker.internal",
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
        help="whether the function URL sends chunks as they arrive, or waits for the whole response and reads"
        f" statusCode, headers and body from it (default: {RESPONSE_STREAM}; {BUFFERED} with other events)",
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
    profile_parser = commands.add_parser(
        "profile", parents=[common], help="show what makes the init phase of a function slow"
    )
    profile_parser.add_argument(
        "--runs",
        type=_count("runs", 100),
        default=5,
        metavar="N",
        help="how often to start the function for the median (default: 5)",
    )
    profile_parser.add_argument("--json", action="store_true", help="print the profile as JSON")
    profile_parser.add_argument(
        "--flame", metavar="FILE.svg", help="also draw the imports as a flame graph into this file"
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


def _debug_port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 1 to 65535, for example 5678")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 0 to 65535")
    return int(text)
