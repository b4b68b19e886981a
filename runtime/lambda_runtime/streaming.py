"""Stream a response: send what a generator yields, chunk by chunk.

    POST …/response, Transfer-Encoding: chunked, Trailer: Lambda-Runtime-Function-Error-…
      [prelude]        if the first chunk is a dict: its JSON, then 8 NULs
      chunk, chunk …   each is sent before the next is requested
      last chunk       and, if the function failed midway, the error in trailers

An error before the first chunk is reported like that of any function. After it, the error goes into the
trailers. If the server does not accept more (it has responded, or is gone), the generator is closed.
Source: AWS's developer guide, "Building a custom runtime", response streaming; the prelude: "Response
streaming for Lambda proxy integrations" of API Gateway.
"""

from __future__ import annotations

from . import codec, http1
from .errors import Fault
from .process_exit import stop_child
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .diagnostics import Diagnostic
    from .runtime_api import Invocation, LambdaRuntimeClient
    from .upload import Upload

BYTES = "application/octet-stream"
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
JOINED_BYTES = 16_384  # a chunk below this size is copied into one piece with its frame
PRELUDE_LIMIT_BYTES = 16_384  # API Gateway does not look for the NULs after this many bytes
# Go's net/http reads trailers through a buffer of 4 KiB and drops the connection if they are longer. With
# AWS's emulator, a body of 4,000 bytes works and one of 4,080 does not.
TRAILERS_LIMIT_BYTES = 3_800
PRELUDE_KEYS = ("statusCode", "headers", "multiValueHeaders", "cookies")
# The states of a response, in their order; it may skip _BODY.
_NEW = 0  # nothing is sent: an error is still that of an ordinary invocation
_BEGUN = 1  # the headers of the request are sent, and the prelude if there is one
_BODY = 2  # a byte of the body is sent
_OVER = 3  # the last chunk is sent: nothing can follow


def send(chunks: Any, client: LambdaRuntimeClient, invocation: Invocation) -> None:
    """Send what ``chunks`` yields, a generator or an async generator, as the response to ``invocation``.

    The generator is always closed. Its exceptions propagate. A chunk that cannot be sent is an error, which
    is raised in the generator, at its ``yield``.
    """
    stream = invocation.stream or ResponseStream(client, invocation)
    if hasattr(chunks.__class__, "__anext__"):
        from . import event_loop

        event_loop.wait_for(_send_awaited(chunks, stream))
    else:
        _send(chunks, stream)
    stream.begin(BYTES)  # an empty response, if it yielded nothing


def _send(chunks: Any, stream: ResponseStream) -> None:
    returned = None
    try:
        while True:
            try:
                chunk = chunks.__next__()  # a proxy of a generator has the method but not the slot
            except StopIteration as stop:
                returned = stop.value
                break
            problem = stream.write(chunk)
            if problem is not None:
                _refuse(problem, chunks)
            stream.upload.flush()
            if not stream.upload.accepts_more:
                break
    finally:
        chunks.close()
    if returned is not None:
        stream.refuse_value(returned)


def _refuse(problem: Exception, chunks: Any) -> NoReturn:
    """Raise ``problem`` at the ``yield``, and here too if the generator swallows it."""
    try:
        chunks.throw(problem)
    except StopIteration:
        pass
    raise problem


async def _send_awaited(chunks: Any, stream: ResponseStream) -> None:
    """Do the same for an async generator, in one task. Other tasks run while the server is slow."""
    from . import event_loop

    try:
        while True:
            try:
                chunk = await chunks.__anext__()
            except StopAsyncIteration:
                break
            problem = stream.write(chunk)
            if problem is not None:
                await _refuse_awaited(problem, chunks)
            while not stream.upload.flush_some():
                await event_loop.wait_fd(stream.upload.fileno())
            if not stream.upload.accepts_more:
                break
    finally:
        await chunks.aclose()


async def _refuse_awaited(problem: Exception, chunks: Any) -> NoReturn:
    try:
        await chunks.athrow(problem)
    except StopAsyncIteration:
        pass
    raise problem


class ResponseStream:
    """The streamed response to one invocation; it is `Invocation.stream` once it has left _NEW."""

    upload: Upload  # from _BEGUN on

    def __init__(self, client: LambdaRuntimeClient, invocation: Invocation) -> None:
        self._client = client
        self._invocation = invocation
        self._state = _NEW

    def write(self, chunk: Any) -> Exception | None:
        """Queue a chunk; the first one begins the response. Returns what is wrong with it, if anything."""
        stop_child()
        try:
            if self._state == _OVER:
                raise ValueError("The response has ended: the invocation was cancelled after its deadline")
            if isinstance(chunk, str):
                data = chunk.encode()
            elif isinstance(chunk, (bytes, bytearray, memoryview)):
                data = bytes(chunk)
            elif self._state == _NEW and isinstance(chunk, dict):
                data = encode_prelude(chunk)
            else:
                raise TypeError(_unexpected(chunk))
        except (TypeError, ValueError) as problem:
            return problem.with_traceback(None)
        if self._state != _BODY:
            self.begin(HTTP_RESPONSE if isinstance(chunk, dict) else BYTES)
            if data and not isinstance(chunk, dict):
                self._state = _BODY
        if len(data) < JOINED_BYTES:
            self.upload.add(http1.format_chunk(data))
        else:
            self.upload.add(b"%x\r\n" % len(data), data, b"\r\n")
        return None

    def refuse_value(self, value: object) -> None:
        """Handle a value that the generator returned: raise TypeError, or log it if the body has begun.

        Without a body, the caller would get an empty response instead of the value that the author returned.
        """
        kind = type(value).__name__
        if self._state == _BODY:
            self._client.log.write_runtime_message(
                f"The generator returned a value of type {kind} after its chunks; it is ignored", "WARNING"
            )
        else:
            raise TypeError(
                f"The generator returned a value of type {kind}, which nothing receives: yield it instead. "
                "For HTTP, yield a dict with statusCode and headers first, then the body"
            )

    def begin(self, content_type: str) -> None:
        """Send the headers of the request, unless they have been sent."""
        if self._state == _NEW:
            self.upload = self._client.begin_response(self._invocation, content_type)
            self._invocation.stream = self  # only now, because a stream without an upload cannot be ended
            self._state = _BEGUN

    def end(self) -> bool:
        """Complete the response. Returns whether Lambda accepted it. Raises RuntimeApiError."""
        self._state = _OVER
        self.upload.add(http1.format_last_chunk(()))
        return self._client.finish_response(self._invocation, self.upload)

    def fail(self, diagnostic: Diagnostic) -> bool:
        """End an incomplete response, with the error in trailers. Returns whether Lambda accepted it."""
        self._state = _OVER
        error_type = diagnostic.header_type
        room = TRAILERS_LIMIT_BYTES - len(error_type)
        body = diagnostic.payload(self._invocation.request_id, room * 3 // 4)
        encoded = load_stdlib("binascii").b2a_base64(body, newline=False).decode("ascii")
        trailers = [
            ("Lambda-Runtime-Function-Error-Type", error_type),
            ("Lambda-Runtime-Function-Error-Body", encoded),
        ]
        self.upload.add(http1.format_last_chunk(trailers))
        return self._client.finish_response(self._invocation, self.upload)


def encode_prelude(prelude: dict[str, Any]) -> bytes:
    """Encode the prelude: status and headers, which function URLs and API Gateway expect before the body.

    ``prelude`` may have ``statusCode`` (int), ``headers`` (str → str), ``multiValueHeaders`` (str → list of
    str) and ``cookies`` (list of str). Raises TypeError or ValueError for anything else.
    """
    for key in prelude:
        if key not in PRELUDE_KEYS:
            raise ValueError(
                f"The first chunk is a dict with the key {key!r}. A dict holds status and headers: "
                f"{', '.join(PRELUDE_KEYS)}. To send JSON, yield json.dumps(…)"
            )
    status = prelude.get("statusCode", 200)
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"statusCode is {status!r}, expected an int from 200 to 599")
    _check_texts("headers", prelude.get("headers", {}), dict)
    _check_texts("cookies", prelude.get("cookies", []), list)
    multiple = prelude.get("multiValueHeaders", {})
    if not isinstance(multiple, dict):
        raise TypeError(
            f"multiValueHeaders is of type {type(multiple).__name__}, expected a dict of lists of str"
        )
    for name, values in multiple.items():
        _check_texts(f"multiValueHeaders[{name!r}]", values, list)
    try:
        data = codec.encode_response(prelude)[0] + bytes(8)
    except Fault as fault:
        raise TypeError(fault.message) from None
    if len(data) > PRELUDE_LIMIT_BYTES:
        raise ValueError(
            f"Status and headers take {len(data)} bytes, but API Gateway reads only {PRELUDE_LIMIT_BYTES}: "
            "move long values into the body"
        )
    return data


def _check_texts(what: str, values: Any, kind: type) -> None:
    """Raise TypeError unless ``values`` is a dict from str to str, or a list (or tuple) of str."""
    if isinstance(values, dict) and kind is dict:
        items: Any = values.items()
    elif isinstance(values, (list, tuple)) and kind is list:
        items = enumerate(values)
    else:
        found = type(values).__name__
        raise TypeError(f"{what} is of type {found}, expected a {kind.__name__} of str")
    for place, value in items:
        if not isinstance(value, str):
            found = type(value).__name__
            raise TypeError(f"{what}[{place!r}] is of type {found}, expected str")
        if any(char in f"{place}{value}" for char in "\r\n"):
            raise ValueError(f"{what}[{place!r}] contains a line break: {value!r}")


def _unexpected(chunk: object) -> str:
    if isinstance(chunk, dict):
        return (
            "A dict was yielded after the first chunk. A dict holds status and headers, which come first. "
            "To send JSON, yield json.dumps(…)"
        )
    return (
        f"Expected a chunk of bytes or str, got {type(chunk).__name__}. "
        "(Only the first chunk may be a dict: status and headers.)"
    )
