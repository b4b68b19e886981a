"""Run the benchmark with every CPython found from 3.10 on: python -m benchmarks.all [-- OPTION …]

Each Python gets its own environment. If the packages cannot be installed for one, it is reported and skipped.
The results are in benchmarks/results. The exit status is 1 if a benchmark ends early, and 0 if only aims are
missed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.build import pythons

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
OLDEST = (3, 10)  # that the packages support
FAILED = 2  # exit status of a benchmark that is not complete


def main() -> int:
    options = sys.argv[1:]
    options = options[1:] if options[:1] == ["--"] else options
    status = 0
    for kind, version, program in pythons.find_all():
        if kind != "cpython" or version.endswith("t") or tuple(map(int, version.split(".")[:2])) < OLDEST:
            continue
        print(f"\n== CPython {version}\n", flush=True)
        environment = Path(".environments", f"benchmark-{version}")
        target = ["make", "--no-print-directory", f"PYTHON={program}", f"{environment}/ready"]
        if subprocess.run(target, cwd=ROOT).returncode:
            print(f"skipped, because the packages cannot be installed for CPython {version}")
            continue
        result = RESULTS / f"cpython-{version.rpartition('.')[0]}.json"
        command = [str(environment / "bin" / "python"), "-m", "benchmarks", "--json", str(result), *options]
        if subprocess.run(command, cwd=ROOT).returncode >= FAILED:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
