"""Prepare the build context of Dockerfile.explore: the unpacked layers, the examples and the emulator.

    python3 tools/explore_context.py FOLDER LAYER.zip…

FOLDER is replaced. If several layers contain the same file, the last one wins, as on Lambda.
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import errors
from tools.build.errors import ToolError
from tools.build.zips import Archive

ROOT = Path(__file__).resolve().parent.parent
NO_BYTECODE = shutil.ignore_patterns("__pycache__")


def main() -> int:
    """Create the folder that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("layer", nargs="*", type=Path)
    arguments = parser.parse_args()
    context, layers = arguments.folder, arguments.layer
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
    """Extract ``layer`` with modes and symbolic links, which `zipfile` drops; raise ToolError on failure."""
    with Archive(layer) as archive:
        for name, member in archive.members.items():
            if member.obstacle:
                raise ToolError(f"{layer}: {name} {member.obstacle}.", "Build the zip again.")
            path = place(layer, folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                path.unlink()  # from an earlier layer; a link must not be followed
            if member.is_link:
                path.symlink_to(archive.read(name).decode())
            else:
                path.write_bytes(archive.read(name))
                path.chmod(stat.S_IMODE(member.mode))
        for member in archive.folders:  # last, because a mode may forbid to add files
            path = place(layer, folder, member.name)
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(stat.S_IMODE(member.mode))


def place(layer: Path, folder: Path, name: str) -> Path:
    """Return the path of a member below ``folder``; raise ToolError if it would be outside of it."""
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise ToolError(
            f"{layer}: {name!r} is not a relative path.",
            "Create the zip from inside a folder: cd FOLDER && zip -r ../layer.zip .",
        )
    return folder / name


if __name__ == "__main__":
    sys.exit(errors.run("make explore-lambda-environment", main))
