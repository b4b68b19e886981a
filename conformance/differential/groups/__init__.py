"""The cases, in the order of a function's life."""

from . import (
    context,
    errors,
    events,
    handler_strings,
    init_errors,
    lifecycle,
    logs,
    states,
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
    logs,
    states,
    surroundings,
    lifecycle,
)
