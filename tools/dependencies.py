"""Build layers/deps-….zip: a layer with a function's packages, as wheels for Lambda's Python and machine.

    python3 tools/dependencies.py REQUIREMENTS [--python 3.13] [--arch arm64] [--bytecode PYTHON|none]
                                  [--bundle --handler HANDLER --task-root FOLDER [--layer LAYER]…]

uv installs them, or pip if uv is not available. Relative paths in the requirements are relative to that file.
Nothing is built, because a build runs the package's code and is for this machine: everything must have a
wheel, also what the requirements name by path or URL.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
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
    libraries,
    options,
    packing,
    progress,
    requirements,
    uv,
    wheels,
)
from tools.build.checks import Target
from tools.build.errors import ToolError
from tools.build.lambda_os import OPT

# Files that the installer writes for this machine: scripts for its interpreter, a lock, the sources'
# locations.
NOT_FOR_LAMBDA = ("bin", ".lock", "*.dist-info/direct_url.json", "*.dist-info/uv_cache.json")
PACKAGES = "python"  # below /opt, on sys.path


def main() -> int:
    """Build the layer that the arguments describe, and print its size and hash."""
    parser = argparse.ArgumentParser(prog="tools/dependencies.py", description="Build a layer of packages.")
    parser.add_argument("requirements", type=Path, metavar="REQUIREMENTS", help="a requirements.txt")
    options.add(parser)
    parser.add_argument(
        "--libraries",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder of shared libraries",
    )
    parser.add_argument(
        "--bytecode", default="", metavar="PYTHON", help="the interpreter that compiles, or `none`"
    )
    bundling.add_options(parser)
    parser.add_argument(
        "--task-root",
        default=Path("."),
        type=Path,
        metavar="DIR|ZIP",
        help="the function whose init phase is recorded (default: .)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the zip to write")
    arguments = parser.parse_args()
    target, version, architecture = options.definite_target(arguments)
    if not arguments.requirements.is_file():
        remedy = "Set REQUIREMENTS to a file with one package on each line, as pip reads it."
        raise ToolError(f"{arguments.requirements} does not exist.", remedy)
    requirements.check(arguments.requirements)
    name = f"deps-python{version.name}-{architecture.name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        progress.show(f"Installing {arguments.requirements}")
        install(arguments.requirements, target, tree / PACKAGES)
        if not any(tree.rglob("*.py")) and not any(tree.rglob("*.so")):
            remedy = "Add at least one, for example requests==2.32.3, one on each line."
            raise ToolError(f"{arguments.requirements} contains no packages.", remedy)
        libraries.add(tree, arguments.libraries)
        bundle = ""
        if arguments.bytecode != compilers.NONE:
            compiler = add_bytecode(arguments.bytecode, target, tree / PACKAGES)
            if arguments.bundle:
                function, layers = arguments.task_root, [*arguments.layer, tree]
                bundle = bundling.add(
                    tree / PACKAGES, compiler, arguments.handler, task_root=function, layers=layers
                )
        elif arguments.bundle:
            raise bundling.NEEDS_BYTECODE
        output = arguments.output or Path("layers", name)
        packing.pack(tree, output, target, compress=True, allowed=arguments.allow)
    if bundle:
        print(bundle)
    return 0


def install(listed: Path, target: Target, folder: Path) -> None:
    """Install wheels into ``folder`` and remove files for this machine; raise ToolError if that fails."""
    assert target.python is not None and target.architecture is not None
    # uv has no option for the implementation and the ABI: it reads them from an interpreter, here this one.
    if target.python.free_threaded or not is_ordinary_cpython():
        install_with_pip(listed, target, folder)
    else:
        try:
            uv.program()
        except ToolError as error:
            install_with_pip(listed, target, folder, because=error)
        else:
            uv.install_packages(listed, target.python, target.architecture, target.glibc, folder)
    remove_what_is_for_this_machine(folder)


def is_ordinary_cpython() -> bool:
    """Return whether this interpreter is a CPython with a GIL."""
    return sys.implementation.name == "cpython" and "t" not in sys.abiflags


def remove_what_is_for_this_machine(folder: Path) -> None:
    """Remove the files for this machine, and their lines in each RECORD, whose hashes would vary."""
    for pattern in NOT_FOR_LAMBDA:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        lines = record.read_bytes().decode().splitlines(keepends=True)
        kept = [line for line in lines if _is_there(line, folder)]
        record.write_bytes("".join(kept).encode())


def _is_there(line: str, folder: Path) -> bool:
    """Return whether the file in a line of RECORD (CSV: path, hash, size) exists in ``folder``."""
    name = next(csv.reader([line]), [""])[0]
    return ".." not in name.split("/") and (folder / name).is_file()


def install_with_pip(listed: Path, target: Target, folder: Path, because: ToolError | None = None) -> None:
    """Install with pip, which needs every compatible platform as an option; raise ToolError if that fails."""
    assert target.python is not None and target.architecture is not None
    pip = _pip()
    if pip is None:
        remedy = "Install uv (https://docs.astral.sh/uv/), or pip for this Python: python3 -m ensurepip."
        raise because or ToolError("This machine has neither uv nor pip.", remedy)
    words = [
        *pip,
        "install",
        "--quiet",
        "--requirement",
        str(listed.absolute()),
        "--target",
        str(folder),
    ]
    words += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", target.python.full]
    for abi in (target.python.abi, *([] if target.python.free_threaded else ["abi3"]), "none"):
        words += ["--abi", abi]
    for platform in wheels.platforms(target.architecture.wheel, target.glibc):
        words += ["--platform", platform]
    process = subprocess.run(
        [*words, "--no-compile", "--disable-pip-version-check", "--no-input"],
        cwd=listed.parent,  # relative paths are relative to the file
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if process.returncode != 0:
        raise uv.explained(process.stdout.decode("utf-8", "replace"), "pip", because)


def _pip() -> list[str] | None:
    """Return the command of pip: the recent one in uv's virtual environment, or this interpreter's."""
    for python in (str(uv.FOLDER / "bin" / "python"), sys.executable):
        words = [python, "-m", "pip"]
        try:
            subprocess.run(
                [*words, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return words
    return None


def add_bytecode(named: str, target: Target, packages: Path) -> str:
    """Compile the packages, and return the interpreter that did; raise ToolError on failure.

    Files for other Python versions are only reported.
    """
    assert target.python is not None
    compiler = compilers.compiler(named, target.python)
    failed = compilation.compile_folder(compiler, packages, f"{OPT}/{PACKAGES}")
    if failed:
        print(
            f"{len(failed)} files are not valid in Python {target.python.number}: {', '.join(failed[:3])}",
            file=sys.stderr,
        )
    return compiler


if __name__ == "__main__":
    sys.exit(errors.run("make dist-deps", main))
