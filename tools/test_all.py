"""Run the tests on every Python found on this machine, and print a table of the results.

    python3 tools/test_all.py

It finds Python 3.8 and newer, free-threaded builds and PyPy, on PATH, in pyenv, and among those that
`tools/debian_pythons.sh` has downloaded.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONED = [f"{name}3.{minor}" for minor in range(8, 20) for name in ("python", "pypy")]
NAMES = ["python3", "pypy3", *VERSIONED, *(f"{name}t" for name in VERSIONED)]
FOLDERS = [
    os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions", "*", "bin"),
    os.path.join(ROOT, ".pythons", "*", "usr", "bin"),
]
DESCRIBE = (
    "import sys, sysconfig; i = sys.implementation; v = sys.version_info;"
    "t = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else '';"
    "print(i.name, '%d.%d' % v[:2] + t, '.'.join(map(str, v[:3])) + t)"
)


def main() -> int:
    """Run the tests with each interpreter; return 1 if any test failed."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    rows = []
    for kind, version, program in find_interpreters():
        print(f"== {kind} {version}", flush=True)
        start = time.monotonic()
        rows.append((kind, version, *run_tests(program), time.monotonic() - start))
    print()
    print(f"{'':8}  {'version':9}  {'passed':>6}  {'failed':>6}  {'skipped':>7}  {'time':>6}")
    for kind, version, passed, failed, skipped, seconds in rows:
        print(f"{kind:8}  {version:9}  {passed:6}  {failed:6}  {skipped:7}  {seconds:4.0f} s")
    failures = sum(row[3] for row in rows)
    print(f"\n{sum(row[2] for row in rows)} passed, {failures} failed")
    return 1 if failures or not rows else 0


def find_interpreters() -> list[tuple[str, str, str]]:
    """Return implementation, version and program of one interpreter per minor version, oldest first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders += [folder for pattern in FOLDERS for folder in sorted(glob.glob(pattern))]
    # Search every folder of PATH, because an older pypy3 may precede a newer one.
    candidates = [os.path.join(folder, name) for folder in folders for name in NAMES]
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for program in filter(os.path.isfile, candidates):
        try:
            description = subprocess.run(
                [program, "-c", DESCRIBE],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=30,
            )
        except (OSError, subprocess.SubprocessError):
            continue  # a shim without its interpreter, for example
        kind, minor, version = description.stdout.decode().split()
        if tuple(map(int, minor.rstrip("t").split("."))) >= (3, 8):
            found.setdefault((kind, minor), (kind, version, program))
    return [found[key] for key in sorted(found, key=order)]


def order(key: tuple[str, str]) -> tuple[str, list[int], str]:
    """Sort CPython before PyPy, and 3.9 before 3.10."""
    kind, minor = key
    return kind, [int(part) for part in minor.rstrip("t").split(".")], minor


def run_tests(program: str) -> tuple[int, int, int]:
    """Run the tests with one interpreter, print its output, return how many passed, failed, were skipped."""
    process = subprocess.Popen([program, "-m", "tests"], cwd=ROOT, stdout=subprocess.PIPE)
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        last = line.decode("utf-8", "replace").rstrip() or last
        print(f"   {line.decode('utf-8', 'replace').rstrip()}", flush=True)
    process.wait()
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", last)}
    failed = counts.get("failed", 0) or int(process.returncode != 0)
    return counts.get("passed", 0), failed, counts.get("skipped", 0)


if __name__ == "__main__":
    sys.exit(main())
