"""Build layers/lambda.zip: the runtime as a layer, which is also a function zip with the example in it.

    python3 tools/layer.py [--output FILE] [--bytecode PYTHON]…

The same files give the same bytes, with any Python from 3.8 on, any umask and any time zone: the order,
the times and the modes are fixed, and nothing is compressed, because deflate's bytes depend on the zlib
at hand. Each ``--bytecode PYTHON`` adds what that interpreter compiles, so that Lambda, whose /opt cannot
be written, need not compile at each cold start.
"""

from __future__ import annotations

import argparse
import hashlib
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLE = {"bootstrap"}


def main() -> int:
    """Build the zip that the arguments describe and say what it is."""
    parser = argparse.ArgumentParser(prog="tools/layer.py", description="Build the runtime's layer.")
    parser.add_argument("--output", type=Path, default=Path("layers/lambda.zip"), metavar="FILE")
    parser.add_argument(
        "--bytecode",
        action="append",
        default=[],
        metavar="PYTHON",
        help="compile for this interpreter; may be repeated",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        collect(tree)
        for python in options.bytecode:
            try:
                compile_for(python, tree)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{python} cannot compile the runtime: {error}", file=sys.stderr)
                return 2
        options.output.parent.mkdir(parents=True, exist_ok=True)
        names = write_zip(tree, options.output)
    content = options.output.read_bytes()
    print(f"{options.output}  {len(content) / 1024:.0f} KB, {len(names)} files")
    print(f"sha256  {hashlib.sha256(content).hexdigest()}")
    if not options.bytecode:
        print("no bytecode: for a quicker start, compile for Lambda's Python: make dist BYTECODE=python3.13")
    return 0


def collect(tree: Path) -> None:
    """Copy what ships into ``tree``, laid out as in /opt."""
    sources = {"bootstrap": ROOT / "bootstrap", "hello.py": ROOT / "examples" / "hello.py"}
    for path in sorted((ROOT / "runtime").rglob("*.py")):
        sources[path.relative_to(ROOT).as_posix()] = path
    for name, source in sources.items():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


def compile_for(python: str, tree: Path) -> None:
    """Add ``python``'s bytecode beside each module.

    Unchecked, because /opt's modification times are not promised; with paths below /opt, which do not
    depend on where it was built.
    """
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-d", "/opt/runtime"]
    subprocess.run([python, "-I", "-B", "-m", "compileall", *options, "runtime"], cwd=tree, check=True)


def write_zip(tree: Path, output: Path) -> list[str]:
    """Write every file of ``tree`` to ``output``; the names, in order."""
    paths = sorted(
        (path for path in tree.rglob("*") if path.is_file()),
        key=lambda path: path.relative_to(tree).as_posix(),
    )
    names = [path.relative_to(tree).as_posix() for path in paths]
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, path in zip(names, paths):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, where the next line has its meaning
            entry.external_attr = (stat.S_IFREG | (0o755 if name in EXECUTABLE else 0o644)) << 16
            archive.writestr(entry, path.read_bytes())
    return names


if __name__ == "__main__":
    sys.exit(main())
