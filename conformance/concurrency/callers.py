"""Many callers at the same time, each with its own connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

PATH = "/2015-03-31/functions/function/invocations"
CALLERS = 32
TIMEOUT_S = 60.0
WAIT_S = 0.01  # before the next attempt, if no slot is free


@dataclass(frozen=True)
class Reply:
    """The response to one event; ``problem`` instead of a response if there is none."""

    event: Mapping[str, Any]
    trace: str
    error_type: str = ""
    body: bytes = b""
    problem: str = ""


def trace_of(token: str) -> str:
    """The trace header of an invocation."""
    return f"Root=1-5759e988-{token:0>24};Parent=53995c3f42cd8ad8;Sampled=1"


class Callers:
    """Threads that send events until there are none left. They retry those for which no slot was free."""

    def __init__(self, port: int, events: Iterable[Mapping[str, Any]]) -> None:
        self._port = port
        self._events = iter(events)
        self._lock = threading.Lock()
        self._replies: list[Reply] = []

    def run(self, count: int = CALLERS) -> list[Reply]:
        """Send all events, and return the replies in any order."""
        threads = [threading.Thread(target=self._call, name=f"caller-{one}") for one in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._replies

    def _call(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        while True:
            with self._lock:
                event = next(self._events, None)
            if event is None:
                break
            reply = self._invoke(connection, event)
            with self._lock:
                self._replies.append(reply)
        connection.close()

    def _invoke(self, connection: HTTPConnection, event: Mapping[str, Any]) -> Reply:
        trace = trace_of(event["token"])
        while True:
            try:
                connection.request("POST", PATH, json.dumps(event), {"X-Amzn-Trace-Id": trace})
                response = connection.getresponse()
                body = response.read()
            except Exception as error:  # http.client raises many kinds
                connection.close()
                return Reply(event, trace, problem=repr(error))
            error_type = response.headers.get("Error-Type", "")
            if error_type != "Runtime.Unavailable":
                return Reply(event, trace, error_type, body)
            time.sleep(WAIT_S)
