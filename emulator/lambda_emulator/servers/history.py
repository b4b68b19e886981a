"""Remember the last invocations of all functions, within bounds."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque

    from lambda_emulator.functions.invocation import Invocation

LIMIT = 100

# How many bytes of an event, a response and a log are kept. Of the first two the beginning, of a log the end.
EXCERPT = 16 * 1024

LABEL_LENGTH = 80


@dataclass
class Record:
    """One invocation that has ended."""

    number: int  # counts all invocations
    summary: dict[str, Any]  # its figures
    event: bytes
    event_size: int
    response: bytes  # empty for a stream, which is not kept
    response_size: int
    log: bytes
    log_size: int

    def detail(self) -> dict[str, Any]:
        """Return the summary with the event, the response and the log as text."""
        return {
            **self.summary,
            "event": self.event.decode("utf-8", "replace"),
            "eventSize": self.event_size,
            "response": self.response.decode("utf-8", "replace"),
            "responseSize": self.response_size,
            "log": self.log.decode("utf-8", "replace"),
            "logSize": self.log_size,
        }


class History:
    """The last hundred invocations, oldest first."""

    def __init__(self) -> None:
        self._records: Deque[Record] = deque(maxlen=LIMIT)
        self._count = 0
        self._lock = threading.Lock()

    def add(self, name: str, invocation: Invocation, environment: int) -> None:
        """Add an invocation of the function ``name``, whose report is known."""
        report, response = invocation.report, invocation.response
        body = response.body if response is not None else b""
        event, log = invocation.call.event, invocation.log
        summary = {
            "function": name,
            "environment": environment,
            "requestId": invocation.request_id,
            "began": round(time.time() * 1000 - report.duration_ms),  # Unix time, milliseconds
            "asynchronous": invocation.call.invocation_type == "Event",
            "status": "error" if response is not None and response.is_error else "success",
            "durationMs": round(report.duration_ms, 2),
            "billedMs": report.billed_ms,
            "initMs": None if report.init_ms is None else round(report.init_ms, 2),
            "restoreMs": None if report.restore_ms is None else round(report.restore_ms, 2),
            "memoryMb": report.max_memory_mb,
            "memorySizeMb": report.memory_mb,
        }
        if report.status != "success":
            summary["status"] = report.status
        with self._lock:
            self._count += 1
            summary["number"] = self._count
            self._records.append(
                Record(
                    self._count,
                    summary,
                    event[:EXCERPT],
                    len(event),
                    body[:EXCERPT],
                    len(body),
                    log[-EXCERPT:],
                    len(log),
                )
            )

    def after(self, number: int) -> list[dict[str, Any]]:
        """Return the summaries of the invocations after that with this number."""
        with self._lock:
            records = [record for record in self._records if record.number > number]
        for record in records:
            if "label" not in record.summary:
                record.summary["label"] = label(record.event if record.event_size <= EXCERPT else b"")
        return [record.summary for record in records]

    def find(self, number: int) -> Record | None:
        with self._lock:
            return next((record for record in self._records if record.number == number), None)


def label(event: bytes) -> str:
    """Describe an event in a few words: ``GET /path`` or the service that sent it; "" if unknown."""
    try:
        value = json.loads(event.decode("utf-8"), parse_int=str)  # int() would reject the longest numbers
    except (ValueError, RecursionError):
        return ""
    http = _member(value, "requestContext", "http")
    records = _member(value, "Records")
    first = records[0] if isinstance(records, list) and records else None
    for words in (
        [_member(http, "method"), _member(value, "rawPath")],
        [_member(value, "httpMethod"), _member(value, "path")],
        [_member(first, "eventSource") or _member(first, "EventSource")],
        [_member(value, "source")],
        [_member(value, "triggerSource")],  # Cognito
    ):
        if all(isinstance(word, str) and word for word in words):
            text = " ".join(words)[:LABEL_LENGTH]
            return text[len("aws:") :] if text.startswith("aws:") else text
    return ""


def _member(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
