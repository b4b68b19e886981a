"""The clients: each reads a response piece by piece as it arrives, and reports how it ended."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import urllib3  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.emulators.clients import TIMEOUT_S, Boto3
from conformance.expectations import Mismatch, shorten

INVOCATIONS = "/2015-03-31/functions/function/invocations"
CURL_PARTIAL_FILE = 18  # its exit status for an incomplete response


R = TypeVar("R", bound="Reader")


class Reader(ABC):
    """A response that is being read."""

    @abstractmethod
    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces as they arrive."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect, even if the response is incomplete."""

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lines(self) -> Iterator[str]:
        """Yield each line when it is complete."""
        buffer = b""
        for piece in self.pieces():
            buffer += piece
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                yield line.decode()


class Boto3Reader(Reader):
    """`invoke_with_response_stream`; ``complete`` is the InvokeComplete event, None before it."""

    _boto3 = Boto3()

    def __init__(self, url: str, payload: object, log_type: str = "None") -> None:
        self.complete: dict[str, Any] | None = None
        self.reply = self._boto3.client(url).invoke_with_response_stream(
            FunctionName="function", Payload=json.dumps(payload).encode(), LogType=log_type
        )

    @property
    def content_type(self) -> str:
        return str(self.reply["ResponseStreamContentType"])

    def pieces(self) -> Iterator[bytes]:
        for event in self.reply["EventStream"]:
            if self.complete is not None:
                raise Mismatch(f"{event} after InvokeComplete")
            if "PayloadChunk" in event:
                yield event["PayloadChunk"]["Payload"]
            else:
                self.complete = event["InvokeComplete"]

    def close(self) -> None:
        self.reply["EventStream"].close()

    def read(self) -> bytes:
        """Return the whole response. Raises Mismatch unless it ends with InvokeComplete."""
        body = b"".join(self.pieces())
        if self.complete is None:
            raise Mismatch(f"no InvokeComplete after {shorten(repr(body))}")
        return body

    def error(self) -> tuple[str, Any]:
        """Return ErrorCode and the parsed ErrorDetails."""
        complete = self.complete or {}
        if "ErrorCode" not in complete:
            raise Mismatch(f"expected an ErrorCode, found {complete}")
        return complete["ErrorCode"], json.loads(complete["ErrorDetails"])

    def log(self) -> str:
        return base64.b64decode((self.complete or {})["LogResult"]).decode()


class Curl(Reader):
    """`curl --no-buffer`."""

    def __init__(self, url: str, headers: Path, options: tuple[str, ...] = ()) -> None:
        self._headers = headers
        words = ["curl", "--silent", "--no-buffer", "--max-time", str(TIMEOUT_S), *options]
        self._process = subprocess.Popen(
            [*words, "--dump-header", str(headers), url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )

    def pieces(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        while True:
            piece = os.read(self._process.stdout.fileno(), 65_536)
            if not piece:
                return
            yield piece

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def status(self) -> int:
        """Return curl's exit status."""
        return self._process.wait(TIMEOUT_S)

    def head(self) -> list[str]:
        """Return the status line and the header lines of the response."""
        return self._headers.read_text().splitlines()


class Urllib3(Reader):
    """The library that `requests` and boto3 use."""

    def __init__(self, url: str) -> None:
        self._pool = urllib3.PoolManager()
        self.response = self._pool.request(
            "GET", url, preload_content=False, retries=False, timeout=TIMEOUT_S
        )

    def pieces(self) -> Iterator[bytes]:
        yield from self.response.stream()

    def close(self) -> None:
        self.response.close()
        self._pool.clear()


@dataclass(frozen=True)
class Reply:
    """The response of AWS's emulator."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        return json.loads(self.body)


def invoke(url: str, payload: object) -> Reply:
    """Call the Invoke API once, like curl.

    With several invocations at once, AWS's emulator refuses an event if no worker is waiting yet. Then the
    call is repeated.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        reply = _post(url + INVOCATIONS, json.dumps(payload).encode())
        if b"Runtime.Unavailable" not in reply.body or time.monotonic() > deadline:
            return reply
        time.sleep(0.01)


def _post(url: str, data: bytes) -> Reply:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return Reply(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers), error.read())


def with_query(url: str, **parameters: object) -> str:
    return f"{url}?{urllib.parse.urlencode(parameters)}"
