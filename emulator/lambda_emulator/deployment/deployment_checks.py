"""Check unpacked files for what would make every invocation fail: no handler, or another Python."""

from __future__ import annotations

import difflib
import os
import re

from lambda_emulator.deployment.unpacking import DeploymentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambda_emulator.deployment.deployment import Content
    from lambda_emulator.deployment.interpreter import Interpreter

MOST_SHOWN = 10
# The name of a module that is for one Python, such as _core.cpython-313-x86_64-linux-gnu.so
_TAGGED = re.compile(r"[^.]+(\.(?:cpython-|pypy|graalpy).*\.so)")
_VERSIONED = re.compile(r"(?:python/)?lib/python(\d+\.\d+)t?/")


def check_handler(content: Content, handler: str, source: Path, version: str) -> None:
    """Raise DeploymentError if the handler's module is in none of the folders that Lambda imports from."""
    parts = handler.rpartition(".")[0].replace("/", ".").split(".")
    if not all(parts):
        return  # the runtime explains what a handler looks like
    layers = content.opt / "python"
    folders = [content.task, layers / "lib" / f"python{version}" / "site-packages", layers]
    if any(_has_module(folder, parts) for folder in folders):
        return
    path = "/".join(parts)
    message = f"{source} does not contain {path}.py, the module of the handler {handler}."
    names = content.names.get(source, [])
    deeper = [name for name in names if name.endswith((f"/{path}.py", f"/{path}/__init__.py"))]
    top = sorted({name.split("/")[0] + ("/" if "/" in name else "") for name in names}, key=_interest)
    message += f" It contains {_listed(top)}." if top else " It is empty."
    if deeper:
        folder = deeper[0].rpartition(f"/{path}")[0]
        message += f" Found {deeper[0]}: zip the files in {folder}/, not the folder itself"
    else:
        modules = [name[:-3].replace("/", ".") for name in names if name.endswith(".py")]
        close = difflib.get_close_matches(".".join(parts), modules, n=1, cutoff=0.6)
        function = handler.rpartition(".")[2]
        example = f"{close[0]}.{function}" if close else f"FILE.{function}"
        message += f" Use for example --handler {example}"
    raise DeploymentError(message)


def _interest(name: str) -> tuple[bool, bool, str]:
    """Sort modules first, and last what installers and Python add."""
    return name.endswith(("-info/", "__pycache__/", "bin/")), not name.endswith(".py"), name


def _has_module(folder: Path, parts: Sequence[str]) -> bool:
    *parents, name = parts
    folder = folder.joinpath(*parents)
    if (folder / name).is_dir():
        return True
    found = os.listdir(folder) if folder.is_dir() else []
    return any(one.startswith(f"{name}.") and one.endswith((".py", ".pyc", ".so")) for one in found)


def check_python(content: Content, interpreter: Interpreter) -> None:
    """Raise DeploymentError for a zip or layer whose packages are all for other Pythons than this one."""
    expected = interpreter.suffixes[0].strip(".").rpartition(".")[0]  # such as cpython-313-x86_64-linux-gnu
    for source, names in content.names.items():
        tagged = {}
        for name in names:
            found = _TAGGED.fullmatch(os.path.basename(name))
            if found is not None:
                tagged[found[1]] = name
        folders = {found[1]: found[0] for found in map(_VERSIONED.match, names) if found is not None}
        if tagged and not set(tagged) & set(interpreter.suffixes):
            suffix, example = min(tagged.items())
            what = f"{suffix.strip('.').rpartition('.')[0]} ({example})"
        elif folders and interpreter.version not in folders:
            version, example = min(folders.items())
            what = f"Python {version} ({example})"
        else:
            continue
        raise DeploymentError(
            f"{source} is for {what}, but the function runs on Python {interpreter.version} ({expected});"
            " use another interpreter with --python or as a --layer, or build the zip for this one"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
