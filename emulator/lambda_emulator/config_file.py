"""Read the functions that a TOML file describes.

A key is an option of ``serve`` without its dashes; ``layers`` is a list. Those at the top are for all::

    timeout = 10
    task-root = "src"

    [functions.orders]
    handler = "orders.handler"
    env = { TABLE = "orders" }
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from pathlib import Path

from lambda_emulator.options import UsageError, errors_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, Dict

    Table = Dict[str, Any]

# Keys that only one of the two kinds of table can have.
FOR_ALL = {"allowed-host", "host", "port"}
FOR_ONE = {"handler", "url-port"}
# The options that have no key.
WITHOUT_KEY = {"ansi", "command", "config", "debug", "layer", "name"}
LAYERS = "layers"
# Paths are relative to the file.
PATHS = {"task-root", "bootstrap", "dead-letter", "env-file"}


def read_config(
    path: str, parser: argparse.ArgumentParser, words: list[str]
) -> tuple[argparse.Namespace, list[argparse.Namespace]]:
    """Return the options for the server, and those of each function; raise UsageError if they cannot work.

    The command line's ``words`` take precedence over the file.
    """
    document = _with_dashes(_load(path))
    functions = document.pop("functions", {})
    if not isinstance(functions, dict) or not functions:
        others = f" It has [{', '.join(document)}]." if document else ""
        raise UsageError(
            f"{path} describes no function.{others} Add for example [functions.hello] with a handler"
        )
    tables: dict[str, Table] = {"": document}
    for name, table in functions.items():
        if not isinstance(table, dict) or not isinstance(table.get("handler"), str):
            handler = table.get("handler") if isinstance(table, dict) else table
            problem = "has no handler" if handler is None else f"has the handler {handler!r}, expected a text"
            example = 'handler = "hello.handler"'
            raise UsageError(f"{path}: [functions.{name}] {problem}. Use for example {example}")
        tables[name] = functions[name] = _with_dashes(table)
    defaults = {name.replace("_", "-"): value for name, value in vars(parser.parse_args(["serve"])).items()}
    _check_keys(path, tables, {*defaults, LAYERS} - WITHOUT_KEY)

    folder = os.path.dirname(os.path.abspath(path))
    common = [f"--task-root={folder}", *_words(path, "", document, defaults, folder)]
    with errors_name(path):
        server = parser.parse_args(["serve", *common, *words])
    common_layers = _layers(path, "", document, folder)
    found = []
    for name, table in functions.items():
        given = _words(path, name, table, defaults, folder)
        with errors_name(f"{path}: [functions.{name}]"):
            options = parser.parse_args(["serve", *common, *given, *words])
        options.handler, options.name = table["handler"], name
        options.url_port = int(table["url-port"]) if "url-port" in table else None
        layers = _layers(path, name, table, folder) if LAYERS in table else common_layers
        options.layer = server.layer or layers
        found.append(options)
    return server, found


def _layers(path: str, name: str, table: Table, folder: str) -> list[str]:
    value = table.get(LAYERS, [])
    if not isinstance(value, list) or not all(isinstance(layer, str) for layer in value):
        where = f"[functions.{name}] " if name else ""
        raise UsageError(f'{path}: {where}{LAYERS} is {value!r}; expected a list such as ["deps.zip"]')
    return [os.path.join(folder, layer) for layer in value]


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


def _with_dashes(table: Table) -> Table:
    """Return the table with the names of its keys as on the command line: task_root is task-root."""
    return {key.replace("_", "-"): value for key, value in table.items()}


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
            f" those at the top, for all functions, also {', '.join(sorted(FOR_ALL))}"
        )


def _words(path: str, name: str, table: Table, defaults: Table, folder: str) -> list[str]:
    """Return a table as words of the command line, without those of `FOR_ONE`."""
    words = []
    for key, value in table.items():
        if isinstance(value, str):
            value = _located(key, value, folder)
        if key == LAYERS:
            continue
        if key == "env" and isinstance(value, dict):
            words += [f"--env={variable}={text}" for variable, text in value.items()]
        elif isinstance(defaults[key], bool) and isinstance(value, bool):
            if value != defaults[key]:
                words.append(f"--{key}" if value else f"--no-{key}")
        elif key == "credentials" and isinstance(value, bool):
            words.append("--credentials" if value else "--no-credentials")
        elif isinstance(defaults[key], bool) or isinstance(value, (bool, dict, list)):
            expected = "true or false" if isinstance(defaults[key], bool) else "text or a number"
            expected = 'a table such as { TABLE = "orders" }' if key == "env" else expected
            where = f"[functions.{name}] " if name else ""
            raise UsageError(f"{path}: {where}{key} is {value!r}; expected {expected}")
        elif key != "handler":
            words.append(f"--{key}={value}")
    return words


def _located(key: str, value: str, folder: str) -> str:
    """Return a value with its paths, which are relative to ``folder``, as absolute ones."""
    if key in PATHS or (key == "python" and os.sep in value):  # without a separator, it is a name on PATH
        return os.path.join(folder, value)
    if key == "runtime":
        words = ((word, os.path.join(folder, word)) for word in shlex.split(value))
        return shlex.join(path if os.path.isfile(path) else word for word, path in words)
    return value
