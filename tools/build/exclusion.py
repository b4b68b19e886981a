"""Decides which files of a function stay out of its zip, by patterns that are a subset of .gitignore's:

    # comment        ignored, like blank lines
    *.md             any file or folder with such a name, in every folder
    tests/           folders only
    /data            a slash that is not at the end: relative to the task root
    docs/**/*.png    ** stands for any folders; * and ? for characters except a slash, [a-z] for one of these
    !README.md       kept nevertheless: the last pattern that matches decides

Below a folder that is left out, nothing can be kept. A backslash makes the next character an ordinary one.
"""

from __future__ import annotations

import re

from tools.build.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE = ".lambdaignore"
TOKEN = re.compile(r"(?:^|(?<=/))\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]/]*\]|\\.|.", re.DOTALL)


class Rule:
    """A pattern, and what it means for the files that it matches."""

    __slots__ = ("_folders_only", "_regex", "keeps", "pattern")

    def __init__(self, pattern: str) -> None:
        """Raise Problem if the pattern makes no sense."""
        self.pattern = pattern
        self.keeps = pattern.startswith("!")
        pattern = pattern[1:] if self.keeps else pattern
        self._folders_only = pattern.endswith("/")
        pattern = pattern.rstrip("/")
        anywhere = "" if "/" in pattern else "(?:.*/)?"
        try:
            translated = "".join(_translated(token) for token in TOKEN.findall(pattern.lstrip("/")))
            self._regex = re.compile(anywhere + translated, re.DOTALL)
        except re.error as error:
            remedy = f"Write it as in .gitignore (EXCLUDE, {FILE}); \\ before a character makes it ordinary."
            raise Problem(f"The pattern {self.pattern!r} is not valid: {error}.", remedy) from None

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether the rule is about ``path``, which is relative to the task root."""
        return (is_folder or not self._folders_only) and self._regex.fullmatch(path) is not None


def _translated(token: str) -> str:
    """Return the regular expression for a part of a pattern."""
    if token == "**/":
        return "(?:.*/)?"
    if token == "/**":
        return "/.+"
    if token.startswith("*"):
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token.startswith("[") and len(token) > 1:
        content = re.sub(r"[\\\[\]]", r"\\\g<0>", token[1:-1])
        return f"[^/{content[1:]}]" if content.startswith("!") else f"[{content}]"
    return re.escape(token[-1])


def rules(lines: Iterable[str]) -> list[Rule]:
    """Return the rules in the lines of a file; raises Problem."""
    patterns = (line.rstrip() for line in lines)
    return [Rule(pattern) for pattern in patterns if pattern and not pattern.startswith("#")]


def read(folder: Path) -> list[Rule]:
    """Return the rules in the file of patterns in a task root, if it has one; raises Problem."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise Problem(f"{folder / FILE} is not UTF-8.", "Save it as UTF-8.") from None
    return rules(text.splitlines())


def deciding(rules: Sequence[Rule], path: str, *, is_folder: bool) -> Rule | None:
    """Return the last rule that matches, which leaves the file out unless it ``keeps``; None if none does."""
    return next((rule for rule in reversed(rules) if rule.matches(path, is_folder=is_folder)), None)
