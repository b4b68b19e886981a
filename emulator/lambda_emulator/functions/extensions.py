"""Register an environment's extensions.

All of them are internal: parts of the runtime's own process. They receive no events, but if one is
registered, Lambda announces the end of the environment by SIGTERM. AWS's developer guide describes the calls
under "Lambda Extensions API"; the refusals are those of the Runtime Interface Emulator.
"""

from __future__ import annotations

import json
import uuid

from lambda_emulator.servers.json_replies import json_reply, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.servers.http_server import Request, Response

REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"

MOST_EXTENSIONS = 10

# Why an extension cannot subscribe to an event. It can subscribe to INVOKE, which is not delivered here.
_NO_EVENTS = {"SHUTDOWN": "ShutdownEventNotSupportedForInternalExtension"}


class Extensions:
    """The registered extensions and those that wait for an event. RuntimeApi holds the lock."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._identifiers: dict[str, str] = {}  # by name
        self._ready: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._identifiers)

    @property
    def ready(self) -> bool:
        """Whether all registered extensions wait for an event, which ends the init phase."""
        return len(self._ready) == len(self._identifiers)

    def register(self, request: Request, body: bytes, *, closed: bool) -> Response:
        """Handle ``POST /extension/register``; ``closed``: the init phase is over."""
        name = request.header("Lambda-Extension-Name")
        if not name:
            return refusal(403, "Extension.InvalidExtensionName", "Empty extension name")
        try:
            events = _events(body)
        except ValueError as error:
            return refusal(403, "InvalidRequestFormat", str(error))
        for event in events:
            if event != "INVOKE":
                reason = _NO_EVENTS.get(event, "ErrorInvalidEventType")
                return refusal(403, "Extension.InvalidEventType", f"{event}: {reason}")
        if closed:
            return refusal(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if name in self._identifiers:
            return refusal(
                403, "Extension.InvalidExtensionState", "Extension with this name already registered"
            )
        if len(self._identifiers) == MOST_EXTENSIONS:
            message = f"Extension limit ({MOST_EXTENSIONS}) reached"
            return refusal(403, "Extension.TooManyExtensions", message)
        self._identifiers[name] = str(uuid.uuid4())
        configuration = self._configuration
        response = json_reply(
            200,
            {
                "functionName": configuration.name,
                "functionVersion": configuration.version,
                "handler": configuration.handler,
            },
        )
        response.headers.append(("Lambda-Extension-Identifier", self._identifiers[name]))
        return response

    def next(self, request: Request) -> Response | None:
        """Handle ``GET /extension/event/next``: return a refusal, or None to wait forever."""
        identifier = request.header("Lambda-Extension-Identifier")
        if not identifier:
            message = "Missing Lambda-Extension-Identifier header"
            return refusal(403, "Extension.MissingExtensionIdentifier", message)
        if not _is_uuid(identifier):
            message = "Invalid Lambda-Extension-Identifier"
            return refusal(403, "Extension.InvalidExtensionIdentifier", message)
        if identifier not in self._identifiers.values():
            return refusal(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        self._ready.add(identifier)
        return None


def _events(body: bytes) -> list[str]:
    """Return the names in ``{"events": […]}``; raise ValueError for anything else."""
    value = json.loads(body.decode("utf-8"))
    events = value.get("events") or [] if isinstance(value, dict) else None
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise ValueError('expected {"events": [names]}')
    return events


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
