"""Convert events to HTTP requests, and HTTP responses to what the event source expects.

The event sources and how they differ (AWS's developer guides: "Invoking Lambda function URLs", "AWS
Lambda proxy integrations for HTTP APIs", "Lambda proxy integrations in API Gateway", "Lambda functions as
targets" of Application Load Balancers):

    event source             recognised by                path     query    repeated headers   streams
    function URL             version 2.0, .lambda-url.    as sent  as sent  joined by ","      perhaps
    API Gateway, HTTP API    version 2.0                  decoded  as sent  joined by ","      never
      with payload 1.0       version 1.0                  decoded  decoded  in lists           never
    API Gateway, REST API    no version                   as sent  decoded  in lists           perhaps
    load balancer            requestContext.elb           as sent  as sent  the last, or lists never

The event does not say whether its source accepts a stream: function URLs send the same in BUFFERED mode.
"""

from __future__ import annotations

import sys

from .. import codec, stdlib_import
from ..stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import binascii
    import re
    from collections.abc import Collection, Iterator, Sequence
    from typing import Any

    Header = tuple[bytes, bytes]
    _Envelope = dict[str, Any]
else:
    _Envelope = dict  # without parameters on Python 3.8
    binascii = load_stdlib("binascii")
    re = load_stdlib("re")

FUNCTION_URL = "function URL"
HTTP_API = "HTTP API"
HTTP_API_1 = "HTTP API, payload 1.0"
REST_API = "REST API"
BALANCER = "load balancer"
BALANCER_LISTS = "load balancer, multi-value headers"
EVENT = "an event that is not HTTP"

PAYLOAD_2 = (FUNCTION_URL, HTTP_API)
PATH_DECODED = (HTTP_API, HTTP_API_1)
QUERY_DECODED = (HTTP_API_1, REST_API)
MAY_STREAM = (FUNCTION_URL, REST_API)

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 9.1
_VERSION = re.compile("[0-9](?:[.][0-9])?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# RFC 3986: bytes to encode in a path; in a name or value of a query; in text that is encoded already.
_NOT_IN_PATH = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_NOT_IN_QUERY_PART = re.compile(rb"[^A-Za-z0-9\-._~]")
_NOT_IN_ENCODED = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]|]")
# Headers about one connection (RFC 9110, 7.6.1; also those that begin with "proxy-"). They are not sent on,
# because the connection to the client belongs to the event source.
_HOP_BY_HOP = (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
# Media types of text that neither begin with "text/" nor end with one of the suffixes.
_TEXT_TYPES = (
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/jwt",
    "application/vnd.oai.openapi",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
)
_COMPRESSED_FROM_BYTES = 1000
_TEXT_SUFFIXES = ("+json", "+xml", "+yaml")


class NoHttpRequest(Exception):
    """The event does not contain an HTTP request for a web application."""


class ApplicationError(Exception):
    """The web application violated its interface, ASGI or WSGI."""

    def __init__(self, app: Any, problem: str) -> None:
        name = getattr(app, "__qualname__", type(app).__qualname__)
        super().__init__(f"The application {app.__module__}.{name} {problem}")


def log_problem(problem: str, error: BaseException | None = None) -> None:
    """Log a problem that does not belong to a request, with the trace of ``error``."""
    lines = [problem]
    if error is not None:
        from .. import diagnostics

        lines += diagnostics.describe(error).lines()[1:]  # without its headline
    # On Lambda "\n" would end the record.
    sys.stderr.write(("\r" if stdlib_import.function_folders else "\n").join(lines) + "\n")


def check_application(app: Any, interface: str, arguments: int) -> None:
    """Raise TypeError for what is clearly not an application of ``interface``, which takes ``arguments``.

    This is checked when the function is loaded: in an invocation, the error would look like one of the
    application.
    """
    expected = f"Expected an application for {interface}, found"
    name = getattr(app, "__name__", type(app).__name__)
    if not callable(app):
        raise TypeError(f"{expected} {name}, not callable")
    count = _argument_count(app)
    if count in (2, 3) and count != arguments:
        other = "ASGI" if count == 3 else "WSGI"
        raise TypeError(
            f"{expected} {name}, which takes {count} arguments as {other} applications do: "
            f"use lambda_runtime.{other.lower()}"
        )
    if count in (0, 1):
        raise TypeError(
            f"{expected} {name}, which takes too few arguments. If it makes the application, call it: "
            f"{interface.lower()}.handler({name}())"
        )


def _argument_count(app: Any) -> int | None:
    """How many arguments ``app`` takes, None if that varies or is unknown."""
    if isinstance(app, type):  # of an application, unless the instances are responses (PEP 3333)
        is_response = hasattr(app, "__iter__") or hasattr(app, "__await__")
        return 0 if "__call__" in dir(app) and not is_response else None
    call = app if hasattr(app, "__code__") else app.__call__
    code = getattr(call, "__code__", None)
    if code is None or code.co_flags & 0x04 or call.__defaults__:  # CO_VARARGS
        return None
    return int(code.co_argcount) - (getattr(call, "__self__", None) is not None)


class Request:
    """One HTTP request, independent of the event source. Bytes where HTTP has bytes."""

    __slots__ = (
        "body",
        "client",
        "first",
        "headers",
        "http_version",
        "method",
        "path",
        "problem",
        "query",
        "raw_path",
        "root_path",
        "scheme",
        "server",
        "source",
    )

    def __init__(self, event: dict[str, Any], source: str, base_path: str) -> None:
        context: dict[str, Any] = event["requestContext"]
        payload_2 = source in PAYLOAD_2
        http: dict[str, Any] = context["http"] if payload_2 else context
        self.source = source
        self.problem = ""  # why the request cannot be served, see `_read_request`
        method: str = http["method"] if payload_2 else event["httpMethod"]
        if not _METHOD.fullmatch(method):
            raise ValueError(f"{method!r} is not a method of HTTP")
        self.method = method.upper()
        version: str = (http.get("protocol") or "HTTP/1.1").rpartition("/")[2]
        self.http_version = "2" if version == "2.0" else version if _VERSION.fullmatch(version) else "1.1"
        self.headers = _read_headers(event)  # names in lower case
        self.first = first = dict(reversed(self.headers))  # the first value of each name
        root, self.path, path = _read_path(event, source, base_path)  # the path begins with the root
        self.root_path = root.decode("utf-8", "surrogateescape")
        self.raw_path = _encode(path, _NOT_IN_PATH if source in PATH_DECODED else _NOT_IN_ENCODED)
        self.query = _read_query(event, source)
        self.body = _read_body(event)
        self.scheme = first.get(b"x-forwarded-proto", b"https").partition(b",")[0].decode("latin-1")
        address: str = (http if payload_2 else context.get("identity") or {}).get("sourceIp") or ""
        if (
            "elb" in context
        ):  # the load balancer appends the address that it sees to those that the client claims
            address = first.get(b"x-forwarded-for", b"").rpartition(b",")[2].strip().decode("latin-1")
        # No event contains the port. WSGI has text of Latin-1 only, which this checks.
        self.client = (address.encode("latin-1").decode("latin-1"), 0) if address else None
        port = first.get(b"x-forwarded-port", b"")
        if not port.isdigit():
            port = b"80" if self.scheme == "http" else b"443"
        self.server = _split_host(first.get(b"host", b"localhost"), port)

    def prelude(self, status: int, values: dict[str, list[str]]) -> dict[str, Any]:
        """Status and headers in the form that the event source expects: the prelude of a streamed response.

        A buffered response is the same with the body, see `complete`. ``values``: those of each name, which
        is in lower case.
        """
        prelude: dict[str, Any] = {"statusCode": status}
        if self.source is BALANCER_LISTS:  # which then ignores "headers"
            prelude["multiValueHeaders"] = values
        elif self.source is BALANCER:
            prelude["headers"] = _distinct_spellings(values)
        elif self.source in PAYLOAD_2:
            cookies = values.pop("set-cookie", None)
            prelude["headers"] = {
                name: ",".join(several) for name, several in values.items()
            }  # RFC 9110, 5.3
            if cookies:
                prelude["cookies"] = cookies
        else:
            prelude["headers"] = {name: several[0] for name, several in values.items() if len(several) == 1}
            repeated = {name: several for name, several in values.items() if len(several) > 1}
            if repeated:
                prelude["multiValueHeaders"] = repeated
        return prelude


def make_prelude(
    app: Any, request: Request, status: int, headers: list[Header], *, streamed: bool
) -> dict[str, Any]:
    """Build the prelude. Raises ApplicationError or ValueError if it cannot be sent.

    They are raised where the application sets it, so that the stack trace leads there.
    """
    if not 200 <= status <= 599:
        raise ApplicationError(app, f"has given the status {status}, expected 200 to 599")
    has_body = request.method != "HEAD" and status != 304  # else the length is about the body of a GET
    values: dict[str, list[str]] = {}
    for name, value in headers:
        line = name + value
        if b"\r" in line or b"\n" in line:
            found = f"{_text(name)!r} with a line break: {_text(value)!r}"
            raise ApplicationError(app, f"has given the header {found}")
        name = name.lower()
        if _is_for_client(name, has_body):  # Django puts blanks around some values
            values.setdefault(_text(name), []).append(_text(value.strip(b" \t")))
    prelude = request.prelude(status, values)
    if streamed:
        from .. import streaming  # late: buffered responses do not need it

        streaming.encode_prelude(prelude)  # raises if it is too long
    return prelude


def _is_for_client(name: bytes, has_body: bool) -> bool:
    """Whether the event source should see this header of the application, name in lower case.

    Every event source measures the body itself and ignores or renames a ``content-length`` from the function,
    so a wrong one does no harm. ``date`` and ``server`` are about the response and are kept.
    """
    if name == b"content-length":
        return not has_body
    return name not in _HOP_BY_HOP and not name.startswith(b"proxy-")


def post_event(event: Any, path: str) -> Request:
    """Return a POST request with the JSON of an event that is not HTTP, such as one from SQS."""
    request = _without_client(EVENT, "POST", path)
    request.body = codec.encode_response(event)[0]
    length = str(len(request.body)).encode()  # without it, Django REST Framework finds no body
    request.headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", length),
    ]
    return request


def _without_client(source: str, method: str, path: str) -> Request:
    """Return a request that no client has sent."""
    request = Request.__new__(Request)
    request.source, request.problem = source, ""
    request.method, request.http_version, request.scheme = method, "1.1", "https"
    request.root_path, request.path, request.raw_path, request.query = "", path.encode(), path.encode(), b""
    request.headers, request.first, request.body = [], {}, b""
    request.client, request.server = None, ("localhost", 443)
    return request


def _read_request(event: dict[str, Any], source: str, base_path: str) -> Request:
    """Return the request in ``event``, or one with a ``problem`` if HTTP has no such request.

    Examples are a lone surrogate, a body that is not base64, a port of 5,000 digits, and, in an event that no
    event source has made, a number in place of text. The caller gets 400.
    """
    try:
        return Request(event, source, base_path)
    except ValueError as error:
        problem = f"The request is malformed: {error}"
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"The event is malformed: a member is missing or has another type than expected: {error}"
    request = _without_client(source, "GET", "/")
    request.problem = problem
    return request


def read(event: Any, base_path: str = "") -> Request:
    """Return the request in ``event``. Raises NoHttpRequest if there is none.

    ``base_path``, such as ``/shop``, is the path of the API mapping on a custom domain of API Gateway. It
    begins ``path`` and is the ``root_path``, as is a stage that is part of the address.
    """
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(context, dict):
        if isinstance(context.get("http"), dict) and "method" in context["http"]:
            at_function_url = ".lambda-url." in str(context.get("domainName"))
            return _read_request(event, FUNCTION_URL if at_function_url else HTTP_API, base_path)
        if event.get("httpMethod") and "elb" in context:
            source = BALANCER_LISTS if "multiValueHeaders" in event else BALANCER
            return _read_request(event, source, base_path)
        if event.get("httpMethod"):
            return _read_request(event, HTTP_API_1 if "version" in event else REST_API, base_path)
        if "connectionId" in context:
            raise NoHttpRequest(
                f"The event is from a WebSocket API, route {context.get('routeKey')!r}: each message is a "
                "separate invocation, which a web application cannot serve. Use another handler for them"
            )
    found = type(event).__name__
    if isinstance(event, dict):
        found = f"keys {', '.join(map(repr, event))}" if event else "no keys"
    raise NoHttpRequest(
        f"The event is not an HTTP request: found {found}; expected an event of a function URL, API Gateway "
        "or an Application Load Balancer, with requestContext and the HTTP method. To post other events to "
        "the application, set LAMBDA_RUNTIME_EVENTS=/path, or events='/path'. To try a request, use "
        "lambda-emulator run --event 'GET /', or in this runtime's source folder: make run EVENT='GET /'"
    )


class Envelope(_Envelope):
    """A buffered response: the members of the prelude, ``body`` and ``isBase64Encoded``.

    A handler can return it, or ``yield from`` it if it is a generator: then its JSON is the only chunk.
    Lambda passes all chunks in one piece to an event source that does not stream, so the response is the
    same.
    """

    def __iter__(self) -> Iterator[Any]:
        yield codec.encode_response(self)[0]


def compress(
    request: Request, prelude: dict[str, Any], body: bytes, text_types: Collection[str] = ()
) -> bytes:
    """Compress a text body with gzip if the client accepts that, and change the headers in ``prelude``."""
    lists: dict[str, list[str]] = prelude.get("multiValueHeaders", {})
    headers: dict[str, Any] = prelude.get("headers", lists)
    values = {name: ",".join(several) for name, several in lists.items()}
    if headers is not lists:
        values.update({name.lower(): value for name, value in headers.items()})
    if (
        len(body) < _COMPRESSED_FROM_BYTES
        or values.get("content-encoding")
        or values.get("content-range")  # which counts the bytes of the uncompressed body
        or not _is_text(values.get("content-type", ""), text_types)
        or not _accepts_gzip(request)
    ):
        return body
    zlib = load_stdlib("zlib")
    compressor = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # gzip, without a time
    vary = f"{values['vary']}, Accept-Encoding" if values.get("vary") else "Accept-Encoding"
    changes = {"content-encoding": "gzip", "vary": vary}
    etag = values.get("etag", "")
    if etag.startswith('"'):
        changes["etag"] = f"W/{etag}"  # a strong one names other bytes (RFC 9110, 8.8.3)
    for name, value in changes.items():
        if headers is lists:
            lists[name] = [value]
        else:
            lists.pop(name, None)
            headers[name] = value
    compressed: bytes = compressor.compress(body) + compressor.flush()
    return compressed


def _accepts_gzip(request: Request) -> bool:
    """Whether the client accepts gzip (RFC 9110, 12.5.3)."""
    text = ",".join(_text(value) for name, value in request.headers if name == b"accept-encoding")
    items = [item.partition(";q=") for item in text.lower().replace(" ", "").split(",")]
    weights = {coding: weight for coding, _, weight in items}
    weight = weights.get("gzip", weights.get("*", "0"))
    return weight == "" or weight.strip("0.") != ""


def complete(prelude: dict[str, Any], body: bytes, text_types: Collection[str] = ()) -> Envelope:
    """Build a buffered response from the prelude and the whole body: text as text, other bodies in base64.

    ``text_types``: further media types of text.
    """
    lists = {name: ",".join(values) for name, values in prelude.get("multiValueHeaders", {}).items()}
    headers = {**prelude.get("headers", {}), **lists}
    if not headers.get("content-encoding") and _is_text(headers.get("content-type", ""), text_types):
        try:
            return Envelope(prelude, body=body.decode(), isBase64Encoded=False)
        except UnicodeDecodeError:
            pass  # text that is not UTF-8
    encoded = binascii.b2a_base64(body, newline=False).decode()
    return Envelope(prelude, body=encoded, isBase64Encoded=bool(body))


def _read_path(event: dict[str, Any], source: str, base_path: str) -> tuple[bytes, bytes, bytes]:
    """Return the root path; the path, which begins with the root path; and the percent-encoded path.

    The first two are decoded, because the same path can be encoded in several ways.

    A named stage, such as ``prod``, is part of an HTTP API's path on every domain. On a custom domain the
    client's address has the API mapping instead: ``https://example.com/shop/a`` arrives with payload 2.0 as
    ``/prod/a``. AWS's guide documents that the mapping is missing ("Create AWS Lambda proxy integrations for
    HTTP APIs": rawPath). Users reported that the stage is present (issue 465 of serverless-express, issue 621
    of powertools-lambda-python). So ``base_path`` replaces the stage there. Everywhere else the client's
    address also has the stage, which is the root path.
    """
    context = event["requestContext"]
    path: str = event.get("rawPath" if source in PAYLOAD_2 else "path") or "/"
    stage = f"/{context.get('stage')}"
    mapped = source is HTTP_API and ".execute-api." not in str(context.get("domainName"))
    root = b""
    if context.get("path") == stage + path or (path == "/" and context.get("path") == stage):
        root, path = _bytes(stage), stage + path  # a REST API leaves it out
    elif source in PATH_DECODED and _begins(_bytes(path), _bytes(stage)):
        if mapped:
            path = path[len(stage) :]
        else:
            root = _bytes(stage)
    base = _decode(_bytes(base_path.rstrip("/")))
    came = _bytes(path)
    decoded = came if source in PATH_DECODED else _decode(came)
    if _begins(decoded[len(root) :], base):
        root += base
    elif mapped:
        root, decoded = base, base + decoded
        came = decoded
    end = b"/" if decoded == root else b""
    return root, decoded + end, came + end


def _begins(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root + b"/")


def _read_query(event: dict[str, Any], source: str) -> bytes:
    if source in PAYLOAD_2:
        return _encode((event.get("rawQueryString") or "").encode(), _NOT_IN_ENCODED)
    unsafe = _NOT_IN_QUERY_PART if source in QUERY_DECODED else _NOT_IN_ENCODED
    parameters = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    pairs = [(name, value) for name, values in parameters.items() for value in _as_list(values)]
    return b"&".join(
        b"%b=%b" % (_encode(name.encode(), unsafe), _encode(value.encode(), unsafe)) for name, value in pairs
    )


def _read_headers(event: dict[str, Any]) -> list[Header]:
    """The headers in order, with all cookies in one header (RFC 6265, 5.4)."""
    fields = event.get("multiValueHeaders") or event.get("headers") or {}
    names, values = list(fields), list(fields.values())
    if set(map(type, values)) != {str}:  # lists, or null
        pairs = [(name, value) for name, several in fields.items() for value in _as_list(several)]
        names, values = [name for name, _ in pairs], [value for _, value in pairs]
    encoded_names = _encode_all(names, lower=True)
    headers = [*zip(encoded_names, _encode_all(values))]
    cookies = _encode_all(event.get("cookies") or ())
    if b"cookie" in encoded_names:
        cookies = cookies or [value for name, value in headers if name == b"cookie"]
        headers = [header for header in headers if header[0] != b"cookie"]
    return [*headers, (b"cookie", b"; ".join(cookies))] if cookies else headers


def _encode_all(texts: Sequence[str], *, lower: bool = False) -> list[bytes]:
    """Encode each text; together, because one call for each takes three times as long."""
    joined = "\n".join(texts)
    encoded = _bytes(joined.lower() if lower else joined).split(b"\n")
    if len(encoded) != len(texts):  # one contains a line break, or there are none
        encoded = [_bytes(text.lower() if lower else text) for text in texts]
    return encoded


def _read_body(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    return binascii.a2b_base64(body) if event.get("isBase64Encoded") else _bytes(body)


def _as_list(values: list[str] | str | None) -> list[str]:
    return values if isinstance(values, list) else [values or ""]


def _split_host(host: bytes, default_port: bytes) -> tuple[str, int]:
    name, colon, port = host.rpartition(b":")
    if not colon or not port.isdigit():
        name, port = host, default_port
    if len(port) > 5 or int(port) > 65535:
        raise ValueError("a port is above 65535")
    return name.decode("latin-1"), int(port)


def _distinct_spellings(values: dict[str, list[str]]) -> dict[str, str]:
    """Headers for event sources that accept one value per name: repeated names get different capitals.

    Header names are case-insensitive: ``set-cookie`` and ``Set-cookie`` are two members in JSON, but the same
    header to a client.
    """
    headers = {}
    for name, several in values.items():
        for number, value in enumerate(several):
            spelling = ""
            for letter in name:
                if letter.isalpha():
                    number, upper = divmod(number, 2)
                    letter = letter.upper() if upper else letter
                spelling += letter
            headers[spelling] = value
    return headers


def _is_text(content_type: str, more: Collection[str]) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return (
        media_type.startswith("text/")
        or media_type.endswith(_TEXT_SUFFIXES)
        or media_type in _TEXT_TYPES
        or media_type in [one.lower() for one in more]
    )


def _decode(data: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match.group(1).decode()), data)


def _encode(data: bytes, unsafe: re.Pattern[bytes]) -> bytes:
    return unsafe.sub(lambda match: b"%%%02X" % ord(match.group()), data)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    """Decode a header: UTF-8, which Lambda sends unchanged, or else Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
