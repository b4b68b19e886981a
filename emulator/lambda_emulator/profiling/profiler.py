"""Measure the init phase of a function: start it several times, each time in a fresh process."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lambda_emulator.builder import make_function
from lambda_emulator.deployment.deployment_builder import is_deployment
from lambda_emulator.deployment.interpreter import Interpreter, find_program
from lambda_emulator.functions.function import BOOTSTRAP
from lambda_emulator.functions.memory import process_tree, rss_kb
from lambda_emulator.profiling.import_tree import Import, read_imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# Measuring imports makes them slower, by a varying amount: the median of a few runs is shown.
IMPORT_RUNS = 3
LIMIT_S = 300.0  # of an init phase; one that exceeds Lambda's 10 seconds can be profiled
_PACKAGES = {"site-packages", "dist-packages"}


class InitFailed(Exception):
    """The function did not complete its init phase; the message is its log."""


@dataclass
class Profile:
    """What was measured; times in milliseconds, memory in KiB."""

    handler: str
    init_ms: list[float]  # with bytecode, of each run
    without_bytecode_ms: list[float]  # empty if it could not be measured
    pss_kb: int
    rss_kb: int
    memory_mb: int  # the memory size
    imports: list[Import]

    @property
    def init(self) -> float:
        return statistics.median(self.init_ms)

    @property
    def bytecode_saves(self) -> float | None:
        if not self.without_bytecode_ms:
            return None
        return statistics.median(self.without_bytecode_ms) - self.init

    @property
    def module(self) -> Import | None:
        """The handler's module, if it was imported as such."""
        name = self.handler.rpartition(".")[0].replace("/", ".")
        found = [one for root in self.imports for one in root.walk() if one.name == name]
        return max(found, key=lambda one: one.cumulative_us, default=None)


class _Log:
    """Keep what the function logs."""

    logs_json = False

    def __init__(self) -> None:
        self.text = ""

    def log(self, data: bytes, _request_id: str = "") -> None:
        self.text += data.decode("utf-8", "replace")

    def warning(self, text: str) -> None:
        self.text += f"{text}\n"

    def request(self, record: dict[str, Any]) -> None:
        """Ignore it: nothing is served."""


@dataclass
class _Start:
    init_ms: float
    pss_kb: int
    rss_kb: int
    memory_mb: int
    log: str


def measure(options: argparse.Namespace, runs: int) -> Profile:
    """Raise UsageError if an option cannot work, InitFailed if the function does not start."""
    with tempfile.TemporaryDirectory(prefix="lambda-profile-") as name:
        # Bytecode goes to a folder of ours: the first start writes it, and the source tree stays as it is.
        cache, without = Path(name, "all"), Path(name, "standard")
        cached = {"PYTHONPYCACHEPREFIX": str(cache)}
        compiled: dict[str, str] = {}
        if is_deployment(options):  # runs what is in the zips, with their bytecode
            cached = {}
        else:
            _start(options, cached)
            _keep_standard(cache, without, options)
            compiled = {"PYTHONPYCACHEPREFIX": str(without), "PYTHONDONTWRITEBYTECODE": "1"}
        starts, uncached = [], []
        for _ in range(runs):  # one after the other, so that a busy machine slows down both
            starts.append(_start(options, cached))
            if compiled:
                uncached.append(_start(options, compiled).init_ms)
        trees = [
            read_imports(_start(options, {**cached, "PYTHONPROFILEIMPORTTIME": "1"}).log)
            for _ in range(min(runs, IMPORT_RUNS))
        ]
    trees.sort(key=lambda roots: sum(root.cumulative_us for root in roots))
    return Profile(
        handler=options.handler,
        init_ms=[one.init_ms for one in starts],
        without_bytecode_ms=uncached,
        pss_kb=int(statistics.median(one.pss_kb for one in starts)),
        rss_kb=int(statistics.median(one.rss_kb for one in starts)),
        memory_mb=starts[0].memory_mb,
        imports=trees[len(trees) // 2],
    )


def _start(options: argparse.Namespace, variables: dict[str, str]) -> _Start:
    """Start the function with further variables, look at it, and end it."""
    one = argparse.Namespace(**vars(options))
    one.env = [*options.env, *(f"{name}={value}" for name, value in variables.items())]
    log = _Log()
    with ExitStack() as cleanup:
        function = make_function(one, log, cleanup)
        cleanup.callback(function.close)
        function.configuration.init_timeout_s = LIMIT_S
        function.start()
        if not function.initialized:
            function.close()
            raise InitFailed(log.text)
        status = function.status()
        rss = rss_kb(process_tree(function.pid or 0))
        function.close()
        return _Start(function.init_ms, status.memory_kb, rss, function.configuration.memory_mb, log.text)


def _keep_standard(cache: Path, target: Path, options: argparse.Namespace) -> None:
    """Copy the bytecode of the standard library and the runtime, which Lambda has in any case."""
    interpreter = Interpreter(find_program(options.python) or "python3")
    kept = [os.path.realpath(folder) for folder in interpreter.standard_library]
    kept += map(str, interpreter.standard_library)
    kept += [str(Path(options.bootstrap).absolute().parent), str(BOOTSTRAP.parent)]
    task_root = os.path.abspath(options.task_root)

    def ignored(folder: str, names: Sequence[str]) -> list[str]:
        original = "/" + os.path.relpath(folder, cache)
        inside = any(_is_below(original, one) for one in kept) and not _is_below(original, task_root)
        return [name for name in names if name in _PACKAGES or (name.endswith(".pyc") and not inside)]

    if cache.is_dir():
        shutil.copytree(cache, target, ignore=ignored)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)
