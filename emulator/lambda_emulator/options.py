"""Define the options of the command line, and which values they may have."""

from __future__ import annotations

import argparse
import math
import re
from contextlib import contextmanager

from lambda_emulator.function import BOOTSTRAP
from lambda_emulator.function_url import BUFFERED, RESPONSE_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

DEFAULT_EVENT = '{"name": "world"}'

# Lambda's limits: whole seconds; megabytes, where more than 10240 need managed instances.
LONGEST_TIMEOUT = 900
LEAST_MEMORY, MOST_MEMORY = 128, 32_768
MANAGED_MEMORY = 2048  # the least on managed instances
MOST_ENVIRONMENTS = 1000  # the default quota of an account
MOST_SLOTS = 1600
DEFAULT_CONCURRENCY = 10
MEMORY_RANGE = f"{LEAST_MEMORY} to 10240 MB (on managed instances up to {MOST_MEMORY} MB)"


class UsageError(Exception):
    """Report an option that cannot work; the message says what was found and what to do."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors can be about a file instead of the command line."""

    source = ""

    def error(self, message: str) -> NoReturn:
        if Parser.source:
            raise UsageError(f"{Parser.source}: {message}")
        super().error(message)


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

    parser = Parser(prog="python3 -m lambda_emulator", description="Run a Lambda function on this machine.")
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
        "--config", metavar="FILE", help="a TOML file that describes several functions (Python 3.11 or newer)"
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


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected 0 to 65535")
    return int(text)
