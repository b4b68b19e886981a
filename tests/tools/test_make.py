"""The Makefile's variables: their values reach the tools as they were typed, and nothing executes them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from tests.support import ROOT, FunctionTestCase
from tests.tools.test_package import AWS_CLI

HOSTILE = (
    "a space",
    "o'hara",
    "a$HOME",
    "$(touch hacked)",
    "$(shell touch hacked)",
    "`touch hacked`",
    'a "quote',
    "a;touch hacked;",
    "a & b | c > hacked \\",
    "@OPTIONS 50%: #1, [*]",
)
ALL = " ".join(HOSTILE)  # one name
LISTED = " ".join(map(shlex.quote, HOSTILE))
HANDLER = "import os\ndef handler(event, context): return [event, os.path.basename(os.getcwd())]\n"
# An interpreter for the Makefile: RECORD makes it print the tool's words instead of running the tool.
INTERPRETER = """\
#!/bin/sh
case "$RECORD$1" in
    *words.py | [!1]*) exec '{python}' "$@" ;;
    *) printf '%s\\0' "$@" ;;
esac
"""


@unittest.skipUnless(shutil.which("make"), "make is not installed")
class MakeTestCase(FunctionTestCase):
    """A folder with links to the repository's files, and a function's folder for each hostile name."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.write({f"{name}/app.py": HANDLER for name in (*HOSTILE, ALL)}))
        for name in ("Makefile", "bootstrap", "runtime", "emulator", "tools"):
            (self.folder / name).symlink_to(ROOT / name)
        self.program("python", INTERPRETER)

    def program(self, path: str, source: str) -> None:
        program = self.folder / path
        program.parent.mkdir(exist_ok=True)
        program.write_text(source.format(python=sys.executable, log=str(self.folder / "log")))
        program.chmod(0o755)

    def make(self, target: str, record: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        words = [f"{name}={value}" for name, value in {"PYTHON": "./python", **variables}.items()]
        path = os.pathsep.join((str(self.folder / "bin"), "/usr/bin", "/bin"))
        return subprocess.run(
            [str(shutil.which("make")), "--no-print-directory", target, *words],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), **({"RECORD": "1"} if record else {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def words(self, target: str, **variables: str) -> list[str]:
        """Return the words with which ``make TARGET`` starts the tool."""
        done = self.make(target, record=True, **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split("\0")[1:-1]

    def assertNothingRan(self) -> None:
        self.assertFalse([str(path) for path in self.folder.rglob("hacked")], "a value was executed")


class HostileNames(MakeTestCase):
    """Folders and files whose names mean something to make or to a shell."""

    def test_run_invokes_the_function_with_an_interpreter_in_such_a_folder(self) -> None:
        for name in HOSTILE:
            with self.subTest(name):
                self.program(f"{name}/python", INTERPRETER)
                event = json.dumps({"name": name})
                done = self.make(
                    "run", PYTHON=f"./{name}/python", HANDLER="app.handler", TASK_ROOT=name, EVENT=event
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout), [{"name": name}, name])
        self.assertNothingRan()

    def test_dist_function_verify_layer_and_publish_find_the_files(self) -> None:
        self.program("bin/aws", AWS_CLI)
        output = f"{ALL}/function.zip"
        done = self.make("dist-function", TASK_ROOT=ALL, OUTPUT=output, BYTECODE="none", EXCLUDE=LISTED)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in HOSTILE:
            shutil.copy(self.folder / output, self.folder / name)
        zips = " ".join(shlex.quote(f"{name}/function.zip") for name in HOSTILE)
        done = self.make("verify-layer", ZIP=zips, ALLOW=LISTED)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.make("publish", ZIPS=zips, OPTIONS="--region eu-west-3")
        self.assertEqual(done.stdout, "arn:function:1\n" * len(HOSTILE), done.stderr)
        published = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        self.assertEqual(
            [words[words.index("--zip-file") + 1] for words in published],
            [f"fileb://{name}/function.zip" for name in HOSTILE],
        )
        self.assertNothingRan()

    def test_every_tool_receives_the_values_as_they_were_typed(self) -> None:
        for target, variable in (
            ("dist-deps", "REQUIREMENTS"),
            ("dist-python", "FROM"),
            ("dist", "OUTPUT"),
            ("serve", "CONFIG"),
            ("move", "FUNCTION"),
        ):
            with self.subTest(target, variable=variable):
                words = self.words(target, **{"FUNCTION": "orders", variable: ALL})
                self.assertEqual(words.count(ALL) + words.count(f"--{variable.lower()}={ALL}"), 1, words)
        self.assertNothingRan()

    def test_lists_are_split_at_spaces_outside_quotes(self) -> None:
        for target, variable, option in (
            ("run", "LAYERS", "--layer="),
            ("dist", "BYTECODE", "--bytecode="),
            ("dist-python", "LIBRARIES", "--libraries="),
            ("dist-deps", "LIBRARIES", "--libraries="),
            ("run", "OPTIONS", ""),
            ("move", "OPTIONS", ""),
            ("verify-layer", "ZIP", ""),
            ("publish", "ZIPS", ""),
        ):
            with self.subTest(target, variable=variable):
                words = self.words(target, **{"FUNCTION": "orders", variable: LISTED})
                start = words.index(option + HOSTILE[0])
                expected = [option + name for name in HOSTILE]
                self.assertEqual(words[start : start + len(HOSTILE)], expected)
        self.assertNothingRan()


class Variables(MakeTestCase):
    def test_an_unclosed_quote_is_reported(self) -> None:
        done = self.make("run", LAYERS="o'hara")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('make: LAYERS is "o\'hara": a quote or backslash is not closed. Put ', done.stderr)

    def test_zips_may_be_given_as_a_pattern(self) -> None:
        for name in ("a.zip", "b.zip", "[ab].zip"):
            (self.folder / name).touch()
        for typed, expected in (
            ("?.zip", ["a.zip", "b.zip"]),
            ("[ab].zip", ["[ab].zip"]),
            ("~/a.zip ~/none*", [f"{self.folder}/a.zip", f"{self.folder}/none*"]),
        ):
            with self.subTest(typed):
                self.assertEqual(self.words("publish", ZIPS=typed), [*expected, "--"])

    def test_switches_are_off_if_they_are_0_no_or_false(self) -> None:
        for value in ("0", "no", "False", "yes"):
            with self.subTest(value):
                on = ["--apply", "--back"] if value == "yes" else []
                words = self.words("move", FUNCTION="orders", APPLY=value, BACK=value)
                self.assertEqual(words, ["orders", *on, "--"])

    def test_an_interpreter_is_used_for_bytecode_only_if_it_was_set(self) -> None:
        python = {"PYTHON": "~/python"}  # a shell that leaves the ~
        program = str(self.folder / "python")
        self.assertEqual(self.words("dist", **python)[0], f"--bytecode={program}")
        self.assertEqual(
            self.words("dist", PYTHON_VERSION="3.12 3.13", **python)[:2],
            ["--bytecode=3.12", "--bytecode=3.13"],
        )
        self.assertIn(f"--version-of={program}", self.words("verify-layer", ZIP="a", **python))

    def test_no_value_becomes_part_of_a_recipe(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        found = re.search(r"^VARIABLES = ((?:\\\n|.)+)", makefile, re.MULTILINE)
        assert found is not None
        variables = set(found[1].replace("\\\n", " ").split())
        recipes = "\n".join(line for line in makefile.splitlines() if line.startswith("\t"))
        used = set(re.findall(r"(?:^|[ ,])[a-z-]*[=@:]([A-Z_]+)(?=[ ,)]|$)", recipes, re.MULTILINE))
        self.assertIn("OPTIONS", used)
        self.assertEqual(used - variables, set())
        text = re.sub(r"\$\(if (?:\$\([A-Z_]+\))+,", "", makefile)
        self.assertEqual([name for name in variables if f"$({name})" in text], [])


if __name__ == "__main__":
    unittest.main()
