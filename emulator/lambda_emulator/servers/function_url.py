"""Serve a function at a URL, for browsers and curl: a function URL, or what else sends HTTP requests to it.

AWS's developer guide describes function URLs under "Invoking Lambda function URLs" and "Response streaming".
"""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress

from lambda_emulator.functions.invocation import Call, FunctionResponse, new_trace_id
from lambda_emulator.functions.pool import Throttled
from lambda_emulator.servers.event_sources import EVENT_SOURCES, FUNCTION_URL, encode_event
from lambda_emulator.servers.guard import Hosts
from lambda_emulator.servers.http_event import Endpoint
from lambda_emulator.servers.http_response import (
    INTEGRATION_TYPE,
    InvalidResponse,
    Prelude,
    read_envelope,
    read_prelude,
)
from lambda_emulator.servers.http_server import (
    BodyTooLarge,
    CutShort,
    HttpServer,
    Request,
    Response,
    TruncatedBody,
    is_field,
    text_reply,
)
from lambda_emulator.servers.invoke_api import READ_LIMIT, SYNCHRONOUS_LIMIT, too_many_requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambda_emulator.functions.function import Function
    from lambda_emulator.functions.invocation import Result
    from lambda_emulator.servers.http_server import Fields

RESPONSE_STREAM = "RESPONSE_STREAM"
BUFFERED = "BUFFERED"


class FunctionUrl:
    """An HTTP server that turns every request into an event.

    ``invoke_mode`` is the setting of the function URL. ``RESPONSE_STREAM`` sends each chunk when it arrives
    and reads status and headers from a prelude. ``BUFFERED`` waits for the whole response and reads them from
    an envelope. A response that is neither becomes a 502, with the reason in the function's log.
    ``source``: the name of the event source that it stands for; HTTP APIs and load balancers are BUFFERED.
    """

    def __init__(
        self,
        function: Function,
        host: str = "127.0.0.1",
        port: int = 0,
        invoke_mode: str = RESPONSE_STREAM,
        allowed_hosts: Sequence[str] = (),
        source: str = FUNCTION_URL,
    ) -> None:
        """Start listening; raise OSError if the address is in use."""
        self._function = function
        self._source = EVENT_SOURCES[source]
        streams = invoke_mode == RESPONSE_STREAM and self._source.can_stream
        self._respond = self._stream if streams else self._invoke
        check = Hosts(host, allowed_hosts).problem
        self._server = HttpServer(self._handle, function.log_error, host, port, function.log_request, check)
        name = function.configuration.name.encode()
        url_id = hashlib.sha256(name).hexdigest()[:32]  # stable across runs
        self._endpoint = Endpoint(url_id, function.configuration.region, self._server.port)
        self.url = f"http://{self._server.address}/"

    def close(self) -> None:
        self._server.close()

    def _handle(self, request: Request) -> Response:
        request_id, trace_id = str(uuid.uuid4()), request.header("X-Amzn-Trace-Id") or new_trace_id()
        request.about["function"] = self._function.configuration.name
        try:
            body = request.read(READ_LIMIT)
        except BodyTooLarge:
            return text_reply(413, "Request Entity Too Large", close=True)
        except TruncatedBody:
            return text_reply(400, "The connection closed before the end of the body")
        source = self._source
        event = encode_event(source.make(request, body, self._endpoint, request_id, trace_id))
        # Of Lambda's own limit, base64 and JSON escapes count.
        if len(event) > SYNCHRONOUS_LIMIT or 0 < source.limit < len(body):
            return text_reply(413, "Request Entity Too Large")
        try:
            left = request.client_has_left
            call = Call(event, request_id=request_id, trace_id=trace_id, client_has_left=left)
            response = self._respond(request, call)
        except InvalidResponse as problem:
            response = source.failure()
            result = request.about.get("result")
            response.note = "" if result is not None and result.function_error else str(problem)
            text = f"{source.title} responded with {response.status}, because {problem}"
            self._function.log_error(text, request_id)
        except Throttled as throttled:
            usual = too_many_requests(throttled).response()
            response = usual if source.throttled == usual.status else source.failure(source.throttled)
            response.note = usual.note
            return response
        response.headers.append(("x-amzn-RequestId", request_id))
        return response

    def _invoke(self, request: Request, call: Call) -> Response:
        result = request.about["result"] = self._function.call(call)
        if result.function_error:
            raise InvalidResponse(_failure(result.payload))
        source = self._source
        if 0 < source.limit < len(result.payload):
            raise InvalidResponse(f"it has {len(result.payload)} bytes, more than {source.limit}")
        prelude, body = read_envelope(
            result.payload,
            multi_value=source.reads_multi_value,
            cookies=source.reads_cookies,
            needs_status=source.needs_status,
        )
        self._report_dropped(prelude, result.request_id)
        if _has_body(request, prelude):
            self._check_length(prelude, len(body), result.request_id)
        response = Response(prelude.status, body, _headers(request, prelude))
        if source.reads_description:
            response.phrase = _phrase(prelude)
        return response

    def _stream(self, request: Request, call: Call) -> Response:
        call.streaming = True
        result = request.about["result"] = self._function.call(call)
        parts = iter(result)
        try:
            prelude, beginning = _begin(result, parts)
            if self._source.needs_status and result.content_type != INTEGRATION_TYPE:
                raise InvalidResponse("it does not begin with a prelude")
        except Exception:
            result.close()
            raise
        self._report_dropped(prelude, result.request_id)
        if result.content_type != INTEGRATION_TYPE:
            self._function.hints.look_at_body(beginning)
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
        """Log what AWS would silently drop or rename."""
        for name, value in prelude.dropped:
            text = (
                f"{self._source.title} drops the header {name}: {value}, because it is about one connection"
            )
            self._function.log_error(text, request_id)
        for name in prelude.ignored:
            self._function.log_error(f"{self._source.title} ignores {name} in the response", request_id)

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
    """Return the headers, with a content-length only after HEAD and with 304, where no body follows.

    Otherwise the server sets it; a 204 must not have one (RFC 9110, 8.6).
    """
    if not _has_body(request, prelude) and prelude.status != 204:
        return prelude.headers
    return [(name, value) for name, value in prelude.headers if name.lower() != "content-length"]


def _phrase(prelude: Prelude) -> str:
    """Return the reason phrase in a description such as ``200 OK``; "" if there is none."""
    words = prelude.description.strip()
    number = f"{prelude.status} "
    phrase = words[len(number) :] if words.startswith(number) else ""
    return phrase if is_field("phrase", phrase) else ""


def _has_body(request: Request, prelude: Prelude) -> bool:
    return Response(prelude.status).has_body(request.method)


def _failure(error_body: bytes) -> str:
    return f"the function failed: {FunctionResponse(error_body).error_line()}"
