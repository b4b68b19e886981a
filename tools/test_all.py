"""Run the tests on every Python found on this machine, and print a table of the results.

    python3 tools/test_all.py [--quick]

It finds Python 3.8 and newer, free-threaded builds and PyPy, on PATH, in pyenv, among those that uv has
installed, and among those that `tools/debian_pythons.sh` has downloaded.

--quick is for CI, which has run `make test` before: it leaves out the version that runs this program. Others
than the oldest and the newest CPython run the tests of the runtime only.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import pythons

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the tests with each interpreter; return 1 if any test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rows = []
    found = pythons.find_all()
    for place, (kind, version, program) in enumerate(found):
        if quick and (kind, version) == (sys.implementation.name, platform.python_version()):
            continue
        is_newest_cpython = kind == "cpython" and kind not in [one[0] for one in found[place + 1 :]]
        patterns = ["runtime.test_"] if quick and place and not is_newest_cpython else []
        print(f"== {kind} {version}{', the runtime only' if patterns else ''}", flush=True)
        start = time.monotonic()
        rows.append((kind, version, *run_tests(program, patterns), time.monotonic() - start))
    print()
    print(f"{'':8}  {'version':9}  {'passed':>6}  {'failed':>6}  {'skipped':>7}  {'time':>6}")
    for kind, version, passed, failed, skipped, seconds in rows:
        print(f"{kind:8}  {version:9}  {passed:6}  {failed:6}  {skipped:7}  {seconds:4.0f} s")
    failed = sum(row[3] for row in rows)
    print(f"\n{sum(row[2] for row in rows)} passed, {failed} failed")
    return 1 if failed or not rows else 0


def run_tests(program: str, patterns: list[str]) -> tuple[int, int, int]:
    """Run the tests with one interpreter; return how many passed, failed and were skipped."""
    process = subprocess.Popen([program, "-m", "tests", *patterns], cwd=ROOT, stdout=subprocess.PIPE)
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        text = line.decode("utf-8", "replace").rstrip()
        last = text or last
        print(f"   {text}", flush=True)
    process.wait()
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", last)}
    failed = counts.get("failed", 0) or int(process.returncode != 0)
    return counts.get("passed", 0), failed, counts.get("skipped", 0)


if __name__ == "__main__":
    sys.exit(main())
