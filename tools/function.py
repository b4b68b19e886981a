"""Build layers/function.zip: the files of a function, with bytecode.

    python3 tools/function.py TASK_ROOT [--exclude PATTERN]… [--bytecode PYTHON]… [--output FILE]
                              [--bundle --handler HANDLER [--layer LAYER]…]

It leaves out, and lists: files for secrets (SECRETS), private keys, files that tools leave behind
(NOT_FOR_LAMBDA), virtual environments of any name, this project's own zips, and files that match a pattern in
the task root's .lambdaignore or in ``--exclude``. Later patterns win: ``!.npmrc`` includes that file.
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

from tools.build import (
    bundling,
    compilation,
    compilers,
    errors,
    exclusion,
    options,
    packing,
    progress,
    pythons,
)
from tools.build.checks.secrets import KEYS, SECRETS, is_key
from tools.build.errors import ToolError
from tools.build.exclusion import Rule
from tools.build.lambda_os import TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Files of operating systems and of Python that are left out without being listed.
NOT_LISTED = (
    *(".DS_Store", "._*", "__MACOSX/", "Thumbs.db", "desktop.ini"),
    *("__pycache__/", exclusion.FILE, f"{bundling.NAME}*"),
)
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
# Bytecode is about as large as its source. With more source, bytecode for each Python would use up Lambda's
# 250 MB, and Lambda would download it at each cold start.
MANY_BYTES = 4 * 1024**2


def main() -> int:
    """Build the zip that the arguments describe, and print its size and hash."""
    parser = argparse.ArgumentParser(
        prog="tools/function.py",
        description="Build a function's zip.",
        epilog="Left out in every folder: "
        f"{', '.join([*SECRETS, *KEYS, *NOT_FOR_LAMBDA, *NOT_LISTED])}, "
        f"private keys, and files that match a pattern in {exclusion.FILE}. Patterns are those of "
        ".gitignore: *.md, tests/, /data, docs/**/*.png, !README.md. The last pattern that matches decides.",
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
        help="compile for this interpreter or version, or `none`; may be repeated (default: every CPython on"
        f" this machine, or one if the modules are larger than {MANY_BYTES // 1024**2} MB)",
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
    bundling.add_options(parser)
    arguments = parser.parse_args()
    if not arguments.task_root.is_dir():
        raise ToolError(
            f"{arguments.task_root} is not a folder.",
            "Set TASK_ROOT to the folder with the function's files.",
        )
    programs = compilers.programs(arguments.bytecode, arguments.python)
    target = options.target(arguments, programs if arguments.bytecode else [])
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "task")
        rules = [
            *(Rule(pattern, any_case=True) for pattern in (*SECRETS, *KEYS)),
            *exclusion.rules([*NOT_FOR_LAMBDA, *NOT_LISTED]),
            *exclusion.read(arguments.task_root),
            *exclusion.rules(arguments.exclude),
        ]
        progress.show(f"Copying {arguments.task_root}")
        contents = Contents(arguments.task_root, rules, (arguments.output, LAYERS))
        contents.copy(tree)
        if not any(path.is_file() for path in tree.rglob("*")):
            remedy = "Set TASK_ROOT to the folder with the function's files."
            raise ToolError(f"{arguments.task_root} contains no files for the zip.", remedy)
        chosen = bool(arguments.bytecode or arguments.python)
        compiled = programs if chosen else affordable(programs, tree)
        for python in compiled:
            compile_for(python, tree, chosen=chosen)
        bundle = ""
        if arguments.bundle:
            if not compiled:
                raise bundling.NEEDS_BYTECODE
            bundle = bundling.add(
                tree, of_default(compiled), arguments.handler, task_root=tree, layers=arguments.layer
            )
        packing.pack(
            tree,
            arguments.output,
            target,
            compress=True,
            allowed=arguments.allow,
        )
        progress.show("Removing temporary files")
    progress.clear()
    contents.report()
    if bundle:
        print(bundle)
    return 0


class Contents:
    """The files in a task root, and which of them are left out."""

    def __init__(self, task_root: Path, rules: Sequence[Rule], built: Sequence[Path]) -> None:
        self.task_root = task_root
        self._rules = rules
        self._packages = _files_of_packages(task_root)
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
                " configuration and store secrets in Secrets Manager. To include one, use EXCLUDE='!NAME'",
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
            of_package = shown.replace(os.sep, "/") in self._packages
            if rule is not None and rule.pattern in KEYS and of_package:
                rule = None  # keys that a package publishes are not secret
            if rule is not None and not rule.keeps:
                listed = self._secrets if rule.pattern in (*SECRETS, *KEYS) else self._left_out
                listed += [] if rule.pattern in NOT_LISTED else [shown]
                ignored.append(name)
            elif self._is_built(path):
                self._left_out.append(shown)
                ignored.append(name)
            elif rule is None and not of_package and os.path.isfile(path) and _is_key_on_disk(path):
                self._secrets.append(shown)
                ignored.append(name)
            else:
                refuse_other_links_and_devices(path, self.task_root, outside=rule is not None)
        return ignored

    def _is_built(self, path: str) -> bool:
        """Return whether it is a virtual environment or one of this project's zips."""
        return os.path.isfile(os.path.join(path, "pyvenv.cfg")) or os.path.realpath(path) in self._built


def affordable(programs: list[str], tree: Path) -> list[str]:
    """Return the interpreters whose bytecode is not too large: all, or the one of the default version."""
    source_bytes = sum(path.stat().st_size for path in tree.rglob("*.py"))
    if source_bytes <= MANY_BYTES:
        return programs
    return [of_default(programs)] if programs else []


def of_default(programs: list[str]) -> str:
    """Return the interpreter of the default version, or else the newest."""
    found = [one for one in programs if pythons.described(one) == f"cpython {options.PYTHON}"]
    return (found or programs)[-1]


def compile_for(python: str, tree: Path, *, chosen: bool) -> None:
    """Add ``python``'s bytecode. Report files that it cannot compile, or raise ToolError if it was chosen."""
    failed = compilation.compile_folder(python, tree, TASK)
    if failed and chosen:
        raise ToolError(
            f"{python} cannot compile {', '.join(failed[:3])}.",
            "Correct the file, or leave it out with EXCLUDE=PATTERN.",
        )
    if failed:
        version = pythons.version_name(python)
        print(f"not valid in Python {version}: {', '.join(failed[:3])}", file=sys.stderr)


def _files_of_packages(task_root: Path) -> set[str]:
    """Return the files that installed packages list (Recording installed projects, RECORD)."""
    found: set[str] = set()
    for record in task_root.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
        found.update(line.partition(",")[0] for line in lines)
    return found


def _is_key_on_disk(path: str) -> bool:
    def read(size: int) -> bytes:
        with open(path, "rb") as file:
            return file.read(size)

    try:
        return is_key(path, read)
    except OSError:
        return False  # `copytree` reports it


def refuse_other_links_and_devices(path: str, task_root: Path, *, outside: bool) -> None:
    """Raise ToolError for what cannot be copied: devices, and links that are broken or endless.

    Links that lead outside of the task root are refused too, unless ``outside``: the user has included them.
    """
    if not os.path.islink(path):
        if not (os.path.isfile(path) or os.path.isdir(path)):
            raise ToolError(
                f"{path} is neither a file nor a folder.", "Remove it, or leave it out with EXCLUDE=PATTERN."
            )
        return
    if not os.path.exists(path):
        remedy = "Remove the link, or create its target."
        raise ToolError(f"{path} is a link to {os.readlink(path)}, which does not exist.", remedy)
    target = os.path.realpath(path)
    if any(os.path.realpath(folder) == target for folder in Path(path).absolute().parents):
        raise ToolError(
            f"{path} is a link to a folder that contains it, so it never ends.", "Remove the link."
        )
    if not outside and os.path.commonpath([target, os.path.realpath(task_root)]) != os.path.realpath(
        task_root
    ):
        raise ToolError(
            f"{path} is a link to {target}, outside of {task_root}.",
            f"Include it on purpose with EXCLUDE='!{os.path.basename(path)}', or leave it out with"
            " EXCLUDE=PATTERN.",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


if __name__ == "__main__":
    sys.exit(errors.run("make dist-function", main))
