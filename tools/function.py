"""Build layers/function.zip: the files of a function, with bytecode.

    python3 tools/function.py TASK_ROOT [--exclude PATTERN]… [--bytecode PYTHON]… [--output FILE]

It leaves out, and lists: files for secrets (SECRETS), files that tools leave behind (NOT_FOR_LAMBDA), virtual
environments of any name, this project's own zips, and files that match a pattern in the task root's
.lambdaignore or in ``--exclude``. Later patterns win: ``!.npmrc`` includes that file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import compilation, compilers, errors, exclusion, options, packing
from tools.build.checks.secrets import SECRETS
from tools.build.errors import ToolError
from tools.build.lambda_os import TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.exclusion import Rule

# Files of operating systems and of Python that are left out without being listed.
NOT_LISTED = (".DS_Store", "._*", "__MACOSX/", "Thumbs.db", "desktop.ini", "__pycache__/", exclusion.FILE)
# Files that tools leave in a source folder. All other files belong to the function, except SECRETS.
NOT_FOR_LAMBDA = (
    *(".git", ".hg", ".svn"),
    *(".idea/", ".vscode/", ".ipynb_checkpoints/"),
    *(".aws-sam/", ".chalice/", ".serverless/", ".sst/", ".terraform/", ".terraform.lock.hcl", "cdk.out/"),
    *(".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/", ".coverage", "htmlcov/"),
    *(".nox/", ".tox/", ".venv", "venv/", ".eggs/", "node_modules/"),
)
LAYERS = Path(__file__).resolve().parent.parent / "layers"  # the output folder of this project
NAMES_SHOWN = 10


def main() -> int:
    """Build the zip that the arguments describe, and print its size and hash."""
    parser = argparse.ArgumentParser(
        prog="tools/function.py",
        description="Build a function's zip.",
        epilog=f"Left out in every folder: {', '.join([*SECRETS, *NOT_FOR_LAMBDA, *NOT_LISTED])}, and files "
        f"that match a pattern in {exclusion.FILE}. Patterns are those of .gitignore: *.md, tests/, /data, "
        "docs/**/*.png, !README.md. The last pattern that matches a file decides.",
    )
    parser.add_argument(
        "task_root", type=Path, metavar="TASK_ROOT", help="the folder with the function's files"
    )
    options.add(parser)
    parser.add_argument(
        "--bytecode",
        action="append",
        default=[],
        metavar="PYTHON",
        help="compile for this interpreter or version, or `none`; may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("layers/function.zip"),
        metavar="FILE",
        help="the zip to write (default: layers/function.zip)",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files that match; may be repeated",
    )
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise ToolError(
            f"{arguments.task_root} is not a folder.",
            "Set TASK_ROOT to the folder with the function's files.",
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
            remedy = "Set TASK_ROOT to the folder with the function's files."
            raise ToolError(f"{arguments.task_root} contains no files for the zip.", remedy)
        for python in programs:
            failed = compilation.compile_folder(python, tree, TASK)
            if failed:
                raise ToolError(
                    f"{python} cannot compile {', '.join(failed[:3])}.",
                    "Correct the file, or leave it out with EXCLUDE=PATTERN.",
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
    """The files in a task root, and which of them are left out."""

    def __init__(self, task_root: Path, rules: Sequence[Rule], built: Sequence[Path]) -> None:
        self.task_root = task_root
        self._rules = rules
        self._built = {os.path.realpath(path) for path in built}  # never packed
        self._secrets: list[str] = []
        self._left_out: list[str] = []

    def copy(self, tree: Path) -> None:
        """Copy the function's files, following links; raise ToolError on failure."""
        try:
            shutil.copytree(self.task_root, tree, ignore=self._ignored)
        except shutil.Error as error:
            source, _, reason = error.args[0][0]
            errors.raise_if_disk_full(reason)
            raise ToolError(
                f"{source} cannot be copied: {reason}.",
                "Make it readable, or leave it out with EXCLUDE=PATTERN.",
            ) from None

    def report(self) -> None:
        """Print which files are not in the zip."""
        for names, words in (
            (self._left_out, "left out: {}"),
            (
                self._secrets,
                "left out, because such files contain secrets: {}; set variables in the function's"
                " configuration and store secrets in Secrets Manager",
            ),
        ):
            if names:
                print(words.format(_listed(sorted(names))), file=sys.stderr)

    def _ignored(self, folder: str, names: list[str]) -> list[str]:
        """Return the names that are not copied; `copytree` calls this once for each folder."""
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
        """Return whether it is a virtual environment or one of this project's zips."""
        return os.path.isfile(os.path.join(path, "pyvenv.cfg")) or os.path.realpath(path) in self._built


def refuse_endless_and_broken_links(path: str) -> None:
    """Raise ToolError for a link to a missing file, or to a folder that contains the link."""
    if not os.path.islink(path):
        return
    if not os.path.exists(path):
        remedy = "Remove the link, or create its target."
        raise ToolError(f"{path} is a link to {os.readlink(path)}, which does not exist.", remedy)
    target = os.path.realpath(path)
    if any(os.path.realpath(folder) == target for folder in Path(path).absolute().parents):
        raise ToolError(
            f"{path} is a link to a folder that contains it, so it never ends.", "Remove the link."
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


if __name__ == "__main__":
    sys.exit(errors.run("make dist-function", main))
