"""The life of a function: initialize it once, then handle one invocation after the other.

These are the tasks in AWS's guide to custom runtimes, in the same order. Initialization tasks: retrieve
settings, initialize the function, handle errors. Processing tasks: get an event, propagate the tracing
header, create a context object, invoke the function handler, handle the response, handle errors, clean up.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` adds enum
import os
import sys

from . import codec, diagnostics, environment, logging_hook, logs, process_exit, search_path
from .context import LambdaContext
from .errors import RuntimeApiError
from .handler import load as _get_handler  # the name that tools know from AWS's runtime
from .logs import FunctionLog
from .process_exit import exit_now, exit_status, flush_output, in_child, stop_child
from .runtime_api import LambdaRuntimeClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn, Union

    from .bundle import Finder
    from .environment import Settings
    from .handler import Handler
    from .lifecycle.stack_dump import StackDump
    from .lifecycle.workers import RequestNote, Worker
    from .runtime_api import Invocation

    Watch = Union[RequestNote, StackDump]

# What handlers usually return: classes whose instances can be neither awaited nor streamed.
_VALUES = frozenset((dict, str, list, tuple, int, float, bool, bytes, type(None)))
# CPython raises SystemError if there is no memory for the trace of a MemoryError.
_OUT_OF_MEMORY = (MemoryError, SystemError)
_WHAT_THIS_IS = """\
AWS_LAMBDA_RUNTIME_API is not set: this program is a runtime that AWS Lambda starts.
To run a function on your machine, use `lambda-emulator run`, or `make run` in the source folder.
"""


def main(arguments: Sequence[str] = ()) -> int:
    """Run the function until Lambda ends the process. Returns an exit status if there is no Lambda."""
    settings = environment.Settings(arguments)
    if not settings.runtime_api:
        sys.stderr.write(_WHAT_THIS_IS)
        return 2
    worker = None  # set only where an environment handles several invocations at once
    if settings.concurrency:
        from .lifecycle.workers import Worker

        worker = Worker(settings)
    else:
        logs.replace_standard_streams()
    log = FunctionLog(settings)
    logging_hook.add_root_handler_in_time(log)
    try:
        client = LambdaRuntimeClient(settings.runtime_api, log)
        handler = initialize(settings, client, log, worker)
        stack_dump = None
        if settings.dump_stacks_ms:
            from .lifecycle.stack_dump import StackDump

            stack_dump = StackDump(settings.dump_stacks_ms, environment.stacks_descriptor())
        if worker is not None:
            worker.serve(process_invocations, client, handler, log, stack_dump)
        process_invocations(client, handler, log, stack_dump)
    except BaseException as error:
        if in_child():
            raise  # the function forked this process: Python ends it as it ends any other
        exit_now(_report_end(error, log, worker))


def _report_end(error: BaseException, log: FunctionLog, worker: Worker | None) -> int:
    """Report an error of the Runtime API, or of a signal handler while idle; return the exit status.

    Python would report it too, but then wait for the function's threads.
    """
    if isinstance(error, KeyboardInterrupt):
        return 130  # Ctrl-C at a terminal
    try:
        if isinstance(error, RuntimeApiError):
            if worker is not None:
                worker.note_api_lost()
            log.write_process_message(f"{error}. The runtime exits.")
        elif not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        pass  # the function closed or replaced what this needs
    return exit_status(error)


def initialize(
    settings: Settings, client: LambdaRuntimeClient, log: FunctionLog, worker: Worker | None = None
) -> Handler:
    """Load the handler, which runs the function's static code. Reports an error and ends the process."""
    try:
        if worker is not None:
            worker.check_settings()
        if settings.exec_wrapper:
            from .lifecycle import exec_wrapper

            exec_wrapper.execute(settings)
        search_path.arrange(settings.task_root)
        client.connect()
        bundles = _use_bundles(settings.task_root)
        handler = _get_handler(settings.handler)
        for bundle in bundles:
            bundle.close()
        stop_child()
        if worker is not None:
            worker.note_loaded(client, log)
        sigterm_handler = _signal.getsignal(_signal.SIGTERM)
        if callable(sigterm_handler):
            from .lifecycle import shutdown

            shutdown.prepare(sigterm_handler, client, log, worker)
        if settings.snap_start:
            from .lifecycle import snapstart

            status = snapstart.wait_for_restore(client, log)
            if status:
                exit_now(status)
        return handler
    except BaseException as error:
        if issubclass(type(error), _OUT_OF_MEMORY):
            diagnostics.reserve = None  # before any other call, which may take memory
        if in_child():
            raise
        diagnostic = diagnostics.describe(error)
        log.write_error(diagnostic)
        if worker is None or worker.is_first:  # otherwise the environment is serving
            client.post_init_error(diagnostic)
        exit_now(exit_status(error) or 1)  # not 0, even after sys.exit(0): the function cannot serve anything


def _use_bundles(task_root: str) -> list[Finder]:
    """Import packages from the bundles that ``BUNDLE=1`` has added to the function's zip and to a layer."""
    finders = []
    for root in (task_root.rstrip("/") or "/", search_path.LAYERS):
        path = f"{root}/.lambda-bundle.{sys.implementation.cache_tag}"
        if root in sys.path and os.path.exists(path):
            from . import bundle

            finder = bundle.install(path, root, is_layer=root == search_path.LAYERS)
            if finder is not None:
                finders.append(finder)
    return finders


def process_invocations(
    client: LambdaRuntimeClient, handler: Handler, log: FunctionLog, watch: Watch | None = None
) -> NoReturn:
    """Handle events until the process ends or RuntimeApiError is raised."""
    handler = await_or_stream(handler, client)
    while True:
        invocation = client.wait_next_invocation()
        environment.set_trace_id(invocation.trace_id)
        log.begin(invocation.request_id, invocation.tenant_id)
        if watch is not None:
            watch.begin(invocation)
        handle_event_request(client, handler, invocation, log)
        if watch is not None:
            watch.end()
        flush_output()


def handle_event_request(
    client: LambdaRuntimeClient, handler: Handler, invocation: Invocation, log: FunctionLog
) -> None:
    """Invoke the handler and send its response, or the error.

    The name is that of AWS's runtime. It is looked up for each invocation, because tools replace it by a
    wrapper.
    """
    context = None
    try:
        context = LambdaContext(invocation, log)
        event = codec.decode_event(invocation.event, invocation.content_type)
        invocation.event = b""  # the function can use its memory
        result = handler(event, context)
        if invocation.stream is None:  # otherwise the handler has streamed it
            body, content_type = codec.encode_response(result)
    except BaseException as error:
        if issubclass(type(error), _OUT_OF_MEMORY):
            diagnostics.reserve = None  # before any other call, which may take memory
        if in_child():
            raise
        diagnostic = diagnostics.describe(error)
        log.write_error(diagnostic)
        accepted = client.post_invocation_error(invocation, diagnostic)
        diagnostics.keep_reserve()
        if issubclass(type(error), SystemExit) and not process_exit.is_shared:
            exit_now(exit_status(error))
    else:
        if invocation.stream is None:
            accepted = client.post_invocation_result(invocation, body, content_type)
        else:
            accepted = invocation.stream.end()
    if context is not None and context._after_response:
        try:
            from .lifecycle import after_response  # late: few functions use it
        except Exception as error:  # the function has used up its descriptors, so the import fails
            log.write_error(diagnostics.describe(error))
        else:
            after_response.run(context._after_response, log, accepted=accepted)


def await_or_stream(handler: Handler, client: LambdaRuntimeClient) -> Handler:
    """Wrap ``handler``: the wrapper awaits an awaitable result and streams a generator.

    Both happen inside the call, so tools that wrap the handler see the errors and the whole duration.
    """

    def call_handler(event: Any, context: LambdaContext) -> Any:
        result = handler(event, context)
        if type(result) in _VALUES:
            return result
        # Check the class, because a value may have attributes of any name. Use __class__ instead of type(),
        # because the __class__ of a proxy is the class of the object behind it.
        if hasattr(result.__class__, "__await__"):
            from . import event_loop  # late: asyncio takes longer than all the rest of the start

            result = event_loop.wait_for(result)
        if _is_generator_class(result.__class__):
            from . import streaming  # late: few functions stream

            assert client.invocation is not None
            streaming.send(result, client, client.invocation)
            return None
        return result

    return call_handler


def _is_generator_class(kind: type) -> bool:
    """Whether ``kind`` is a class of generators, async or not. Other iterators, such as files, are values."""
    return (hasattr(kind, "__next__") and hasattr(kind, "throw")) or (
        hasattr(kind, "__anext__") and hasattr(kind, "athrow")
    )
