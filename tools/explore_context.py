"""Lay out what Dockerfile.explore copies: the layers as Lambda unpacks them, the examples, our emulator.

    python3 tools/explore_context.py FOLDER LAYER.zip…

The folder is made anew. A file that is in several layers comes from the last one, as on Lambda.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_BYTECODE = shutil.ignore_patterns("__pycache__")


def main(arguments: list[str]) -> int:
    """Build the folder; 2 if a layer cannot be read."""
    context, *layers = map(Path, arguments)
    shutil.rmtree(context, ignore_errors=True)
    (context / "opt").mkdir(parents=True)
    for layer in layers:
        try:
            unpack(layer, context / "opt")
        except (OSError, zipfile.BadZipFile) as error:
            print(f"{layer} cannot be unpacked: {error}", file=sys.stderr)
            return 2
    (context / "task").mkdir()
    for example in sorted((ROOT / "examples").glob("*.py")):
        shutil.copy(example, context / "task")
    shutil.copytree(ROOT / "emulator", context / "explore" / "emulator", ignore=NO_BYTECODE)
    shutil.copy(ROOT / "tools" / "explore" / "welcome.sh", context / "explore")
    shutil.copy(ROOT / "tools" / "explore" / "invoke.sh", context / "invoke")
    return 0


def unpack(layer: Path, folder: Path) -> None:
    """Extract ``layer`` with its modes and symbolic links, both of which `zipfile` drops."""
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if not entry.is_dir() and os.path.lexists(folder / entry.filename):
                os.unlink(folder / entry.filename)  # of an earlier layer; not to be written through a link
            path = Path(archive.extract(entry, folder))
            if stat.S_ISLNK(mode):
                path.unlink()
                os.symlink(archive.read(entry).decode(), path)
            elif mode:
                path.chmod(stat.S_IMODE(mode))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
