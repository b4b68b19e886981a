"""Decide which files of a function are left out of its zip, by a subset of .gitignore's patterns:

    # comment        ignored, like blank lines
    *.md             files and folders with a matching name, in every folder
    tests/           folders only
    /data            with a slash that is not at the end: relative to the task root
    docs/**/*.png    ** matches any folders; * and ? match characters except a slash, [a-z] one of these
    !README.md       include: the last pattern that matches decides

Files in a folder that is left out cannot be included. A backslash escapes the next character.
"""

from __future__ import annotations

import re

from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE = ".lambdaignore"
TOKEN = re.compile(r"(?:^|(?<=/))\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]/]*\]|\\.|.", re.DOTALL)


class Rule:
    """A pattern, and whether it includes or leaves out the files that it matches."""

    __slots__ = ("_folders_only", "_regex", "keeps", "pattern")

    def __init__(self, pattern: str, *, any_case: bool = False) -> None:
        """Raise ToolError if the pattern is invalid."""
        self.pattern = pattern
        self.keeps = pattern.startswith("!")
        pattern = pattern[1:] if self.keeps else pattern
        self._folders_only = pattern.endswith("/")
        pattern = pattern.rstrip("/")
        anywhere = "" if "/" in pattern else "(?:.*/)?"
        try:
            translated = "".join(_translated(token) for token in TOKEN.findall(pattern.lstrip("/")))
            self._regex = re.compile(anywhere + translated, re.DOTALL | (re.IGNORECASE if any_case else 0))
        except re.error as error:
            remedy = f"Use the syntax of .gitignore in EXCLUDE and {FILE}; \\ escapes a character."
            raise ToolError(f"The pattern {self.pattern!r} is not valid: {error}.", remedy) from None

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Return whether the rule applies to ``path``, which is relative to the task root."""
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
    """Parse the lines of a file; raise ToolError if a pattern is invalid."""
    patterns = (line.rstrip() for line in lines)
    return [Rule(pattern) for pattern in patterns if pattern and not pattern.startswith("#")]


def read(folder: Path) -> list[Rule]:
    """Read the rules in a task root's .lambdaignore, if it exists; raise ToolError if it is invalid."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise ToolError(f"{folder / FILE} is not UTF-8.", "Save it as UTF-8.") from None
    return rules(text.splitlines())


def deciding(rules: Sequence[Rule], path: str, *, is_folder: bool) -> Rule | None:
    """Return the last rule that matches, or None; it leaves the file out unless it ``keeps`` it."""
    return next((rule for rule in reversed(rules) if rule.matches(path, is_folder=is_folder)), None)
