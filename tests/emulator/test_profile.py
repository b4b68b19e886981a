"""`profile`: what the init phase spends its time on, and how it is shown."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import unittest
import xml.etree.ElementTree as ElementTree
from fcntl import ioctl

from lambda_emulator.profiling.flame_graph import draw
from lambda_emulator.profiling.import_tree import Import, prune, read_imports
from lambda_emulator.profiling.profile_report import advise
from lambda_emulator.profiling.profiler import Profile

from tests.support import EMULATOR_ENVIRONMENT, PYPY, FunctionTestCase, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IMPORTTIME = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 | site
printed import time:        20 |         20 |     json.scanner
import time:        30 |         50 |   json.decoder
import time:        40 |         40 |   json.encoder
not of import time: it
import time:        10 |        100 | json
"""
SLOW = "import time\ntime.sleep(0.2)\n"
APP = """
    import slow
    print("loaded", end="")
    handler = lambda event, context: None
"""
# A source file that takes longer to compile than to run.
LARGE = "".join(f"def f{number}(a, b): return [a + {number}, b.c[a](x=b)]\n" for number in range(12_000))


class TheTreeOfImports(unittest.TestCase):
    def test_is_read_from_the_output_of_python(self) -> None:
        site, json_ = read_imports(IMPORTTIME)
        self.assertEqual(Import("site", 100, 100), site)
        decoder = Import("json.decoder", 30, 50, [Import("json.scanner", 20, 20)])
        self.assertEqual(Import("json", 10, 100, [decoder, Import("json.encoder", 40, 40)]), json_)
        self.assertEqual([], read_imports("nothing"))

    def test_is_pruned_and_sorted_by_time(self) -> None:
        found = prune(read_imports(IMPORTTIME), 45)
        self.assertEqual(
            ["site", "json", "json.decoder"], [one.name for root in found for one in root.walk()]
        )

    def test_is_drawn_as_an_image_whose_bars_explain_themselves(self) -> None:
        image = ElementTree.fromstring(draw("<b>&", read_imports(IMPORTTIME)))
        titles = [one.text for one in image.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(["<b>&", "site: 0.1 ms (50 %), itself 0.1 ms"], titles[:2])
        self.assertEqual(6, len(titles))


class Advice(unittest.TestCase):
    def profile(self, init_ms: float, *children: Import, own_us: int = 1000, **values: Any) -> Profile:
        module = Import("src.app", own_us, own_us + sum(one.cumulative_us for one in children), [*children])
        values = {"without_bytecode_ms": [init_ms], "pss_kb": 20_000, **values}
        return Profile("src/app.handler", [init_ms], rss_kb=0, memory_mb=128, imports=[module], **values)

    def test_follows_from_the_figures(self) -> None:
        slow = Import("slow", 200_000, 200_000)
        cases = [
            ("nothing", self.profile(60), ["Nothing stands out"]),
            ("bytecode", self.profile(100, without_bytecode_ms=[160]), ["Deploy bytecode: it saves 60 ms"]),
            ("an import", self.profile(300, slow), ["slow takes 200 ms. If"]),
            (
                "an import inside",
                self.profile(300, Import("b", 1, 200_001, [slow])),
                ["b takes 200 ms, most of it in slow. If"],
            ),
            ("work", self.profile(300, own_us=90_000), ["src.app itself takes 90 ms, without its imports"]),
            ("the limit", self.profile(11_000), ["Lambda stops the init phase after 10 s"]),
            ("memory", self.profile(60, pss_kb=100_000), ["Imports alone fill 98 of 128 MB"]),
            (
                "the largest first",
                self.profile(900, slow, own_us=300_000, without_bytecode_ms=[1000]),
                ["src.app", "slow", "Deploy"],
            ),
        ]
        for name, profile, beginnings in cases:
            with self.subTest(name):
                found = advise(profile)
                self.assertEqual(len(beginnings), len(found), found)
                for beginning, advice in zip(beginnings, found):
                    self.assertTrue(advice.startswith(beginning), advice)


class TheCommand(FunctionTestCase):
    def command(self, root: str, *options: str) -> list[str]:
        return emulator("profile", "--handler=app.handler", f"--task-root={root}", "--runs=1", *options)

    def profile(self, root: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(root, *options),
            capture_output=True,
            text=True,
            env=EMULATOR_ENVIRONMENT,
            check=False,
        )

    def test_finds_the_slow_import_and_what_bytecode_saves(self) -> None:
        root = self.write({"app.py": APP + "    import large\n", "slow.py": SLOW, "large.py": LARGE})
        image = os.path.join(root, "imports.svg")
        done = self.profile(root, "--json", f"--flame={image}")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        found = json.loads(done.stdout)
        self.assertGreater(found["init_ms"]["median"], 200)
        self.assertGreater(found["bytecode"]["saves_ms"], 20)
        self.assertGreater(found["memory_kb"]["rss"], 5000)
        self.assertEqual({"app.py", "slow.py", "large.py", "imports.svg"}, set(os.listdir(root)))
        if not PYPY:  # it does not measure imports
            app = next(one for one in found["imports"] if one["name"] == "app")
            self.assertGreater(next(one for one in app["children"] if one["name"] == "slow")["self_us"], 2e5)
            self.assertRegex("\n".join(found["advice"]), r"slow takes \d{3,} ms")
            with open(image, encoding="utf-8") as file:
                self.assertIn("<title>slow: ", file.read())

    def test_is_readable_on_a_narrow_terminal(self) -> None:
        root = self.write({"app.py": APP, "slow.py": SLOW})
        for columns in (40, 200):
            with self.subTest(columns):
                ours, terminal = pty.openpty()
                ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                environment = {**EMULATOR_ENVIRONMENT, "PYTHONIOENCODING": "utf-8"}
                for name in ("NO_COLOR", "COLUMNS"):
                    environment.pop(name, None)
                done = subprocess.run(self.command(root), stdout=terminal, env=environment, check=False)
                os.close(terminal)
                written = b""
                while select.select([ours], [], [], 0)[0]:
                    try:
                        written += os.read(ours, 65536)
                    except OSError:  # the other end is closed
                        break
                os.close(ours)
                self.assertEqual(0, done.returncode)
                lines = re.sub("\x1b\\[[0-9]*m", "", written.decode()).splitlines()
                self.assertLessEqual(max(map(len, lines)), min(columns, 80))
                self.assertRegex(lines[0], "^Init phase +[0-9]+ ms$")
                self.assertIn("\x1b[1mInit phase", written.decode())
                if not PYPY:
                    self.assertTrue(any(re.search("█  +slow$", line) for line in lines), lines)

    def test_ends_quietly_if_the_reader_of_its_output_has_gone(self) -> None:
        root = self.write({"app.py": "def handler(event, context): pass"})
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            self.command(root, "--json"),
            stdout=writer,
            stderr=subprocess.PIPE,
            env=EMULATOR_ENVIRONMENT,
            check=False,
        )
        os.close(writer)
        self.assertEqual((141, b""), (done.returncode, done.stderr))

    def test_reports_what_cannot_be_profiled(self) -> None:
        root = self.write({"app.py": "raise ValueError('broken')"})
        done = self.profile(root)
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertIn("ValueError: broken", done.stderr)
        self.assertIn("The function failed to initialize (see above)", done.stderr)
        done = self.profile(root, "--flame=nowhere/x.svg")
        self.assertEqual(2, done.returncode)
        self.assertIn("--flame nowhere/x.svg cannot be written: no such file", done.stderr)


if __name__ == "__main__":
    unittest.main()
