"""The few things that stop the runtime.

An exception of the *function* is not among them: it becomes a value, see `diagnostics`.

    Fault                 the function cannot be loaded, its event not decoded, its answer not encoded;
                          reported to Lambda with its type, and the loop goes on (or never began)
    RuntimeApiError       the Runtime API did what the protocol does not allow, or refuses us;
                          nothing can be reported, so the process says why on stderr and ends
      ConnectionLost      the connection ended before the reply was complete
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Fault(Exception):
    """A mistake around the function that has a type of its own, such as ``Runtime.HandlerNotFound``."""

    def __init__(
        self, error_type: str, message: str, stack_trace: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.stack_trace = stack_trace  # entries as `traceback.format_list` makes them
        self.notes = notes  # what helps to mend it


class RuntimeApiError(Exception):
    """The Runtime API cannot be talked to any more."""


class ConnectionLost(RuntimeApiError):
    """The connection ended before the reply was complete."""

    def __init__(self, reason: str, *, reply_began: bool) -> None:
        super().__init__(reason)
        self.reply_began = reply_began
