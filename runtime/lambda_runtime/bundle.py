"""Import the packages that the init phase needs from one file, which `BUNDLE=1` adds to a zip.

It saves about twelve system calls for each module, and the work that `precompiled` describes. The file is in
the task root or in a layer's folder, its root, and its name ends with the cache tag of the interpreter that
its bytecode is for: ``.lambda-bundle.cpython-313``.

     0       4        8              12              16
    +-------+--------+--------------+---------------+-------+----------+---------
    | magic | format | size of file | size of index | index | compiled | code ...
    +-------+--------+--------------+---------------+-------+----------+---------

The numbers are little-endian. "compiled" is for `precompiled`. The index, written by marshal, is
(folders, RECORD files, modules, end of "compiled"):

    folders:      paths relative to the root
    RECORD files: (path relative to the root, size in bytes) of each installed package
    modules:      name -> (folder that is searched for it, RECORD file, is a package, size of its source,
                           start of its code, end)

The bundle contains only files of installed packages, and a package is served only if its RECORD still is the
recorded one, and the only one: the name of its folder contains the version. The function's own files, which
people edit in Lambda's console, are never served from here. Layers may replace each other's files, so there
the size of each source must be the recorded one, too. In the task root, to ask for it would cost about a
third of what the bundle saves.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, PathFinder, SourceFileLoader

from . import precompiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

FORMAT = 3
HEADER = 16
_DAMAGED = (OSError, ValueError, EOFError, TypeError)  # what reading may raise; the last three are marshal's


def install(path: str, root: str, *, is_layer: bool) -> Finder | None:
    """Serve modules from the bundle until ``close``. If it does not fit, write why and return None."""
    if sys.flags.optimize:
        return None  # -O needs other bytecode
    try:
        finder = Finder(path, root, is_layer)
    except _DAMAGED as error:
        remedy = "Build the zip again with the Python that Lambda runs."
        sys.stderr.write(f"LAMBDA_RUNTIME {path} is ignored: {error}. {remedy}\n")
        return None
    finder.serve_compiled()
    # User-defined finders and the built-in modules keep their places before the path finder.
    place = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
    sys.meta_path.insert(place, finder)
    return finder


class Finder:
    """Finds the modules of a bundle, where the path finder would find their files."""

    def __init__(self, path: str, root: str, is_layer: bool) -> None:
        self._root = root.rstrip("/")
        self._is_layer = is_layer
        self._file = os.open(path, os.O_RDONLY)
        self._status = os.fstat(self._file)
        try:
            folders, self._records, self._modules = self._read_index()
            self._folders = [self._absolute(one) for one in folders]
        except BaseException:
            os.close(self._file)
            raise
        self._listings: dict[str, list[str]] = {}  # folder -> the names of .dist-info folders in it
        self._unchanged: dict[int, bool] = {}  # index of a RECORD file -> whether it is the recorded one

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        found = self._modules.get(name) if type(self._modules) is dict else None
        if found is None:
            return None
        try:
            return self._spec(name, path, *found)
        except Exception:  # this folder is not searched, or the index is damaged; see the path finder
            return None

    def _spec(
        self,
        name: str,
        path: Sequence[str] | None,
        number: int,
        record: int,
        is_package: int,
        size: int,
        start: int,
        end: int,
    ) -> ModuleSpec | None:
        folder, folders = self._folders[number], list(sys.path if path is None else path)
        before = folders[: folders.index(folder)]
        if before and PathFinder.find_spec(name, before) is not None:
            return None
        if record not in self._unchanged:
            self._unchanged[record] = self._is_unchanged(*self._records[record])
        if not self._unchanged[record]:
            return None
        base = f"{folder}/{name.rpartition('.')[2]}"
        loader = Loader(name, f"{base}/__init__.py" if is_package else f"{base}.py")
        if self._is_layer and os.stat(loader.path).st_size != size:
            return None
        loader.finder, loader.start, loader.end = self, start, end
        spec = ModuleSpec(name, loader, origin=loader.path, is_package=bool(is_package))
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [base]
        return spec

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of a module's code. A process that forks now does not share a position."""
        return os.pread(self._file, end - start, start)

    def serve_compiled(self) -> None:
        """Let `precompiled` serve its part of the bundle, unless that is damaged."""
        try:
            precompiled.install(self.read(*self._compiled))
        except Exception:
            precompiled.remove()

    def close(self) -> None:
        """Stop serving: the init phase is over, which is all that was recorded."""
        precompiled.remove()
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._modules = {}
        try:
            if os.path.samestat(os.fstat(self._file), self._status):
                os.close(self._file)
        except OSError:
            pass  # the function has closed all files; the number may even be that of a new one
        self._file = -1

    def _read_index(self) -> tuple[list[str], list[tuple[str, int]], dict[str, tuple[int, ...]]]:
        header = self.read(0, HEADER)
        version, size, index_size = (int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12))
        if header[:4] != MAGIC_NUMBER:
            raise ValueError("its bytecode is not for this Python")
        if version != FORMAT:
            raise ValueError(f"its format is {version}, expected {FORMAT}")
        actual = self._status.st_size
        if size != actual:
            raise ValueError(f"it has {actual} bytes, expected {size}")
        index = marshal.loads(self.read(HEADER, HEADER + index_size))
        if type(index) is not tuple or len(index) != 4:
            raise ValueError("its index is damaged")
        *found, end = index
        self._compiled = HEADER + index_size, end
        return tuple(found)

    def _absolute(self, folder: str) -> str:
        return f"{self._root}/{folder}" if folder else self._root or "/"

    def _is_unchanged(self, record: str, size: int) -> bool:
        """Return whether this RECORD is as it was, and no other version has been installed beside it."""
        info = self._absolute(record).rpartition("/")[0]
        folder, _, own = info.rpartition("/")
        try:
            if folder not in self._listings:
                names = os.listdir(folder or "/")
                self._listings[folder] = [name for name in names if name.endswith(".dist-info")]
            same_size = os.stat(f"{info}/RECORD").st_size == size
        except OSError:
            return False
        versions = [name for name in self._listings[folder] if _project(name) == _project(own)]
        return same_size and versions == [own]


def _project(folder: str) -> str:
    """Return the normalized name in that of a .dist-info folder."""
    return folder.partition("-")[0].lower().replace(".", "_")


class Loader(SourceFileLoader):
    """Loads the code from a bundle, and everything else, such as source and resources, from the files."""

    finder: Finder
    start: int
    end: int

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            code: CodeType = marshal.loads(self.finder.read(self.start, self.end))
            _imp._fix_co_filename(code, self.path)  # type: ignore[attr-defined] # it was compiled for /var/task
        except Exception:  # damaged, or the finder is closed
            return super().get_code(fullname)
        return code
