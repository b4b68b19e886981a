"""Tries the runtime in all its homes, in sandboxes that resemble Lambda, and prints what was observed.

Usage: python -m conformance.sandbox [-k WORD] [--verbose]

Run by an interpreter that has awslambdaric, it also compares with AWS's runtime.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from conformance.sandbox import cases, machine
from conformance.sandbox.laboratory import SUITE, Sandbox
from conformance.suite import forget_settings

__all__ = ["cases"]  # imported for what it declares


def main() -> int:
    options = SUITE.parser(__doc__).parse_args()
    SUITE.choose(options)
    if machine.unavailable():
        return SUITE.skip(f"No sandbox: {machine.unavailable()}")
    forget_settings("AWS_")
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        return SUITE.run(Sandbox(Path(folder)), options)


if __name__ == "__main__":
    sys.exit(main())
