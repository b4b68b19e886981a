"""Parse the command line, and do what it says.

``run`` invokes a function once, ``serve`` serves it to AWS CLI and browsers, ``profile`` measures its start.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import queue
import re
import shlex
import signal
import socket
import stat
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lambda_emulator import sample_events
from lambda_emulator.builder import check_names, check_writable, make_function, split_handlers
from lambda_emulator.config_file import read_config
from lambda_emulator.options import DEFAULT_EVENT, UsageError, make_parser
from lambda_emulator.profiling import flame_graph, profile_report, profiler
from lambda_emulator.servers.event_sources import EVENT_SOURCES, FUNCTION_URL, typed_request
from lambda_emulator.servers.function_url import BUFFERED, RESPONSE_STREAM, FunctionUrl
from lambda_emulator.servers.http_response import INTEGRATION_TYPE, InvalidResponse, read_prelude
from lambda_emulator.servers.http_server import is_field
from lambda_emulator.servers.invoke_api import ApiError, InvokeApi, check_payload
from lambda_emulator.servers.port_owner import port_owner
from lambda_emulator.terminal.status_line import Status, StatusLine
from lambda_emulator.terminal.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import TextIO

    from lambda_emulator.functions.function import Function
    from lambda_emulator.functions.invocation import Result

# Exit statuses.
FUNCTION_FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT

# As the main thread has: with less, nested JSON in a line of the log can end CPython 3.13. musl has 1 MB.
STACK_BYTES = 8 * 1024 * 1024
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc

JSON_WORDS = ("true", "false", "null")  # not the names of sample events


class Terminated(BaseException):
    """Raised on SIGTERM and SIGHUP."""


def main(words: list[str] | None = None) -> int:
    """Run the command line, by default that of this process; return the exit status."""
    words = sys.argv[1:] if words is None else words
    options = make_parser().parse_args(words)
    errors = Terminal(sys.stderr, logs_json=options.command != "profile" and options.log_format == "JSON")
    Terminal.ansi = options.ansi
    threading.stack_size(STACK_BYTES)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        if options.command == "profile":
            status = profile(options)
            sys.stdout.flush()
            return status
        return run(options) if options.command == "run" else serve(options, words[1:])
    except UsageError as error:
        errors.error(f"emulator: {error}")
        return USAGE
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # drop what is still buffered
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 0 if options.command == "serve" else INTERRUPTED  # Ctrl-C is the usual way to end `serve`
    except Terminated:
        return 0 if options.command == "serve" else 128 + signal.SIGTERM


def run(options: argparse.Namespace) -> int:
    """Invoke the function once, with the log on stderr and the response on stdout; return the exit status."""
    event = read_event(options.event, options.header, options.data, options.http_event)
    terminal = Terminal(sys.stderr)
    one = split_handlers(options)[-1]
    check_names([one.name])
    with ExitStack() as cleanup:
        function = make_function(one, terminal, cleanup)
        try:
            event = check_payload(event)
        except ApiError as error:
            expected = (
                f"Expected JSON, for example '{DEFAULT_EVENT}', or a request, for example 'GET /path?a=b'."
            )
            terminal.error(f"{error.name}: {error}\n{expected}\nFound: {_excerpt(event)}")
            return FUNCTION_FAILED
        cleanup.callback(function.close)
        output = Terminal(sys.stdout)

        def invoke() -> int:
            function.start()
            return show(function.invoke_streaming(event), terminal, output)

        try:
            return _on_thread(invoke)
        except BaseException:
            terminal.muted = output.muted = True  # it now reports how we end the function
            raise


def profile(options: argparse.Namespace) -> int:
    """Print what the init phase spends its time on; return the exit status."""
    one = split_handlers(options)[-1]
    check_names([one.name])
    if options.flame:
        check_writable("--flame", options.flame)
    try:
        measured = profiler.measure(one, options.runs)
    except profiler.InitFailed as failure:
        terminal = Terminal(sys.stderr)
        terminal.log(f"{str(failure).rstrip()}\n".encode())
        terminal.error("The function failed to initialize (see above), so there is nothing to profile.")
        return FUNCTION_FAILED
    if options.flame:
        title = f"The imports of {one.handler}"
        Path(options.flame).write_text(flame_graph.draw(title, measured.imports), encoding="utf-8")
    if options.json:
        print(json.dumps(profile_report.as_json(measured), indent=2))
    else:
        profile_report.show(measured, sys.stdout)
    return 0


def _on_thread(work: Callable[[], int]) -> int:
    """Return the result of ``work``, which another thread does.

    Python runs signal handlers only on this, the main thread. Amid the work, the exceptions that they raise
    could leave locks held for ever, and a signal that arrives just before a wait could not end it.
    """
    outcomes: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcomes.put(work())
        except BaseException as error:
            outcomes.put(error)

    threading.Thread(target=run, name="run", daemon=True).start()
    while True:
        try:
            outcome = outcomes.get(timeout=0.2)
        except queue.Empty:
            continue  # wake up regularly, to run signal handlers
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def show(result: Result, log: Terminal, output: Terminal) -> int:
    """Print a response, each part of a streamed one as it arrives; return the exit status."""
    streamed = result.response_mode == "streaming"
    payload = b"" if streamed else b"".join(result)
    problem = show_stream(result, log, output) if streamed else ""
    _ = result.report  # wait until it is logged
    log.gap()
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
        log.gap()
        output.part(beginning)
    for part in parts:
        output.part(part)
    output.end_parts()
    return ""


def serve(options: argparse.Namespace, words: list[str]) -> int:
    """Serve the Invoke API and the function URLs until a signal arrives."""
    return_freed_memory()
    if options.config is None:
        described = split_handlers(options)
    elif options.handler:
        raise UsageError("use either --handler or --config (with make: CONFIG=… without HANDLER)")
    else:
        options, described = read_config(options.config, make_parser(), words)
    check_names([one.name for one in described])
    if options.debug is not None and len(described) > 1:
        raise UsageError("--debug is for one function, which has the terminal to itself; serve only that one")
    first_port, url_option = options.url_port, "--url-port"
    if first_port is None:
        first_port, url_option = default_url_port(options.port), "--port"
    functions: list[Function] = []
    urls: list[FunctionUrl] = []
    terminals: list[Terminal] = []
    longest = max(len(one.name) for one in described)
    with ExitStack() as stack:
        for number, one in enumerate(described):
            port = (first_port + number) % 65536 if first_port else 0
            port = port if one.url_port is None else one.url_port
            mode, source = url_mode(one.invoke_mode, one.http_event), one.http_event or FUNCTION_URL
            terminals.append(
                Terminal(sys.stdout, label=one.name.ljust(longest) if len(described) > 1 else "")
            )
            function = make_function(one, terminals[-1], stack)
            functions.append(function)
            what = (
                "the function URL"
                if url_option == "--url-port"
                else "the function URL, whose port follows --port,"
            )
            with _usage_error(what, options.host, port, url_option):
                urls.append(FunctionUrl(function, options.host, port, mode, options.allowed_host, source))
            stack.callback(urls[-1].close)
        with _usage_error("the Invoke API", options.host, options.port, "--port"):
            api = InvokeApi(
                *functions,
                host=options.host,
                port=options.port,
                urls=[url.url for url in urls],
                allowed_hosts=options.allowed_host,
            )
        stack.callback(api.close)
        for function in functions:
            stack.enter_context(function)
        for one, function, terminal, function_url in zip(described, functions, terminals, urls):
            _announce(terminal, one.handler, function, api.url, function_url.url)
        # A program that reads the log reads only the log.
        guide = Terminal(sys.stderr if any(one.logs_json for one in terminals) else sys.stdout)
        _introduce(guide, described, functions, api.url, urls)
        # A debugger has the last line of the terminal, and so has a program that reads our output.
        if options.debug is None and not _is_pipe(sys.stdout):
            stack.enter_context(
                StatusLine(sys.stderr, lambda: sum((one.status() for one in functions), Status()))
            )
        try:
            while not threading.Event().wait(0.2):
                pass  # wake up regularly: Python runs signal handlers only on this, the main thread
        finally:
            for terminal in terminals:  # a debugged function is ended in the middle of an event
                terminal.muted = options.debug is not None
    return 0


def url_mode(given: str | None, source: str | None) -> str:
    """Return the mode of the URL; raise UsageError if its event source cannot stream."""
    source = source or FUNCTION_URL
    if given == RESPONSE_STREAM and not EVENT_SOURCES[source].can_stream:
        raise UsageError(
            f"--http-event {source} cannot stream;"
            f" leave --invoke-mode out, or use --http-event {FUNCTION_URL}"
        )
    return given or (RESPONSE_STREAM if source == FUNCTION_URL else BUFFERED)


def return_freed_memory() -> None:
    """Let glibc return the memory of large events and responses, and use one heap for all threads.

    Otherwise it keeps up to 2 MB in each of its heaps, of which it makes eight for each CPU.
    """
    try:
        import ctypes  # some Pythons are built without it

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, AttributeError, OSError, TypeError):  # or it is another C library
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, 128 * 1024)  # the default, which would grow with the largest block


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
            option, owner = "--host", ""
            reason = (getattr(error, "strerror", "") or "not a valid host name").lower()
        else:
            option = "--host" if error.errno == errno.EADDRNOTAVAIL else option
            reason = os.strerror(error.errno or 0).lower()
            owner = port_owner(port) if error.errno == errno.EADDRINUSE else ""
            reason = f"{reason} by {owner}" if owner else reason
        with_make = "PORT=…" if option == "--port" else f"OPTIONS='{option} …'"
        remedy = f"{'end that process, or ' if owner else ''}use another {option} (with make: {with_make})"
        raise UsageError(f"{what} cannot listen on {host}:{port}: {reason}; {remedy}") from error


def _is_pipe(stream: TextIO) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _announce(terminal: Terminal, handler: str, function: Function, url: str, function_url: str) -> None:
    """Print whether the function can be invoked, and if not, why."""
    where = {"function": function.configuration.name, "url": url, "functionUrl": function_url}
    if function.initialized:
        terminal.ready(f"{handler} is ready at {url} (press Ctrl-C to stop)", **where)
    else:
        terminal.error(
            f"{handler} failed to load: {function.init_problem}\n"
            f"{url} responds with this error. Correct the function: the next event loads it again."
            " Press Ctrl-C to stop.",
            **where,
        )


def _introduce(
    terminal: Terminal,
    described: list[argparse.Namespace],
    functions: list[Function],
    url: str,
    function_urls: list[FunctionUrl],
) -> None:
    """Print how to invoke the functions; the commands are for the first."""
    terminal.message(f"Open {url} in a browser to send events and to look at invocations.")
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
    for one, function, function_url in zip(described, functions, function_urls):
        whose = f" of {function.configuration.name}" if len(functions) > 1 else ""
        where = function_url.url
        title = EVENT_SOURCES[one.http_event or FUNCTION_URL].title.replace("the", "The", 1)
        terminal.message(f"{title}{whose}: open {where} in a browser, or curl -N {where}")
    terminal.message()


def read_event(text: str, headers: list[str], data: str | None, source: str | None = None) -> bytes:
    """Return the event: JSON text, a file, standard input, an HTTP request, or a sample event.

    They are written as JSON, ``@file``, ``-``, ``GET /path`` and a name such as ``sqs``. ``headers`` and
    ``data`` belong to the request, in the spelling of curl, and so does the event ``source``.
    """
    if re.fullmatch(r"[A-Z]+ /\S*", text):
        method, target = text.split(" ")
        typed_source = EVENT_SOURCES[source or FUNCTION_URL]
        return typed_request(typed_source, method, target, read_headers(headers), read_data(data))
    if headers or data is not None or source is not None:
        raise UsageError(
            "--header, --data and --http-event belong to an HTTP request;"
            " use for example --event 'POST /path'"
        )
    if text == "-":
        return sys.stdin.buffer.read()
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read the event: {error.strerror}: {text[1:]}") from error
    if re.fullmatch("[a-z][a-z0-9-]*", text) and text not in JSON_WORDS:
        try:
            return json.dumps(sample_events.make(text)).encode()
        except ValueError as error:
            raise UsageError(f"{error}. An event can also be JSON, @FILE, - or 'GET /path'") from error
    return os.fsencode(text)


def read_headers(texts: list[str]) -> list[tuple[str, str]]:
    """Split ``Name: value``; raise UsageError if one is not a header."""
    headers = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not is_field(name, value.strip()):
            raise UsageError(f"{text!r} is not a header; use for example --header 'content-type: text/plain'")
        headers.append((name, value.strip()))
    return headers


def read_data(text: str | None) -> bytes | None:
    """Return the body: a text, or the content of a file written as ``@file``."""
    if text is None or not text.startswith("@"):
        return None if text is None else os.fsencode(text)
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read --data {text}: {(error.strerror or '').lower()}") from error


def _excerpt(data: bytes, limit: int = 200) -> str:
    text = data.decode("utf-8", "replace")
    return text if len(text) <= limit else f"{text[:limit]}… ({len(data)} bytes)"


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
