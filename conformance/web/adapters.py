"""Compare our buffered responses with those of Mangum and apig-wsgi: same status, headers and body.

Every difference must be in a table, with its reason. A difference that is not listed fails, and so does a
listed one that was not seen.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from conformance.expectations import Mismatch, shorten
from conformance.web.event_sources import EVENT_SOURCES, Event, Request
from conformance.web.web_function import WebFunction

MANGUM = "mangum"
APIG_WSGI = "apig-wsgi"

FORM = "application/x-www-form-urlencoded"
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"Content-Type: image/png\r\n\r\n\x00\xff\r\n--x--\r\n"
)
REQUESTS = (
    Request("JSON", target="/json"),
    Request(
        "query, headers, cookies",
        target="/echo/a?x=1&x=2&y=%C3%A9%26+z&empty=",
        headers=(("x-own-a", "1"), ("x-own-a", "2"), ("x-own-b", "b"), ("cookie", "a=1; b=2")),
    ),
    Request("path with escapes", target="/echo/a%20b/%C3%A9+c"),
    Request("path with a percent sign", target="/echo/50%2525"),
    Request("binary body", "POST", "/echo/x", (("content-type", "application/octet-stream"),), b"\x00\xff"),
    Request("form", "POST", "/form", (("content-type", FORM),), b"word=h%C3%A9"),
    Request("upload", "POST", "/upload", (("content-type", "multipart/form-data; boundary=x"),), UPLOAD),
    Request("links to itself", target="/where?a=1"),
    Request("cookies set", target="/cookies", headers=(("cookie", "seen=yes"),)),
    Request("repeated header", target="/many"),
    Request("picture", target="/picture"),
    Request("compressed", target="/gzip"),
    Request("other encoding", target="/latin"),
    Request("no content type", target="/untyped"),
    Request("no content", target="/empty"),
    Request("redirect", target="/redirect"),
    Request("stream", target="/stream"),
    Request("HEAD", "HEAD", "/json"),
    Request("not found", target="/missing"),
    Request("exception", target="/fail"),
)

PAYLOAD_2 = ("function URL", "HTTP API")
ALL = tuple(EVENT_SOURCES)


@dataclass(frozen=True)
class Known:
    """A known difference."""

    adapter: str
    requests: tuple[str, ...]
    event_sources: tuple[str, ...]
    reason: str


KNOWN = (
    Known(
        MANGUM,
        ("query, headers, cookies",),
        ("REST API",),
        "ASGI requires repeated request headers to be kept; Mangum joins them",
    ),
    Known(
        MANGUM,
        ("path with a percent sign",),
        ("HTTP API",),
        "an HTTP API has already decoded the path; Mangum decodes it again",
    ),
    Known(
        APIG_WSGI,
        ("path with a percent sign", "path with escapes"),
        ("HTTP API",),
        "an HTTP API has already decoded the path; apig-wsgi decodes it again, which is not valid UTF-8",
    ),
    Known(
        MANGUM,
        ("links to itself",),
        ("REST API",),
        "the stage is part of the address, hence the root path; Mangum has none",
    ),
    Known(
        APIG_WSGI,
        ("links to itself",),
        ("REST API",),
        "the stage is part of the address, hence SCRIPT_NAME; apig-wsgi has none",
    ),
    Known(
        MANGUM,
        ("no content type", "no content", "redirect"),
        PAYLOAD_2,
        "if the application sets no content type, Mangum sends application/json",
    ),
    Known(
        APIG_WSGI,
        ("repeated header", "cookies set"),
        (*PAYLOAD_2, "load balancer"),
        "apig-wsgi sends only the last of repeated headers",
    ),
    Known(
        APIG_WSGI,
        ("other encoding",),
        ALL,
        "apig-wsgi treats all text as UTF-8, and fails",
    ),
    Known(MANGUM, ("HEAD",), ALL, "HTTP does not allow a body here; Mangum leaves it to the source"),
    Known(APIG_WSGI, ("HEAD",), ALL, "HTTP does not allow a body here; apig-wsgi leaves it to the source"),
)


class Comparison:
    """A comparison of one application with one adapter; records which known differences were seen."""

    def __init__(self, web: WebFunction, adapter: str, seen: set[Known]) -> None:
        self._web = web
        self._adapter = adapter
        self._seen = seen

    def try_request(self, request: Request) -> str:
        """Compare one request; return a description. Raises Mismatch for an unknown difference."""
        different = []
        status: object = None
        for event_source, make_event in EVENT_SOURCES.items():
            ours, theirs = (normal(self._web.response(make_event(request), by)) for by in ("us", "them"))
            status = ours[0]
            if ours != theirs:
                known = self._find(request, event_source)
                if known is None:
                    raise Mismatch(
                        f"{event_source}: ours is {shorten(repr(ours))}, theirs {shorten(repr(theirs))}"
                    )
                self._seen.add(known)
                different.append(event_source)
        if not different:
            return f"{status}, the same for all {len(EVENT_SOURCES)} event_sources"
        event_sources = "all" if len(different) == len(EVENT_SOURCES) else ", ".join(different)
        return f"{status}, another for {event_sources}, see the table"

    def _find(self, request: Request, event_source: str) -> Known | None:
        for known in KNOWN:
            if (
                known.adapter == self._adapter
                and request.name in known.requests
                and event_source in known.event_sources
            ):
                return known
        return None


def normal(response: Event) -> tuple[object, dict[str, list[str]], bytes]:
    """Return status, headers and body as a client sees them, for every form of response."""
    headers: dict[str, list[str]] = {}
    for name, value in (response.get("headers") or {}).items():
        headers.setdefault(name.lower(), []).append(str(value).strip())
    for name, values in (response.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = [value.strip() for value in values]
    if response.get("cookies"):
        headers["set-cookie"] = [cookie.strip() for cookie in response["cookies"]]
    headers.pop("date", None)
    headers.pop("content-length", None)  # event sources compute it
    body = response.get("body") or ""
    return (
        response["statusCode"],
        headers,
        base64.b64decode(body) if response.get("isBase64Encoded") else body.encode(),
    )
