"""Add the shared libraries that programs in a folder need and Lambda lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.build import elf
from tools.build.lambda_os import LIBRARIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def add(tree: Path, folders: Sequence[Path]) -> list[str]:
    """Copy needed libraries from ``folders`` to ``tree``/lib, with their own dependencies; return the names.

    The checks report libraries that are in none of the folders.
    """
    added: list[str] = []
    programs = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    while programs:
        facts = _facts(programs.pop())
        for name in facts.needed if facts is not None else []:
            target = tree / "lib" / name
            if name in LIBRARIES or target.exists():
                continue
            for folder in folders:
                found = _facts(folder / name)
                if found is not None and facts is not None and found.machine == facts.machine:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / name, target)
                    target.chmod(0o644)
                    programs.append(target)
                    added.append(name)
                    break
    return sorted(added)


def _facts(path: Path) -> elf.Elf | None:
    """Return the facts about an ELF file; None if it is not one."""
    try:
        with path.open("rb") as file:
            return elf.parse(file.read()) if elf.is_elf(file.read(4)) and not file.seek(0) else None
    except (OSError, elf.ElfError):
        return None
