"""Soak the runtime and the emulator.

python3 -m conformance.soak [COUNT]         COUNT invocations of each (default: 200,000)
"""

from __future__ import annotations

import argparse
import sys
import time

from conformance.soak import emulator, runtime
from conformance.soak.mix import Broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance.soak", description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=200_000, help="how many invocations of each")
    arguments = parser.parse_args()
    status = 0
    for soak in (runtime.soak, emulator.soak):
        began_s = time.monotonic()
        try:
            lines = soak(arguments.count)
        except (Broken, OSError) as error:
            lines, status = [f"BROKEN: {error}"], 1
        print("\n".join([*lines, f"{time.monotonic() - began_s:.0f} s"]), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
