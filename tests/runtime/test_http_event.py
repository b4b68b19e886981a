"""HTTP requests read from events, and responses for each event source: tables of cases."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import unittest
from urllib.parse import unquote_to_bytes

from lambda_runtime import asgi, wsgi
from lambda_runtime.context import LambdaContext
from lambda_runtime.web.http_event import (
    MAY_STREAM,
    NoHttpRequest,
    check_application,
    complete,
    make_prelude,
    read,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Event = dict[str, Any]
    Headers = list[tuple[bytes, bytes]]


def url_event(**changes: Any) -> Event:
    """An event of a function URL, as AWS's developer guide shows it."""
    http = {
        "method": "POST",
        "path": "/my/path",
        "protocol": "HTTP/1.1",
        "sourceIp": "123.123.123.123",
        "userAgent": "agent",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1=1", "cookie2=2"],
        "headers": {"host": "id.lambda-url.us-west-2.on.aws", "header2": "value1,value2"},
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "apiId": "id",
            "domainName": "id.lambda-url.us-west-2.on.aws",
            "http": http,
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": "Hello from client!",
        "pathParameters": None,
        "isBase64Encoded": False,
        "stageVariables": None,
        **changes,
    }


def http_api_event(
    path: str, stage: str = "$default", domain: str = "id.execute-api.x.amazonaws.com"
) -> Event:
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4"}
    return url_event(rawPath=path, requestContext={"domainName": domain, "http": http, "stage": stage})


def rest_event(path: str = "/orders", full_path: str = "/prod/orders", **changes: Any) -> Event:
    """An event of a REST API, as API Gateway's guide shows it."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "headers": {"Host": "api.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
        "multiValueHeaders": {
            "Host": ["api.example.com"],
            "X-Forwarded-Proto": ["https"],
            "X-Forwarded-Port": ["443"],
            "X-Many": ["a", "b"],
        },
        "queryStringParameters": {"q": "2"},
        "multiValueQueryStringParameters": {"q": ["1 a", "2"], "ü&": [""]},
        "pathParameters": {"proxy": "orders"},
        "stageVariables": None,
        "requestContext": {
            "path": full_path,
            "stage": "prod",
            "protocol": "HTTP/1.1",
            "identity": {"sourceIp": "1.2.3.4"},
            "domainName": "id.execute-api.x.amazonaws.com",
        },
        "body": None,
        "isBase64Encoded": False,
        **changes,
    }


def balancer_event(*, lists: bool = False, **changes: Any) -> Event:
    """An event of an Application Load Balancer; ``lists``: with multi-value headers enabled."""
    headers = {"host": "lb.example.com", "x-forwarded-for": "9.9.9.9, 72.12.164.125"}
    headers.update({"x-forwarded-port": "80", "x-forwarded-proto": "http", "cookie": "a=1"})
    parameters = {"q": "1%20a+b", "%C3%BC": "%26"}
    event: Event = {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x:123456789012:targetgroup/a/b"}
        },
        "httpMethod": "GET",
        "path": "/a%20b",
        "body": "",
        "isBase64Encoded": False,
    }
    if lists:
        event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
        event["multiValueQueryStringParameters"] = {name: [value] for name, value in parameters.items()}
    else:
        event["headers"] = headers
        event["queryStringParameters"] = parameters
    return {**event, **changes}


def http_api_1_event(
    path: str, stage: str = "$default", domain: str = "id.execute-api.x.amazonaws.com"
) -> Event:
    event = rest_event(path, path, version="1.0")
    event["requestContext"].update(stage=stage, domainName=domain)
    return event


class Requests(unittest.TestCase):
    def test_a_function_url_s_event_is_a_request(self) -> None:
        request = read(url_event())
        self.assertEqual(request.source, "function URL")
        self.assertEqual((request.method, request.http_version, request.scheme), ("POST", "1.1", "https"))
        self.assertEqual((request.path, request.raw_path, request.root_path), (b"/my/path", b"/my/path", ""))
        self.assertEqual(request.query, b"parameter1=value1&parameter1=value2&parameter2=value")
        self.assertEqual(
            request.headers,
            [
                (b"host", b"id.lambda-url.us-west-2.on.aws"),
                (b"header2", b"value1,value2"),
                (b"cookie", b"cookie1=1; cookie2=2"),
            ],
        )
        self.assertEqual(request.body, b"Hello from client!")
        self.assertEqual(request.client, ("123.123.123.123", 0))
        self.assertEqual(request.server, ("id.lambda-url.us-west-2.on.aws", 443))

    def test_a_rest_api_s_event_is_a_request(self) -> None:
        request = read(rest_event())
        self.assertEqual(request.source, "REST API")
        self.assertEqual((request.method, request.path, request.root_path), ("GET", b"/prod/orders", "/prod"))
        self.assertEqual(request.query, b"q=1%20a&q=2&%C3%BC%26=")
        self.assertEqual([value for name, value in request.headers if name == b"x-many"], [b"a", b"b"])
        self.assertEqual((request.client, request.server), (("1.2.3.4", 0), ("api.example.com", 443)))
        self.assertEqual(request.body, b"")

    def test_a_load_balancer_s_event_is_a_request(self) -> None:
        for lists in (False, True):
            with self.subTest(lists=lists):
                request = read(balancer_event(lists=lists))
                self.assertEqual((request.path, request.raw_path), (b"/a b", b"/a%20b"))
                self.assertEqual(request.query, b"q=1%20a+b&%C3%BC=%26")
                # The address that the balancer has seen.
                self.assertEqual(request.client, ("72.12.164.125", 0))
                self.assertEqual((request.scheme, request.server), ("http", ("lb.example.com", 80)))
                self.assertEqual(dict(request.headers)[b"cookie"], b"a=1")

    def test_escapes_in_the_path_are_decoded_once(self) -> None:
        # event source, its event for an encoded path, path, raw_path; HTTP APIs have already decoded it
        rows: list[tuple[str, Event, str, bytes]] = [
            ("function URL", url_event(rawPath="/a%20b%2Fc/%C3%A9"), "/a b/c/é", b"/a%20b%2Fc/%C3%A9"),
            ("function URL, %25", url_event(rawPath="/50%25/%2541"), "/50%/%41", b"/50%25/%2541"),
            ("function URL, raw", url_event(rawPath="/é x"), "/é x", b"/%C3%A9%20x"),
            ("REST API", rest_event("/a%2Bb+c", "/a%2Bb+c"), "/a+b+c", b"/a%2Bb+c"),
            ("load balancer", balancer_event(path="/%2e"), "/.", b"/%2e"),
            ("HTTP API", http_api_event("/a b/é"), "/a b/é", b"/a%20b/%C3%A9"),
            ("HTTP API, %25", http_api_event("/50%/%41?#"), "/50%/%41?#", b"/50%25/%2541%3F%23"),
            ("HTTP API, payload 1.0", http_api_1_event("/50%/é"), "/50%/é", b"/50%25/%C3%A9"),
            ("no escape at all", url_event(rawPath="/%zz%4"), "/%zz%4", b"/%zz%4"),
            ("not UTF-8", url_event(rawPath="/%ff"), "/\ufffd", b"/%ff"),
            ("empty", url_event(rawPath=""), "/", b"/"),
        ]
        for name, event, path, raw_path in rows:
            with self.subTest(name):
                request = read(event)
                self.assertEqual(request.path.decode("utf-8", "replace"), path)
                self.assertEqual(request.raw_path, raw_path)

    def test_the_stage_is_the_root_path_if_the_address_contains_it(self) -> None:
        # name, event, base_path, root_path, path
        custom = "api.example.com"
        rows: list[tuple[str, Event, str, str, bytes]] = [
            ("REST API", rest_event("/a", "/prod/a"), "", "/prod", b"/prod/a"),
            ("REST API, root", rest_event("/", "/prod"), "", "/prod", b"/prod/"),
            ("REST API, root and slash", rest_event("/", "/prod/"), "", "/prod", b"/prod/"),
            ("REST API, path like the stage", rest_event("/prod", "/prod/prod"), "", "/prod", b"/prod/prod"),
            ("REST API, custom domain", rest_event("/a", "/a"), "", "", b"/a"),
            ("REST API, mapping", rest_event("/shop/a", "/shop/a"), "/shop", "/shop", b"/shop/a"),
            ("REST API, mapping, execute-api", rest_event("/a", "/prod/a"), "/shop", "/prod", b"/prod/a"),
            ("REST API, test in the console", rest_event("/a", "/{proxy+}"), "", "", b"/a"),
            ("HTTP API, default stage", http_api_event("/prod/a"), "", "", b"/prod/a"),
            ("HTTP API, stage", http_api_event("/prod/a", "prod"), "", "/prod", b"/prod/a"),
            ("HTTP API, stage, root", http_api_event("/prod", "prod"), "", "/prod", b"/prod/"),
            ("HTTP API, other word", http_api_event("/product", "prod"), "", "", b"/product"),
            (
                "HTTP API, stage and base",
                http_api_event("/prod/v1/a", "prod"),
                "/v1",
                "/prod/v1",
                b"/prod/v1/a",
            ),
            ("custom domain", http_api_event("/prod/a", "prod", custom), "", "", b"/a"),
            ("custom domain, root", http_api_event("/prod", "prod", custom), "", "", b"/"),
            ("custom domain, once", http_api_event("/prod/prod/a", "prod", custom), "", "", b"/prod/a"),
            ("custom domain, other word", http_api_event("/product", "prod", custom), "", "", b"/product"),
            ("custom domain, default stage", http_api_event("/a", "$default", custom), "", "", b"/a"),
            ("mapping", http_api_event("/prod/a", "prod", custom), "/shop/", "/shop", b"/shop/a"),
            ("mapping, root", http_api_event("/prod", "prod", custom), "/shop", "/shop", b"/shop/"),
            (
                "mapping, default stage",
                http_api_event("/a", "$default", custom),
                "/shop",
                "/shop",
                b"/shop/a",
            ),
            ("mapping like stage", http_api_event("/prod/a", "prod", custom), "/prod", "/prod", b"/prod/a"),
            ("mapping in event", http_api_event("/shop/a", "prod", custom), "/shop/", "/shop", b"/shop/a"),
            ("mapping elsewhere", http_api_event("/prod/a", "prod"), "/shop", "/prod", b"/prod/a"),
            (
                "payload 1.0, custom domain",
                http_api_1_event("/prod/a", "prod", custom),
                "",
                "/prod",
                b"/prod/a",
            ),
            ("HTTP API, payload 1.0", http_api_1_event("/prod/a", "prod"), "", "/prod", b"/prod/a"),
            ("base path elsewhere", url_event(rawPath="/a/shop"), "/shop", "", b"/a/shop"),
            (
                "base path, escaped",
                url_event(rawPath="/caf%C3%A9/a%20b"),
                "/caf%C3%A9",
                "/café",
                "/café/a b".encode(),
            ),
            ("base path, not escaped", url_event(rawPath="/caf%c3%a9"), "/café", "/café", "/café/".encode()),
            ("path escaped otherwise", url_event(rawPath="/sh%6Fp/x"), "/shop", "/shop", b"/shop/x"),
            ("escaped, path decoded", http_api_event("/a b/x", "prod", custom), "/a%20b", "/a b", b"/a b/x"),
        ]
        for name, event, base_path, root_path, path in rows:
            with self.subTest(name):
                request = read(event, base_path)
                self.assertEqual((request.root_path, request.path), (root_path, path))
                self.assertEqual(unquote_to_bytes(request.raw_path), path)

    def test_cookies_are_in_one_header(self) -> None:
        rows: list[tuple[str, Event, list[bytes]]] = [
            ("payload 2.0", url_event(), [b"cookie1=1; cookie2=2"]),
            ("both places", url_event(headers={"cookie": "cookie1=1; cookie2=2"}), [b"cookie1=1; cookie2=2"]),
            ("only a header", url_event(cookies=None, headers={"Cookie": "a=1"}), [b"a=1"]),
            ("lists", rest_event(multiValueHeaders={"Cookie": ["a=1", "b=2; c=3"]}), [b"a=1; b=2; c=3"]),
            ("none", rest_event(), []),
        ]
        for name, event, expected in rows:
            with self.subTest(name):
                headers = read(event).headers
                self.assertEqual([value for field, value in headers if field == b"cookie"], expected)

    def test_bodies_are_bytes(self) -> None:
        rows: list[tuple[str, dict[str, Any], bytes]] = [
            ("text", {"body": "hé"}, "hé".encode()),
            (
                "base64",
                {"body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True},
                b"\x00\xff",
            ),
            ("null", {"body": None}, b""),
            ("empty base64", {"body": "", "isBase64Encoded": True}, b""),
        ]
        for name, changes, expected in rows:
            with self.subTest(name):
                self.assertEqual(read(url_event(**changes)).body, expected)

    def test_members_that_the_event_lacks_have_default_values(self) -> None:
        smallest: Event = {"requestContext": {"http": {"method": "get"}}}
        request = read(smallest)
        self.assertEqual((request.method, request.path, request.query), ("GET", b"/", b""))
        self.assertEqual((request.http_version, request.scheme), ("1.1", "https"))
        self.assertEqual((request.client, request.server), (None, ("localhost", 443)))
        nothing = {"headers": None, "multiValueHeaders": None, "queryStringParameters": None}
        request = read({**rest_event(), **nothing, "multiValueQueryStringParameters": None})
        self.assertEqual((request.headers, request.query), ([], b""))

    def test_host_and_port_are_separated(self) -> None:
        rows = [
            ("example.com", ("example.com", 443)),
            ("example.com:8443", ("example.com", 8443)),
            ("[::1]", ("[::1]", 443)),
            ("[::1]:3000", ("[::1]", 3000)),
        ]
        for host, server in rows:
            with self.subTest(host):
                self.assertEqual(read(url_event(headers={"host": host})).server, server)

    def test_a_malformed_request_gets_400_instead_of_an_error(self) -> None:
        def unreachable(*arguments: Any) -> Any:
            raise AssertionError("the application must not be called")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            unreachable()

        def respond(handler: Any, event: Event) -> Any:
            return handler(event, None)

        def respond_async(handler: Any, event: Event) -> Any:
            async def collect() -> Any:
                return await handler(event, LambdaContext)

            return asyncio.run(collect())

        changes: list[Event] = [
            {"headers": {"host": "a:" + "1" * 5000}},
            {"headers": {"x-forwarded-port": "123456"}},
            {"headers": {"x-forwarded-port": "65536"}},
            {"headers": {"a\ud800": "b"}},
            {"headers": {"a": "\ud800"}},
            {"cookies": ["\ud800"]},
            {"rawPath": "/\ud800", "path": "/\ud800"},
            {"rawQueryString": "\udcff", "queryStringParameters": {"\udcff": "1"}},
            {"body": "\ud800"},
            {"body": "a", "isBase64Encoded": True},
            # No event source makes the following ones.
            {"headers": 7},
            {"headers": {"a": 7}},
            {"rawPath": 7, "path": 7},
            {"rawQueryString": 7, "queryStringParameters": {"a": 7}},
            {"body": {"a": 1}},
        ]
        for change in changes:
            for event in (url_event(**change), rest_event(**change), balancer_event(**change)):
                with self.subTest(change=str(change)[:40], keys=len(event)):
                    if "cookies" in change and "version" not in event:
                        continue  # other sources have no such member
                    for name in ("multiValueHeaders", "multiValueQueryStringParameters"):
                        event.pop(name, None)
                    for response in (
                        respond(wsgi.handler(unreachable, streaming=False), event),
                        respond_async(asgi.handler(application, streaming=False, lifespan="off"), event),
                    ):
                        self.assertEqual(response["statusCode"], 400)
                        self.assertRegex(response["body"], r"\AThe (request|event) is malformed: ")
        for method in ("G T", "\xb5", "", 7):
            url = url_event()
            url["requestContext"]["http"]["method"] = method
            response = respond(wsgi.handler(unreachable, streaming=False), url)
            self.assertEqual(response["statusCode"], 400, method)
        url = url_event()
        url["requestContext"]["http"]["sourceIp"] = "\u0663"
        self.assertEqual(respond(wsgi.handler(unreachable, streaming=False), url)["statusCode"], 400)

    def test_http_2_has_no_minor_version(self) -> None:
        event = url_event()
        event["requestContext"]["http"]["protocol"] = "HTTP/2.0"
        self.assertEqual(read(event).http_version, "2")

    def test_an_unknown_protocol_counts_as_http_1_1(self) -> None:
        event = url_event()
        event["requestContext"]["http"]["protocol"] = "HTTP/\u0661\r\n"
        self.assertEqual(read(event).http_version, "1.1")

    def test_other_events_are_refused_with_the_type_that_was_found(self) -> None:
        websocket = {"connectionId": "abc=", "routeKey": "$connect", "eventType": "CONNECT"}
        rows: list[tuple[object, str]] = [
            (
                {"name": "Ada", "n": 1},
                r"not an HTTP request: found keys 'name', 'n'; expected .* function URL",
            ),
            (
                {"name": "Ada"},
                r"HTTP method\. To post other events .* To try a request, .*: make run EVENT='GET /'$",
            ),
            ({}, "not an HTTP request: found no keys;"),
            ({"httpMethod": None, "requestContext": {}}, "found keys 'httpMethod', 'requestContext'"),
            ([1], "not an HTTP request: found list;"),
            (None, "not an HTTP request: found NoneType;"),
            (b"text", "not an HTTP request: found bytes;"),
            ({"Records": [{"eventSource": "aws:sqs"}]}, "found keys 'Records'"),
            (
                {"version": "2.0", "method": "GET", "requestContext": {"serviceArn": "a"}},
                "found keys 'version'",
            ),
            ({"headers": {}, "requestContext": websocket}, r"WebSocket API, route '\$connect'"),
        ]
        for event, message in rows:
            with self.subTest(repr(event)), self.assertRaisesRegex(NoHttpRequest, message):
                read(event)


class Responses(unittest.TestCase):
    HEADERS: Headers = [
        (b"Content-Type", b"text/html"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"Vary", b"A"),
        (b"SET-COOKIE", b"b=2"),
        (b"vary", b"B"),
    ]

    def prelude(self, event: Event, headers: Headers | None = None) -> dict[str, Any]:
        headers = self.HEADERS if headers is None else headers
        return make_prelude(None, read(event), 201, headers, streamed=False)

    def test_a_prelude_has_the_form_that_the_event_source_expects(self) -> None:
        self.assertEqual(
            self.prelude(url_event()),
            {
                "statusCode": 201,
                "headers": {"content-type": "text/html", "vary": "A,B"},
                "cookies": ["a=1; Path=/", "b=2"],
            },
        )
        self.assertEqual(self.prelude(http_api_event("/")), self.prelude(url_event()))
        lists = {"set-cookie": ["a=1; Path=/", "b=2"], "vary": ["A", "B"]}
        self.assertEqual(
            self.prelude(rest_event()),
            {"statusCode": 201, "headers": {"content-type": "text/html"}, "multiValueHeaders": lists},
        )
        self.assertEqual(
            self.prelude(balancer_event(lists=True)),
            {"statusCode": 201, "multiValueHeaders": {"content-type": ["text/html"], **lists}},
        )

    def test_repeated_headers_are_kept_for_event_sources_with_one_value_per_name(self) -> None:
        self.assertEqual(
            self.prelude(balancer_event())["headers"],
            {
                "content-type": "text/html",
                "set-cookie": "a=1; Path=/",
                "vary": "A",
                "Set-cookie": "b=2",
                "Vary": "B",
            },
        )
        many = [(b"set-cookie", b"%d" % number) for number in range(300)]
        headers = self.prelude(balancer_event(), many)["headers"]
        self.assertEqual({name.lower() for name in headers}, {"set-cookie"})
        self.assertEqual(list(headers.values()), [str(number) for number in range(300)])

    def test_header_values_are_utf_8_or_else_latin_1(self) -> None:
        headers = [(b"x-utf-8", "é".encode()), (b"x-latin-1", "é".encode("latin-1"))]
        self.assertEqual(self.prelude(url_event(), headers)["headers"], {"x-utf-8": "é", "x-latin-1": "é"})

    def test_headers_about_the_connection_are_dropped(self) -> None:
        names = ("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "UPGRADE")
        proxy = ("Proxy-Connection", "proxy-authenticate", "Proxy-Authorization", "Proxy-Status")
        kept = {"content-type": "text/html", "date": "today", "server": "own", "x-te": "1"}
        headers = [(name.encode(), b"x") for name in (*names, *proxy)]
        headers += [(name.title().encode(), value.encode()) for name, value in kept.items()]
        for event in (url_event(), http_api_event("/"), rest_event(), balancer_event()):
            for streamed in (True, False):
                prelude = make_prelude(len, read(event), 200, headers, streamed=streamed)
                self.assertEqual(prelude["headers"], kept)

    def test_content_length_is_kept_only_if_no_body_follows(self) -> None:
        # method, status, whether it is kept
        rows = [("GET", 200, False), ("POST", 404, False), ("HEAD", 200, True), ("GET", 304, True)]
        for method, status, stays in rows:
            with self.subTest(method=method, status=status):
                event = rest_event(httpMethod=method)
                prelude = make_prelude(len, read(event), status, [(b"Content-Length", b"5")], streamed=True)
                self.assertEqual(prelude["headers"], {"content-length": "5"} if stays else {})

    def test_an_envelope_is_one_chunk_in_a_generator(self) -> None:
        envelope = complete(self.prelude(url_event()), "hé".encode())
        self.assertEqual([json.loads(chunk) for chunk in envelope], [{**envelope}])
        self.assertEqual((len(envelope), "body" in envelope), (5, True))

    def test_text_is_sent_as_text_and_other_bodies_in_base64(self) -> None:
        # content type, content encoding, body, whether it is text
        rows: list[tuple[str, str, bytes, bool]] = [
            ("text/plain", "", b"hi", True),
            ("TEXT/HTML; charset=utf-8", "", "hé".encode(), True),
            ("text/plain; charset=iso-8859-1", "", "hé".encode("latin-1"), False),
            ("application/json", "", b"{}", True),
            ("application/problem+json", "", b"{}", True),
            ("image/svg+xml", "", b"<svg/>", True),
            ("application/yaml", "", b"a: 1", True),
            ("application/x-yaml", "", b"a: 1", True),
            ("application/vnd.oai.openapi", "", b"a: 1", True),
            ("application/vnd.oai.openapi+yaml; version=3.1", "", b"a: 1", True),
            ("application/vnd.oai.openapi+json;version=3.1", "", b"{}", True),
            ("application/graphql", "", b"{ a }", True),
            ("application/x-www-form-urlencoded", "", b"a=1", True),
            ("application/jwt", "", b"e30.e30.", True),
            ("application/json", "gzip", b"\x1f\x8b", False),
            ("text/plain", "br", b"ascii all the same", False),
            ("image/png", "", b"\x89PNG", False),
            ("application/octet-stream", "", b"ascii", False),
            ("", "", b"ascii", False),
        ]
        for content_type, encoding, body, is_text in rows:
            for name, event in (
                ("2.0", url_event()),
                ("1.0", rest_event()),
                ("lists", balancer_event(lists=True)),
            ):
                with self.subTest(source=name, content_type=content_type, body=body):
                    pairs = [(b"content-type", content_type), (b"content-encoding", encoding)]
                    prelude = self.prelude(event, [(key, value.encode()) for key, value in pairs if value])
                    response = complete(prelude, body)
                    self.assertEqual(response.pop("isBase64Encoded"), not is_text)
                    sent = response.pop("body")
                    self.assertEqual(sent.encode() if is_text else base64.b64decode(sent), body)
                    self.assertEqual(response, prelude)

    def test_more_types_may_be_text(self) -> None:
        for content_type, is_text in [
            ("application/x-own", True),
            ("Application/X-Own;a=b", True),
            ("a/b", False),
        ]:
            prelude = self.prelude(url_event(), [(b"content-type", content_type.encode())])
            response = complete(prelude, b"text", ["application/X-own"])
            self.assertEqual(response["body"] == "text", is_text, content_type)

    def test_an_empty_body_is_not_base64(self) -> None:
        prelude = {"statusCode": 204, "headers": {}}
        self.assertEqual(complete(prelude, b""), {**prelude, "body": "", "isBase64Encoded": False})

    def test_only_function_urls_and_rest_apis_may_stream(self) -> None:
        for event in (url_event(), rest_event()):
            self.assertIn(read(event).source, MAY_STREAM)
        for event in (
            http_api_event("/"),
            http_api_1_event("/"),
            balancer_event(),
            balancer_event(lists=True),
        ):
            self.assertNotIn(read(event).source, MAY_STREAM)


class Applications(unittest.TestCase):
    """An application must be callable with the arguments of its interface."""

    class Method:
        def __call__(self, one: object, two: object) -> None: ...

        def three(self, one: object, two: object, three: object) -> None: ...

    class Static:
        @staticmethod
        def __call__(one: object, two: object, three: object) -> None: ...

    class Iterated:
        def __init__(self, one: object, two: object) -> None: ...

        def __iter__(self) -> None: ...

    class Awaited:
        def __init__(self, one: object, two: object, three: object) -> None: ...

        def __await__(self) -> None: ...

    class Bare:
        def __iter__(self) -> None: ...

    def test_callables_with_the_right_arguments_are_accepted(self) -> None:
        three = [
            lambda one, two, three: None,
            lambda *all: None,
            lambda one, two, three, four=4: None,
            self.Method().three,
            self.Static(),
            self.Awaited,
            print,
        ]
        two = [self.Method(), self.Iterated, self.Bare, lambda one, two=2, three=3: None]
        for app, interface, arguments in [(one, "ASGI", 3) for one in three] + [
            (one, "WSGI", 2) for one in two
        ]:
            with self.subTest(app):
                check_application(app, interface, arguments)

    def test_factories_and_classes_are_refused(self) -> None:
        def create() -> None: ...

        def configure(settings: object) -> None: ...

        rows: list[tuple[object, str]] = [
            (create, "found create, which takes too few arguments. If it makes the application, call it: {}"),
            (
                configure,
                "found configure, which takes too few arguments. If it makes the application, call it: {}",
            ),
            (
                self.Method,
                "found Method, which takes too few arguments. If it makes the application, call it: {}",
            ),
        ]
        for interface, arguments in (("ASGI", 3), ("WSGI", 2)):
            for app, message in rows:
                name = getattr(app, "__name__", "")
                expected = re.escape(message.format(f"{interface.lower()}.handler({name}())"))
                with self.subTest(app), self.assertRaisesRegex(TypeError, f"{interface}, {expected}$"):
                    check_application(app, interface, arguments)

    def test_other_objects_are_refused_by_name(self) -> None:
        for app, interface, arguments, pattern in [
            (5, "ASGI", 3, "application for ASGI, found int"),
            (self.Method(), "ASGI", 3, "takes 2 arguments as WSGI applications do: use lambda_runtime.wsgi"),
            (
                self.Method().three,
                "WSGI",
                2,
                "takes 3 arguments as ASGI applications do: use lambda_runtime.asgi",
            ),
        ]:
            with self.subTest(app), self.assertRaisesRegex(TypeError, pattern):
                check_application(app, interface, arguments)
