"""What the project installs is what was reviewed: hashes of packages, commits of actions, few permissions."""

from __future__ import annotations

import json
import re
import unittest

from tests.support import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
REQUIREMENTS = sorted(
    path
    for pattern in ("*/*requirements.txt", "conformance/*/*requirements.txt")
    for path in ROOT.glob(pattern)
    if (path.with_suffix(".in")).exists()
)
LOCKS = sorted(ROOT.glob("conformance/*/package-lock.json"))


class SupplyChain(unittest.TestCase):
    def test_each_requirement_has_one_version_and_a_hash(self) -> None:
        self.assertGreater(len(REQUIREMENTS), 5)
        for path in REQUIREMENTS:
            text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
            for line in text.replace("\\\n", " ").splitlines():
                with self.subTest(str(path.relative_to(ROOT)), line=line[:60]):
                    self.assertRegex(line, r"^[\w.\[\],-]+==\S+ .*--hash=sha256:[0-9a-f]{64}|^$")

    def test_each_package_of_npm_has_a_hash(self) -> None:
        self.assertTrue(LOCKS)
        for path in LOCKS:
            for name, package in json.loads(path.read_text("utf-8"))["packages"].items():
                with self.subTest(name):
                    self.assertTrue(not name or package["integrity"].startswith("sha512-"))

    def test_each_action_is_named_by_its_commit(self) -> None:
        self.assertTrue(WORKFLOWS)
        for path in WORKFLOWS:
            for used in re.findall(r"uses: *(.*)", path.read_text("utf-8")):
                with self.subTest(path.name, used=used):
                    self.assertRegex(used, r"^\./|@[0-9a-f]{40} # v\d+(\.\d+){2}$")

    def test_workflows_may_only_read_unless_a_job_says_why(self) -> None:
        for path in WORKFLOWS:
            text = path.read_text("utf-8")
            with self.subTest(path.name):
                self.assertRegex(text, r"(?m)^permissions:\n  contents: read\n\n")
                for granted in re.findall(r"(?m)^ +[a-z-]+: write.*", text):
                    self.assertRegex(granted, "write # .+")
                kept = text.count("uses: actions/checkout@") - text.count("persist-credentials: false")
                self.assertEqual(kept, 0, "checkouts that keep the token for later steps")
