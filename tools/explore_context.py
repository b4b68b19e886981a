"""Lay out what Dockerfile.explore copies: the layers as Lambda unpacks them, the examples, our emulator.

    python3 tools/explore_context.py FOLDER LAYER.zip…

The folder is made anew. A file that is in several layers comes from the last one, as on Lambda.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools.build import problems
from tools.build.problems import Problem
from tools.build.zips import Archive

ROOT = Path(__file__).resolve().parent.parent
NO_BYTECODE = shutil.ignore_patterns("__pycache__")


def main() -> int:
    """Build the folder that the arguments name."""
    context, *layers = map(Path, sys.argv[1:])
    shutil.rmtree(context, ignore_errors=True)
    (context / "opt").mkdir(parents=True)
    for layer in layers:
        unpack(layer, context / "opt")
    (context / "task").mkdir()
    for example in sorted((ROOT / "examples").glob("*.py")):
        shutil.copy(example, context / "task")
    shutil.copytree(ROOT / "emulator", context / "explore" / "emulator", ignore=NO_BYTECODE)
    shutil.copy(ROOT / "tools" / "explore" / "welcome.sh", context / "explore")
    shutil.copy(ROOT / "tools" / "explore" / "invoke.sh", context / "invoke")
    return 0


def unpack(layer: Path, folder: Path) -> None:
    """Extract ``layer`` with its modes and symbolic links, both of which `zipfile` drops; raises Problem."""
    with Archive(layer) as archive:
        for name, member in archive.members.items():
            if member.obstacle:
                raise Problem(f"{layer}: {name} {member.obstacle}.", "Build the zip anew.")
            path = place(layer, folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                path.unlink()  # of an earlier layer; not to be written through a link
            if member.is_link:
                path.symlink_to(archive.read(name).decode())
            else:
                path.write_bytes(archive.read(name))
                path.chmod(stat.S_IMODE(member.mode))
        for member in archive.folders:  # now that all is in them
            path = place(layer, folder, member.name)
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(stat.S_IMODE(member.mode))


def place(layer: Path, folder: Path, name: str) -> Path:
    """Where in ``folder`` a member is; raises Problem if that is elsewhere."""
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise Problem(f"{layer}: {name!r} is not a relative path.", "Zip the content of a folder.")
    return folder / name


if __name__ == "__main__":
    sys.exit(problems.report("make explore-lambda-environment", main))
