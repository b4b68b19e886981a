"""Builds layers/function.zip: the files of a function, with bytecode.

    python3 tools/function.py TASK_ROOT [--exclude PATTERN]… [--bytecode PYTHON]… [--output FILE]

Left out, and listed: files that are for secrets (SECRETS), what tools leave behind (NOT_FOR_LAMBDA), virtual
environments whatever they are called, what this project has built, and what the patterns in the task root's
.lambdaignore and in ``--exclude`` match. Later patterns win: ``!.npmrc`` packs that file nevertheless.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools.build import compilation, compilers, exclusion, options, packing, problems
from tools.build.checks.secrets import SECRETS
from tools.build.lambda_os import TASK
from tools.build.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.exclusion import Rule

# What operating systems and Python leave everywhere, and nobody misses.
NOT_LISTED = (".DS_Store", "._*", "__MACOSX/", "Thumbs.db", "desktop.ini", "__pycache__/", exclusion.FILE)
# What tools leave in a folder of sources. Everything else belongs to the function, except SECRETS.
NOT_FOR_LAMBDA = (
    *(".git", ".hg", ".svn"),
    *(".idea/", ".vscode/", ".ipynb_checkpoints/"),
    *(".aws-sam/", ".chalice/", ".serverless/", ".sst/", ".terraform/", ".terraform.lock.hcl", "cdk.out/"),
    *(".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/", ".coverage", "htmlcov/"),
    *(".nox/", ".tox/", ".venv", "venv/", ".eggs/", "node_modules/"),
)
LAYERS = Path(__file__).resolve().parent.parent / "layers"  # what this project has built
NAMES_SHOWN = 10


def main() -> int:
    """Build the zip that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(
        prog="tools/function.py",
        description="Build a function's zip.",
        epilog=f"Left out, in each folder: {', '.join([*SECRETS, *NOT_FOR_LAMBDA, *NOT_LISTED])}; and what "
        f"the patterns in {exclusion.FILE} match. Patterns are as in .gitignore: *.md, tests/, /data, "
        "docs/**/*.png, !README.md. The last one that matches a file decides.",
    )
    parser.add_argument("task_root", type=Path, metavar="TASK_ROOT", help="the folder of its files")
    options.add(parser)
    parser.add_argument(
        "--bytecode", action="append", default=[], metavar="PYTHON", help="or `none`; may be repeated"
    )
    parser.add_argument("--output", type=Path, default=Path("layers/function.zip"), metavar="FILE")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave out; may be repeated"
    )
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise Problem(
            f"{arguments.task_root} is no folder.", "Say TASK_ROOT=FOLDER, where the function's files are."
        )
    programs = compilers.programs(arguments.bytecode)
    target = options.target(arguments, programs)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "task")
        rules = [
            *exclusion.rules([*SECRETS, *NOT_FOR_LAMBDA, *NOT_LISTED]),
            *exclusion.read(arguments.task_root),
            *exclusion.rules(arguments.exclude),
        ]
        contents = Contents(arguments.task_root, rules, (arguments.output, LAYERS))
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

    def __init__(self, task_root: Path, rules: Sequence[Rule], built: Sequence[Path]) -> None:
        self.task_root = task_root
        self._rules = rules
        self._built = {os.path.realpath(path) for path in built}  # not packed again
        self._secrets: list[str] = []
        self._left_out: list[str] = []

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
        """Print what is not in the zip."""
        for names, words in (
            (self._left_out, "left out: {}"),
            (
                self._secrets,
                "left out, because such files hold secrets: {}; on Lambda, put variables into the function's"
                " configuration, and secrets into Secrets Manager",
            ),
        ):
            if names:
                print(words.format(_listed(sorted(names))), file=sys.stderr)

    def _ignored(self, folder: str, names: list[str]) -> list[str]:
        """Those of the names that are not copied, for `copytree`, which asks once for each folder."""
        ignored = []
        for name in names:
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, self.task_root)
            rule = exclusion.deciding(self._rules, shown, is_folder=os.path.isdir(path))
            if rule is not None and not rule.keeps:
                listed = self._secrets if rule.pattern in SECRETS else self._left_out
                listed += [] if rule.pattern in NOT_LISTED else [shown]
                ignored.append(name)
            elif self._is_built(path):
                self._left_out.append(shown)
                ignored.append(name)
            else:
                refuse_endless_and_broken_links(path)
        return ignored

    def _is_built(self, path: str) -> bool:
        """Whether `python -m venv` or this project has made it."""
        return os.path.isfile(os.path.join(path, "pyvenv.cfg")) or os.path.realpath(path) in self._built


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
