"""Serve the page that shows the functions in a browser.

The page is one static file. It invokes functions through the Invoke API like any other client; the paths
below ``/_lambda/``, which no operation of Lambda's API has, give it the state of the emulator as JSON. Its
content security policy allows only its own script and style, and requests to this server.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import socket
import threading
import uuid
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import parse_qs

from lambda_emulator import sample_events
from lambda_emulator.functions.environment import COMPLETED
from lambda_emulator.functions.pool import CLIENT_INTERVAL_S
from lambda_emulator.servers.history import History
from lambda_emulator.servers.http_server import BodyTooLarge, CutShort, Response, TruncatedBody, is_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.functions.environment import Environment
    from lambda_emulator.functions.function import Function
    from lambda_emulator.servers.http_server import Request

PREFIX = "/_lambda/"

# Limit of an HTTP request that the page describes as JSON. A function URL accepts 6 MB.
REQUEST_LIMIT = 16 * 1024 * 1024
READ_SIZE = 64 * 1024

ERROR_EXCERPT = 4096

# For every reply: it is for this page only, and is what its Content-Type says.
HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]


class Page:
    """The page, with the state of the functions and their last invocations."""

    def __init__(self, functions: Mapping[str, Function], urls: Sequence[str]) -> None:
        """``urls``: the function URLs in the order of the functions, if there are any."""
        self._functions = functions
        self._urls = dict(zip(functions, urls))
        self._history = History()
        self._run = str(uuid.uuid4())  # the numbers of invocations are valid for one run of the emulator
        for name, function in functions.items():
            function.on_end = partial(self._history.add, name)

    def serve(self, request: Request) -> Response | None:
        """Return the reply to a request of a browser or of the page, None if it is another one."""
        if request.path == "/" and request.method in ("GET", "HEAD") and _wants_html(request):
            return _page()
        if not request.path.startswith(PREFIX):
            return None
        name = request.path[len(PREFIX) :]
        if name == "http" and request.method == "POST":
            return self._send(request)
        if request.method in ("GET", "HEAD"):
            if name == "state":
                return self._state(_number(request, "after"))
            if name == "invocation":
                record = self._history.find(_number(request, "number"))
                return _json(record.detail()) if record is not None else _problem(404, "It is forgotten.")
            if name == "samples":
                return _json({name: sample_events.make(name) for name in sample_events.EVENTS})
        return _problem(404, "The page has no such address.")

    def _state(self, after: int) -> Response:
        """Describe the functions now, and the invocations after the number ``after``."""
        functions = [self._describe(name, function) for name, function in self._functions.items()]
        return _json({"run": self._run, "functions": functions, "invocations": self._history.after(after)})

    def _describe(self, name: str, function: Function) -> dict[str, Any]:
        status, error, configuration = function.status(), function.init_error, function.configuration
        return {
            "name": name,
            "url": self._urls.get(name, ""),
            "settings": _settings(configuration, function.arn()),
            "initError": error.body[:ERROR_EXCERPT].decode("utf-8", "replace") if error is not None else "",
            "busy": status.busy,
            "slots": status.slots,
            "managed": bool(configuration.managed),
            "succeeded": status.succeeded,
            "failed": status.failed,
            "throttled": status.throttled,
            "memorySizeMb": configuration.memory_mb,
            "environments": [_environment(one) for one in function.environments],
        }

    def _send(self, request: Request) -> Response:
        """Send the HTTP request that the page describes to a function URL, and stream the response back.

        The page cannot do this itself: the function URL is another origin. The reply begins with a line of
        JSON, the status and the headers; the body follows as it arrives.
        """
        if request.header("Content-Type") != "application/json":  # other types need no permission of browsers
            return _problem(415, "Expected application/json.")
        try:
            wanted = _http_request(json.loads(request.read(REQUEST_LIMIT).decode("utf-8")))
        except BodyTooLarge:
            return _problem(413, f"The request is larger than {REQUEST_LIMIT} bytes.")
        except TruncatedBody:
            return _problem(400, "The body of the request is not complete.")
        except (ValueError, RecursionError) as error:
            return _problem(400, str(error))
        url = self._urls.get(wanted["function"])
        if url is None:
            return _problem(404, "The function has no URL.")
        connection = http.client.HTTPConnection(url.partition("//")[2].strip("/"))
        ended = threading.Event()

        def end() -> None:
            ended.set()
            connection.close()

        try:
            _write(connection, wanted)
            follow = partial(_leave_with_browser, request, connection.sock, ended)
            threading.Thread(target=follow, name="page", daemon=True).start()
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            end()
            return _problem(502, f"The function URL did not respond: {type(error).__name__}: {error}")
        prelude = json.dumps({"status": reply.status, "reason": reply.reason, "headers": reply.getheaders()})
        headers = [("Content-Type", "application/octet-stream"), *HEADERS]
        return Response(200, headers=headers, parts=_body(prelude, reply), done=end)


def _wants_html(request: Request) -> bool:
    return "text/html" in request.header("Accept").lower()


@lru_cache(maxsize=None)
def _load() -> tuple[bytes, str]:
    """Return the page and its content security policy."""
    page = Path(__file__).with_name("page.html").read_bytes()
    policy = [
        "default-src 'none'",
        f"script-src {_hash(page, b'script')}",
        f"style-src {_hash(page, b'style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return page, "; ".join(policy)


def _hash(page: bytes, tag: bytes) -> str:
    """Return the source expression that allows an element's text (Content Security Policy Level 3, 2.3.1)."""
    found = re.search(b"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
    assert found is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(found.group(1)).digest()).decode()}'"


def _page() -> Response:
    page, policy = _load()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", "no-referrer"),
        ("Vary", "Accept"),
        *HEADERS,
    ]
    return Response(200, page, headers)


def _json(value: Any, status: int = 200) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, body, [("Content-Type", "application/json"), *HEADERS])


def _problem(status: int, message: str) -> Response:
    return _json({"message": message}, status)


def _number(request: Request, name: str) -> int:
    """Return a parameter of the query, 0 if it is not a number."""
    value = parse_qs(request.query).get(name, ["0"])[0]
    return int(value) if re.fullmatch("[0-9]{1,15}", value) else 0


def _settings(configuration: Configuration, arn: str) -> list[tuple[str, str]]:
    """Return what a developer may want to check, with labels. Values of variables may be secrets."""
    if configuration.deployment is None:
        source = [("Folder", configuration.task_root), ("Runtime", " ".join(configuration.command))]
    else:
        source = [("Code", "zips, as they will be uploaded")]
    if configuration.managed:
        limits = [("Managed instance", f"{configuration.managed} slots")]
    else:
        limits = [
            ("Concurrency", f"{configuration.concurrency} environments"),
            ("Idle environments end after", f"{configuration.idle_s:g} s"),
        ]
    return [
        ("Handler", configuration.handler),
        *source,
        ("Memory size", f"{configuration.memory_mb} MB"),
        ("Timeout", f"{configuration.timeout_s:g} s"),
        *limits,
        ("Initialization", configuration.initialization_type),
        ("Log format", "JSON" if configuration.logs_json else "text"),
        ("Variables", ", ".join([*configuration.environment, *configuration.inherit]) or "none"),
        ("AWS credentials", "yours" if configuration.credentials else "none"),
        ("ARN", arn),
    ]


def _environment(environment: Environment) -> dict[str, Any]:
    busy = len(environment.active)
    if not environment.init_outcome:
        state = "starting"
    elif environment.init_outcome != COMPLETED:
        state = "failed"
    else:
        state = "busy" if busy else "idle"
    processes, memory_kb = environment.memory.now()
    return {
        "number": environment.number,
        "pid": environment.pid,
        "state": state,
        "busy": busy,
        "processes": processes,
        "memoryMb": round(memory_kb / 1024),
    }


def _http_request(value: Any) -> dict[str, Any]:
    """Check the description of an HTTP request; raise ValueError if a part of it is not valid."""
    members = {"function": str, "method": str, "path": str, "headers": list, "body": str}
    if not isinstance(value, dict) or any(
        not isinstance(value.get(name), kind) for name, kind in members.items()
    ):
        raise ValueError(f"Expected an object with {', '.join(members)}.")
    if not re.fullmatch("[A-Z]{1,20}", value["method"]):
        raise ValueError(f"{value['method'][:20]!r} is not a method; use for example GET.")
    if not re.fullmatch("/[\x21-\x7e]*", value["path"]):
        raise ValueError("The path must begin with / and have no spaces; write them as %20.")
    for field in value["headers"]:
        if not (isinstance(field, list) and len(field) == 2 and all(isinstance(one, str) for one in field)):
            raise ValueError("Expected headers as pairs of a name and a value.")
        if not is_field(*field):
            raise ValueError(
                f"{': '.join(field)[:100]!r} is not a header; write for example Accept: text/html."
            )
        if field[0].lower() in ("content-length", "transfer-encoding", "connection", "expect"):
            raise ValueError(
                f"The header {field[0]} describes the connection, which the page opens; leave it out."
            )
    return value


def _write(connection: http.client.HTTPConnection, wanted: dict[str, Any]) -> None:
    names = {name.lower() for name, _ in wanted["headers"]}
    connection.putrequest(
        wanted["method"], wanted["path"], skip_host="host" in names, skip_accept_encoding=True
    )
    for name, value in wanted["headers"]:
        connection.putheader(name, value.encode())
    body = wanted["body"].encode("utf-8", "surrogatepass")
    if body or wanted["method"] in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


def _leave_with_browser(request: Request, sock: socket.socket, ended: threading.Event) -> None:
    """End the connection to the function URL when the browser leaves, as if that were its client."""
    while not ended.wait(CLIENT_INTERVAL_S):
        if request.client_has_left():
            with suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_RDWR)  # unlike close(), this wakes the thread that reads
            return


def _body(prelude: str, reply: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the line with status and headers, then the body; break the connection if the function URL did."""
    yield f"{prelude}\n".encode()
    left = reply.length  # None if the body is chunked
    try:
        while left != 0:
            part = reply.read1(READ_SIZE if left is None else min(left, READ_SIZE))
            if left is not None:
                left -= len(part)
            if not part:
                if left:
                    raise CutShort
                return
            yield part
    except (OSError, http.client.HTTPException) as error:
        raise CutShort from error
