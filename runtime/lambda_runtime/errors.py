"""The exceptions of the runtime itself.

An exception of the *function* becomes a value instead, see `diagnostics`.

    Fault                 the function cannot be loaded, its event not decoded or its response not encoded;
                          reported to Lambda with its type, then the loop continues (if it began)
    RuntimeApiError       the Runtime API broke the protocol, or refuses us; nothing can be reported to
                          Lambda, so the process writes the reason to stderr and exits
      ConnectionLost      the connection ended before the response was complete
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Fault(Exception):
    """An error outside of the function's code that has a type of Lambda's: ``Runtime.HandlerNotFound`` …"""

    def __init__(
        self, error_type: str, message: str, stack_trace: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.stack_trace = stack_trace  # entries as `traceback.format_list` makes them
        self.notes = notes  # hints for correcting it


class RuntimeApiError(Exception):
    """The Runtime API cannot be used any more."""


class ConnectionLost(RuntimeApiError):
    """The connection ended before the response was complete."""

    def __init__(self, reason: str, *, response_began: bool) -> None:
        super().__init__(reason)
        self.response_began = response_began
