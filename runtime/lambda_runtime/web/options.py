"""The options of the bridges to web applications, from arguments or from environment variables."""

from __future__ import annotations

from . import http_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from ..context import LambdaContext
    from .http_event import Request

_TENANT_HEADER = b"x-amz-tenant-id"
_BODY_SHOWN_CHARACTERS = 500


class ErrorStatus(Exception):
    """The application's response fails the invocation, so that alarms, retries and destinations see it."""


class Options:
    """How requests reach the application, and how its responses reach the caller."""

    def __init__(
        self,
        base_path: str,
        text_types: Collection[str],
        events: str,
        error_statuses: str,
        *,
        streaming: bool,
        compress: bool,
    ) -> None:
        """Raise ValueError or TypeError if an option has a value that would have no effect."""
        for name, path in (("base_path", base_path), ("events", events)):
            if path and not path.startswith("/"):
                raise ValueError(
                    f"{name} (LAMBDA_RUNTIME_{name.upper()}) is {path!r}, expected a path that begins with a "
                    f"slash: '/{path}'"
                )
        if isinstance(text_types, str):
            raise TypeError(f"text_types is {text_types!r}, expected a tuple: ({text_types!r},)")
        self._streaming = streaming
        self._base_path = base_path
        self._text_types = text_types
        self._events = events
        self._error_statuses = _read_statuses(error_statuses)
        self._compress = compress

    def read(self, event: Any, context: LambdaContext) -> Request:
        """Return the request in ``event``. Raises `http_event.NoHttpRequest`."""
        try:
            request = http_event.read(event, self._base_path)
        except http_event.NoHttpRequest:
            if not self._events:
                raise
            request = http_event.post_event(event, self._events)
        # A client's header of this name would look as if it came from Lambda.
        if _TENANT_HEADER in request.first:
            request.headers = [header for header in request.headers if header[0] != _TENANT_HEADER]
        tenant_id = getattr(context, "tenant_id", None)
        if tenant_id:
            request.headers.append((_TENANT_HEADER, str(tenant_id).encode()))
        return request

    def streams(self, request: Request) -> bool:
        """Whether the response to ``request`` is streamed."""
        return self._streaming and request.source in http_event.MAY_STREAM

    def check_status(self, request: Request, status: int, body: bytes = b"") -> None:
        """Raise ErrorStatus for a status that fails the invocation."""
        is_event = request.source is http_event.EVENT
        if status in self._error_statuses or (is_event and status >= 400):
            target = f"{request.method} {request.path.decode('utf-8', 'replace')}"
            text = body.decode("utf-8", "replace")[:_BODY_SHOWN_CHARACTERS]
            raise ErrorStatus(
                f"The application responded to {target} with status {status}{': ' if text else ''}{text}"
            )

    def complete(self, request: Request, prelude: dict[str, Any], body: bytes) -> Any:
        """Build a buffered response, see `http_event.complete`.

        For an event that is not HTTP, it is the body. An empty body becomes null, the response of functions
        that return nothing: it is JSON, and means that a batch has succeeded.
        """
        self.check_status(request, prelude["statusCode"], body)
        if request.source is http_event.EVENT:
            return body or None
        if self._compress:
            body = http_event.compress(request, prelude, body, self._text_types)
        return http_event.complete(prelude, body, self._text_types)


def _read_statuses(text: str) -> frozenset[int]:
    """Read a list of statuses and ranges, such as ``500,502-504``. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ValueError(
                f"error_statuses (LAMBDA_RUNTIME_ERROR_STATUSES) contains {part!r}, expected a status or a "
                "range: '500,502-504'"
            )
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def from_environment(interface: str) -> dict[str, Any]:
    """The keyword arguments of `asgi.handler` or `wsgi.handler` that environment variables set."""
    import os

    get = os.environ.get
    found: dict[str, Any] = {}
    for name in ("BASE_PATH", "EVENTS", "ERROR_STATUSES", *(("LIFESPAN",) if interface == "asgi" else ())):
        if get(f"LAMBDA_RUNTIME_{name}"):
            found[name.lower()] = get(f"LAMBDA_RUNTIME_{name}")
    for name in ("STREAMING", "COMPRESS"):
        text = get(f"LAMBDA_RUNTIME_{name}", "")
        if text:
            found[name.lower()] = _read_flag(f"LAMBDA_RUNTIME_{name}", text)
    types = get("LAMBDA_RUNTIME_TEXT_TYPES", "")
    if types:
        found["text_types"] = tuple(one.strip() for one in types.split(",") if one.strip())
    return found


def _read_flag(name: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"{name} is {text!r}, expected true or false")
