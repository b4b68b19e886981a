"""Builds layers/function.zip: the files of a function, with bytecode.

    python3 tools/function.py TASK_ROOT [--bytecode PYTHON]… [--output FILE]

Left out, in each folder, and said: SECRETS, what tools leave behind (NOT_FOR_LAMBDA), virtual environments
whatever they are called, and what this project has built.
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What tools leave in a folder of sources. Everything else belongs to the function, except SECRETS.
NOT_FOR_LAMBDA = frozenset(
    {
        ".DS_Store",
        ".aws-sam",
        ".git",
        ".hg",
        ".idea",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        ".vscode",
        "__pycache__",
        "node_modules",
        "venv",
    }
)
UNSAID = (".DS_Store", "__pycache__")  # they are everywhere, and nobody misses them
# Variables for this machine, with passwords and keys among them; on Lambda they are in the configuration.
SECRETS = (".env", ".env.*", ".envrc", ".aws", ".ssh")
KEYS = ("*.key", "id_rsa", "id_rsa.*")
CERTIFICATES = "*.pem"  # or keys
LAYERS = Path(__file__).resolve().parent.parent / "layers"  # what this project has built
NAMES_SHOWN = 10


def main() -> int:
    """Build the zip that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(
        prog="tools/function.py",
        description="Build a function's zip.",
        epilog=f"Left out, in each folder: {', '.join([*SECRETS, *sorted(NOT_FOR_LAMBDA)])}.",
    )
    parser.add_argument("task_root", type=Path, metavar="TASK_ROOT", help="the folder of its files")
    options.add(parser)
    parser.add_argument(
        "--bytecode", action="append", default=[], metavar="PYTHON", help="or `none`; may be repeated"
    )
    parser.add_argument("--output", type=Path, default=Path("layers/function.zip"), metavar="FILE")
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise Problem(
            f"{arguments.task_root} is no folder.", "Say TASK_ROOT=FOLDER, where the function's files are."
        )
    programs = compilers.programs(arguments.bytecode)
    target = options.target(arguments, programs)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "task")
        contents = Contents(arguments.task_root, (arguments.output, LAYERS))
        contents.copy(tree)
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
    contents.report()
    return 0


class Contents:
    """The files in a task root, and what of them is not for Lambda."""

    def __init__(self, task_root: Path, built: Sequence[Path]) -> None:
        self.task_root = task_root
        self._built = {os.path.realpath(path) for path in built}  # not packed again
        self._secrets: list[str] = []
        self._left_out: list[str] = []
        self._keys: list[str] = []

    def copy(self, tree: Path) -> None:
        """Copy the function's files, through links; raises Problem if that cannot be."""
        try:
            shutil.copytree(self.task_root, tree, ignore=self._ignored)
        except shutil.Error as error:
            source, _, reason = error.args[0][0]
            problems.refuse_full_disk(reason)
            raise Problem(
                f"{source} cannot be copied: {reason}.", "Remove it, or make it readable."
            ) from None

    def report(self) -> None:
        """Say what is not in the zip, and what perhaps should not be."""
        for names, words in (
            (self._left_out, "left out: {}"),
            (
                self._secrets,
                "left out, because secrets are in such files: {}; on Lambda such variables are in the"
                " function's configuration, or in Secrets Manager",
            ),
            (self._keys, "packed, though private keys are in such files: {}; is that meant to be?"),
        ):
            if names:
                print(words.format(_listed(sorted(names))), file=sys.stderr)

    def _ignored(self, folder: str, names: list[str]) -> list[str]:
        """Those of the names that are not copied, for `copytree`, which asks once for each folder."""
        ignored = []
        for name in names:
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, self.task_root)
            if any(fnmatch(name, pattern) for pattern in SECRETS):
                self._secrets.append(shown)
                ignored.append(name)
            elif self._is_left_behind(path):
                self._left_out += [] if name in UNSAID else [shown]
                ignored.append(name)
            else:
                refuse_endless_and_broken_links(path)
                self._keys += [shown] if may_be_a_key(path) else []
        return ignored

    def _is_left_behind(self, path: str) -> bool:
        """By tools, by `python -m venv`, or by this one."""
        return (
            os.path.basename(path) in NOT_FOR_LAMBDA
            or os.path.isfile(os.path.join(path, "pyvenv.cfg"))
            or os.path.realpath(path) in self._built
        )


def may_be_a_key(path: str) -> bool:
    """By its name; but of certificates, which are public, most packages bring some."""
    name = os.path.basename(path)
    if fnmatch(name, CERTIFICATES) and os.path.isfile(path):
        return b"PRIVATE KEY" in Path(path).read_bytes()
    return any(fnmatch(name, pattern) for pattern in KEYS)


def refuse_endless_and_broken_links(path: str) -> None:
    """Raises Problem for a link to nowhere, or to a folder that it is in."""
    if not os.path.islink(path):
        return
    if not os.path.exists(path):
        remedy = "Remove it, or put there what it should lead to."
        raise Problem(f"{path} is a link to {os.readlink(path)}, which is not there.", remedy)
    target = os.path.realpath(path)
    if any(os.path.realpath(folder) == target for folder in Path(path).absolute().parents):
        raise Problem(f"{path} is a link to a folder that it is in, and has no end.", "Remove it.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


if __name__ == "__main__":
    sys.exit(problems.report("make dist-function", main))
