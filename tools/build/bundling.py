"""Write a bundle: one file with the bytecode of the packages that a function's init phase imports.

``runtime/lambda_runtime/bundle.py`` describes the format and reads it.
"""

from __future__ import annotations

import base64
import json
import marshal
import os
import shutil
import struct
import subprocess
import tempfile
import zipfile
from pathlib import Path

from tools.build import progress, pyc
from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

NAME = ".lambda-bundle."  # the cache tag follows
FORMAT = 3
MARSHAL_VERSION = 2  # all Pythons write the same bytes, because it has no references
RUNTIME = Path(__file__).resolve().parent.parent.parent / "runtime"
RECORDER = Path(__file__).resolve().with_name("record_imports.py")
LINES_SHOWN = 10
NOT_NEEDED = (".git", ".venv", "venv", "node_modules")  # folders that an init phase never imports
NEEDS_BYTECODE = ToolError("A bundle contains bytecode.", "Leave BYTECODE=none or BUNDLE out.")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the init phase to record."""
    parser.add_argument(
        "--bundle",
        action="store_true",
        help="record the init phase of HANDLER, and add one file with the bytecode of what it imports",
    )
    parser.add_argument("--handler", default="", help="the handler whose init phase is recorded")
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        type=Path,
        metavar="LAYER",
        help="a zip or folder that the recorded init phase needs; may be repeated",
    )


def add(root: Path, python: str, handler: str, *, task_root: Path, layers: Sequence[Path] = ()) -> str:
    """Write the bundle into ``root``, which has ``python``'s bytecode; return what it contains.

    ``root`` is the task root, or the folder ``python`` of the last layer. Raise ToolError if the init phase
    fails, or imports nothing that a bundle can contain.
    """
    progress.show(f"Recording the init phase of {handler}")
    recorded = record(python, handler, task_root, layers, of_layer=root != task_root)
    tag, magic = recorded["cache_tag"], bytes(recorded["magic"])
    owners = _owners(root)
    folders: list[str] = []
    records: list[tuple[str, int]] = []
    entries = []
    for name, folder, is_package in recorded["modules"]:
        base = "/".join([*filter(None, [folder]), name.rpartition(".")[2]])
        source = f"{base}/__init__.py" if is_package else f"{base}.py"
        parent, _, file = source.rpartition("/")
        compiled = root / parent / "__pycache__" / f"{file[:-3]}.{tag}.pyc"
        if source not in owners or not compiled.exists():
            continue
        if folder not in folders:
            folders.append(folder)
        if owners[source] not in records:
            records.append(owners[source])
        places = folders.index(folder), records.index(owners[source])
        size = (root / source).stat().st_size
        entries.append((name, *places, bool(is_package), size, compiled.read_bytes()[pyc.HEADER :]))
    if not entries:
        raise ToolError(
            f"The init phase of {handler} imports no module of a package that is installed in the zip, so a"
            " bundle would be empty.",
            "Install the packages with their *.dist-info folders, or leave BUNDLE out.",
        )
    data = _encode(magic, folders, records, base64.b64decode(recorded["compiled"]), entries)
    (root / f"{NAME}{tag}").write_bytes(data)
    progress.clear()
    return f"bundle for {tag}: {len(entries)} modules, {len(data)} bytes"


def record(
    python: str, handler: str, task_root: Path, layers: Sequence[Path], *, of_layer: bool
) -> dict[str, Any]:
    """Run the init phase in a separate process; return what `record_imports` writes.

    Raise ToolError if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        opt, output = Path(folder, "opt"), Path(folder, "imports.json")
        task = Path(folder, "task")
        _unpack(task_root, task)  # the function may write into its folder
        for layer in layers:
            _unpack(layer, opt)
        options = ["-s", "-B", str(RECORDER)]
        packages = opt / "python"
        places = [RUNTIME, task, packages, packages if of_layer else task, output]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            # The function runs, so it must not find the developer's credentials.
            **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"), os.devnull),
            "AWS_EC2_METADATA_DISABLED": "true",
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": handler,
            "PYTHONHASHSEED": "0",
            "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1"),
            "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        }
        process = subprocess.run(
            [os.path.abspath(python), *options, handler, *places],
            cwd=task,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if not output.exists():
            lines = list(filter(None, process.stdout.decode("utf-8", "replace").splitlines()))
            text = "\n".join(lines[-LINES_SHOWN:]) or f"It exits with status {process.returncode}."
            raise ToolError(
                f"The init phase of {handler} fails with {os.path.basename(python)}:\n{text}",
                "A bundle needs an init phase that succeeds here: set HANDLER, LAYERS and the function's"
                " environment variables, or leave BUNDLE out.",
            )
        recorded: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return recorded


def _owners(tree: Path) -> dict[str, tuple[str, int]]:
    """Return the RECORD that lists each file of an installed package, and its size."""
    found = {}
    for record in sorted(tree.rglob("*.dist-info/RECORD")):
        folder = record.parent.parent.relative_to(tree).as_posix()
        owner = record.relative_to(tree).as_posix(), record.stat().st_size
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            name = line.partition(",")[0]
            found[name if folder == "." else f"{folder}/{name}"] = owner
    return found


def _encode(
    magic: bytes,
    folders: list[str],
    records: list[tuple[str, int]],
    compiled: bytes,
    entries: Sequence[tuple[str, int, int, bool, int, bytes]],
) -> bytes:
    index, size = b"", -1
    while len(index) != size:  # the places depend on the index's size, which is soon stable
        size, modules = len(index), {}
        start = end = pyc.HEADER + size + len(compiled)
        for name, folder, record, is_package, source_size, code in entries:
            modules[name] = folder, record, is_package, source_size, start, start + len(code)
            start += len(code)
        index = marshal.dumps((folders, records, modules, end), MARSHAL_VERSION)
    header = magic + struct.pack("<III", FORMAT, start, size)
    return b"".join([header, index, compiled, *(entry[-1] for entry in entries)])


def _unpack(source: Path, folder: Path) -> None:
    try:
        if source.is_dir():
            shutil.copytree(
                source,
                folder,
                dirs_exist_ok=True,
                ignore_dangling_symlinks=True,
                ignore=lambda parent, names: NOT_NEEDED if parent == str(source) else (),
            )
        else:
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)
    except (OSError, zipfile.BadZipFile, shutil.Error) as error:
        raise ToolError(
            f"{source} cannot be unpacked: {error}.",
            "Set TASK_ROOT to a folder or zip, and LAYERS to zips or folders of layers.",
        ) from None
