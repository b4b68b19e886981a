"""Make the ``context`` argument of a handler for unit tests, which call the handler themselves."""

from __future__ import annotations

import asyncio
import sys
import time
from types import SimpleNamespace

from lambda_emulator.sample_events.values import ACCOUNT_ID, REGION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from lambda_runtime.context import LambdaContext

    # With Any among its bases, type checkers accept it for the context classes of other packages, too, such
    # as those of awslambdaric and Powertools.
    class Base(LambdaContext, Any):  # type: ignore[misc]
        pass
else:
    Base = object  # no code is shared with the runtime

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
LOG_STREAM = "2026/01/02/[{version}]0123456789abcdef0123456789abcdef"


def make_context(
    function_name: str = "function",
    *,
    remaining_ms: int | Sequence[int] = 3000,
    memory_mb: int = 128,
    request_id: str = REQUEST_ID,
    version: str = "$LATEST",
    region: str = REGION,
    arn: str | None = None,
    tenant_id: str | None = None,
    client_context: Mapping[str, Any] | None = None,
    cognito_identity_id: str | None = None,
    cognito_identity_pool_id: str | None = None,
) -> Context:
    """Return a context with the attributes, methods and types of the real one, and the same values each time.

    ``remaining_ms`` counts down as on Lambda. A list has one value for each call of
    ``get_remaining_time_in_millis``, and keeps the last one: ``[5000, 100]``. ``client_context`` has the
    members that a caller sends: ``client``, ``custom``, ``env``, ``w3c``.
    """
    context = Context(remaining_ms)
    context.aws_request_id = request_id
    context.log_group_name = f"/aws/lambda/{function_name}"
    context.log_stream_name = LOG_STREAM.format(version=version)
    context.function_name = function_name
    context.memory_limit_in_mb = str(memory_mb)
    context.function_version = version
    context.invoked_function_arn = arn or f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{function_name}"
    context.tenant_id = tenant_id
    if client_context is not None:
        context.client_context = _client_context(client_context)
        context._w3c_fields = dict(client_context.get("w3c") or {})
    identity: Any = SimpleNamespace(
        cognito_identity_id=cognito_identity_id, cognito_identity_pool_id=cognito_identity_pool_id
    )
    context.identity = identity
    return context


class Context(Base):
    """The context of `make_context`. Functions and tools may set further attributes."""

    # So `vars(context)` has what the real one has.
    __slots__ = ("__dict__", "__weakref__", "_steps", "after_response_calls")

    def __init__(self, remaining_ms: int | Sequence[int]) -> None:
        self._steps = None if isinstance(remaining_ms, int) else list(remaining_ms)
        first = remaining_ms if isinstance(remaining_ms, int) else self._steps[0] if self._steps else 0
        self._epoch_deadline_time_in_ms = int(time.time() * 1000) + first
        self._w3c_fields: dict[str, str] = {}
        self.client_context = None
        self.after_response_calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would stop the invocation; 0 after that."""
        if self._steps:
            return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write ``str(message)`` to stdout, without a line end."""
        sys.stdout.write(str(message))

    def after_response(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Keep the call in ``after_response_calls``, until the test calls `run_after_response`."""
        if not callable(function):
            raise TypeError(f"context.after_response expects a function, got {type(function).__name__}")
        self.after_response_calls.append((function, arguments, keywords))

    def run_after_response(self) -> None:
        """Make the calls of ``after_response`` in order, including those that they add; errors are raised.

        The result of an async function is awaited on a new event loop.
        """
        while self.after_response_calls:
            function, arguments, keywords = self.after_response_calls.pop(0)
            result = function(*arguments, **keywords)
            if hasattr(type(result), "__await__"):
                asyncio.run(_wait_for(result))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context in the client context: traceparent, tracestate, baggage."""
        return self._w3c_fields.copy()


def _client_context(sent: Mapping[str, Any]) -> Any:
    client = sent.get("client")
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    return SimpleNamespace(
        client=SimpleNamespace(**{name: client.get(name) for name in names}) if client else None,
        custom=sent.get("custom"),
        env=sent.get("env"),
    )


async def _wait_for(result: Awaitable[Any]) -> None:
    await result
