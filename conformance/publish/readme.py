"""Finds the commands that are to be pasted: the blocks between two marks in README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- from zero", "<!-- end of from zero -->"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of commands; its first line is a comment, which says what they are for."""

    title: str
    commands: str


def read_blocks(root: Path) -> list[Block]:
    """The blocks of README.md."""
    text = (root / "README.md").read_text(encoding="utf-8")
    section = text[text.index(BEGIN) : text.index(END)]
    return [Block(title(commands), commands) for commands in BLOCK.findall(section)]


def title(commands: str) -> str:
    first = commands.partition("\n")[0]
    return first.lstrip("# ").rstrip(".").partition(". ")[0]
