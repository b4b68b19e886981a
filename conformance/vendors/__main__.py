"""Tries vendors' tools on this runtime and prints what was observed.

Usage: python -m conformance.vendors [-k WORD] [--runtime bootstrap|awslambdaric] [--verbose]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from conformance.suite import forget_settings
from conformance.vendors import cases
from conformance.vendors.case import AWS, OURS, SUITE, Bench

__all__ = ["cases"]  # imported for what it declares


def main() -> int:
    parser = SUITE.parser(__doc__)
    parser.add_argument(
        "--runtime",
        choices=(OURS.name, AWS.name),
        default=OURS.name,
        help="ours (the default), or AWS's, which tells what a case asks in vain",
    )
    options = parser.parse_args()
    SUITE.choose(options)
    forget_settings("AWS_", "DD_", "OTEL_", "SENTRY_")
    runtime = AWS if options.runtime == AWS.name else OURS
    with tempfile.TemporaryDirectory(prefix="vendors-") as folder:
        return SUITE.run(Bench(runtime, Path(folder)), options)


if __name__ == "__main__":
    sys.exit(main())
