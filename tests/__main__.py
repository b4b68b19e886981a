"""Run the tests, some files at a time: ``python3 -m tests [NAME or PATTERN …]``.

An argument selects the tests with that text in their name (file, class or test); ``*`` matches anything. The
program prints one line for each finished file, all failures, and ``N passed, N failed`` at the end. The exit
status is 1 if a test failed, 2 if no test was selected.

If few tests failed, they run once more in the end, when nothing else runs. One that passes then is called
UNSTABLE: it depends on the load of the machine, which is a fault of the test or of the code.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
SLOW = ("test_costs",)  # small files whose tests take long
PROCESSES = min((os.cpu_count() or 1) + 1, 8)  # tests often wait
AGAIN = 10  # if more tests fail, the reason is not the load
REPORT_ONE_FILE = "--report-one-file"  # how this program calls itself


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == [REPORT_ONE_FILE]:
        json.dump(run_file(arguments[1], arguments[2:]), sys.stdout)
        return 0
    parser = argparse.ArgumentParser(
        "python3 -m tests", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", nargs="*")
    arguments = parser.parse_args(arguments).name
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # failures may contain any character
    began = time.monotonic()
    files = sorted(FOLDER.glob("*/test_*.py"), key=cost, reverse=True)
    width = max(len(module_name(path)) for path in files)
    total = {"passed": 0, "failed": 0, "skipped": 0}
    failed: list[tuple[str, str]] = []  # files and tests
    with ThreadPoolExecutor(PROCESSES) as pool:
        try:
            for future in as_completed(
                [pool.submit(report_of, module_name(path), arguments) for path in files]
            ):
                report = future.result()
                for outcome in total:
                    total[outcome] += report[outcome]
                if report["passed"] or report["failed"] or report["skipped"]:
                    print(line(report, width), flush=True)
                if report["text"]:
                    print(report["text"], flush=True)
                failed += [(report["name"], test) for test in report["failed_tests"]]
        except KeyboardInterrupt:
            os._exit(130)  # the child processes have received the same signal
    for name, test in failed if len(failed) <= AGAIN else ():
        if report_of(name, [f"*{test}"])["passed"]:
            total["failed"] -= 1
            total["passed"] += 1
            print(painted(f"UNSTABLE: {test} failed, then passed", "33"))
    print(f"in {time.monotonic() - began:.1f} s, Python {sys.version.split()[0]}")
    summary = f"{total['passed']} passed, {total['failed']} failed"
    if total["skipped"]:
        summary += f", {total['skipped']} skipped"
    print(painted(summary, "31" if total["failed"] else "32"))
    if not any(total.values()):
        return 2
    return 1 if total["failed"] else 0


def cost(path: Path) -> tuple[bool, int]:
    """Return what orders files by the time that their tests probably take."""
    return path.stem in SLOW, path.stat().st_size


def module_name(path: Path) -> str:
    """Return ``runtime.test_errors`` for tests/runtime/test_errors.py."""
    return f"{path.parent.name}.{path.stem}"


def report_of(name: str, patterns: Sequence[str]) -> dict[str, Any]:
    """Run one file in a separate process, so that files cannot disturb one another."""
    process = subprocess.run(
        [sys.executable, "-m", "tests", REPORT_ONE_FILE, name, *patterns],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(process.stdout.decode())
        report["text"] += process.stderr.decode("utf-8", "replace")
    except ValueError:
        output = process.stdout + process.stderr
        text = f"{name} exited with status {process.returncode}:\n{output.decode('utf-8', 'replace')}"
        counts = {"passed": 0, "failed": 1, "skipped": 0}
        report = {"name": name, **counts, "seconds": 0.0, "text": text, "failed_tests": []}
    return report


def run_file(name: str, patterns: Sequence[str]) -> dict[str, Any]:
    """Run the selected tests of one file in this process; return the counts and the failures."""
    began = time.monotonic()
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = [pattern if "*" in pattern else f"*{pattern}*" for pattern in patterns]
    suite = loader.loadTestsFromName(f"tests.{name}")
    stream = io.StringIO()
    result = unittest.TextTestRunner(stream, verbosity=0, buffer=True).run(suite)
    # A test with several failing sub-tests counts once.
    failed = {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    failures = len(failed) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    return {
        "name": name,
        "passed": max(0, result.testsRun - failures - skipped),
        "failed": failures,
        "skipped": skipped,
        "seconds": time.monotonic() - began,
        "text": stream.getvalue() if failures else "",
        "failed_tests": sorted(failed),
    }


def line(report: dict[str, Any], width: int) -> str:
    """Format a file's result in one line: name, number of tests, time, skipped and failed tests."""
    count = report["passed"] + report["failed"]
    columns = f"{report['name']:{width}}  {count:4} tests  {report['seconds']:5.1f} s"
    if report["skipped"]:
        columns += f"  {report['skipped']} skipped"
    if report["failed"]:
        columns += painted(f"  {report['failed']} failed", "31")
    return columns


def painted(text: str, color: str) -> str:
    """Return ``text`` in a colour (an ECMA-48 number) if the output is a terminal."""
    return f"\033[{color}m{text}\033[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
