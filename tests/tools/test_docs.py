"""The documentation: its links lead somewhere, its examples work, and the README stays short."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from tests.support import ROOT, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = ROOT / "docs" / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
README_LINES = 150
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")  # https:, mailto:


class Documentation(unittest.TestCase):
    def test_every_link_leads_to_a_file_and_a_heading(self) -> None:
        for page in PAGES:
            for link in links(page):
                with self.subTest(page=str(page.relative_to(ROOT)), link=link):
                    name, _, anchor = link.partition("#")
                    target = page.parent / name if name else page
                    self.assertTrue(target.exists(), "the file does not exist")
                    if anchor:
                        self.assertIn(anchor, anchors(target), "the file has no such heading")

    def test_the_index_names_every_page(self) -> None:
        named = {(INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX)}
        pages = {page for page in PAGES if page.parent == INDEX.parent and page != INDEX}
        self.assertEqual(pages - named, set())

    def test_every_page_begins_with_an_example(self) -> None:
        for page in INDEX.parent.glob("*.md"):
            with self.subTest(page.name):
                self.assertRegex(page.read_text(encoding="utf-8"), r"\A# .+\n\n```")

    def test_every_make_target_exists(self) -> None:
        targets = re.findall("^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        for page in PAGES:
            for target in commands(page):
                with self.subTest(page=str(page.relative_to(ROOT))):
                    self.assertIn(target, targets)

    def test_the_readme_is_short(self) -> None:
        lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), README_LINES)


class Handlers(FunctionTestCase):
    def test_every_handler_of_the_documentation_handles_an_event(self) -> None:
        for page in PAGES:
            blocks = PYTHON.findall(page.read_text(encoding="utf-8"))
            for source in [block for block in blocks if "def handler(" in block]:
                with self.subTest(page=str(page.relative_to(ROOT)), source=source):
                    result = self.invoke(self.start(source), {"name": "Ada"})
                    self.assertIsNone(result.function_error, result.payload)


def links(page: Path) -> Iterator[str]:
    """Yield the targets of the links in ``page`` that are not addresses on the web."""
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if not ELSEWHERE.match(link):
            yield link


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of ``page``."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[str]:
    """Yield the target of each ``make TARGET`` in the code of ``page``."""
    for block, inline in CODE.findall(page.read_text(encoding="utf-8")):
        yield from re.findall(r"(?:^|[`(\s])make ([a-z][a-z-]*)\b", block or inline)


if __name__ == "__main__":
    unittest.main()
