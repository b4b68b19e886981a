"""The benchmark of several invocations at once, with few of them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import unittest

from tests.support import ROOT

HAS_AWS_RUNTIME = importlib.util.find_spec("awslambdaric") is not None


def run_benchmark(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.concurrency", "--runs", "1", "--seconds", "0.1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


class BenchmarkOfConcurrency(unittest.TestCase):
    @unittest.skipUnless(HAS_AWS_RUNTIME, "needs awslambdaric")
    def test_every_mode_is_measured_beside_the_runtime_of_aws(self) -> None:
        result = run_benchmark("--slots", "3", "--functions", "hello", "sleep", "--json")
        self.assertIn(result.returncode, (0, 1), result.stderr)  # the goals are for 16 slots
        figures = json.loads(result.stdout)
        names = {row["name"] for row in figures["rows"]}
        self.assertLessEqual({"memory when all slots poll", "CPU of an invocation", "throughput"}, names)
        for row in figures["rows"]:
            for mode in ("AWS", "fork", "preload", "thread", "async"):
                with self.subTest(row["name"], function=row["function"], mode=mode):
                    self.assertGreater(row[mode], 0)

    @unittest.skipUnless(HAS_AWS_RUNTIME, "needs awslambdaric")
    def test_the_table_is_aligned_and_ends_with_the_goals(self) -> None:
        result = run_benchmark("--slots", "2", "--functions", "hello")
        self.assertRegex(result.stdout, r"(?m)^ +AWS +fork +preload +thread +async$", result.stderr)
        rows = [line for line in result.stdout.splitlines() if line.count(".") >= 5]
        self.assertEqual(len({len(line) for line in rows}), 1, result.stdout)
        goal = r"(?m)^fork: memory when all slots poll, hello +\d\.\d\d   ≤ 0\.75   (ok|MISSED)$"
        self.assertRegex(result.stdout, goal)
        self.assertRegex(result.stdout, r"(goals missed|all goals met)\n\Z")
        self.assertEqual(result.stderr, "")
