"""Test a Lambda function: start the real runtime with it, and invoke it.

    with LambdaFunction("app.handler", task_root="src", env={"TABLE": "orders"}) as function:
        response = function.invoke({"id": 7})
        assert response.payload == {"ordered": 7}

With pytest, the fixture ``lambda_function`` starts each function once per session. `make_context` makes a
context for tests that call the handler themselves; ``events`` makes the events of AWS services.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from contextlib import ExitStack

from lambda_emulator import sample_events as events
from lambda_emulator.builder import check_names, default_name, make_function
from lambda_emulator.options import UsageError, errors_name, make_parser
from lambda_emulator.responses import FunctionFailed, HttpResponse, Response, explain, summary
from lambda_emulator.unit_context import make_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Any, Deque

    from lambda_emulator.functions.function import Function
    from lambda_emulator.functions.invocation import Result

__all__ = ["FunctionFailed", "HttpResponse", "LambdaFunction", "LambdaFunctions", "Response"]
__all__ += ["events", "make_context"]

# How many pieces of the log are kept for the report of a failed test.
LOG_PIECES = 1000

NO_FIELDS: Mapping[str, object] = {}

__unittest = True  # unittest leaves the functions of this module out of its tracebacks


class KeptLog:
    """The last pieces of a log, until they are taken."""

    logs_json = False

    def __init__(self) -> None:
        self._pieces: Deque[bytes] = deque(maxlen=LOG_PIECES)

    def log(self, data: bytes, _request_id: str = "") -> None:
        self._pieces.append(data)

    def warning(self, text: str) -> None:
        self._pieces.append(text.encode("utf-8", "replace") + b"\n")

    def request(self, record: dict[str, Any]) -> None:
        """Ignore it: nothing is served."""

    def take(self) -> bytes:
        return b"".join(self._pieces.popleft() for _ in range(len(self._pieces)))


class LambdaFunction:
    """A function under the real runtime. ``with`` starts and ends it, or `start` and `close` do.

    The function runs in a separate process and sees only the environment variables in ``env``: no
    credentials of this machine, unless you pass ``credentials=True`` or a profile. One process handles one
    event after the other, and is replaced after a timeout or a crash, as on Lambda.
    """

    def __init__(
        self,
        handler: str,
        task_root: str | os.PathLike[str] = ".",
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 3,
        memory: int = 128,
        concurrency: int = 1,
        **options: Any,
    ) -> None:
        """Configure the function; raise ValueError if that cannot work.

        ``timeout`` is in seconds, ``memory`` in MB. ``concurrency``: how many invocations may run at the same
        time, each in its own process. ``options`` are further options of the command ``run``, with
        underscores: ``python=".venv/bin/python"``, ``log_format="JSON"``, ``snap_start=True``.
        """
        __tracebackhide__ = True  # pytest leaves this function out of its tracebacks
        self.handler = handler
        self._log = KeptLog()
        self._cleanup = ExitStack()  # of unpacked zips
        given = {"task_root": os.fspath(task_root), "timeout": timeout, "memory": memory, **options}
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        words = ["run", *_words(env=variables, **given)]
        try:
            with errors_name(f"the options of {handler}"):
                parsed = make_parser().parse_args(words)
            parsed.handler, parsed.name = handler, parsed.name or default_name(handler)
            parsed.concurrency = concurrency
            check_names([parsed.name])
            self._function: Function = make_function(parsed, self._log, self._cleanup)
        except BaseException as error:
            self._cleanup.close()
            if not isinstance(error, UsageError):
                raise
            # Options of the command line are arguments here, except in commands to paste.
            text = re.sub(
                r"`[^`]*`|--([a-z][a-z-]*)",
                lambda found: found[1].replace("-", "_") if found[1] else found[0],
                str(error),
            )
            raise ValueError(text) from None

    def __enter__(self) -> LambdaFunction:
        __tracebackhide__ = True
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Run the init phase; raise FunctionFailed, with the init error, if the handler cannot be loaded."""
        __tracebackhide__ = True
        try:
            self._function.start()
            error = self._function.init_error
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if error is not None:
            self.close()
            reason = summary(json.loads(error.body))
            raise FunctionFailed(explain(f"{self.handler} cannot be loaded: {reason}", self.take_log()))

    def close(self) -> None:
        """End the function with all its processes."""
        self._function.close()
        self._cleanup.close()

    def invoke(
        self,
        event: object = NO_FIELDS,
        *,
        client_context: Mapping[str, Any] | None = None,
        cognito_identity: Mapping[str, str] | None = None,
        tenant_id: str | None = None,
        request_id: str | None = None,
        trace_id: str | None = None,
    ) -> Response:
        """Invoke the function with ``event``, as JSON; wait for the response and for the end of the log.

        The other arguments are what a caller can send beside the event.
        """
        details: dict[str, Any] = {"tenant_id": tenant_id, "request_id": request_id, "trace_id": trace_id}
        if client_context is not None:
            details["client_context"] = json.dumps(client_context).encode()
        if cognito_identity is not None:
            details["cognito_identity"] = json.dumps(cognito_identity)
        return Response(self.handler, self._invoke(event, **details))

    def request(
        self,
        method: str,
        target: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        source: Callable[..., Any] = events.function_url,
        **fields: Any,
    ) -> HttpResponse:
        """Invoke the function with an HTTP request; return the response that the client receives.

        ``target``: path and query, percent-encoded. ``body``: text, ``bytes``, or a value that becomes JSON.
        ``source``: the function that makes the event, such as ``events.rest_api``; ``fields`` are further
        arguments of it. Streamed and buffered responses are read alike.
        """
        __tracebackhide__ = True
        event = source(method, target, headers=headers, body=body, **fields)
        multi_value = source in (events.rest_api, events.alb)
        return HttpResponse(self.handler, self._invoke(event), multi_value=multi_value)

    def take_log(self) -> str:
        """Return what was logged since the last call, including init phases; at most the last part of it."""
        return self._log.take().decode("utf-8", "replace")

    def _invoke(self, event: object, **details: Any) -> Result:
        return self._function.invoke_streaming(json.dumps(event).encode(), **details)

    def __repr__(self) -> str:
        return f"<LambdaFunction {self.handler}>"


class LambdaFunctions:
    """Functions that are started once for each handler with its options, and shared: the pytest fixture.

    Call it with the arguments of `LambdaFunction`. A function that could not be loaded is not tried again.
    """

    def __init__(self, task_root: str | os.PathLike[str] = ".") -> None:
        self._task_root = task_root
        self._functions: dict[str, LambdaFunction | FunctionFailed] = {}

    def __call__(
        self, handler: str, task_root: str | os.PathLike[str] | None = None, **options: Any
    ) -> LambdaFunction:
        __tracebackhide__ = True
        root = os.path.abspath(self._task_root if task_root is None else task_root)
        key = json.dumps([handler, root, options], sort_keys=True, default=str)
        if key not in self._functions:
            function = LambdaFunction(handler, root, **options)
            self._functions[key] = function
            try:
                function.start()
            except FunctionFailed as error:
                self._functions[key] = error
        found = self._functions[key]
        if isinstance(found, FunctionFailed):
            raise FunctionFailed(*found.args)
        return found

    def __iter__(self) -> Iterator[LambdaFunction]:
        """Iterate over the functions that run."""
        return iter([one for one in self._functions.values() if isinstance(one, LambdaFunction)])

    def close(self) -> None:
        """End all functions."""
        for function in self:
            function.close()
        self._functions.clear()


def _words(**options: Any) -> Iterator[str]:
    """Yield options as words of the command line: a list repeats its option, True sets it."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                yield option
            elif one is not False and one is not None:
                yield f"{option}={one}"
