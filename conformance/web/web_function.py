"""A function with its URL, and a client that records when each piece of a response arrives."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from lambda_emulator.functions.function import Function
from lambda_emulator.servers.function_url import BUFFERED, RESPONSE_STREAM, FunctionUrl

from conformance.expectations import Mismatch, shorten
from conformance.web.event_sources import Event

ROOT = Path(__file__).resolve().parent.parent.parent
FUNCTIONS = Path(__file__).resolve().parent / "functions"
PATIENCE_S = 20.0
APART_S = 0.1
ATTEMPTS = 5


@dataclass
class Response:
    """An HTTP response. Times are in seconds after the request was sent."""

    status: int
    headers: list[tuple[str, str]]
    head_s: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    cut_short: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for field_name, value in self.headers if field_name.lower() == name]


class WebFunction:
    """A function in ``functions/``, in a separate environment, to be used with ``with``."""

    def __init__(self, handler: str, *, buffered: bool = False) -> None:
        command: list[str | os.PathLike[str]] = [sys.executable, ROOT / "bootstrap"]
        # An interpreter with many packages starts slowly on a busy machine.
        self.function = Function(handler, FUNCTIONS, command, timeout_s=PATIENCE_S, init_timeout_s=60)
        self.url = FunctionUrl(self.function, invoke_mode=BUFFERED if buffered else RESPONSE_STREAM)

    def __enter__(self) -> WebFunction:
        self.function.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.url.close()
        self.function.close()

    def request(
        self,
        target: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make a request and read the response as it arrives."""
        return send(self.url.url, target, method=method, body=body, headers=headers)

    def payload(self, event: Event, by: str) -> bytes:
        """Return the payload of the handler that ``by`` names."""
        return self.function.invoke(json.dumps({"by": by, "event": event}).encode()).payload

    def response(self, event: Event, by: str) -> Event:
        """Return the whole response of ``us`` or ``them``. An error is reduced to its type and message."""
        result = self.function.invoke(json.dumps({"by": by, "event": event}).encode())
        payload: Event = json.loads(result.payload)
        if result.function_error:
            return {"statusCode": payload["errorType"], "body": payload["errorMessage"]}
        return payload


def send(
    url: str,
    target: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a request and read the response as it arrives."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    began = time.monotonic()
    connection.request(method, target, body, dict(headers or {}))
    raw = connection.getresponse()
    response = Response(raw.status, raw.getheaders(), time.monotonic() - began)
    try:
        while piece := raw.read1(65_536):
            response.pieces.append((time.monotonic() - began, piece))
    except (IncompleteRead, ConnectionError):
        response.cut_short = True
    connection.close()
    return response


def expect_pieces(request: Callable[[], Response], *pieces: bytes, after_head: bool = False) -> Response:
    """Make a request whose response arrives in these pieces, each ``APART_S`` after the previous one.

    With ``after_head``, the first piece arrives that long after the headers. A client that was stopped for a
    while receives several pieces at once, so the request is repeated. Raises Mismatch.
    """
    for _ in range(ATTEMPTS):
        response = request()
        found = [piece for _, piece in response.pieces]
        moments = [response.head_s] * after_head + [moment for moment, _ in response.pieces]
        apart = all(later - earlier >= APART_S for earlier, later in zip(moments, moments[1:]))
        if found == list(pieces) and apart:
            return response
    raise Mismatch(
        f"expected the pieces {list(pieces)!r} at intervals of {APART_S} s, "
        f"found {shorten(repr(found))} after {moments} s"
    )
