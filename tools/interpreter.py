"""Builds layers/python….zip: a CPython for Lambda's OS-only runtime, as a layer of its own.

    python3 tools/interpreter.py [--python 3.13] [--arch arm64] [--from FOLDER|ARCHIVE] [--libraries FOLDER]…

By default CPython comes from python-build-standalone, through uv. ``--from`` takes an installed prefix, or a
tar file of one; shared libraries that it needs and Lambda lacks are looked for in ``--libraries``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script it has only its own folder

from tools.build import (
    compilation,
    compilers,
    installation,
    libraries,
    options,
    packing,
    problems,
    trimming,
    uv,
)
from tools.build.lambda_os import CERTIFICATES, OPT
from tools.build.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.build.installation import Installation
    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

# OpenSSL looks for certificates where they were on the system that it was built on. `site` executes this line
# at each start; what the function's configuration says goes first.
CERTIFICATES_FILE = "certificates.pth"
CERTIFICATES_LINE = (
    "import os; os.environ.get('SSL_CERT_FILE') or os.environ.get('SSL_CERT_DIR') or "
    f"os.path.exists('{CERTIFICATES}') and os.environ.__setitem__('SSL_CERT_FILE', '{CERTIFICATES}')\n"
)


def main() -> int:
    """Build the layer that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(prog="tools/interpreter.py", description="Build a layer with a Python.")
    options.add(parser)
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="a prefix, or a tar file of one"
    )
    parser.add_argument(
        "--libraries", action="append", default=[], type=Path, metavar="FOLDER", help="where libraries are"
    )
    parser.add_argument("--bytecode", default="", metavar="PYTHON", help="compile with it; or `none`")
    parser.add_argument("--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    target, version, architecture = options.definite_target(arguments)
    name = f"python{version.name}-{architecture.name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        source = obtain(arguments.source, version, architecture, Path(folder, "source"))
        python = installation.find(source, version, architecture, arguments.source or source)
        tree = Path(folder, "layer")
        assemble(python, arguments.libraries, tree)
        bytecode = arguments.bytecode != compilers.NOBODY
        if bytecode:
            add_bytecode(arguments.bytecode, version, tree)
        output = arguments.output or Path("layers", name)
        packing.pack(tree, output, target, compress=True, allowed=arguments.allow, bytecode=bytecode)
    return 0


def obtain(source: Path | None, version: PythonVersion, architecture: Architecture, folder: Path) -> Path:
    """A folder with a Python in it: given, unpacked or fetched into ``folder``; raises Problem."""
    if source is None:
        uv.install_python(version, architecture, folder)
        return folder
    if source.is_dir():
        return source
    if not source.exists():
        raise Problem(
            f"{source} does not exist.", "Give the prefix of an installed Python, or a tar file of one."
        )
    installation.unpack(source, folder)
    return folder


def assemble(python: Installation, folders: list[Path], tree: Path) -> None:
    """Lay out in ``tree`` what will be in /opt, but for the bytecode."""
    trimming.copy(python, tree)
    libraries.add(tree, [python.prefix / "lib", *folders])
    site_packages = tree / "lib" / f"python{python.version.name}" / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / CERTIFICATES_FILE).write_text(CERTIFICATES_LINE)


def add_bytecode(named: str, version: PythonVersion, tree: Path) -> None:
    """Compile the standard library: by itself if it runs on this machine. Raises Problem."""
    own = tree / "bin" / "python3"
    compiler = compilers.compiler(named, version, [str(own)])
    place = f"lib/python{version.name}"
    environment = {"LD_LIBRARY_PATH": str(tree / "lib")} if compiler == str(own) else {}
    failed = compilation.compile_folder(compiler, tree / place, f"{OPT}/{place}", environment=environment)
    if failed:
        shown = ", ".join(failed[:3])
        raise Problem(
            f"{compiler} cannot compile {shown} of the standard library.", "Is it of a newer version?"
        )


if __name__ == "__main__":
    sys.exit(problems.report("make dist-python", main))
