"""Builds layers/function.zip: the files of a function, with bytecode.

python3 tools/function.py TASK_ROOT [--bytecode PYTHON]… [--output FILE]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools import compilation, options, packing, problems, pythons
from tools.lambda_os import TASK
from tools.problems import Problem

# What tools leave in a folder of sources. Everything else belongs to the function.
NOT_FOR_LAMBDA = frozenset(
    {
        ".DS_Store",
        ".git",
        ".hg",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
        "venv",
    }
)


def main() -> int:
    """Build the zip that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(prog="tools/function.py", description="Build a function's zip.")
    parser.add_argument("task_root", type=Path, metavar="TASK_ROOT", help="the folder of its files")
    options.add(parser, python="")
    parser.add_argument("--bytecode", action="append", default=[], metavar="PYTHON", help="may be repeated")
    parser.add_argument("--output", type=Path, default=Path("layers/function.zip"), metavar="FILE")
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise Problem(
            f"{arguments.task_root} is no folder.", "Say TASK_ROOT=FOLDER, where the function's files are."
        )
    programs = [pythons.resolve(word) for word in arguments.bytecode]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "task")
        collect(arguments.task_root, tree)
        if not any(path.is_file() for path in tree.rglob("*")):
            raise Problem(f"{arguments.task_root} holds no files.", "Say TASK_ROOT=FOLDER of a function.")
        for python in programs:
            failed = compilation.compile_folder(python, tree, TASK)
            if failed:
                raise Problem(
                    f"{python} cannot compile {', '.join(failed[:3])}.", "Correct it, or leave it out."
                )
        packing.pack(
            tree, arguments.output, options.target(arguments), compress=True, allowed=arguments.allow
        )
    return 0


def collect(task_root: Path, tree: Path) -> None:
    """Copy the function's files, through links; raises Problem if one cannot be read."""
    try:
        shutil.copytree(task_root, tree, ignore=_left_out)
    except shutil.Error as error:
        source, _, reason = error.args[0][0]
        raise Problem(f"{source} cannot be copied: {reason}.", "Remove it, or make it readable.") from None


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in NOT_FOR_LAMBDA]


if __name__ == "__main__":
    sys.exit(problems.report("make dist-function", main))
