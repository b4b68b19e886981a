"""Builds layers with the tools, tries them where there is no other Python, and prints what was observed.

Usage: python -m conformance.layers [-k WORD] [--verbose]

The interpreter that runs this is the one that is packed, with the limit on glibc raised to this computer's.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from conformance.layers import cases
from conformance.layers.workshop import SUITE, Workshop
from conformance.sandbox import machine
from conformance.suite import forget_settings

__all__ = ["cases"]  # imported for what it declares


def main() -> int:
    options = SUITE.parser(__doc__).parse_args()
    SUITE.choose(options)
    if machine.unavailable():
        return SUITE.skip(f"No sandbox: {machine.unavailable()}")
    forget_settings("AWS_")
    with tempfile.TemporaryDirectory(prefix="layers-") as folder:
        return SUITE.run(Workshop(Path(folder)), options)


if __name__ == "__main__":
    sys.exit(main())
