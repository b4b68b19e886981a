"""The benchmarks, with few invocations."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from tests.support import ROOT

HAS_AWS_RUNTIME = importlib.util.find_spec("awslambdaric") is not None
if HAS_AWS_RUNTIME:
    from benchmarks.cpu_limit import DutyCycle, Limit, new_cgroup
    from benchmarks.report import tables as markdown
    from benchmarks.report.results import Results
    from benchmarks.runtimes import Contestant, RuntimeProcess


def run_one_slot(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--runs", "1", "--invocations", "200", "--no-instructions"]
    return subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)


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


@unittest.skipUnless(HAS_AWS_RUNTIME, "needs awslambdaric")
class BenchmarkOfOneSlot(unittest.TestCase):
    def test_each_figure_stands_between_its_floor_and_the_runtime_of_aws(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "results", "new.json")
            sections = ("hello", "failing", "restore", "stream")
            result = run_one_slot("--only", *sections, "--json", str(file))
            self.assertIn(result.returncode, (0, 1), result.stderr)  # the aims are for a quiet machine
            content = json.loads(file.read_text(encoding="utf-8"))
            run_one_slot("--only", "failing", "--json", str(file))
            later = json.loads(file.read_text(encoding="utf-8"))
        self.assertEqual(result.stderr, "")
        for name in ("figures", "rows"):  # what is not measured again stays
            kept = [
                [item for item in found[name] if item["function"] != "failing"] for found in (content, later)
            ]
            self.assertEqual(*kept)
            self.assertEqual(len(content[name]), len(later[name]))
        measured = {(figure["function"], figure["quantity"]) for figure in content["figures"]}
        expected = {
            ("hello", "cold start"),
            ("hello", "peak memory"),
            ("2 KB HTTP event", "warm p50"),
            ("failing", "event to error"),
            ("hello", "restore to next"),
            ("stream", "cost of a small chunk"),
        }
        self.assertLessEqual(expected, measured)
        for figure in content["figures"]:
            with self.subTest(figure["function"], quantity=figure["quantity"], of=figure["contestant"]):
                self.assertGreater(figure["median"], 0)
        tables = markdown.aims([Results(content)]) + markdown.hello(Results(content))
        self.assertRegex(
            tables, r"\| hello, cold start: AWS's runtime \| ≤ 0\.45 \| (\*\*)?\d\.\d\d(\*\*)? \|"
        )
        self.assertRegex(tables, r"(?m)^\| cold start, ms( \| \d+\.\d){5} \|$")
        self.assertRegex(result.stdout, r"(?m)^  cold start, ms .* (ok|MISSED)$")
        self.assertRegex(result.stdout, r"\d+ of 11 aims met")

    def test_a_package_that_is_missing_skips_its_function(self) -> None:
        if importlib.util.find_spec("fastapi"):
            self.skipTest("fastapi is installed")
        result = run_one_slot("--only", "FastAPI")
        self.assertIn("FastAPI: skipped, because fastapi is not installed for this Python", result.stdout)


@unittest.skipUnless(HAS_AWS_RUNTIME, "needs awslambdaric")
class BenchmarkOfSmallFunctions(unittest.TestCase):
    """They observe that the process waits: on a busy machine, it gets little CPU without a limit, too."""

    def busy(self, limit: Limit) -> RuntimeProcess:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        command = [sys.executable, "-c", "while True: pass"]
        return RuntimeProcess(Contestant("busy", command, "", Path(folder.name)), limit=limit)

    def test_a_control_group_limits_the_cpu(self) -> None:
        cgroup = new_cgroup(0.2)
        if cgroup is None:
            self.skipTest("no control group can be created")
        try:
            with self.busy(cgroup):
                time.sleep(1)
                counts = (cgroup.folder / "cpu.stat").read_text()
        finally:
            cgroup.remove()
        throttled = re.search(r"(?m)^nr_throttled (\d+)", counts)
        assert throttled is not None, counts
        self.assertGreater(int(throttled[1]), 10)
        self.assertFalse(cgroup.folder.exists())

    def test_signals_limit_the_cpu(self) -> None:
        states = ""
        with self.busy(DutyCycle(0.2)) as process:
            for _ in range(200):
                time.sleep(0.005)
                states += Path(f"/proc/{process.pid()}/stat").read_text().rpartition(") ")[2][0]
        self.assertGreater(states.count("T"), 60, states)  # T: stopped
        self.assertIn("R", states)
