"""The normalised record of a run or of one of its events, which is compared."""

from __future__ import annotations

import base64
import functools
import json
import struct
from dataclasses import dataclass, replace
from typing import Any, List, Tuple

from . import jsontext, normal
from .process import Run, Sizes
from .recorder import Received

_FRAME_HEAD = struct.Struct(">IIQ")  # type, length of the message, microseconds since 1970

_NEXT = "invocation/next"
_CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"
_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
_CAUSE_LIMIT = 65_536  # bytes; Lambda drops the frames of a longer cause (RIE: error_cause_compactor.go)
_CAUSE_FRAMES = 20
_CAUSE_CHARACTERS = 1000
NOT_DELIVERED = "the event was never requested"


@dataclass(frozen=True)
class Request:
    """One request a runtime made, other than ``next``.

    body      parsed if it is JSON (see ``jsontext``), else bytes
    encoding  how non-ASCII characters were sent: "ascii" (none, or escaped), "utf-8"
    layout    whether the JSON is laid out as ``json.dumps`` does: "usual", "other", or "" if it is not JSON
    cause     the X-Ray cause, parsed, with the innermost frames only, see ``_cause``
    big_cause whether the X-Ray cause is longer than Lambda's limit
    extension the name that an extension registers, then the identifier that it receives
    trailers  an error body in them is decoded and parsed
    """

    endpoint: str  # e.g. "POST invocation/r0/response"
    content_type: str | None
    error_type: str | None
    invocation_id: str | None
    response_mode: str | None
    cause: Any
    big_cause: bool
    body: Any
    encoding: str
    layout: str
    extension: str | None = None
    trailers: Tuple[Tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Frame:
    """One record on the telemetry descriptor."""

    kind: str  # the type, in hexadecimal
    message: str
    time: str  # "now", or the value that differs


@dataclass(frozen=True)
class Phase:
    """One phase of a run: the init phase, one event, or the time after the last event."""

    title: str
    requests: Tuple[Request, ...] = ()
    stdout: str = ""
    stderr: str = ""
    frames: Tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Record:
    """The record that is compared."""

    phases: Tuple[Phase, ...]
    ending: str
    streams: Tuple[str, ...] = ()  # the data that arrived at the provider socket, by connection

    def only(self, event: int) -> Record:
        """Return the record of one event; the ending is included only if it belongs to this event."""
        for number, phase in enumerate(self.phases):
            if phase.title == _title(event + 1):
                is_last = number == len(self.phases) - 1
                return Record((phase,), self.ending if is_last else "continues")
        return Record((), NOT_DELIVERED)


@functools.lru_cache(maxsize=None)  # many cases may share a run
def make(run: Run) -> Record:
    """Normalise a run."""
    end = Sizes(len(run.stdout), len(run.stderr), len(run.telemetry))
    marks = [*run.marks, end]
    if run.program.pollers > 1:
        marks = [end]  # the events overlap, so they form one phase
    phases: List[Phase] = []
    since = Sizes(0, 0, 0)
    for number, until in enumerate(marks):
        phases.append(_phase(run, number, since, until))
        since = until
    if run.program.pollers > 1:
        phases = [_unordered(phases[0])]
    elif len(phases) == len(run.program.events) + 2 and phases[-1] == Phase(phases[-1].title):
        phases.pop()  # nothing happened after the last event
    streams = tuple(sorted(normal.written(_text(stream), run) for stream in run.provider_streams if stream))
    return Record(tuple(phases), run.ending, streams)


def posted(run: Run, event: int) -> List[bytes]:
    """Return the unchanged bodies that were posted for an event."""
    return [
        received.body
        for received in run.requests
        if received.method == "POST" and received.phase == event + 1
    ]


def lines(record: Record) -> List[str]:
    """Return the record as text, for comparison and for reading."""
    result: List[str] = []
    for phase in record.phases:
        result.append(phase.title)
        for request in phase.requests:
            result += _request_lines(request)
        result += _output_lines("stdout", phase.stdout)
        result += _output_lines("stderr", phase.stderr)
        for frame in phase.frames:
            result.append(f"  frame {frame.kind}, {frame.time}")
            result += ["    " + shown for shown in _shown(frame.message)]
    for stream in record.streams:
        result += _output_lines("provider socket", stream)
    return [*result, record.ending]


def _title(phase: int, events: int | None = None) -> str:
    if phase == 0:
        return "init"
    if events is not None and phase > events:
        return "after the last event"
    return f"event {phase - 1}"


def _phase(run: Run, number: int, since: Sizes, until: Sizes) -> Phase:
    everything = run.program.pollers > 1
    requests = tuple(
        _request(received, run)
        for received in run.requests
        if (everything or received.phase == number) and not received.path.endswith(_NEXT)
    )
    return Phase(
        title="all events" if everything else _title(number, len(run.program.events)),
        requests=requests,
        stdout=normal.written(_text(run.stdout[since.stdout : until.stdout]), run),
        stderr=normal.written(_text(run.stderr[since.stderr : until.stderr]), run),
        frames=tuple(_frames(run.telemetry[since.telemetry : until.telemetry], run)),
    )


def _unordered(phase: Phase) -> Phase:
    """Return the phase without the order of events between processes, which varies."""
    return replace(
        phase,
        requests=tuple(sorted(phase.requests, key=lambda request: (request.endpoint, str(request.body)))),
        stdout="".join(sorted(phase.stdout.splitlines(keepends=True))),
        stderr="".join(sorted(phase.stderr.splitlines(keepends=True))),
    )


def _request(received: Received, run: Run) -> Request:
    text = _text(received.body)
    body: Any = received.body
    layout = ""
    is_raw = received.header("Content-Type") not in (None, "application/json")
    if not is_raw:
        try:
            body = jsontext.parse(normal.names(text, run))
            layout = "usual" if _has_usual_layout(text) else "other"
        except ValueError:
            body = _renamed(received.body, run)
    return Request(
        endpoint=normal.names(f"{received.method} {received.path}", run).replace("/2018-06-01/runtime/", ""),
        content_type=received.header("Content-Type"),
        error_type=received.header("Lambda-Runtime-Function-Error-Type"),
        invocation_id=received.header("Lambda-Runtime-Invocation-Id"),
        response_mode=received.header("Lambda-Runtime-Function-Response-Mode"),
        cause=_cause(received.header(_CAUSE), run),
        big_cause=len(received.header(_CAUSE) or "") > _CAUSE_LIMIT,
        body=_without_own_frames(body),
        encoding="ascii" if text.isascii() else "utf-8",
        layout=layout,
        extension=received.header("Lambda-Extension-Name") or received.header("Lambda-Extension-Identifier"),
        trailers=tuple((name, _trailer(name, value, run)) for name, value in received.trailers),
    )


def _trailer(name: str, value: str, run: Run) -> Any:
    if name != _ERROR_BODY:
        return value
    text = base64.b64decode(value, validate=True).decode("utf-8")
    return _without_own_frames(jsontext.parse(normal.names(text, run)))


def _has_usual_layout(text: str) -> bool:
    """Return whether the layout is that of ``json.dumps``, with or without ``ensure_ascii``."""
    plain = jsontext.compact(jsontext.parse(text))
    escaped = "".join(char if char.isascii() else _escaped(char) for char in plain)
    mixed = "".join(_escaped(char) if "\ud800" <= char <= "\udfff" else char for char in plain)
    return text in (mixed, escaped, escaped.replace("\x7f", "\\u007f"))


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1]


def _cause(header: str | None, run: Run) -> Any:
    """Return the X-Ray cause without the runtimes' own frames.

    Only the innermost frames and the start of a long message are compared. The paths are a set, so they are
    sorted, without those of frames that are left out.
    """
    if header is None:
        return None
    cause = jsontext.parse(normal.names(header, run))
    left_out = set()
    for described in cause["exceptions"]:
        stack = [item for item in described["stack"] if not normal.is_own_path(item["path"])]
        described["stack"] = stack[-_CAUSE_FRAMES:]
        described["message"] = described["message"][:_CAUSE_CHARACTERS]
        left_out |= {item["path"] for item in stack} - {item["path"] for item in described["stack"]}
    paths = [path for path in cause["paths"] if not normal.is_own_path(path)]
    cause["paths"] = sorted(set(paths) - left_out)
    return cause


def _without_own_frames(body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("stackTrace"), list):
        return {**body, "stackTrace": normal.without_own_entries(body["stackTrace"])}
    return body


def _frames(data: bytes, run: Run) -> List[Frame]:
    """Decode the data on the telemetry descriptor. An incomplete frame is shown unchanged."""
    frames: List[Frame] = []
    while data:
        if len(data) < _FRAME_HEAD.size:
            return [*frames, Frame("incomplete", repr(data), "")]
        kind, length, time_us = _FRAME_HEAD.unpack_from(data)
        message = data[_FRAME_HEAD.size : _FRAME_HEAD.size + length]
        data = data[_FRAME_HEAD.size + length :]
        when = "now" if run.started_us <= time_us <= run.ended_us else str(time_us)
        frames.append(Frame(f"{kind:08X}", normal.written(_text(message), run), when))
    return frames


def _renamed(data: bytes, run: Run) -> bytes:
    """Return bytes that are not JSON, normalised if they are text."""
    text = data.decode("utf-8", "surrogateescape")
    return normal.names(text, run).encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _request_lines(request: Request) -> List[str]:
    result = [f"  {request.endpoint}"]
    headers = [
        ("content type", request.content_type),
        ("error type", request.error_type),
        ("invocation id", request.invocation_id),
        ("response mode", request.response_mode),
        ("extension", request.extension),
    ]
    result += [f"    {name}: {value}" for name, value in headers if value is not None]
    if request.cause is not None:
        odd = ", longer than Lambda's limit" if request.big_cause else ""
        result += [f"    X-Ray cause{odd}", *jsontext.lines(request.cause, "      ")]
    if isinstance(request.body, bytes):
        result.append(f"    body {request.body!r}" if request.body else "    empty body")
    else:
        odd = "" if request.layout == "usual" else ", unusual layout"
        result += [f"    JSON, {request.encoding}{odd}", *jsontext.lines(request.body, "      ")]
    for name, value in request.trailers:
        result += [f"    trailer {name}", *jsontext.lines(value, "      ")]
    return result


def _output_lines(name: str, text: str) -> List[str]:
    return [f"  {name}", *("    " + shown for shown in _shown(text))] if text else []


def _shown(text: str) -> List[str]:
    """Return text with visible control characters, line by line."""
    return [ascii(line)[1:-1] for line in text.split("\n")]
