"""The cases, ordered by the phases of a function's life."""

from . import (
    context,
    errors,
    events,
    handler_strings,
    init_errors,
    lifecycle,
    logs,
    states,
    streams,
    surroundings,
    values,
)

MODULES = (
    handler_strings,
    init_errors,
    values,
    events,
    context,
    errors,
    streams,
    logs,
    states,
    surroundings,
    lifecycle,
)
