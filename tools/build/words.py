"""Run a command of the Makefile with the values of make's variables as its words: words.py COMMAND WORD…

A value never becomes shell text. The Makefile exports it as VALUE_OF_NAME; a word of the command names it:

    =NAME            the value
    --option=NAME    --option=VALUE, or nothing if the value is empty
    @NAME            each word of the value; quotes and backslashes group as in a shell
    --option@NAME    --option=WORD for each word
    files@NAME       each word; a leading ~ and patterns such as *.zip are replaced as in a shell
    --flag:NAME      --flag, unless the value is empty, 0, no or false
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PREFIX = "VALUE_OF_"
OFF = ("", "0", "no", "false")


def replace(words: Sequence[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of the command; raise ValueError if a quote in a value is not closed."""
    for word in words:
        found = re.fullmatch("([^=@:]*)([=@:])([A-Z_]+)", word)
        if found is None:
            yield word
            continue
        option, kind, name = found.groups()
        if kind == ":":
            if values[name].lower() not in OFF:
                yield option
        elif kind == "@":
            for one in split(name, values[name]):
                yield from matching(one) if option == "files" else [f"{option}={one}" if option else one]
        elif not option:
            yield values[name]
        elif values[name]:
            yield f"{option}={values[name]}"


def split(name: str, value: str) -> list[str]:
    """Return the words of a value; raise ValueError for an unclosed quote."""
    try:
        return shlex.split(value)
    except ValueError:
        remedy = f"Put such a word between other quotes, for example {name}='\"it's one word\" another'."
        raise ValueError(f"{name} is {value!r}: a quote or backslash is not closed. {remedy}") from None


def matching(word: str) -> list[str]:
    """Return the files that a word stands for: the file of that name, or those that match the pattern."""
    path = os.path.expanduser(word)
    return [word] if os.path.exists(word) else sorted(glob.glob(path)) or [path]


def main() -> int:
    """Replace this process by the command, in the environment without the values."""
    values = {name[len(PREFIX) :]: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    try:
        command = list(replace(sys.argv[1:], values))
    except ValueError as error:
        print(f"make: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and so would the command
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"make: {command[0]} cannot be started: {error.strerror}.", file=sys.stderr)
        return 127  # as a shell does


if __name__ == "__main__":
    sys.exit(main())
