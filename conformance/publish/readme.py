"""Read the commands that users paste: the blocks between two marks in README.md and docs/deploy.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = ("README.md", "docs/deploy.md")  # in this order: the second continues the first
BEGIN, END = "<!-- from zero", "<!-- end of from zero -->"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of commands; its first line is a comment, which describes them."""

    title: str
    commands: str


def read_blocks(root: Path) -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES for block in read_page(root / page)]


def read_page(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    section = text[text.index(BEGIN) : text.index(END)]
    return [Block(title(commands), commands) for commands in BLOCK.findall(section)]


def title(commands: str) -> str:
    first = commands.partition("\n")[0]
    return first.lstrip("# ").rstrip(".").partition(". ")[0]
