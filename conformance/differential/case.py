"""The definition of a case: a function, its events, and the part of the run that is compared."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Tuple, Union

Source = Union[str, bytes]
Environment = Mapping[str, Optional[str]]  # None: the variable is not set
Headers = Mapping[str, Optional[str]]  # None: the header is not sent

# How the server ends a run after the last event.
WAIT = "wait"  # leave `next` open; the process is killed, as when Lambda no longer needs it
SIGTERM = "sigterm"  # leave `next` open and send SIGTERM first, as Lambda does when extensions exist
CLOSE = "close"  # close the connection without responding
GARBAGE = "garbage"  # send bytes that are not HTTP
FORBIDDEN = "403"  # respond to `next` with InvalidStateTransition
FAILURE = "500"  # respond to `next` with Internal Server Error


@dataclass(frozen=True)
class Event:
    """One event: the body and headers of the response to ``next``, and the statuses of those to the posts.

    ``headers`` are added to the usual ones (see ``recorder.py``) or replace them. ``statuses`` are for the
    posts about this event, one after the other. Further posts are accepted (202).
    """

    body: bytes = b"null"
    headers: Headers = field(default_factory=dict)
    statuses: Tuple[int, ...] = ()
    chunked: bool = False  # send the body with Transfer-Encoding: chunked, as Lambda does above 2 KB


@dataclass
class Program:
    """The program of one process, from its start to its end.

    files        path below the task root -> content; text is dedented
    environment  added to the usual variables (see ``process.py``)
    """

    files: Dict[str, Source]
    handler: str
    environment: Environment
    events: List[Event]
    ending: str = WAIT
    telemetry: bool = False  # the runtime gets _LAMBDA_TELEMETRY_LOG_FD
    provider_socket: bool = False  # the runtime gets _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET
    pollers: int = 1  # the number of `next` calls that are open when no event is left
    statuses: Dict[str, int] = field(default_factory=dict)  # for init/error, restore/next, restore/error


@dataclass(frozen=True)
class Case:
    """One line of the report. ``event`` is the compared event; None compares the whole run.

    ``posts`` is the exact body that AWS's runtime posts for the event. It documents the case, and proves that
    the case tests what it is meant to test.
    """

    group: str
    name: str
    program: Program
    event: int | None = None
    posts: bytes | None = None


class Shared:
    """A program whose events are separate cases, because starting an interpreter takes most of the time."""

    def __init__(self, group: Group, program: Program) -> None:
        self._group = group
        self._program = program

    def case(
        self,
        name: str,
        body: Union[str, bytes] = b"null",
        headers: Headers | None = None,
        *,
        posts: Union[str, bytes, None] = None,
        chunked: bool = False,
    ) -> None:
        """Add an event that is compared separately. It must not end the process or affect other events."""
        number = len(self._program.events)
        self._program.events.append(Event(_encoded(body), headers or {}, (), chunked))
        golden = None if posts is None else _encoded(posts)
        self._group.cases.append(Case(self._group.name, name, self._program, number, golden))


class Group:
    """A named list of cases. ``files`` and ``environment`` are the defaults of its programs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: List[Case] = []

    def case(
        self,
        name: str,
        app: str = "",
        *events: Union[str, bytes, Event],
        files: Dict[str, Source] | None = None,
        handler: str = "app.handler",
        environment: Environment | None = None,
        ending: str = WAIT,
        telemetry: bool = False,
        provider_socket: bool = False,
        pollers: int = 1,
        statuses: Dict[str, int] | None = None,
    ) -> None:
        """Add a separate run. ``app`` is the source of app.py; the default event is ``null``."""
        listed = [event if isinstance(event, Event) else Event(_encoded(event)) for event in events]
        program = _program(app, files, handler, environment, listed or [Event()])
        program.ending = ending
        program.telemetry = telemetry
        program.provider_socket = provider_socket
        program.pollers = pollers
        program.statuses = statuses or {}
        self.cases.append(Case(self.name, name, program))

    def share(
        self,
        app: str,
        *,
        files: Dict[str, Source] | None = None,
        handler: str = "app.handler",
        environment: Environment | None = None,
        telemetry: bool = False,
    ) -> Shared:
        """Start a table: one program, each of whose events is a case."""
        program = _program(app, files, handler, environment, [])
        program.telemetry = telemetry
        return Shared(self, program)


def _program(
    app: str,
    files: Dict[str, Source] | None,
    handler: str,
    environment: Environment | None,
    events: List[Event],
) -> Program:
    contents: Dict[str, Source] = {"app.py": app} if app else {}
    contents.update(files or {})
    dedented = {path: _dedented(content) for path, content in contents.items()}
    return Program(dedented, handler, environment or {}, events)


def _dedented(content: Source) -> Source:
    if isinstance(content, bytes):
        return content
    return textwrap.dedent(content.lstrip("\n"))


def _encoded(text: Union[str, bytes]) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")
