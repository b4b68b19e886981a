"""Serve a WSGI application, such as one made with Flask or Django, as a Lambda function.

    from lambda_runtime import wsgi

    handler = wsgi.handler(app)

The response is streamed while the application produces it, for function URLs with the invoke mode
RESPONSE_STREAM and REST APIs with the response transfer mode STREAM. If their mode is BUFFERED, the default,
use ``wsgi.handler(app, streaming=False)``. HTTP APIs and load balancers cannot stream and always get buffered
responses. Source: PEP 3333.
"""

from __future__ import annotations

import sys

from . import process_exit
from .stdlib_import import load_stdlib
from .web import http_event
from .web.http_event import ApplicationError
from .web.options import Options, from_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    import functools
    import io
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

    from .web.http_event import Request

    # Django has no annotations, so type checkers do not infer Iterable[bytes] for its applications.
    Application = Callable[[Any, Any], Any]
else:
    functools, io = load_stdlib("functools"), load_stdlib("io")


def handler(
    app: Application,
    *,
    streaming: bool = True,
    base_path: str = "",
    text_types: Collection[str] = (),
    events: str = "",
    error_statuses: str = "",
    compress: bool = False,
) -> Callable[[Any, Any], Any]:
    """Return a Lambda handler that serves ``app``. ``base_path``: see `http_event.read`; it is SCRIPT_NAME.

    ``text_types``: see `http_event.complete`. ``events``: the path to which events that are not HTTP are
    posted as JSON; otherwise they are errors. ``error_statuses``, such as ``"500,502-504"``: responses that
    fail the invocation. ``compress``: use gzip for buffered text.

    The environ is that of PEP 3333, with ``aws.event`` and ``aws.context``, and without request headers that
    have an underscore in their name.

    The handler's result can be returned, or used with ``yield from``, for every HTTP event: it is a generator
    of the prelude and the blocks, or an `http_event.Envelope`.
    """
    http_event.check_application(app, "WSGI", 2)
    options = Options(base_path, text_types, events, error_statuses, streaming=streaming, compress=compress)

    def handle(event: Any, context: Any) -> Any:
        request = options.read(event, context)
        environ = _environ(request)
        environ.update({"aws.event": event, "aws.context": context})
        streamed = options.streams(request)
        served = _refuse(request.problem) if request.problem else app
        parts = _respond(served, Response(app, request, options, streamed=streamed), environ)
        if streamed:
            return parts
        prelude, *chunks = parts
        return options.complete(request, prelude, b"".join(chunks))

    return handle


def serve(app: Application) -> Callable[[Any, Any], Any]:
    """Return the same for an application that the handler setting names; options are variables."""
    return handler(app, **from_environment("wsgi"))


def _refuse(text: str) -> Application:
    """The application for a request that cannot be served."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("400 Bad Request", [("content-type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode("utf-8", "backslashreplace")]

    return app


def _respond(app: Application, response: Response, environ: dict[str, Any]) -> Iterator[Any]:
    """Yield the parts of the response: the prelude, a dict, then bytes. Exceptions of ``app`` propagate."""
    blocks = app(environ, response.start)
    if not hasattr(blocks, "__iter__"):
        raise ApplicationError(app, f"has returned {type(blocks).__name__}, expected an iterable of bytes")
    try:
        for block in blocks:
            yield from response.ready_parts(block)
        yield from response.ready_parts(b"", is_last=True)
    finally:  # even if the client has left
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


class Response:
    """The response that the application describes, until it can be sent."""

    def __init__(self, app: Application, request: Request, options: Options, *, streamed: bool) -> None:
        self._app = app
        self._options = options
        self._request = request
        self._streamed = streamed
        self._prelude: dict[str, Any] | None = None
        self._prelude_sent = False
        self._written: list[bytes] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """``start_response``. An error may replace status and headers until the first block is sent."""
        if self._prelude is not None and not exc_info:
            raise ApplicationError(self._app, "has called start_response twice without exc_info")
        if self._prelude_sent or self._written:
            raise exc_info[1].with_traceback(exc_info[2])
        code = status[:3] if isinstance(status, str) else ""
        if not code.isdigit():
            raise ApplicationError(
                self._app, f"has given the status {status!r}, expected for example '200 OK'"
            )
        encoded = [self._encode(header) for header in headers]
        self._prelude = http_event.make_prelude(
            self._app, self._request, int(code), encoded, streamed=self._streamed
        )
        return self._write

    def _encode(self, header: Any) -> tuple[bytes, bytes]:
        """A header as bytes."""
        if isinstance(header, (tuple, list)) and len(header) == 2:
            name, value = header
            if isinstance(name, str) and isinstance(value, str):
                return name.encode("latin-1"), value.encode("latin-1")
        raise ApplicationError(
            self._app, f"has given the header {header!r}, expected a tuple of two str in a list"
        )

    def _write(self, block: bytes) -> None:
        """``write``. The block is kept until the next one, because nothing can be sent during a call."""
        self._check(block)
        self._written.append(block)

    def _check(self, block: bytes) -> None:
        if not isinstance(block, bytes):
            raise ApplicationError(self._app, f"has sent a block of {type(block).__name__}, expected bytes")

    def ready_parts(self, block: bytes, *, is_last: bool = False) -> Iterator[Any]:
        """Yield the parts that can be sent: the prelude only before a block, as PEP 3333 demands."""
        self._check(block)
        data = b"".join([*self._written, block])
        self._written.clear()
        if not data and not is_last:
            return
        if self._prelude is None:
            raise ApplicationError(self._app, "has not called start_response before its first block")
        if not self._prelude_sent:
            self._prelude_sent = True
            if self._streamed:
                self._options.check_status(self._request, self._prelude["statusCode"])
            yield self._prelude
        if data and self._request.method != "HEAD":  # a response to HEAD has no body (RFC 9110, 9.3.2)
            yield data


def _environ(request: Request) -> dict[str, Any]:
    """The environ of PEP 3333, in which text is Latin-1: each character stands for one byte."""
    root = request.root_path.encode("utf-8", "surrogateescape")
    target = request.raw_path + (b"?" + request.query if request.query else b"")
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": request.path[len(root) :].decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        # Not in the PEP, but no other variable keeps an encoded slash.
        "REQUEST_URI": target.decode("latin-1"),
        "SERVER_NAME": request.server[0],
        "SERVER_PORT": str(request.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "REMOTE_ADDR": request.client[0] if request.client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,  # an extension by Werkzeug: the stream ends with the body
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": process_exit.is_shared,
        "wsgi.multiprocess": True,  # other environments serve other requests
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key, text = _variable(name), value.decode("latin-1")
        if key in environ:
            environ[key] = f"{environ[key]},{text}"
        elif key:
            environ[key] = text
    if "HTTP_CONTENT_TYPE" in environ:
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
    if environ.pop("HTTP_CONTENT_LENGTH", None) is not None or request.body:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


@functools.lru_cache(maxsize=200)  # requests have mostly the same headers
def _variable(name: bytes) -> str:
    """Return the variable of the environ for a request header, "" for one that has none."""
    if b"_" in name:
        return ""  # it would look like the header with hyphens, which a proxy may have set or checked
    return f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
