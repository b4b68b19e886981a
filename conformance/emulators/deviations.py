"""The deviations of AWS's emulator, in its classic mode, from Lambda.

The cases expect what AWS's API reference and developer guide document; our emulator must do that. Each entry
changes the expectation for AWS's emulator, so the deviation is checked as well: if a newer emulator responds
like Lambda, the case fails, and the entry can be removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from conformance.emulators.responses import Error, Expected, Json, Raw


@dataclass(frozen=True)
class Deviation:
    """One deviation of AWS's emulator: how it changes the response that Lambda would send."""

    reason: str
    change: Callable[[Expected], Expected]


def without_headers(expected: Expected) -> Expected:
    return replace(expected, function_error=None, executed_version=None, log=None)


def bad_gateway(expected: Expected) -> Expected:
    return replace(expected, status=502, api_error="502")


def timed_out(expected: Expected) -> Expected:
    return replace(expected, payload=Raw(b"Task timed out after 5.00 seconds"))


def synchronous(expected: Expected) -> Expected:
    return replace(expected, status=200, payload=Json(1))


def counted_on(expected: Expected) -> Expected:
    return replace(expected, payload=Json(2))


def unread(expected: Expected) -> Expected:
    error = Error("Runtime.UnmarshalError", "Unable to unmarshal input: .+", ("requestId", "stackTrace"))
    return replace(expected, status=200, api_error=None, payload=error)


def without_trailers(expected: Expected) -> Expected:
    return replace(expected, payload=Raw(b"the beginning"))


# Applies to every response.
ALWAYS = Deviation(
    "sends no X-Amz-Function-Error, X-Amz-Executed-Version, X-Amz-Log-Result: a failure looks like a success",
    without_headers,
)

# By the names that the cases use.
DEVIATIONS = {
    "502": Deviation(
        "responds with 502 instead of 200 when the init fails or the runtime exits",
        bad_gateway,
    ),
    "timeout": Deviation("reports a timeout as a line of text instead of an error object", timed_out),
    "synchronous": Deviation(
        "does not know X-Amz-Invocation-Type: runs the function for Event and DryRun, and responds with 200",
        synchronous,
    ),
    "dry run": Deviation("so a DryRun counts as an invocation", counted_on),
    "unread": Deviation(
        "does not look into the payload: none, or text that is not JSON, reaches the runtime", unread
    ),
    "trailers": Deviation(
        "drops the trailers of a streamed response: one that fails midway looks whole", without_trailers
    ),
}

# What it cannot do at all.
ONE_AT_A_TIME = "a second simultaneous invoke crashes it"
ONE_NAME = "knows only the function name `function`, without a qualifier"


def expected_of_aws_emulator(expected: Expected, names: tuple[str, ...]) -> Expected:
    changed = ALWAYS.change(expected)
    for name in names:
        changed = DEVIATIONS[name].change(changed)
    return changed


def deviating_fields(expected: Expected, names: tuple[str, ...]) -> set[str]:
    """The fields in which the two servers are not expected to agree."""
    changed = expected_of_aws_emulator(expected, names)
    return {
        field.name
        for field in fields(Expected)
        if getattr(changed, field.name) != getattr(expected, field.name)
    }
