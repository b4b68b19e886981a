"""Select the files of an installed CPython that a layer needs."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.build.installation import Installation

# Shell patterns for files below lib/python3.X; here * matches slashes as well.
LEFT_OUT = (
    # tests
    "test/*",
    "*/test/*",
    "*/tests/*",
    "*/idle_test/*",
    "lib-dynload/_test*",
    "lib-dynload/_ctypes_test*",
    "lib-dynload/_xxtestfuzz*",
    "lib-dynload/xxlimited*",
    "lib-dynload/xxsubtype*",
    "__phello__*",
    # interactive use
    "idlelib/*",
    "tkinter/*",
    "turtle.py",
    "turtledemo/*",
    "curses/*",
    "pydoc_data/*",
    "lib-dynload/_tkinter*",
    "lib-dynload/_curses*",
    "lib-dynload/readline*",
    "lib-dynload/ossaudiodev*",
    # rarely used, and depends on libraries of the build machine
    "crypt.py",
    "lib-dynload/_crypt*",
    "lib-dynload/_dbm*",
    "lib-dynload/_gdbm*",
    "lib-dynload/nis*",
    # installs and builds packages
    "ensurepip/*",
    "venv/*",
    "lib2to3/*",
    "site-packages/*",
    "dist-packages/*",
    "config-*",
    "build-details.json",
    "EXTERNALLY-MANAGED",
    "*.a",
    "*.o",
    "*.exe",
    # added by macOS
    "._*",
    "*/._*",
    # will be compiled again
    "*.pyc",
)
ROOT_OF_LAYERS = "/opt"


def is_left_out(name: str) -> bool:
    """Return whether a file is left out; ``name`` is relative to lib/python3.X."""
    return any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def copy(installation: Installation, tree: Path) -> None:
    """Copy the layer's files to ``tree``, laid out as in /opt.

    bin/python3 is the program, because `#!/usr/bin/env python3` looks for that name, and bin/python3.X is a
    link to it, so the layer works even if a tool unzips it without links.
    """
    version = installation.version.name
    library = tree / "lib" / f"python{version}"
    _copy_file(installation.program, tree / "bin" / "python3", executable=True)
    (tree / "bin" / f"python{version}").symlink_to("python3")
    for name in _names(installation.standard_library):
        _copy_file(installation.standard_library / name, library / name)
    extensions = library / "lib-dynload"
    if not extensions.exists():
        # All extension modules are built in, but Python warns at each start if the folder is missing.
        extensions.mkdir()
        (extensions / "README").write_text("The compiled modules are in the program itself.\n")
    for path in sorted(library.glob("_sysconfig*")):
        path.write_text(without_prefix(path.read_text()))


def _names(folder: Path) -> list[str]:
    """Return the layer's files below ``folder``, skipping folders that are left out."""
    names = []
    for place, folders, files in os.walk(folder):
        below = os.path.relpath(place, folder) if place != str(folder) else ""
        folders[:] = [name for name in folders if not is_left_out(posixpath.join(below, name, "*"))]
        names += [posixpath.join(below, name) for name in files]
    return sorted(name for name in names if not is_left_out(name) and (folder / name).is_file())


def without_prefix(text: str) -> str:
    """Replace the installation's prefix by /opt in the variables of sysconfig."""
    match = re.search(r"""['"]prefix['"]: ['"](/[^'"]+)['"]""", text)
    if match is None:
        return text
    return re.sub(re.escape(match.group(1)) + r"(?=[/'\"\s:]|$)", ROOT_OF_LAYERS, text)


def _copy_file(source: Path, target: Path, *, executable: bool = False) -> None:
    """Copy the content, following links; files of the standard library are not executable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if executable else 0o644)
