"""Explain why a module cannot be imported, beyond Python's own message.

The usual reasons on Lambda: the package is not in the zip, or its extension modules were built for another
Python, another machine or another operating system.
"""

from __future__ import annotations

import _imp
import os
import sys

from .diagnostics import message_of
from .stdlib_import import function_folders, load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXTENSION_ENDINGS = (".so", ".pyd")
NOTES_LIMIT = 5
# e_machine in an ELF file's header (System V ABI, "ELF Header")
_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def explain(error: ImportError) -> list[str]:
    """Notes about the files that were found, or about where Python searched if there are none."""
    found = [note for one in _chain(error) for note in [*_unsuitable(one), *_missing_library(one)]]
    notes = list(dict.fromkeys(found))  # an error and its cause may be about the same file
    if notes:
        libc = "musllinux_1_2" if "musl" in _imp.extension_suffixes()[0] else "manylinux2014"
        platform = f"{libc}_{os.uname().machine}"
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        if sys.implementation.name == "pypy":
            version += " --implementation pp"
        notes[NOTES_LIMIT:] = [
            "Install the packages for this Python and this machine, for example: pip install --target FOLDER "
            f"--only-binary=:all: --platform {platform} --python-version {version} PACKAGE"
        ]
    elif isinstance(error, ModuleNotFoundError) and _name(error) and "." not in _name(error):
        notes.append(f"Searched for {_name(error)!r} in: {', '.join(_search_path())}")
        notes += did_you_mean(_name(error), _function_modules())
    return notes


def did_you_mean(name: str, candidates: Iterable[str]) -> list[str]:
    """A note with the candidate that ``name`` is probably a misspelling of, or an empty list."""
    matches = load_stdlib("difflib").get_close_matches(name, candidates, n=1, cutoff=0.75)
    return [f"Did you mean {match!r}?" for match in matches]


def _function_modules() -> Iterator[str]:
    """The names of the modules and packages in the function's own folder."""
    for entry in os.listdir(function_folders[0]) if function_folders else []:
        name, ending = os.path.splitext(entry)
        if name.isidentifier() and ending in ("", ".py"):
            yield name


def _chain(error: BaseException | None) -> Iterator[ImportError]:
    """This import error and the ones that led to it."""
    for _ in range(20):
        if isinstance(error, ImportError):
            yield error
        if error is None:
            return
        error = error.__cause__ or error.__context__


def _name(error: ImportError) -> str:
    """The module that the error is about; "" if there is no usable name."""
    return error.name if isinstance(error.name, str) else ""


def _path(error: ImportError) -> str:
    """The file that the error is about; "" if Python does not know it."""
    return error.path if isinstance(error.path, str) else ""


def _wanted(error: ImportError) -> str:
    """The full name that could not be imported: ``package.name`` for ``from package import name``."""
    name = _name(error)
    if isinstance(error, ModuleNotFoundError):
        return name
    words = message_of(error).split("'")
    if words[0] == "cannot import name " and len(words) > 1:
        return f"{name}.{words[1]}"
    return name


def _search_path() -> list[str]:
    """The entries of `sys.path` that Python uses. Functions add others, such as pathlib.Path."""
    return [folder for folder in sys.path if isinstance(folder, str)]


def _unsuitable(error: ImportError) -> list[str]:
    """Notes about the files that could be the module, if none of them can be loaded."""
    # If the error names no file, a folder with the module's name may have been imported instead of the
    # module.
    names = [_wanted(error), *([] if os.path.isfile(_path(error)) else [_name(error)])]
    found = (path for name in names for path in _extension_files(name))
    paths = dict.fromkeys([*found, *_own_path(error)])
    problems = {path: _problem(path) for path in paths}
    return [] if None in problems.values() else [f"{path} {problem}" for path, problem in problems.items()]


def _extension_files(name: str) -> Iterator[str]:
    """Files on the search path that could be the extension module ``name``, for any Python."""
    if not name:
        return
    *parents, leaf = name.split(".")
    for folder in _search_path():
        folder = os.path.join(folder, *parents)
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.startswith(f"{leaf}.") and entry.endswith(EXTENSION_ENDINGS):
                yield os.path.join(folder, entry)
        if parents and "__init__.py" in entries:
            return  # this is the package; Python ignores others of its name in later folders


def _own_path(error: ImportError) -> list[str]:
    return [_path(error)] if _path(error).endswith(EXTENSION_ENDINGS) else []


def _problem(path: str) -> str | None:
    """Why this interpreter cannot load the extension module in ``path``; None if it may be able to."""
    suffixes = _imp.extension_suffixes()
    ending = "." + os.path.basename(path).partition(".")[2]  # such as .cpython-313-x86_64-linux-gnu.so
    if ending not in suffixes:
        built_for, wanted = (one.strip(".").rpartition(".")[0] for one in (ending, suffixes[0]))
        found = f"is built for {built_for}" if built_for else "does not name the Python it is built for"
        return f"{found}, but this Python loads {wanted}"
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    machine = os.uname().machine
    if head[:4] != b"\x7fELF":
        return f"is not built for Linux, but this is Linux on {machine}" if sys.platform == "linux" else None
    if len(head) < 20:
        return f"is cut off after {len(head)} bytes"
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    found = _MACHINES.get(number, f"machine {number}")
    if found != machine and machine in _MACHINES.values():
        return f"is built for {found}, but this machine is {machine}"
    return None


def _missing_library(error: ImportError) -> Iterator[str]:
    """Explain the dynamic linker's message about a library that an extension module needs."""
    text = message_of(error)
    library, _, problem = text.partition(": ")
    if problem.startswith("cannot open shared object file") and library != error.path:
        yield f"The library {library} is missing: put it into the function's lib/ or into lib/ of a layer"
    elif "version `GLIBC" in text:
        yield f"The module is built for a newer Linux than this one: {text}"
