"""Serve an ASGI application, such as one made with FastAPI, Starlette or Django, as a Lambda function.

    from lambda_runtime import asgi

    handler = asgi.handler(app)

The response is streamed while the application sends it, for function URLs with the invoke mode
RESPONSE_STREAM and REST APIs with the response transfer mode STREAM. If their mode is BUFFERED, the default,
use ``asgi.handler(app, streaming=False)``. HTTP APIs and load balancers cannot stream and always get buffered
responses. Source: https://asgi.readthedocs.io, "HTTP & WebSocket ASGI Message Format", "Lifespan Protocol".
"""

from __future__ import annotations

from . import codec, event_loop
from .stdlib_import import load_stdlib
from .web import http_event
from .web.http_event import ApplicationError, log_problem
from .web.lifespan import lifespan_of
from .web.options import Options, from_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import functools
    from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Generator
    from typing import Any, Optional

    from .context import LambdaContext
    from .web.http_event import Request
    from .web.lifespan import Application, Lifespan, Message, Receive, Send

    _Coroutine = Coroutine[Any, Any, Any]
    _Future = asyncio.Future[Any]

    # A part, whether more will follow, what `send` waits for; None if the application returned.
    Offer = Optional[tuple[Any, bool, asyncio.Future[None]]]
else:
    _Coroutine = object
    asyncio = load_stdlib("asyncio")
    functools = load_stdlib("functools")
    _Future = asyncio.Future

START, BODY = "http.response.start", "http.response.body"
# How long an application may continue after its client has left; then it is cancelled.
LEAVING_S = 5.0


class ClientLeft(OSError):
    """Raised in `send` when the client has left. ASGI demands an OSError for this."""

    def __init__(self) -> None:
        super().__init__("The client has left before the response was complete")


def handler(
    app: Application,
    *,
    streaming: bool = True,
    lifespan: str = "auto",
    base_path: str = "",
    text_types: Collection[str] = (),
    events: str = "",
    error_statuses: str = "",
    compress: bool = False,
) -> Callable[[Any, Any], PendingResponse]:
    """Return a Lambda handler that serves ``app``. The startup of ``app`` runs now, in the init phase.

    Outside of this runtime, for example in a unit test, nothing runs before the first request.

    ``lifespan``: with ``"auto"``, an application that raises for the lifespan scope is served without it, as
    ASGI demands; with ``"on"``, that is an init error; with ``"off"``, there is no lifespan. A startup that
    fails is always an init error. ``base_path``: see `http_event.read`; ``text_types``: see
    `http_event.complete`. ``events``: the path to which events that are not HTTP are posted as JSON;
    otherwise they are errors. ``error_statuses``, such as ``"500,502-504"``: responses that fail the
    invocation. ``compress``: use gzip for buffered text.

    The scope is ASGI's, with the ``state`` of the lifespan, plus ``aws.event`` and ``aws.context``.

    The result can be returned, awaited or iterated, for every event source: see `PendingResponse`.
    """
    http_event.check_application(app, "ASGI", 3)
    options = Options(base_path, text_types, events, error_statuses, streaming=streaming, compress=compress)
    lives = lifespan_of(app, lifespan)
    lives.begin_on_load()

    def handle(event: Any, context: Any) -> PendingResponse:
        request = options.read(event, context)
        scope = {**_scope(request), "aws.event": event, "aws.context": context}
        served = app
        if request.problem:
            served = functools.partial(_refuse, 400, request.problem)
        # The Upgrade header is about the connection only, so it does not reach the function.
        elif b"sec-websocket-key" in request.first:
            served = functools.partial(
                _refuse, 501, "WebSockets are not supported: this is a Lambda function."
            )
        kind = StreamedExchange if options.streams(request) else BufferedExchange
        return PendingResponse(kind(served, request, scope, options, lives, context))

    handle.is_async = True  # type: ignore[attr-defined] # where one process serves several invocations
    return handle


def serve(app: Application) -> Callable[[Any, Any], PendingResponse]:
    """Return the same for an application that the handler setting names; options are variables."""
    return handler(app, **from_environment("asgi"))


def _scope(request: Request) -> dict[str, Any]:
    """The connection scope of ASGI; ``path`` includes ``root_path``, as in other servers."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path.decode("utf-8", "replace"),
        "raw_path": request.raw_path,
        "query_string": request.query,
        "root_path": request.root_path,
        "headers": request.headers,
        "client": request.client,
        "server": request.server,
        "extensions": {},
    }


class PendingResponse(event_loop.Pending, _Coroutine):
    """The response to one request. A handler can use it in one of these ways, once:

        return web(event, context)                      in a function or an async function
        return await web(event, context)                in an async function
        async for part in web(event, context): ...      in an async function

    The caller gets the same response in each case, from every event source.

    Awaiting it gives an `http_event.Envelope` or, for an event source that may stream, an async generator of
    the parts: the prelude (a dict), then bytes. Iterating it gives these parts, or the JSON of the envelope
    as the only part: Lambda passes all parts in one piece to an event source that does not stream.

    So it has the methods of a coroutine, for `asyncio.run` and `asyncio.create_task`, and those of an async
    generator, because the runtime streams one that an async function returns. The application starts with the
    first step of either. The coroutine is not created before, because Python warns if it is never awaited.
    """

    def __init__(self, exchange: StreamedExchange | BufferedExchange) -> None:
        self._exchange = exchange
        self._stream = exchange.parts()
        self._coroutine: Coroutine[Any, Any, Any] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
        if isinstance(self._exchange, BufferedExchange):
            return self._exchange.begin(loop)
        future: asyncio.Future[Any] = super().begin(loop)
        return future

    def _begun(self) -> Coroutine[Any, Any, Any]:
        if self._coroutine is None:
            self._coroutine = self._exchange.respond()
        return self._coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._begun().__await__()

    def send(self, value: Any) -> Any:
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        return self._begun().throw(*error)

    def close(self) -> None:
        self._begun().close()

    def __aiter__(self) -> AsyncGenerator[Any, None]:
        return self._stream

    def __anext__(self) -> Any:
        return self._stream.__anext__()

    def athrow(self, error: BaseException) -> Any:
        return self._stream.athrow(error)

    def aclose(self) -> Any:
        return self._stream.aclose()


async def _refuse(status: int, text: str, scope: Message, receive: Receive, send: Send) -> None:
    """Respond in place of the application to what it cannot serve."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": START, "status": status, "headers": headers})
    await send({"type": BODY, "body": f"{text}\n".encode("utf-8", "backslashreplace")})


class Exchange:
    """One request and its response. The application runs in its own task."""

    _task: asyncio.Task[None]

    def __init__(
        self,
        app: Application,
        request: Request,
        scope: dict[str, Any],
        options: Options,
        lives: Lifespan,
        context: LambdaContext,
    ) -> None:
        self._app = app
        self._request = request
        self._scope = scope
        self._options = options
        self._lives = lives
        self._context = context
        self._expected = START  # what the application must send next; "" if nothing
        self._body_received = False
        self._is_over = False  # the response is complete, or the client has left
        self._over: asyncio.Event | None = None  # for tasks that wait for that

    async def _run(self) -> None:
        self._scope["state"] = await self._lives.state()
        await self._app(self._scope, self._receive, self._send)
        if self._expected:
            missing = self._expected + (" with more_body=False" if self._expected == BODY else "")
            raise ApplicationError(self._app, f"has returned without sending {missing}")

    async def _receive(self) -> Message:
        if not self._body_received:
            self._body_received = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        if not self._is_over:
            self._over = self._over or asyncio.Event()
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        """Take a part of the response from the application. Each kind of response has its own way."""

    def _read(self, message: Message, *, streamed: bool) -> tuple[Any, bool]:
        """Return the part of the response in ``message``, and whether more must follow."""
        kind = message["type"]
        if kind != self._expected:
            expected = self._expected or "nothing more, as its response is complete"
            raise ApplicationError(self._app, f"has sent {kind}, expected {expected}")
        if kind == START:
            part: Any = self._read_start(message, streamed=streamed)
            more = True
        else:
            part, more = self._read_body(message), bool(message.get("more_body"))
        self._expected = BODY if more else ""
        return part, more

    def _read_start(self, message: Message, *, streamed: bool) -> dict[str, Any]:
        headers = []
        for name, value in message.get("headers") or ():
            if not isinstance(name, bytes) or not isinstance(value, bytes):
                raise ApplicationError(self._app, f"has sent the header {(name, value)!r}, expected bytes")
            headers.append((name, value))
        status = int(message["status"])
        return http_event.make_prelude(self._app, self._request, status, headers, streamed=streamed)

    def _read_body(self, message: Message) -> bytes:
        body = message.get("body", b"")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise ApplicationError(
                self._app, f"has sent a body of type {type(body).__name__}, expected bytes"
            )
        # A response to HEAD has no body (RFC 9110, 9.3.2).
        return b"" if self._request.method == "HEAD" else bytes(body)

    def _note_over(self) -> None:
        self._is_over = True
        if self._over is not None:
            self._over.set()

    def _await_rest(self) -> None:
        """Let the application continue until the next event, after its response is complete."""
        task = self._task
        if not task.done() or task.cancelled() or task.exception() is not None:
            self._context.after_response(lambda: task)


class BufferedExchange(Exchange):
    """A response that is sent whole, so `send` does not wait."""

    _begun = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
        """Start the application on ``loop``; return the future of the envelope."""
        if self._begun:
            raise RuntimeError("The result of an ASGI handler can be awaited once only")
        self._begun = True
        self._parts: list[Any] = []
        self._response = BufferedResponse(loop=loop)
        self._response.task = self._task = loop.create_task(self._run())
        self._task.add_done_callback(self._note_end)
        return self._response

    async def respond(self) -> Any:
        response = await self.begin(asyncio.get_running_loop())
        if not event_loop.is_running():
            await self._task  # the function's own loop, for example in asyncio.run, ends with this response
        return response

    async def parts(self) -> AsyncGenerator[bytes, None]:
        yield codec.encode_response(await self.respond())[0]

    async def _send(self, message: Message) -> None:
        part, more = self._read(message, streamed=False)
        self._parts.append(part)
        if not more:
            self._complete()
        elif message["type"] == BODY:
            await asyncio.sleep(0)  # let other tasks run while an application sends part after part

    def _complete(self) -> None:
        if self._response.done():  # the application has returned, and a task of it continues
            return
        prelude, *chunks = self._parts
        try:
            self._response.set_result(self._options.complete(self._request, prelude, b"".join(chunks)))
        except Exception as error:  # is not one of the application's, and it must not see it
            self._response.set_exception(error)
        asyncio.get_running_loop().call_soon(self._note_complete)

    def _note_complete(self) -> None:
        self._note_over()
        if event_loop.is_running():
            self._await_rest()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """End the response with the application."""
        self._note_over()
        if not self._response.done():
            error = None if task.cancelled() else task.exception()
            if error is None:
                self._response.end()
            else:
                self._response.set_exception(error)
                self._response.exception()  # asyncio need not log it


class BufferedResponse(_Future):
    """The future of a response. Cancelling it cancels the application, and waits for it."""

    task: asyncio.Task[None]

    def cancel(self, *message: Any, **named: Any) -> bool:  # no argument before Python 3.9
        return not self.done() and self.task.cancel(*message, **named)

    def end(self) -> None:
        """Cancel the future itself."""
        super().cancel()


class StreamedExchange(Exchange):
    """A response whose parts the runtime requests, one by one.

    `send` returns when its part is sent to the client and the runtime requests the next one. So the
    application is never ahead of a slow client, and if it then blocks the event loop, the part is not
    delayed.
    """

    _client_left = False

    async def respond(self) -> AsyncGenerator[Any, None]:
        return self.parts()

    async def parts(self) -> AsyncGenerator[Any, None]:
        """Yield the parts of the response: the prelude, a dict, then bytes. Exceptions of ``app`` propagate.

        After the response is complete, the application may continue until the next event.
        """
        self._offers: asyncio.Queue[Offer] = asyncio.Queue()
        self._task = task = asyncio.ensure_future(self._run())
        complete = False
        try:
            while not complete:
                offer = await self._offers.get()
                if offer is None:
                    await task  # raises the application's exception
                    continue
                part, more, sent = offer
                try:
                    if isinstance(part, dict):
                        self._options.check_status(self._request, part["statusCode"])
                    if part:
                        yield part
                except BaseException:
                    _settle(sent, ClientLeft())
                    raise
                _settle(sent)
                complete = not more
            if event_loop.is_running():
                self._await_rest()
            else:
                await task  # as in `BufferedExchange.respond`
        finally:
            self._note_over()
            if not complete and not task.done():
                await self._end(task)

    async def _run(self) -> None:
        try:
            await super()._run()
        finally:
            self._offers.put_nowait(None)

    async def _end(self, task: asyncio.Future[None]) -> None:
        """Notify the application that the client has left, and wait until it returns."""
        self._client_left = True
        while not self._offers.empty():
            offer = self._offers.get_nowait()
            if offer is not None:
                _settle(offer[2], ClientLeft())
        await asyncio.wait({task}, timeout=LEAVING_S)
        if not task.done():
            problem = f"was still running {LEAVING_S:g} s after its client had left, and is cancelled"
            log_problem(str(ApplicationError(self._app, problem)))
            task.cancel()
            await asyncio.wait({task}, timeout=1)
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None and not _comes_from_leaving(error):
            raise error

    async def _send(self, message: Message) -> None:
        if self._client_left:
            raise ClientLeft
        part, more = self._read(message, streamed=True)
        sent = asyncio.get_running_loop().create_future()
        self._offers.put_nowait((part, more, sent))
        await sent


def _settle(sent: asyncio.Future[None], error: ClientLeft | None = None) -> None:
    """Let `send` return, or raise ``error``, if it is still waiting."""
    if sent.done():
        return
    if error is None:
        sent.set_result(None)
    else:
        sent.set_exception(error)


def _comes_from_leaving(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ClientLeft):
        error = error.__cause__ or error.__context__
    return error is not None
