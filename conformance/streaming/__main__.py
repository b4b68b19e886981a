"""Reads streams as they are produced, ends environments, and prints what was observed.

Usage: python -m conformance.streaming [-k WORD] [--verbose]
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from conformance.servers import AWS_EMULATOR
from conformance.streaming import cases
from conformance.streaming.laboratory import SUITE, Laboratory
from conformance.suite import forget_settings

__all__ = ["cases"]  # imported for what it declares


def main() -> int:
    options = SUITE.parser(__doc__).parse_args()
    SUITE.choose(options)
    if not AWS_EMULATOR.exists():
        print(f"{AWS_EMULATOR} is missing; `make conformance` fetches it", file=sys.stderr)
        return 2
    forget_settings("AWS_")
    with tempfile.TemporaryDirectory(prefix="streaming-") as folder:
        return SUITE.run(Laboratory(Path(folder)), options)


if __name__ == "__main__":
    # Asked to end, we end as after Ctrl-C: with every server stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
