"""Builds the records of what ours must do where AWS's runtime gives nothing to start from.

Everything is written as AWS's runtime would write it, so that the other differences apply on top.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, List, Tuple

from . import jsontext
from .record import Phase, Record, Request

WAITS = "waits for the next event"
OWN_LINES = "<the runtime's own lines>\n"

Frame = Tuple[str, int, str, str]  # file, line, function, source


def frame(line: int, source: str, function: str = "handler", file: str = "app.py") -> Frame:
    """A frame of the function."""
    return f"/var/task/{file}", line, function, source


def record(*phases: Phase, ending: str = WAITS) -> Record:
    """A whole run; the init phase, in which nothing happens, is added if it is missing."""
    if not phases or phases[0].title != "init":
        phases = (Phase("init"), *phases)
    return Record(phases, ending)


def answered(number: int, value: Any, stdout: str = "") -> Phase:
    """The event is answered with ``value``."""
    text = json.dumps(value)
    return Phase(
        f"event {number}",
        (_post(f"invocation/r{number}/response", jsontext.parse(text), content_type="application/json"),),
        stdout,
    )


def answered_raw(number: int, data: bytes) -> Phase:
    """The event is answered with bytes."""
    request = _post(f"invocation/r{number}/response", data, content_type="application/unknown")
    return Phase(f"event {number}", (replace(request, layout=""),))


def failed(
    number: int,
    error_type: str,
    message: str,
    *frames: Frame,
    more: Dict[str, Any] | None = None,
    invocation_id: str | None = None,
    log_format: str = "text",
    after: str = "",
) -> Phase:
    """The event is answered with an error. ``after`` is what stdout gets after the error's log line."""
    payload = _payload(error_type, message, f"r{number}", frames, more)
    request = _post(
        f"invocation/r{number}/error",
        payload,
        content_type="application/json",
        cause=_cause(error_type, message, frames),
        invocation_id=invocation_id,
    )
    return Phase(f"event {number}", (request,), _logged(payload, log_format) + after)


def streamed(
    number: int,
    body: bytes,
    *frames: Frame,
    error: Tuple[str, str] | None = None,
    more: Dict[str, Any] | None = None,
    content_type: str = "application/octet-stream",
    invocation_id: str | None = None,
    stdout: str = "",
) -> Phase:
    """The event is answered with a stream, at whose end comes ``error`` (type and message), if any."""
    request = replace(
        _post(f"invocation/r{number}/response", body, content_type=content_type, invocation_id=invocation_id),
        response_mode="streaming",
        encoding="ascii" if body.decode("utf-8", "backslashreplace").isascii() else "utf-8",
        layout="",
    )
    if error is not None:
        payload = _payload(*error, f"r{number}", frames, more)
        trailers = (
            ("Lambda-Runtime-Function-Error-Type", f"Function.{error[0]}"),
            ("Lambda-Runtime-Function-Error-Body", payload),
        )
        request = replace(request, trailers=trailers)
        stdout += _logged(payload, "text")
    return Phase(f"event {number}", (request,), stdout)


def init_failed(error_type: str, message: str, *frames: Frame, more: Dict[str, Any] | None = None) -> Record:
    """The function cannot be loaded: an init error is posted and the process ends with status 1."""
    payload = _payload(error_type, message, "", frames, more)
    return record(
        Phase("init", (_post("init/error", payload),), _logged(payload, "text")), ending="exit status 1"
    )


def registered() -> Tuple[Request, ...]:
    """The calls of an internal extension, which wants no events."""
    register = replace(
        _post("", {"events": []}, content_type="application/json"),
        endpoint="POST /2020-01-01/extension/register",
        layout="other",
        extension="custom-lambda-runtime-python",
    )
    wait = replace(restored(), endpoint="GET /2020-01-01/extension/event/next", extension="x1")
    return register, wait


def restored() -> Request:
    """The call that waits for the snapshot to be restored (SnapStart)."""
    return replace(_post("", b""), endpoint="GET restore/next", layout="")


def described(error_type: str, message: str, *frames: Frame, **more: Any) -> Dict[str, Any]:
    """An exception within another's payload: a cause, or a member of a group."""
    return {
        "errorMessage": message,
        "errorType": error_type,
        "stackTrace": [_entry(frame) for frame in frames],
        **more,
    }


def tail_lines(more: Dict[str, Any]) -> List[str]:
    """What follows the trace in the log: notes, the members of a group, the cause."""
    lines = list(more.get("notes", []))
    for member in more.get("exceptions", []):
        lines.append(f"Exception of the group: {_headline(member)}")
        lines += _trace_lines(member)
        lines += [f"  {line}" for line in tail_lines(member)]
    if "cause" in more:
        lines.append(f"Caused by: {_headline(more['cause'])}")
        lines += _trace_lines(more["cause"])
        lines += tail_lines(more["cause"])
    return lines


def joined(lines: List[str]) -> str:
    """Lines of one log record: joined by \\r, each indent made of U+00A0."""
    return "\r".join(_indented(line) for line in lines)


def _payload(
    error_type: str, message: str, request_id: str, frames: Tuple[Frame, ...], more: Dict[str, Any] | None
) -> Dict[str, Any]:
    return {
        "errorMessage": message,
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": [_entry(frame) for frame in frames],
        **(more or {}),
    }


def _post(
    endpoint: str,
    body: Any,
    *,
    content_type: str | None = None,
    cause: Any = None,
    invocation_id: str | None = None,
) -> Request:
    return Request(
        endpoint=f"POST {endpoint}",
        content_type=content_type,
        error_type=None,
        invocation_id=invocation_id,
        response_mode=None,
        cause=cause,
        big_cause=False,
        body=body,
        encoding="ascii",
        layout="usual",
    )


def _cause(error_type: str, message: str, frames: Tuple[Frame, ...]) -> Dict[str, Any]:
    is_fault = error_type.startswith("Runtime.")
    stack = [
        {"label": function, "path": file, "line": jsontext.Number(str(line))}
        for file, line, function, _ in frames
    ]
    return {
        "working_directory": "/var/task",
        "exceptions": [
            {
                "message": message,
                "type": "LambdaValidationError" if is_fault else error_type,
                "stack": stack,
            }
        ],
        "paths": sorted({file for file, *_ in frames}),
    }


def _entry(frame: Frame) -> str:
    file, line, function, source = frame
    return f'  File "{file}", line {line}, in {function}\n' + (f"    {source}\n" if source else "")


def _logged(payload: Dict[str, Any], log_format: str) -> str:
    if log_format == "JSON":
        return jsontext.compact({"timestamp": "<time>", "level": "ERROR", **payload}) + "\n"
    head = [f"[ERROR] {_headline(payload)}", "Traceback (most recent call last):"]
    return joined([*head, *_trace_lines(payload), *tail_lines(payload)]) + "\n"


def _headline(payload: Dict[str, Any]) -> str:
    message = payload["errorMessage"]
    return f"{payload['errorType']}: {message}" if message else str(payload["errorType"])


def _trace_lines(payload: Dict[str, Any]) -> List[str]:
    return [line for entry in payload["stackTrace"] for line in entry.splitlines()]


def _indented(line: str) -> str:
    stripped = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(stripped)) + stripped
