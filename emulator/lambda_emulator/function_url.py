"""Serve a function at a URL, for browsers and curl.

AWS's developer guide describes function URLs under "Invoking Lambda function URLs" and "Response streaming".
"""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress

from lambda_emulator.http_event import Endpoint, make_event
from lambda_emulator.http_response import (
    INTEGRATION_TYPE,
    InvalidResponse,
    Prelude,
    read_envelope,
    read_prelude,
)
from lambda_emulator.http_server import (
    BodyTooLarge,
    CutShort,
    HttpServer,
    Request,
    Response,
    TruncatedBody,
    text_reply,
)
from lambda_emulator.invocation import Call, new_trace_id
from lambda_emulator.invoke_api import READ_LIMIT, SYNCHRONOUS_LIMIT, too_many_requests
from lambda_emulator.pool import Throttled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_emulator.function import Function
    from lambda_emulator.http_server import Fields
    from lambda_emulator.invocation import Result

RESPONSE_STREAM = "RESPONSE_STREAM"
BUFFERED = "BUFFERED"

# How many characters of an error appear in the log.
EXCERPT = 300


class FunctionUrl:
    """An HTTP server that turns every request into an event.

    ``invoke_mode`` is the setting of the function URL. ``RESPONSE_STREAM`` sends each chunk when it arrives
    and reads status and headers from a prelude. ``BUFFERED`` waits for the whole response and reads them from
    an envelope. A response that is neither becomes a 502, with the reason in the function's log.
    """

    def __init__(
        self, function: Function, host: str = "127.0.0.1", port: int = 0, invoke_mode: str = RESPONSE_STREAM
    ) -> None:
        """Start listening; raise OSError if the address is in use."""
        self._function = function
        self._respond = self._stream if invoke_mode == RESPONSE_STREAM else self._invoke
        self._server = HttpServer(self._handle, function.log_error, host, port, function.log_request)
        name = function.configuration.name.encode()
        url_id = hashlib.sha256(name).hexdigest()[:32]  # stable across runs
        self._endpoint = Endpoint(url_id, function.configuration.region, self._server.port)
        self.url = f"http://{self._server.address}/"

    def close(self) -> None:
        self._server.close()

    def _handle(self, request: Request) -> Response:
        request_id, trace_id = str(uuid.uuid4()), request.header("X-Amzn-Trace-Id") or new_trace_id()
        try:
            body = request.read(READ_LIMIT)
        except BodyTooLarge:
            return text_reply(413, "Request Entity Too Large", close=True)
        except TruncatedBody:
            return text_reply(400, "The connection closed before the end of the body")
        event = make_event(request, body, self._endpoint, request_id, trace_id)
        if len(event) > SYNCHRONOUS_LIMIT:  # base64 and JSON escapes count
            return text_reply(413, "Request Entity Too Large")
        try:
            left = request.client_has_left
            call = Call(event, request_id=request_id, trace_id=trace_id, client_has_left=left)
            response = self._respond(request, call)
        except InvalidResponse as problem:
            self._function.log_error(f"the function URL responded with 502, because {problem}", request_id)
            response = text_reply(502, "Internal Server Error")
        except Throttled as throttled:
            return too_many_requests(throttled).response()
        response.headers.append(("x-amzn-RequestId", request_id))
        return response

    def _invoke(self, request: Request, call: Call) -> Response:
        result = self._function.call(call)
        if result.function_error:
            raise InvalidResponse(_failure(result.payload))
        prelude, body = read_envelope(result.payload)
        self._report_dropped(prelude, result.request_id)
        if _has_body(request, prelude):
            self._check_length(prelude, len(body), result.request_id)
        return Response(prelude.status, body, _headers(request, prelude))

    def _stream(self, request: Request, call: Call) -> Response:
        call.streaming = True
        result = self._function.call(call)
        parts = iter(result)
        try:
            prelude, beginning = _begin(result, parts)
        except Exception:
            result.close()
            raise
        self._report_dropped(prelude, result.request_id)
        body = self._body(result, prelude, beginning, parts)
        if not _has_body(request, prelude):
            # The client has its response with the headers. It may send the next request then, for which the
            # environment is free only at the end of the stream.
            with suppress(CutShort):
                for _ in body:
                    pass
            body = iter(())
        return Response(prelude.status, headers=_headers(request, prelude), parts=body, done=result.close)

    def _report_dropped(self, prelude: Prelude, request_id: str) -> None:
        """Log the headers that Lambda would silently drop or rename."""
        for name, value in prelude.dropped:
            text = f"the function URL drops the header {name}: {value}, because it is about one connection"
            self._function.log_error(text, request_id)

    def _check_length(self, prelude: Prelude, length: int, request_id: str) -> None:
        """Log a wrong ``content-length``. The URL measures the body itself, as Lambda does."""
        for name, value in prelude.headers:
            if name.lower() == "content-length" and value != str(length):
                text = f"the function's response has {name}: {value}, but its body has {length} bytes"
                self._function.log_error(text, request_id)

    def _body(
        self, result: Result, prelude: Prelude, beginning: bytes, parts: Iterator[bytes]
    ) -> Iterator[bytes]:
        """Yield the body; if the function fails midway, break the connection.

        Lambda ends such a response as if it were complete. During development, a broken connection makes the
        failure visible.
        """
        yield beginning
        length = len(beginning)
        for part in parts:
            yield part
            length += len(part)
        if not result.function_error:
            self._check_length(prelude, length, result.request_id)
        else:
            reason = f"the response is cut short, because {_failure(result.error_body)}"
            self._function.log_error(reason, result.request_id)
            raise CutShort


def _begin(result: Result, parts: Iterator[bytes]) -> tuple[Prelude, bytes]:
    """Wait for the beginning of a stream; return its status and headers, and the body's first bytes."""
    try:
        if result.content_type == INTEGRATION_TYPE:
            return read_prelude(parts)
    except InvalidResponse:
        if not result.function_error:
            raise
        raise InvalidResponse(_failure(result.error_body)) from None
    beginning = next(parts, b"")
    if not beginning and result.function_error:
        raise InvalidResponse(_failure(result.error_body))
    return Prelude(200, [("content-type", result.content_type)]), beginning


def _headers(request: Request, prelude: Prelude) -> Fields:
    """Return the headers, with a content-length only if no body follows: otherwise the server sets it."""
    if not _has_body(request, prelude):
        return prelude.headers
    return [(name, value) for name, value in prelude.headers if name.lower() != "content-length"]


def _has_body(request: Request, prelude: Prelude) -> bool:
    return request.method != "HEAD" and prelude.status != 304


def _failure(error_body: bytes) -> str:
    text = error_body.decode("utf-8", "replace")
    return f"the function failed: {text[:EXCERPT]}{'…' if len(text) > EXCERPT else ''}"
