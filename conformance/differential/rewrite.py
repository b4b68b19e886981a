"""Turns the record of AWS's runtime into the one that ours must give, where they are meant to differ."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Callable, Dict

from . import jsontext, normal, wanted
from .record import Phase, Record, Request

_IMPORT_FILE = r'(?:[^"\\]*/importlib/__init__\.py|<frozen importlib\.[^"\\]*>)'
_IMPORT_ENTRY = re.compile(rf'  File "{_IMPORT_FILE}"')
_IMPORT_FRAME = normal.frame_in_log(_IMPORT_FILE)
_IMPORT_JSON_FRAME = normal.frame_in_json_log(_IMPORT_FILE)
_EMPTY_TRACEBACK = re.compile(r"[\r\n]Traceback \(most recent call last\):(?![\r\n](?:\xa0\xa0|  )File)")
_WARNING_LINE = re.compile(
    r'(?:\[WARNING\]\t<time>\t\t|\{"timestamp": "<time>", "level": "WARNING", "message": '
    r'")LAMBDA_WARNING: [^\n]*\n'
)


def each_phase(record: Record, change: Callable[[Phase], Phase]) -> Record:
    """Change every stretch of the run."""
    return replace(record, phases=tuple(change(phase) for phase in record.phases))


def each_request(record: Record, change: Callable[[Request], Request]) -> Record:
    """Change every request."""
    return each_phase(
        record, lambda phase: replace(phase, requests=tuple(change(request) for request in phase.requests))
    )


def each_output(record: Record, change: Callable[[str], str]) -> Record:
    """Change what was logged: stdout, and the messages of frames; a frame left empty is dropped."""

    def changed(phase: Phase) -> Phase:
        frames = [(frame, change(frame.message)) for frame in phase.frames]
        kept = [replace(frame, message=message) for frame, message in frames if message or not frame.message]
        return replace(phase, stdout=change(phase.stdout), frames=tuple(kept))

    return each_phase(record, changed)


def each_string(value: Any, change: Callable[[str], str]) -> Any:
    """Change every string in a JSON value, its keys excepted."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_string(element, change) for element in value]
    if isinstance(value, dict):
        return {key: each_string(member, change) for key, member in value.items()}
    return value


def retold(record: Record, old: str, new: str) -> Record:
    """Say ``new`` wherever ``old`` is said: in bodies, X-Ray causes and logs, escaped as JSON there."""

    def in_request(request: Request) -> Request:
        def change(text: str) -> str:
            return text.replace(old, new)

        return replace(
            request, body=each_string(request.body, change), cause=each_string(request.cause, change)
        )

    def in_output(text: str) -> str:
        if old in text:
            return text.replace(old, new)
        return text.replace(_in_json(old), _in_json(new))

    return each_output(each_request(record, in_request), in_output)


def with_members(record: Record, members: Callable[[Any], Dict[str, Any]]) -> Record:
    """Add members to each error payload, and tell them in its log record, which is the phase's last.

    ``members`` gives them for a payload; none, if nothing is to be added.
    """

    def in_phase(phase: Phase) -> Phase:
        added: Dict[str, Any] = {}
        requests = []
        for request in phase.requests:
            if request.endpoint.endswith("/error") and isinstance(request.body, dict):
                added = members(request.body)
                request = replace(request, body={**request.body, **added})
            requests.append(request)
        if not added:
            return phase
        frames = phase.frames
        if frames:
            frames = (*frames[:-1], replace(frames[-1], message=_logged(frames[-1].message, added, "\n")))
            return replace(phase, requests=tuple(requests), frames=frames)
        return replace(phase, requests=tuple(requests), stdout=_logged(phase.stdout, added, "\r"))

    return each_phase(record, in_phase)


def _logged(output: str, added: Dict[str, Any], separator: str) -> str:
    """``output``, whose last record is that of an error, with the members added to this, as JSON or as text.

    The lines of a text are joined by ``separator``, see `wanted.joined`.
    """
    if output.endswith(wanted.OWN_LINES):
        return _logged(output[: -len(wanted.OWN_LINES)], added, separator) + wanted.OWN_LINES
    text = output.rstrip("\n")
    line_end = output[len(text) :]
    if text.rpartition("\n")[2].startswith('{"timestamp": '):
        return f"{text[:-1]}, {jsontext.compact(added)[1:]}{line_end}"
    lines = wanted.tail_lines(added)
    if separator == "\r":
        return f"{text}\r{wanted.joined(lines)}{line_end}"
    return "\n".join([text, *lines]) + line_end


def without_import_frames(record: Record) -> Record:
    """Leave out the frames of Python's import system."""

    def in_request(request: Request) -> Request:
        body = request.body
        if isinstance(body, dict) and "stackTrace" in body:
            entries = [entry for entry in body["stackTrace"] if not _IMPORT_ENTRY.match(entry)]
            return replace(request, body={**body, "stackTrace": entries})
        return request

    def in_output(text: str) -> str:
        return _IMPORT_JSON_FRAME.sub("", _IMPORT_FRAME.sub("", text))

    return each_output(each_request(record, in_request), in_output)


def without_empty_tracebacks(record: Record) -> Record:
    """Leave out the line that announces a trace where none follows."""
    return each_output(record, lambda text: _EMPTY_TRACEBACK.sub("", text))


def without_warning_line(record: Record) -> Record:
    """Leave out the line about updates of the managed runtime."""
    return each_output(record, lambda text: _WARNING_LINE.sub("", text))


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
