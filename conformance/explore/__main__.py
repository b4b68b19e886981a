"""Builds and runs `make explore-lambda-environment` for real, and prints what a visitor finds.

Usage: python -m conformance.explore [-k WORD] [--verbose]
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from conformance.explore import cases
from conformance.explore.engine import Engine, EngineError
from conformance.explore.laboratory import SUITE, Laboratory
from conformance.servers import AWS_EMULATOR

__all__ = ["cases"]  # imported for what it declares


def main() -> int:
    options = SUITE.parser(__doc__).parse_args()
    SUITE.choose(options)
    if not AWS_EMULATOR.exists():
        print(f"{AWS_EMULATOR} is missing; `make conformance` fetches it", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="explore-")))
        engine, no_engine = None, ""
        try:
            engine = stack.enter_context(Engine())
        except EngineError as error:
            no_engine = f"no container engine: {error}"
        return SUITE.run(Laboratory(folder, engine, no_engine), options)


if __name__ == "__main__":
    sys.exit(main())
