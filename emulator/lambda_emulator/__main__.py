"""Parse the command line: ``run`` invokes a function once, ``serve`` serves it to AWS CLI and browsers."""

from __future__ import annotations

import argparse
import errno
import os
import re
import shlex
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lambda_emulator.builder import check_names, make_function, split_handlers
from lambda_emulator.config_file import read_config
from lambda_emulator.function_url import RESPONSE_STREAM, FunctionUrl
from lambda_emulator.http_event import typed_request
from lambda_emulator.http_response import INTEGRATION_TYPE, InvalidResponse, read_prelude
from lambda_emulator.invoke_api import ApiError, InvokeApi, check_payload
from lambda_emulator.options import DEFAULT_EVENT, UsageError, make_parser
from lambda_emulator.status_line import Status, StatusLine
from lambda_emulator.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from lambda_emulator.function import Function
    from lambda_emulator.invocation import Result

# Exit statuses.
FUNCTION_FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT


class Terminated(BaseException):
    """Raised on SIGTERM and SIGHUP."""


def main(words: list[str]) -> int:
    options = make_parser().parse_args(words)
    errors = Terminal(sys.stderr)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        return run(options) if options.command == "run" else serve(options, words[1:])
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
    one = split_handlers(options)[-1]
    check_names([one.name])
    function = make_function(one, terminal)
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


def serve(options: argparse.Namespace, words: list[str]) -> int:
    """Serve the Invoke API and the function URLs until a signal arrives."""
    if options.config is None:
        described = split_handlers(options)
    elif options.handler:
        raise UsageError("use either --handler or --config (with make: CONFIG=… without HANDLER)")
    else:
        options, described = read_config(options.config, make_parser(), words)
    check_names([one.name for one in described])
    terminal = Terminal(sys.stdout)
    first_port, url_option = options.url_port, "--url-port"
    if first_port is None:
        first_port, url_option = default_url_port(options.port), "--port"
    functions: list[Function] = []
    urls: list[FunctionUrl] = []
    with ExitStack() as stack:
        for number, one in enumerate(described):
            port = (first_port + number) % 65536 if first_port else 0
            port = port if one.url_port is None else one.url_port
            label = one.name if len(described) > 1 else ""
            function = make_function(one, Terminal(sys.stdout, label=label))
            functions.append(function)
            with _usage_error("the function URL", options.host, port, url_option):
                urls.append(FunctionUrl(function, options.host, port, one.invoke_mode))
            stack.callback(urls[-1].close)
        with _usage_error("the Invoke API", options.host, options.port, "--port"):
            api = InvokeApi(*functions, host=options.host, port=options.port, urls=[url.url for url in urls])
        stack.callback(api.close)
        for function in functions:
            stack.enter_context(function)
        _introduce(terminal, described, functions, api.url, urls)
        stack.enter_context(
            StatusLine(sys.stderr, lambda: sum((one.status() for one in functions), Status()))
        )
        while not threading.Event().wait(0.2):
            pass  # wake up regularly: Python runs signal handlers only on this, the main thread
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


def _introduce(
    terminal: Terminal,
    described: list[argparse.Namespace],
    functions: list[Function],
    url: str,
    function_urls: list[FunctionUrl],
) -> None:
    """Print how to invoke the functions; the commands are for the first."""
    for one, function in zip(described, functions):
        if function.initialized:
            terminal.headline(f"{one.handler} is ready at {url} (press Ctrl-C to stop)")
        else:
            terminal.error(f"{one.handler} failed to initialize (see above). {url} responds with this error.")
            terminal.message(
                "Correct the function: the next event restarts it. Press Ctrl-C to stop the emulator."
            )
    name = functions[0].configuration.name
    region = functions[0].configuration.region
    payload = shlex.quote(DEFAULT_EVENT)
    terminal.message()
    terminal.message(
        f"aws lambda invoke --endpoint-url {url} --no-sign-request --region {region} --function-name {name}"
        f" --cli-binary-format raw-in-base64-out --payload {payload} /dev/stdout"
    )
    terminal.message("(AWS CLI version 1 does not have --cli-binary-format: leave it out.)")
    terminal.message()
    terminal.message(f"curl -d {payload} {url}/2015-03-31/functions/{name}/invocations")
    terminal.message()
    for function, function_url in zip(functions, function_urls):
        whose = f" of {function.configuration.name}" if len(functions) > 1 else ""
        where = function_url.url
        terminal.message(f"The function URL{whose}: open {where} in a browser, or curl -N {where}")
    if any(one.invoke_mode == RESPONSE_STREAM for one in described):
        terminal.message("It streams, and sends returned values unchanged. If your function returns")
        terminal.message('{"statusCode": …, "body": …}, restart with --invoke-mode BUFFERED.')
    terminal.message()


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


def _excerpt(data: bytes, limit: int = 200) -> str:
    text = data.decode("utf-8", "replace")
    return text if len(text) <= limit else f"{text[:limit]}… ({len(data)} bytes)"


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
