"""Says what of an installed CPython goes into a layer."""

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

# Below lib/python3.X, as shell patterns, in which * stands for slashes, too.
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
    # for people in front of a screen
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
    # needs libraries of the building machine's system, and is hardly used
    "crypt.py",
    "lib-dynload/_crypt*",
    "lib-dynload/_dbm*",
    "lib-dynload/_gdbm*",
    "lib-dynload/nis*",
    # installs and builds packages, which happens elsewhere
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
    # compiled anew
    "*.pyc",
)
ROOT_OF_LAYERS = "/opt"


def is_left_out(name: str) -> bool:
    """Whether a file, named as below lib/python3.X, stays out of the layer."""
    return any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def copy(installation: Installation, tree: Path) -> None:
    """Copy what goes into the layer to ``tree``, laid out as in /opt.

    The program is bin/python3, which is what `#!/usr/bin/env python3` looks for, and bin/python3.X a link
    to it: so nothing depends on links where a tool does not unzip them.
    """
    version = installation.version.name
    library = tree / "lib" / f"python{version}"
    _copy_file(installation.program, tree / "bin" / "python3", executable=True)
    (tree / "bin" / f"python{version}").symlink_to("python3")
    for name in _names(installation.standard_library):
        _copy_file(installation.standard_library / name, library / name)
    extensions = library / "lib-dynload"
    if not extensions.exists():
        # All are in the program itself; yet Python says at each start that it misses the folder.
        extensions.mkdir()
        (extensions / "README").write_text("The compiled modules are in the program itself.\n")
    for path in sorted(library.glob("_sysconfig*")):
        path.write_text(without_prefix(path.read_text()))


def _names(folder: Path) -> list[str]:
    """The files below ``folder`` that go into the layer, without a look into folders that do not."""
    names = []
    for place, folders, files in os.walk(folder):
        below = os.path.relpath(place, folder) if place != str(folder) else ""
        folders[:] = [name for name in folders if not is_left_out(posixpath.join(below, name, "*"))]
        names += [posixpath.join(below, name) for name in files]
    return sorted(name for name in names if not is_left_out(name) and (folder / name).is_file())


def without_prefix(text: str) -> str:
    """The variables of sysconfig with /opt for the folder that Python was installed in."""
    match = re.search(r"""['"]prefix['"]: ['"](/[^'"]+)['"]""", text)
    if match is None:
        return text
    return re.sub(re.escape(match.group(1)) + r"(?=[/'\"\s:]|$)", ROOT_OF_LAYERS, text)


def _copy_file(source: Path, target: Path, *, executable: bool = False) -> None:
    """Copy the content, through links; a file of the standard library is executed by nobody."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if executable else 0o644)
