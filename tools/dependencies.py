"""Builds layers/deps-….zip: packages for a function, as wheels for Lambda's Python and machine, as a layer.

    python3 tools/dependencies.py REQUIREMENTS [--python 3.13] [--arch arm64] [--bytecode PYTHON|none]

uv installs them; where there is no uv, pip does. Relative paths in the file are relative to its folder. A
package that is named by its path is built; any other is not, because it would be built for this machine.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools.build import compilation, compilers, libraries, options, packing, problems, uv, wheels
from tools.build.checks import Target
from tools.build.lambda_os import OPT
from tools.build.problems import Problem

# Written by the installer for this machine: scripts for its interpreter, a lock, where sources were.
NOT_FOR_LAMBDA = ("bin", ".lock", "*.dist-info/direct_url.json", "*.dist-info/uv_cache.json")
PACKAGES = "python"  # below /opt, on sys.path


def main() -> int:
    """Build the layer that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(prog="tools/dependencies.py", description="Build a layer of packages.")
    parser.add_argument("requirements", type=Path, metavar="REQUIREMENTS", help="a requirements.txt")
    options.add(parser)
    parser.add_argument(
        "--libraries", action="append", default=[], type=Path, metavar="FOLDER", help="where libraries are"
    )
    parser.add_argument("--bytecode", default="", metavar="PYTHON", help="compile with it; or `none`")
    parser.add_argument("--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    target, version, architecture = options.definite_target(arguments)
    if not arguments.requirements.is_file():
        remedy = "Say REQUIREMENTS=FILE: a package a line, as pip reads it."
        raise Problem(f"{arguments.requirements} does not exist.", remedy)
    name = f"deps-python{version.name}-{architecture.name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        install(arguments.requirements, target, tree / PACKAGES)
        if not any(tree.rglob("*.py")) and not any(tree.rglob("*.so")):
            raise Problem(f"{arguments.requirements} names no package.", "Name one, a package a line.")
        libraries.add(tree, arguments.libraries)
        bytecode = arguments.bytecode != compilers.NOBODY
        if bytecode:
            add_bytecode(arguments.bytecode, target, tree / PACKAGES)
        output = arguments.output or Path("layers", name)
        packing.pack(tree, output, target, compress=True, allowed=arguments.allow, bytecode=bytecode)
    return 0


def install(requirements: Path, target: Target, folder: Path) -> None:
    """Install wheels into ``folder``, and remove what is for this machine; raises Problem."""
    assert target.python is not None and target.architecture is not None
    # uv takes the implementation and the ABI from an interpreter, this one, and not from an option.
    if target.python.free_threaded or not is_ordinary_cpython():
        install_with_pip(requirements, target, folder)
    else:
        try:
            uv.program()
        except Problem as problem:
            install_with_pip(requirements, target, folder, because=problem)
        else:
            uv.install_packages(requirements, target.python, target.architecture, target.glibc, folder)
    remove_what_is_for_this_machine(folder)


def is_ordinary_cpython() -> bool:
    """Whether this interpreter is neither PyPy nor free-threaded."""
    return sys.implementation.name == "cpython" and "t" not in sys.abiflags


def remove_what_is_for_this_machine(folder: Path) -> None:
    """Also from each RECORD, whose hashes of what is gone depend on this machine."""
    for pattern in NOT_FOR_LAMBDA:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        lines = record.read_bytes().decode().splitlines(keepends=True)
        kept = [line for line in lines if _is_there(line, folder)]
        record.write_bytes("".join(kept).encode())


def _is_there(line: str, folder: Path) -> bool:
    """Whether the file is in ``folder`` that a line of RECORD names: path, hash, size, as CSV."""
    name = next(csv.reader([line]), [""])[0]
    return ".." not in name.split("/") and (folder / name).is_file()


def install_with_pip(
    requirements: Path, target: Target, folder: Path, because: Problem | None = None
) -> None:
    """The same with pip, which must be told each platform that will do; raises Problem."""
    assert target.python is not None and target.architecture is not None
    pip = _pip()
    if pip is None:
        remedy = "Install uv (https://docs.astral.sh/uv/), or pip for this Python: python3 -m ensurepip."
        raise because or Problem("There is neither uv nor pip on this machine.", remedy)
    words = [
        *pip,
        "install",
        "--quiet",
        "--requirement",
        str(requirements.absolute()),
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
        cwd=requirements.parent,  # relative paths are relative to the file
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if process.returncode != 0:
        raise uv.explained(process.stdout.decode("utf-8", "replace"), "pip", because)


def _pip() -> list[str] | None:
    """How pip is called: uv's virtual environment has a new one; else this interpreter's."""
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


def add_bytecode(named: str, target: Target, packages: Path) -> None:
    """Compile what can be: packages may hold files for other Pythons. Raises Problem."""
    assert target.python is not None
    compiler = compilers.compiler(named, target.python)
    failed = compilation.compile_folder(compiler, packages, f"{OPT}/{PACKAGES}")
    if failed:
        print(
            f"{len(failed)} files are no Python {target.python.number}: {', '.join(failed[:3])}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(problems.report("make dist-deps", main))
