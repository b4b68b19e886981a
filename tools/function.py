"""Builds layers/function.zip: the files of a function, with bytecode.

    python3 tools/function.py TASK_ROOT [--bytecode PYTHON]… [--output FILE]

Left out, in each folder: .env and .env.*, in which secrets are, and what tools leave behind: .git, .venv,
__pycache__, node_modules and others in NOT_FOR_LAMBDA.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools import compilation, compilers, options, packing, problems
from tools.lambda_os import TASK
from tools.problems import Problem

# What tools leave in a folder of sources. Everything else belongs to the function, except SECRETS.
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
# Variables for this machine, with passwords and keys among them; on Lambda they are in the configuration.
SECRETS = (".env", ".env.*")


def main() -> int:
    """Build the zip that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(
        prog="tools/function.py",
        description="Build a function's zip.",
        epilog=f"Left out, in each folder: {', '.join([*SECRETS, *sorted(NOT_FOR_LAMBDA)])}.",
    )
    parser.add_argument("task_root", type=Path, metavar="TASK_ROOT", help="the folder of its files")
    options.add(parser, python="")
    parser.add_argument(
        "--bytecode", action="append", default=[], metavar="PYTHON", help="or `none`; may be repeated"
    )
    parser.add_argument("--output", type=Path, default=Path("layers/function.zip"), metavar="FILE")
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise Problem(
            f"{arguments.task_root} is no folder.", "Say TASK_ROOT=FOLDER, where the function's files are."
        )
    target = options.target(arguments, several=True)
    programs = compilers.programs(arguments.bytecode)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "task")
        secrets = collect(arguments.task_root, tree)
        if not any(path.is_file() for path in tree.rglob("*")):
            raise Problem(f"{arguments.task_root} holds no files.", "Say TASK_ROOT=FOLDER of a function.")
        for python in programs:
            failed = compilation.compile_folder(python, tree, TASK)
            if failed:
                raise Problem(
                    f"{python} cannot compile {', '.join(failed[:3])}.", "Correct it, or leave it out."
                )
        packing.pack(
            tree,
            arguments.output,
            target,
            compress=True,
            allowed=arguments.allow,
            bytecode=bool(programs),
        )
    if not arguments.bytecode:
        print(packing.WITHOUT_BYTECODE.format("dist-function"), end="", file=sys.stderr)
    if secrets:
        print(
            f"left out, because secrets are in such files: {', '.join(secrets)}; on Lambda such variables are"
            " in the function's configuration, or in Secrets Manager",
            file=sys.stderr,
        )
    return 0


def collect(task_root: Path, tree: Path) -> list[str]:
    """Copy the function's files, through links; the names of the secrets that are left out.

    Raises Problem if one cannot be read.
    """
    secrets: list[str] = []

    def left_out(folder: str, names: list[str]) -> list[str]:
        ours = [name for name in names if any(fnmatch(name, pattern) for pattern in SECRETS)]
        secrets.extend(os.path.relpath(os.path.join(folder, name), task_root) for name in ours)
        return [name for name in names if name in ours or name in NOT_FOR_LAMBDA]

    try:
        shutil.copytree(task_root, tree, ignore=left_out)
    except shutil.Error as error:
        source, _, reason = error.args[0][0]
        raise Problem(f"{source} cannot be copied: {reason}.", "Remove it, or make it readable.") from None
    return sorted(secrets)


if __name__ == "__main__":
    sys.exit(problems.report("make dist-function", main))
