"""Accepted differences that apply to all cases: each rule turns the record of AWS's runtime into ours.

All other accepted differences are data, see ``accepted.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Callable, Dict, Set, Tuple

from . import jsontext, normal
from .record import Phase, Record, Request

Rule = Callable[[Record], Record]

_IMPORT_FILE = r'(?:[^"\\]*/importlib/__init__\.py|<frozen importlib\.[^"\\]*>)'
_IMPORT_ENTRY = re.compile(rf'  File "{_IMPORT_FILE}"')
_IMPORT_FRAME = normal.frame_in_log(_IMPORT_FILE)
_IMPORT_JSON_FRAME = normal.frame_in_json_log(_IMPORT_FILE)
_EMPTY_TRACEBACK = re.compile(r"[\r\n]Traceback \(most recent call last\):(?![\r\n](?:\xa0\xa0|  )File)")
_WARNING_LINE = re.compile(
    r'(?:\[WARNING\]\t<time>\t\t|\{"timestamp": "<time>", "level": "WARNING", "message": '
    r'")LAMBDA_WARNING: [^\n]*\n'
)
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-f]{4})+)")
_ERROR_LINE = '{"timestamp": "<time>", "level": "ERROR", "errorMessage": '


def _each_phase(change: Callable[[Phase], Phase]) -> Rule:
    return lambda record: replace(record, phases=tuple(change(phase) for phase in record.phases))


def _each_request(change: Callable[[Request], Request]) -> Rule:
    return _each_phase(
        lambda phase: replace(phase, requests=tuple(change(request) for request in phase.requests))
    )


def _each_output(change: Callable[[str], str]) -> Rule:
    """Change the logs: stdout and the messages of frames. A frame that becomes empty is dropped."""

    def changed(phase: Phase) -> Phase:
        frames = [(frame, change(frame.message)) for frame in phase.frames]
        kept = [replace(frame, message=message) for frame, message in frames if message or not frame.message]
        return replace(phase, stdout=change(phase.stdout), frames=tuple(kept))

    return _each_phase(changed)


def _both(first: Rule, second: Rule) -> Rule:
    return lambda record: second(first(record))


def _init_error_in_utf8(request: Request) -> Request:
    """Decode an init error of AWS's runtime that is Latin-1 instead of UTF-8."""
    if request.endpoint != "POST init/error" or not isinstance(request.body, bytes):
        return request
    return replace(request, body=jsontext.parse(request.body.decode("latin-1")), layout="usual")


def _body_in_utf8(request: Request) -> Request:
    if isinstance(request.body, bytes):
        return request
    text = jsontext.compact(request.body)
    can_be_shorter = any(char > "\x7f" and not "\ud800" <= char <= "\udfff" for char in text)
    return replace(request, encoding="utf-8") if can_be_shorter else request


def _log_in_utf8(text: str) -> str:
    def unescape(match: re.Match[str]) -> str:
        unescaped: str = jsontext.parse(f'"{match[2]}"')
        return match[1] + (unescaped if min(unescaped) > "\x7f" else match[2])

    return "\n".join(
        _ESCAPES.sub(unescape, line) if line.startswith(_ERROR_LINE) else line for line in text.split("\n")
    )


def _without_import_entries(request: Request) -> Request:
    body = request.body
    if not isinstance(body, dict) or "stackTrace" not in body:
        return request
    entries = [entry for entry in body["stackTrace"] if not _IMPORT_ENTRY.match(entry)]
    return replace(request, body={**body, "stackTrace": entries})


def _error_type(request: Request) -> Request:
    """Add `Function.` and the class's name, reduced to ASCII letters, digits, dots and underscores."""
    is_error = request.endpoint.endswith("/error") and isinstance(request.body, dict)
    if not is_error or (request.error_type or "").startswith("Runtime."):
        return request
    name = re.sub(r"[^A-Za-z0-9._]", "", request.body["errorType"])
    if not name.startswith("Runtime."):
        name = f"Function.{name}" if re.match(r"[A-Z][a-zA-Z]", name) else "Function.Unknown"
    return replace(request, error_type=name)


def _init_content_type(request: Request) -> Request:
    if request.endpoint in ("POST init/error", "POST restore/error"):
        return replace(request, content_type="application/json")
    return request


# By the keys of differences.json, in the order of their application.
RULES: Dict[str, Rule] = {
    "init-error-encoding": _each_request(_init_error_in_utf8),
    "utf-8": _both(_each_request(_body_in_utf8), _each_output(_log_in_utf8)),
    "no-import-frames": _both(
        _each_request(_without_import_entries),
        _each_output(lambda text: _IMPORT_JSON_FRAME.sub("", _IMPORT_FRAME.sub("", text))),
    ),
    "no-update-warning": _each_output(lambda text: _WARNING_LINE.sub("", text)),
    "no-empty-traceback": _each_output(lambda text: _EMPTY_TRACEBACK.sub("", text)),
    "error-type": _each_request(_error_type),
    "init-error-is-json": _each_request(_init_content_type),
    "xray-limit": _each_request(lambda request: replace(request, big_cause=False)),
}


def apply(record: Record) -> Tuple[Record, Set[str]]:
    """Apply the rules to a record of AWS's runtime; return it and the keys of the rules that changed it."""
    keys = set()
    for key, rule in RULES.items():
        changed = rule(record)
        if changed != record:
            keys.add(key)
            record = changed
    return record, keys
