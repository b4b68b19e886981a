"""Read the functions that a TOML file describes.

A key is an option of ``serve`` without its dashes. Those at the top are for all functions::

    timeout = 10
    task-root = "src"

    [functions.orders]
    handler = "orders.handler"
    env = { TABLE = "orders" }
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from lambda_emulator.options import UsageError, errors_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, Dict

    Table = Dict[str, Any]

# Keys that only one of the two kinds of table can have.
FOR_ALL = {"host", "port"}
FOR_ONE = {"handler", "url-port"}
# The options that have no key.
WITHOUT_KEY = {"command", "config", "name"}
# Paths are relative to the file.
PATHS = {"task-root", "bootstrap", "dead-letter"}


def read_config(
    path: str, parser: argparse.ArgumentParser, words: list[str]
) -> tuple[argparse.Namespace, list[argparse.Namespace]]:
    """Return the options for the server, and those of each function; raise UsageError if they cannot work.

    The command line's ``words`` take precedence over the file.
    """
    document = _load(path)
    functions = document.pop("functions", {})
    if not isinstance(functions, dict) or not functions:
        raise UsageError(f"{path} describes no function; add for example [functions.hello] with a handler")
    tables: dict[str, Table] = {"": document}
    for name, table in functions.items():
        if not isinstance(table, dict) or not isinstance(table.get("handler"), str):
            example = 'handler = "hello.handler"'
            raise UsageError(f"{path}: [functions.{name}] needs a handler, for example {example}")
        tables[name] = table
    defaults = {name.replace("_", "-"): value for name, value in vars(parser.parse_args(["serve"])).items()}
    _check_keys(path, tables, set(defaults) - WITHOUT_KEY)

    folder = os.path.dirname(os.path.abspath(path))
    common = [f"--task-root={folder}", *_words(path, "", document, defaults, folder)]
    with errors_name(path):
        server = parser.parse_args(["serve", *common, *words])
    found = []
    for name, table in functions.items():
        given = _words(path, name, table, defaults, folder)
        with errors_name(f"{path}: [functions.{name}]"):
            options = parser.parse_args(["serve", *common, *given, *words])
        options.handler, options.name = table["handler"], name
        options.url_port = int(table["url-port"]) if "url-port" in table else None
        found.append(options)
    return server, found


def _load(path: str) -> Table:
    if sys.version_info < (3, 11):
        raise UsageError(
            f"--config needs Python 3.11 or newer, which can read TOML; this is {sys.version.split()[0]}."
            " Use --handler NAME=FILE.FUNCTION for each function instead"
        )
    tomllib = importlib.import_module("tomllib")  # which type checkers for older versions do not know
    try:
        document: Table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or '').lower()}") from error
    except ValueError as error:  # also of the encoding
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return document


def _check_keys(path: str, tables: dict[str, Table], known: set[str]) -> None:
    """Raise one UsageError that lists all unknown keys."""
    unknown = []
    for name, table in tables.items():
        allowed = known - (FOR_ALL if name else FOR_ONE)
        where = f"in [functions.{name}]" if name else "at the top"
        unknown += [f"{key!r} {where}" for key in table if key not in allowed]
    if unknown:
        keys = ", ".join(sorted(known - FOR_ALL))
        raise UsageError(
            f"{path} has unknown keys: {', '.join(unknown)}. A function's keys are {keys};"
            f" those at the top, for all functions, also {' and '.join(sorted(FOR_ALL))}"
        )


def _words(path: str, name: str, table: Table, defaults: Table, folder: str) -> list[str]:
    """Return a table as words of the command line, without those of `FOR_ONE`."""
    words = []
    for key, value in table.items():
        if key in PATHS and isinstance(value, str):
            value = os.path.join(folder, value)
        if key == "env" and isinstance(value, dict):
            words += [f"--env={variable}={text}" for variable, text in value.items()]
        elif isinstance(defaults[key], bool) and isinstance(value, bool):
            if value != defaults[key]:
                words.append(f"--{key}" if value else f"--no-{key}")
        elif isinstance(defaults[key], bool) or isinstance(value, (bool, dict, list)):
            expected = "true or false" if isinstance(defaults[key], bool) else "text or a number"
            expected = 'a table such as { TABLE = "orders" }' if key == "env" else expected
            where = f"[functions.{name}] " if name else ""
            raise UsageError(f"{path}: {where}{key} is {value!r}; expected {expected}")
        elif key != "handler":
            words.append(f"--{key}={value}")
    return words
