"""The ``context`` argument of handlers, with the attributes of AWS's runtime.

For annotations: ``from lambda_runtime.context import LambdaContext``.
"""

from __future__ import annotations

import time

from . import codec
from .environment import FunctionFacts
from .errors import Fault
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .logs import FunctionLog
    from .runtime_api import Invocation

    Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def _represent(value: Any, names: tuple[str, ...]) -> str:
    """``Class([name=value,…])``, without quotes, as AWS's classes print."""
    fields = ",".join(f"{name}={getattr(value, name)}" for name in names)
    return f"{type(value).__name__}([{fields}])"


class Client:
    """The calling application, as the mobile SDK describes it. Every field may be None."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.installation_id: str | None = fields.get("installation_id")
        self.app_title: str | None = fields.get("app_title")
        self.app_version_name: str | None = fields.get("app_version_name")
        self.app_version_code: str | None = fields.get("app_version_code")
        self.app_package_name: str | None = fields.get("app_package_name")

    def __repr__(self) -> str:
        return _represent(
            self, ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
        )


class ClientContext:
    """What the caller sent as ClientContext. ``custom`` and ``env`` are dicts or None."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.custom: dict[str, Any] | None = fields.get("custom")
        self.env: dict[str, Any] | None = fields.get("env")
        client = fields.get("client")
        self.client: Client | None = Client(client) if isinstance(client, dict) else None

    def __repr__(self) -> str:
        return _represent(self, ("custom", "env", "client"))


class CognitoIdentity:
    """The Amazon Cognito identity of the caller. Both fields are None without one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.cognito_identity_id: str | None = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id: str | None = fields.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return _represent(self, ("cognito_identity_id", "cognito_identity_pool_id"))


class LambdaContext:
    """The invocation, the function and the environment (developer guide, python-context).

    Functions and tools may set further attributes.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_after_response",
        "_log",
    )  # so `vars(context)` has what AWS's has

    def __init__(self, invocation: Invocation, log: FunctionLog) -> None:
        self._log = log
        self._after_response: list[Call] | None = None
        facts = FunctionFacts()
        client_context = _parse(invocation.client_context, "Client Context")
        identity = _parse(invocation.cognito_identity, "Cognito Identity")
        self.aws_request_id: str = invocation.request_id
        self.log_group_name: str | None = facts.log_group_name
        self.log_stream_name: str | None = facts.log_stream_name
        self.function_name: str | None = facts.name
        self.memory_limit_in_mb: str | None = facts.memory_limit_in_mb  # text, on AWS's runtime too
        self.function_version: str | None = facts.version
        self.invoked_function_arn: str = invocation.invoked_function_arn
        self.tenant_id: str | None = invocation.tenant_id
        self._w3c_fields = _take_w3c_fields(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = CognitoIdentity(identity or {})
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops this invocation; 0 after that."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write ``str(message)`` to the function's log, without a line end or a format."""
        self._log.write(str(message))

    def after_response(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Call ``function`` after the response was sent and before the next event.

        The caller no longer waits, but the invocation continues: its time is billed, and the deadline holds.
        The result of an async function is awaited. Errors are logged; the caller does not see them. If Lambda
        does not accept the response, nothing is called.
        """
        if not callable(function):
            raise TypeError(f"context.after_response expects a function, got {type(function).__name__}")
        if self._after_response is None:
            self._after_response = []
        self._after_response.append((function, arguments, keywords))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context in the client context: traceparent, tracestate, baggage."""
        return self._w3c_fields.copy()

    def __repr__(self) -> str:
        return _represent(
            self,
            (
                "aws_request_id",
                "log_group_name",
                "log_stream_name",
                "function_name",
                "memory_limit_in_mb",
                "function_version",
                "invoked_function_arn",
                "client_context",
                "identity",
                "tenant_id",
            ),
        )


def _take_w3c_fields(client_context: dict[str, Any] | None) -> dict[str, str]:
    """Remove ``w3c`` from the client context; return its standard fields whose values are text."""
    fields = client_context.pop("w3c", None) if client_context else None
    if not isinstance(fields, dict):
        return {}
    names = ("traceparent", "tracestate", "baggage")
    return {name: fields[name] for name in names if isinstance(fields.get(name), str)}


def _parse(text: str | None, what: str) -> dict[str, Any] | None:
    """Parse a header that holds a JSON object. Returns None if it was not sent, or is null."""
    if text is None:
        return None
    try:
        value = _parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {what} JSON: {error}") from None
    if value is not None and not isinstance(value, dict):
        raise Fault(
            "Runtime.LambdaContextUnmarshalError",
            f"Unable to parse {what} JSON: found {type(value).__name__}, expected an object",
        )
    fields: dict[str, Any] | None = value
    return fields


def _parse_json(text: str) -> Any:
    try:
        return codec.decode_json(text)
    except (ValueError, RecursionError):
        return load_stdlib("json").loads(text)  # accepts NaN, as AWS's runtime does here
