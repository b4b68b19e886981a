"""Refuse requirements that pip or uv would build from source: that runs code, and builds for this machine.

Both skip source distributions of an index with ``--only-binary :all:``, but not a folder, an archive or a
repository that the requirements name themselves. Source: pip's "Requirements File Format"; PEP 508.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT = re.compile(r"(^|\s)#.*$")
# Everything else is refused: pip and uv understand many more forms, some of which are built.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[A-Za-z0-9._, -]*\])?"
_HASHES = r"(?:\s+--hash=[a-z0-9]+:[0-9a-f]+)*"
_OF_AN_INDEX = re.compile(
    r"(?!\S*\.(?:whl|zip|t[bglx]z|tar(?:\.\w+)?)(?:\W|$))"  # a file of that name would be used
    rf"{_NAME}\s*(?:[(<>=!~][A-Za-z0-9.*+!<>=~, ()_-]*)?(?:;[^#@/\\]*?)?{_HASHES}"
)
_WHEEL = re.compile(
    rf"(?:{_NAME}\s*@\s*)?((?:https?://[^\s/#?;'\"\\]+/|file:///)?[^\s#?;:'\"\\\[\]]+\.whl)"
    rf"(?:\[[A-Za-z0-9._,-]*\])?(?:#sha256=[0-9a-f]+)?(?:\s+;[^#@/\\]*?)?{_HASHES}"
)
_OPTION = re.compile(r"(--[a-z-]+|-[a-z])(?:(?:\s+|=)([^\s'\"\\]+)|(?<=^-[rcif])([^\s'\"\\-][^\s'\"\\]*))?")
_AMBIGUOUS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x85\u2028\u2029]|(?m:^[ \t]*#.*coding[:=])")
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_OTHERS = (
    *("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--no-index"),
    *("--pre", "--prefer-binary", "--require-hashes"),
)

REMEDY = (
    "Build a wheel of it:\n"
    "    pip wheel --no-deps SOURCE --wheel-dir wheels\n"
    "and write the wheel's path into the line instead, for example ./wheels/mine-1.0-py3-none-any.whl"
)


def check(path: Path) -> None:
    """Read the requirements in ``path`` and in what they include. Raise ToolError at the first build."""
    _check(path, path.parent, set())


def _check(path: Path, folder: Path, seen: set[Path]) -> None:
    """``folder``: where relative paths of requirements start; includes are relative to their own file."""
    try:
        if path.resolve() in seen:
            return
        seen.add(path.resolve())
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name with NUL, bytes that are not UTF-8
        reason = getattr(error, "strerror", None) or str(error)
        raise ToolError(f"{str(path)!r} cannot be read: {reason}.", "Use a text file in UTF-8.") from None
    if _AMBIGUOUS.search(text):
        remedy = "Remove control characters, and comments about the encoding: use UTF-8."
        raise ToolError(f"{path} could be read in several ways.", remedy)
    for number, line in _lines(text):
        _check_line(f"Line {number} of {path}", line, path, folder, seen)


def _check_line(place: str, line: str, path: Path, folder: Path, seen: set[Path]) -> None:
    option = _OPTION.fullmatch(line)
    if option is not None and option[1] in _INCLUDES:
        included = option[2] or option[3] or ""
        if "://" in included or "$" in included:
            remedy = "Write the path of a file into the line instead."
            raise ToolError(f"{place} includes a file that cannot be checked: {line!r}.", remedy)
        _check(path.parent / included, folder, seen)
        return
    wheel = _WHEEL.fullmatch(line)
    if wheel is not None:
        local = re.sub("^file://", "", wheel[1])
        # pip builds a folder, whatever its name.
        if "$" not in local and not any((folder / one).is_dir() for one in (local, unquote(local))):
            return
    elif _OF_AN_INDEX.fullmatch(line) or (option is not None and option[1] in _OTHERS):
        return
    raise ToolError(f"{place} is neither a package of an index nor a wheel: {line!r}.", REMEDY)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the content of each logical line that is not empty."""
    joined, start = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        start = start or number
        if line.endswith("\\") and not _COMMENT.match(line):
            joined += line[:-1]
            continue
        whole = _COMMENT.sub("", joined + line).strip()
        if whole:
            yield start, whole
        joined, start = "", 0
