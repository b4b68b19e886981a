"""Check that the zips or Lambda contain the packages that the function's modules import.

Only imports that run whenever a module is loaded count, not those in a function, under an ``if``, or in a
``try`` that catches ImportError. Installed packages are not checked: their installer resolves their
dependencies.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import sys
import warnings
from fnmatch import fnmatch

from tools.build.checks.finding import WARNING, Finding
from tools.build.checks.upload import INTERPRETER
from tools.build.lambda_os import OPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.build.checks.upload import File, Upload

MISSING_IMPORT = "import"  # the kind of finding
# The folders on sys.path, in a function or in a layer.
ROOTS = re.compile(r"runtime/|(python/)?lib/python3\.\d+t?/((site-packages|lib-dynload)/)?|python/|")
MODULE = re.compile(r"(\w+)(\.[\w-]+)*\.(py|pyc|so)$")
NEVER_IMPORTED = (
    "conftest.py",
    "noxfile.py",
    "setup.py",
    "test_*.py",
    "*_test.py",
    "test/*",
    "tests/*",
    "*/tests/*",
)
CATCHES_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

RUNTIME = {"__main__", "lambda_runtime", "snapshot_restore_py"}
# Packages of AWS's managed runtimes: the SDK with its dependencies, and AWS's runtime.
MANAGED = {"awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
# The minor versions of Python 3 that added or removed modules of the standard library.
ADDED = {"graphlib": 9, "zoneinfo": 9, "tomllib": 11, "annotationlib": 14, "compression": 14}
REMOVED = {
    9: "dummy_threading",
    10: "formatter parser symbol",
    11: "binhex",
    12: "asynchat asyncore distutils imp smtpd",
    13: "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes "
    "sndhdr spwd sunau telnetlib uu xdrlib",
}
REMOVED_IN = {name: minor for minor, names in REMOVED.items() for name in names.split()}


def check(upload: Upload) -> Iterator[Finding]:
    sources = [file for file in upload.files if _is_own_source(upload, file)]
    known = RUNTIME | _standard_library(upload.python.minor if upload.python else sys.version_info[1])
    if not any(INTERPRETER.match(name) for name in upload.names):
        known |= MANAGED
    known |= _modules(upload)
    importers: dict[str, list[File]] = {}
    for file in sources:
        for name in _imports(file):
            if name not in known and file not in importers.setdefault(name, []):
                importers[name].append(file)
    extends_path = any(b"sys.path" in file.read() or b"addsitedir" in file.read() for file in sources)
    for name, files in importers.items():
        place = next((one for one in sorted(upload.names) if _is_module(one, name)), "")
        if not (place and extends_path):
            yield _missing(name, files, place)


def _missing(name: str, files: list[File], place: str) -> Finding:
    remedy = (
        "Add it to the requirements of `make dist-deps`, and check both zips together. "
        f"If another layer contains it, use ALLOW={files[0].name}."
    )
    problem = f"imports {name}, which is neither in the zips nor on Lambda"
    if name in REMOVED_IN:
        problem = f"imports {name}, which Python 3.{REMOVED_IN[name]} removed from the standard library"
    elif place:
        problem = f"imports {name}, which is at {place}, where Python does not look"
        remedy = (
            "Import it by its full name from the root of the zip, or use a relative import (from . import …)."
        )
    more = f" ({len(files)} modules import it)" if len(files) > 1 else ""
    finding = Finding(WARNING, MISSING_IMPORT, files[0].name, problem + more, remedy)
    finding.archive = str(files[0].archive.path)
    return finding


def _is_own_source(upload: Upload, file: File) -> bool:
    """Return whether a file is an importable module that belongs to the function or the layer itself."""
    return (
        file.name.endswith(".py")
        and file.name not in upload.installed
        and not file.name.startswith(("lib/python3", "runtime/lambda_runtime/"))
        and not any(fnmatch(file.name, pattern) for pattern in NEVER_IMPORTED)
        and not any(fnmatch(posixpath.basename(file.name), pattern) for pattern in NEVER_IMPORTED)
    )


def _modules(upload: Upload) -> set[str]:
    """Return the names of the modules and folders that can be imported from the zips."""
    found = set()
    path_files = [file for file in upload.files if file.name.endswith(".pth")]
    roots = {root for file in path_files for root in _path_file_folders(file)}
    for name in upload.names:
        match = ROOTS.match(name)
        places = {"", match.group() if match else "", *(root for root in roots if name.startswith(root))}
        for place in places:
            top, _, below = name[len(place) :].partition("/")
            module = MODULE.match(top)
            found.add(top if below else module.group(1) if module else "")
    return found


def _path_file_folders(file: File) -> Iterator[str]:
    """Return the folders that a .pth file adds to sys.path, as names in the zips."""
    for line in file.read().decode("utf-8", "replace").splitlines():
        if line and not line.startswith(("#", "import ", "import\t")):
            place = posixpath.normpath(posixpath.join(OPT, posixpath.dirname(file.name), line.rstrip()))
            yield f"{place[len(OPT) + 1 :]}/" if place.startswith(f"{OPT}/") else "\0"


def _is_module(path: str, name: str) -> bool:
    """Return whether ``path``, in any folder, is the module or the package ``name``."""
    module = MODULE.match(posixpath.basename(path))
    package = posixpath.basename(posixpath.dirname(path))
    return module is not None and (
        module.group(1) == name or (module.group(1), package) == ("__init__", name)
    )


def _imports(file: File) -> Iterator[str]:
    """Return the top-level names that a module imports when it is loaded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for example about "\d" in the function's sources
            tree = ast.parse(file.read())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # not valid in this version of Python
    yield from _imports_of(tree.body)


def _imports_of(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for one in statements:
        if isinstance(one, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and not one.level:
            yield (one.module or "").partition(".")[0]
        elif isinstance(one, ast.Try) and not any(_catches(handler.type) for handler in one.handlers):
            yield from _imports_of([*one.body, *one.orelse, *one.finalbody])
        elif isinstance(one, ast.ClassDef):
            yield from _imports_of(one.body)


def _catches(kind: ast.expr | None) -> bool:
    """Return whether an ``except`` clause handles a failed import."""
    names = {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)} if kind is not None else None
    return names is None or not CATCHES_IMPORT_ERRORS.isdisjoint(names)


def _standard_library(minor: int) -> set[str]:
    """Return the standard library's module names in Python 3.``minor``, derived from this Python's."""
    names = set(getattr(sys, "stdlib_module_names", ()))  # since 3.10
    if not names:
        folder = os.path.dirname(os.__file__)
        extensions = os.path.join(folder, "lib-dynload")
        files = os.listdir(folder) + (os.listdir(extensions) if os.path.isdir(extensions) else [])
        names = {*sys.builtin_module_names, *(name.partition(".")[0] for name in files)}
    names -= {name for name, added in ADDED.items() if minor < added}
    names |= {name for name, added in ADDED.items() if minor >= added}
    return (names | {*REMOVED_IN}) - {name for name, removed in REMOVED_IN.items() if minor >= removed}
