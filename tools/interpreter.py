"""Build layers/python….zip: a layer with a CPython for Lambda's OS-only runtime.

    python3 tools/interpreter.py [--python 3.13] [--arch arm64] [--from FOLDER|ARCHIVE] [--libraries FOLDER]…

By default, uv downloads CPython from python-build-standalone. ``--from`` accepts an installed prefix or a tar
file of one; ``--libraries`` names folders with the shared libraries that it needs and Lambda lacks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import (
    compilation,
    compilers,
    errors,
    installation,
    libraries,
    options,
    packing,
    trimming,
    uv,
)
from tools.build.errors import ToolError
from tools.build.lambda_os import CERTIFICATES, OPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.build.installation import Installation
    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

# OpenSSL looks for certificates where its build system had them, so point it to Lambda's. `site` executes
# this line at each start; the function's own variables take precedence.
CERTIFICATES_FILE = "certificates.pth"
CERTIFICATES_LINE = (
    "import os; os.environ.get('SSL_CERT_FILE') or os.environ.get('SSL_CERT_DIR') or "
    f"os.path.exists('{CERTIFICATES}') and os.environ.__setitem__('SSL_CERT_FILE', '{CERTIFICATES}')\n"
)


def main() -> int:
    """Build the layer that the arguments describe, and print its size and hash."""
    parser = argparse.ArgumentParser(prog="tools/interpreter.py", description="Build a layer with a Python.")
    options.add(parser)
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="an installed Python, or a tar file of one"
    )
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
    parser.add_argument("--output", type=Path, metavar="FILE", help="the zip to write")
    arguments = parser.parse_args()
    target, version, architecture = options.definite_target(arguments)
    name = f"python{version.name}-{architecture.name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        source = obtain(arguments.source, version, architecture, Path(folder, "source"))
        python = installation.find(source, version, architecture, arguments.source or source)
        tree = Path(folder, "layer")
        assemble(python, arguments.libraries, tree)
        if arguments.bytecode != compilers.NONE:
            add_bytecode(arguments.bytecode, version, tree)
        output = arguments.output or Path("layers", name)
        packing.pack(tree, output, target, compress=True, allowed=arguments.allow)
    return 0


def obtain(source: Path | None, version: PythonVersion, architecture: Architecture, folder: Path) -> Path:
    """Return a folder with a Python: ``source``, or ``folder`` after an extraction or a download."""
    if source is None:
        uv.install_python(version, architecture, folder)
        return folder
    if source.is_dir():
        return source
    if not source.exists():
        raise ToolError(
            f"{source} does not exist.",
            "Set FROM to the prefix of an installed Python, or to a tar file of one.",
        )
    installation.unpack(source, folder)
    return folder


def assemble(python: Installation, folders: list[Path], tree: Path) -> None:
    """Lay out the content of /opt in ``tree``, without the bytecode."""
    trimming.copy(python, tree)
    libraries.add(tree, [python.prefix / "lib", *folders])
    site_packages = tree / "lib" / f"python{python.version.name}" / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / CERTIFICATES_FILE).write_text(CERTIFICATES_LINE)


def add_bytecode(named: str, version: PythonVersion, tree: Path) -> None:
    """Compile the standard library, with its own interpreter if that runs here; may raise ToolError."""
    own = tree / "bin" / "python3"
    compiler = compilers.compiler(named, version, [str(own)])
    place = f"lib/python{version.name}"
    environment = {"LD_LIBRARY_PATH": str(tree / "lib")} if compiler == str(own) else {}
    failed = compilation.compile_folder(compiler, tree / place, f"{OPT}/{place}", environment=environment)
    if failed:
        shown = ", ".join(failed[:3])
        raise ToolError(
            f"{compiler} cannot compile {shown} of the standard library.",
            f"Use a Python {version.number}: BYTECODE=/path/to/python{version.number}.",
        )


if __name__ == "__main__":
    sys.exit(errors.run("make dist-python", main))
