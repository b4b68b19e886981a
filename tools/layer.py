"""Build layers/lambda.zip: the runtime as a layer, which works as a function zip with an example as well.

    python3 tools/layer.py [--output FILE] [--bytecode PYTHON]…

The build is reproducible: the same files and interpreters give the same bytes on every machine. Nothing is
compressed, because the bytes of deflate depend on the version of zlib. The layer has bytecode for each
CPython on this machine, or for each ``--bytecode PYTHON`` (a program, a version, or ``none``). Without
bytecode, Python compiles at each cold start, because /opt is read-only on Lambda.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # a script has only its own folder on sys.path

from tools.build import compilation, compilers, errors, options, packing
from tools.build.errors import ToolError
from tools.build.lambda_os import OPT

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build the zip that the arguments describe, and print its size and hash."""
    parser = argparse.ArgumentParser(prog="tools/layer.py", description="Build the runtime's layer.")
    options.add(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("layers/lambda.zip"),
        metavar="FILE",
        help="the zip to write (default: layers/lambda.zip)",
    )
    parser.add_argument(
        "--bytecode",
        action="append",
        default=[],
        metavar="PYTHON",
        help="compile for this interpreter or version, or `none`; may be repeated (default: every CPython on"
        " this machine)",
    )
    arguments = parser.parse_args()
    programs = compilers.programs(arguments.bytecode, arguments.python)
    target = options.target(arguments, programs if arguments.bytecode else [])
    target.defaults = None  # the runtime works with every Python on every machine
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        collect(tree)
        for python in programs:
            compile_for(python, tree)
        packing.pack(
            tree,
            arguments.output,
            target,
            compress=False,
            allowed=arguments.allow,
        )
    return 0


def collect(tree: Path) -> None:
    """Copy the runtime into ``tree``, laid out as in /opt."""
    sources = {"bootstrap": ROOT / "bootstrap", "hello.py": ROOT / "examples" / "hello.py"}
    for path in sorted((ROOT / "runtime").rglob("*.py")):
        sources[path.relative_to(ROOT).as_posix()] = path
    for name, source in sources.items():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (tree / "bootstrap").chmod(0o755)


def compile_for(python: str, tree: Path) -> None:
    """Add ``python``'s bytecode to each module of the runtime; raise ToolError on failure."""
    failed = compilation.compile_folder(python, tree / "runtime", f"{OPT}/runtime")
    if failed:
        raise ToolError(
            f"{python} cannot compile {', '.join(failed)}.",
            "Use Python 3.8 or newer, for example BYTECODE=python3.13.",
        )


if __name__ == "__main__":
    sys.exit(errors.run("make dist", main))
