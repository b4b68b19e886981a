"""Serve Lambda's Invoke API to AWS CLI, the SDKs and curl.

AWS's Lambda API reference describes the operations under "Invoke", "InvokeAsync" and
"InvokeWithResponseStream". The emulator serves functions by their names. ARNs may have any account, region
and qualifier, because the emulator does not deploy functions.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from typing import NamedTuple
from urllib.parse import parse_qs

from lambda_emulator.functions.invocation import Call
from lambda_emulator.functions.pool import Throttled
from lambda_emulator.servers.event_stream import CONTENT_TYPE, invoke_complete, payload_chunk
from lambda_emulator.servers.guard import Hosts, foreign_page
from lambda_emulator.servers.http_server import BodyTooLarge, HttpServer, Request, Response, TruncatedBody
from lambda_emulator.servers.page import PREFIX, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambda_emulator.functions.function import Function, Result
    from lambda_emulator.servers.http_server import Fields

# Limits of the service, bytes.
SYNCHRONOUS_LIMIT = 6_291_456
ASYNCHRONOUS_LIMIT = 1_048_576
INVOKE_ASYNC_LIMIT = 262_144
CLIENT_CONTEXT_LIMIT = 3583

# A longer body is not read to its end. Shorter ones are, even if too large, because AWS's SDKs expect that.
READ_LIMIT = 64 * 1024 * 1024

# When a throttled client may try again, seconds.
RETRY_AFTER_S = 1

INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")
STREAMING_INVOCATION_TYPES = ("RequestResponse", "DryRun")
LOG_TYPES = ("None", "Tail")

_INVOKE_PATH = re.compile("/2015-03-31/functions/([^/]+)/invocations/?")
_ASYNC_PATH = re.compile("/2014-11-13/functions/([^/]+)/invoke-async/?")
_STREAMING_PATH = re.compile("/2021-11-15/functions/([^/]+)/response-streaming-invocations/?")
_TENANT_ID = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")

# A name, a partial ARN or a full ARN, optionally with a qualifier (API reference, FunctionName).
_FUNCTION = re.compile(
    r"(?P<prefix>(arn:(aws[a-zA-Z-]*):lambda:)?([a-z]{2}(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?)"
    r"(?P<name>[a-zA-Z0-9-_.]{1,140})"
    r"(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


_QUALIFIER = re.compile(r"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9$_-]{1,128}")


class ApiError(Exception):
    """A request is rejected before it reaches the function.

    ``reason`` explains why the function is throttled; ``hint`` appears only in the emulator's log.
    """

    def __init__(self, status: int, name: str, message: str, hint: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.hint = hint
        self.reason = reason

    def response(self) -> Response:
        """Return the service's response. Some exceptions capitalise the key of the message."""
        key = "Message" if self.name in ("ResourceNotFoundException", "ServiceException") else "message"
        members = {"Reason": self.reason, "Type": "User", key: str(self)}
        body = json.dumps({name: value for name, value in members.items() if value}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", str(uuid.uuid4())),
            ("x-amzn-ErrorType", self.name),
        ]
        if self.reason:
            headers.append(("Retry-After", str(RETRY_AFTER_S)))
        return Response(self.status, body, headers, note=f"{self.name}: {self}{self.hint}")


def too_many_requests(throttled: Throttled) -> ApiError:
    """Return the service's error for an event that found all slots busy."""
    hint = f" ({throttled})"
    return ApiError(429, "TooManyRequestsException", "Rate Exceeded.", hint, throttled.reason)


class Target(NamedTuple):
    """The function that a request names."""

    function: Function
    arn: str
    qualifier: str | None


class InvokeApi:
    """An Invoke API in front of one or several functions."""

    def __init__(
        self,
        *functions: Function,
        host: str = "127.0.0.1",
        port: int = 0,
        urls: Sequence[str] = (),
        allowed_hosts: Sequence[str] = (),
    ) -> None:
        """Start listening; raise OSError if the address is in use. The start page shows ``urls``."""
        self._functions = {function.configuration.name: function for function in functions}
        self._urls = urls
        self._page = Page(self._functions, urls)
        first = functions[0]
        hosts = Hosts(host, allowed_hosts)

        def check(headers: Fields) -> str:
            page = foreign_page(headers)
            return hosts.problem(headers) or (page and f"pages of {page} may not invoke functions")

        def log(request: Request | None, response: Response) -> None:
            looks = request is not None and request.path.startswith(PREFIX)  # at the state, again and again
            if not looks or response.status >= 500:
                named = request.about.get("function") if request is not None else None
                self._functions.get(named or "", first).log_request(request, response)

        self._server = HttpServer(self._handle, first.log_error, host, port, log, check)
        self.url = f"http://{self._server.address}"

    def close(self) -> None:
        self._server.close()

    def _handle(self, request: Request) -> Response:
        try:
            return self._route(request)
        except Throttled as throttled:
            return too_many_requests(throttled).response()
        except ApiError as error:
            return error.response()

    def _route(self, request: Request) -> Response:
        shown = self._page.serve(request)
        if shown is not None:
            return shown
        named = _INVOKE_PATH.fullmatch(request.path)
        if named is not None and request.method == "POST":
            return self._invoke(request, named.group(1))
        named = _STREAMING_PATH.fullmatch(request.path)
        if named is not None and request.method == "POST":
            return self._invoke_streaming(request, named.group(1))
        named = _ASYNC_PATH.fullmatch(request.path)
        if named is not None and request.method == "POST":
            return self._invoke_async(request, named.group(1))
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return Response(200, self._welcome().encode(), [("Content-Type", "text/plain; charset=utf-8")])
        found = f"{request.method} {request.path}"
        operations = (
            "POST /2015-03-31/functions/NAME/invocations,"
            " POST /2021-11-15/functions/NAME/response-streaming-invocations and"
            " POST /2014-11-13/functions/NAME/invoke-async"
        )
        raise ApiError(404, "UnknownOperationException", f"{found} is not supported; use {operations}")

    def _invoke(self, request: Request, name: str) -> Response:
        function, call = self._read(request, name, INVOCATION_TYPES)
        return _response(_call(function, call, request), _log_type(request))

    def _invoke_async(self, request: Request, name: str) -> Response:
        """Handle the deprecated InvokeAsync: an ``Event`` with fewer options."""
        target = find_target(self._functions, name, "")
        request.about["function"] = target.function.configuration.name
        payload = _read_payload(request)
        if len(payload) > INVOKE_ASYNC_LIMIT:
            message = f"Request must be smaller than {INVOKE_ASYNC_LIMIT} bytes for the InvokeAsync operation"
            raise ApiError(413, "RequestEntityTooLargeException", message)
        call = Call(check_payload(payload), "Event", qualifier=target.qualifier, arn=target.arn)
        return _response(_call(target.function, call, request), "None")

    def _invoke_streaming(self, request: Request, name: str) -> Response:
        function, call = self._read(request, name, STREAMING_INVOCATION_TYPES)
        call.streaming = True
        return _streaming_response(_call(function, call, request), _log_type(request))

    def _read(self, request: Request, name: str, types: tuple[str, ...]) -> tuple[Function, Call]:
        """Read and check a request, with the service's error messages."""
        invocation_type = one_of(request, "X-Amz-Invocation-Type", "invocationType", types)
        target = find_target(self._functions, name, parse_qs(request.query).get("Qualifier", [""])[0])
        request.about["function"] = target.function.configuration.name
        _log_type(request)
        call = Call(
            check_payload(_read_payload(request), invocation_type),
            invocation_type,
            client_context=_client_context(request),
            cognito_identity=request.header("X-Amz-Cognito-Identity") or None,  # as AWS's emulator has it
            tenant_id=_tenant_id(request),
            trace_id=request.header("X-Amzn-Trace-Id") or None,
            qualifier=target.qualifier,
            arn=target.arn,
            client_has_left=request.client_has_left,
        )
        return target.function, call

    def _welcome(self) -> str:
        lines = ["A local AWS Lambda emulator, running"]
        for name, function in self._functions.items():
            configuration = function.configuration
            lines.append(f"  {name}: {configuration.handler}")
        lines += [
            f"To invoke a function: curl -d '{{}}' {self.url}/2015-03-31/functions/{name}/invocations",
            "To stream the response, use boto3's invoke_with_response_stream, which posts to",
            f"  {self.url}/2021-11-15/functions/{name}/response-streaming-invocations",
            *(f"The function URL: {url}" for url in self._urls),
        ]
        return "\n".join([*lines, ""])


def _read_payload(request: Request) -> bytes:
    try:
        return request.read(READ_LIMIT)
    except BodyTooLarge as error:
        message = f"Request must be smaller than {SYNCHRONOUS_LIMIT} bytes for the InvokeFunction operation"
        raise ApiError(413, "RequestEntityTooLargeException", message) from error
    except TruncatedBody as error:
        message = "The body of the request is not complete, or not valid HTTP"
        raise ApiError(400, "InvalidRequestContentException", message) from error


def check_payload(payload: bytes, invocation_type: str = "RequestResponse") -> bytes:
    """Return the event for a payload, ``{}`` if empty; raise ApiError if the service would reject it."""
    size = len(payload)
    if invocation_type == "Event" and size > ASYNCHRONOUS_LIMIT:
        limit = f"(limit {ASYNCHRONOUS_LIMIT} bytes)"
        message = f"{size} byte payload is too large for the Event invocation type {limit}"
        raise ApiError(413, "RequestEntityTooLargeException", message)
    if size > SYNCHRONOUS_LIMIT:
        message = f"Request must be smaller than {SYNCHRONOUS_LIMIT} bytes for the InvokeFunction operation"
        raise ApiError(413, "RequestEntityTooLargeException", message)
    if not payload:
        return b"{}"
    try:
        # Keep numbers as text: int() would reject the longest ones.
        json.loads(payload.decode("utf-8"), parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except RecursionError:
        pass  # nested deeper than Python can parse; let the function handle it
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ApiError(400, "InvalidRequestContentException", message) from error
    return payload


def find_target(functions: Mapping[str, Function], named: str, qualifier: str) -> Target:
    """Read the FunctionName and Qualifier of a request; raise ApiError if they do not name a function."""
    match = _FUNCTION.fullmatch(named)
    if match is None:
        message = (
            f"1 validation error detected: Value '{named}' at 'functionName' failed to satisfy constraint:"
            " Member must be a function's name, a partial ARN or an ARN"
        )
        raise ApiError(400, "InvalidParameterValueException", message)
    own_qualifier = match.group("qualifier")
    if qualifier and not _QUALIFIER.fullmatch(qualifier):
        message = (
            f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint:"
            f" Member must satisfy regular expression pattern: {_QUALIFIER.pattern}"
        )
        raise ApiError(400, "InvalidParameterValueException", message)
    if own_qualifier and qualifier and own_qualifier != qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise ApiError(400, "InvalidParameterValueException", message)
    qualifier = own_qualifier or qualifier
    name = match.group("name")
    function = functions.get(name)
    arn = next(iter(functions.values())).arn(name, qualifier)
    if match.group("prefix").startswith("arn:"):
        arn = match.group("prefix") + name + (f":{qualifier}" if qualifier else "")
    if function is None:
        hint = f" (this emulator serves {', '.join(map(repr, functions))}; --name changes that)"
        raise ApiError(404, "ResourceNotFoundException", f"Function not found: {arn}", hint)
    return Target(function, arn, qualifier or None)


def one_of(request: Request, header: str, member: str, values: tuple[str, ...]) -> str:
    """Return the value of a header, the first of ``values`` if absent; raise ApiError if not one of them."""
    value = request.header(header) or values[0]
    if value not in values:
        message = (
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint:"
            f" Member must satisfy enum value set: [{', '.join(values)}]"
        )
        raise ApiError(400, "InvalidParameterValueException", message)
    return value


def _log_type(request: Request) -> str:
    return one_of(request, "X-Amz-Log-Type", "logType", LOG_TYPES)


def _client_context(request: Request) -> bytes | None:
    """Decode the base64 of the client context and return its JSON text."""
    header = request.header("X-Amz-Client-Context")
    if not header:
        return None
    if len(header) > CLIENT_CONTEXT_LIMIT:
        message = f"Client context must be no more than {CLIENT_CONTEXT_LIMIT} bytes, not {len(header)}"
        raise ApiError(400, "InvalidRequestContentException", message)
    try:
        text = base64.b64decode(header, validate=True)
        json.loads(text.decode("utf-8"))
    except RecursionError:
        pass  # as in `check_payload`
    except (binascii.Error, ValueError) as error:
        message = f"Client context must be a valid Base64-encoded JSON object: {error}"
        raise ApiError(400, "InvalidRequestContentException", message) from error
    # It becomes a header, which must not contain line breaks.
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


def _tenant_id(request: Request) -> str | None:
    value = request.header("X-Amz-Tenant-Id")
    if value and not _TENANT_ID.fullmatch(value):
        message = (
            f"1 validation error detected: Value '{value}' at 'tenantId' failed to satisfy constraint:"
            f" Member must satisfy regular expression pattern: {_TENANT_ID.pattern}"
        )
        raise ApiError(400, "InvalidParameterValueException", message)
    return value or None


def _call(function: Function, call: Call, request: Request) -> Result:
    request.about["event"] = call.event
    result = request.about["result"] = function.call(call)
    return result


def _response(result: Result, log_type: str) -> Response:
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", result.request_id)]
    if result.status == 200:  # the function has run
        headers.append(("X-Amz-Executed-Version", result.executed_version))
    if result.function_error:
        headers.append(("X-Amz-Function-Error", result.function_error))
    if result.status == 200 and log_type == "Tail":
        headers.append(("X-Amz-Log-Result", base64.b64encode(result.log_tail).decode("ascii")))
    return Response(result.status, result.payload, headers)


def _streaming_response(result: Result, log_type: str) -> Response:
    headers = [("x-amzn-RequestId", result.request_id)]
    if result.status != 200:  # a dry run
        return Response(result.status, b"", headers)
    headers += [("Content-Type", CONTENT_TYPE), ("X-Amz-Executed-Version", result.executed_version)]
    return Response(200, headers=headers, parts=_frames(result, log_type), done=result.close)


def _frames(result: Result, log_type: str) -> Iterator[bytes]:
    """Yield a frame for each part when it arrives, then the one that completes the invocation.

    AWS does not document the values of ErrorCode. ``Unhandled`` is known from clients; after the first part,
    the error type is sent instead, because nothing else would carry it.
    """
    midway = False
    for part in result:
        midway = True
        yield payload_chunk(part)
    error_code = result.error_type if midway else ""
    log_result = base64.b64encode(result.log_tail).decode("ascii") if log_type == "Tail" else ""
    yield invoke_complete(
        error_code or result.function_error or "",
        result.error_body.decode("utf-8", "replace"),
        log_result,
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
