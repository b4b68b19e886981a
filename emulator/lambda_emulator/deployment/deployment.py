"""Hold what would be uploaded, the function and its layers, unpacked, and unpack it again when it changes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lambda_emulator.deployment.unpacking import LARGEST_BYTES, DeploymentError, unpack, unpacked_size
from lambda_emulator.functions.source_watcher import SourceWatcher, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lambda_emulator.deployment.sandbox import Sandbox

MOST_LAYERS = 5
TASK_ROOT, LAYERS = "/var/task", "/opt"

# The signals that end the emulator.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Content:
    """The unpacked files: those of the function in ``task``, those of its layers in ``opt``."""

    def __init__(self, folder: Path, task_root: Path) -> None:
        self.folder = folder  # of both, to be deleted in the end
        self.task = task_root if task_root.is_dir() else folder / "task"
        self.opt = folder / "opt"
        self.names: dict[Path, list[str]] = {}  # the files of each zip and layer
        self.users = 0  # how many environments use them

    def find(self, path: str) -> Path:
        """Return where the file is that Lambda has at ``path``, below /var/task or /opt."""
        for place, folder in ((TASK_ROOT, self.task), (LAYERS, self.opt)):
            if path.startswith(f"{place}/"):
                return folder / path[len(place) + 1 :]
        return Path(path)


class Launch:
    """How to start the function's process from unpacked files."""

    def __init__(
        self,
        program: Sequence[str],
        variables: Mapping[str, str],
        content: Content,
        sandbox: Sandbox | None = None,
        mounts: Sequence[tuple[str, str]] = (),
    ) -> None:
        """``variables`` are those of Lambda, which the function's own replace."""
        self.variables = variables
        self.content = content
        self.in_sandbox = sandbox is not None
        self.folder = content.task
        self._program = list(program)
        self._sandbox = sandbox
        self._mounts = [*mounts, (str(content.task), TASK_ROOT), (str(content.opt), LAYERS)]

    def command(self, environment: dict[str, str]) -> list[str]:
        """Return the command for a process with this environment, which may be adapted."""
        if self._sandbox is None:
            wrapper = environment.get("AWS_LAMBDA_EXEC_WRAPPER")
            if wrapper:
                environment["AWS_LAMBDA_EXEC_WRAPPER"] = str(self.content.find(wrapper))
            return self._program
        return self._sandbox.command(self._program, self._mounts, environment)


class Deployment:
    """The function's zip or folder and its layers, unpacked into a temporary folder until `close`."""

    def __init__(self, task_root: Path, layers: Sequence[Path], cleanup: ExitStack) -> None:
        """Create the temporary folder. ``cleanup`` will call `close`."""
        self.task_root = task_root
        self.layers = layers
        self.warn: Callable[[str], None] = print  # called when a changed file cannot be used
        self._prepare: Callable[[Content], Launch] | None = None
        self._launch: Launch | None = None
        self._lock = threading.RLock()
        self._closed = False
        self._watchers = [
            SourceWatcher(str(path)) if path.is_dir() else FileWatcher(path) for path in (task_root, *layers)
        ]
        with _signals_wait():
            self.folder = Path(tempfile.mkdtemp(prefix="lambda-emulator-"))
            cleanup.callback(self.close)

    def open(self, prepare: Callable[[Content], Launch]) -> None:
        """Unpack. ``prepare`` checks the content and says how to start it; it may raise DeploymentError."""
        self._prepare = prepare
        self._launch = self._unpack()

    def lease(self) -> Launch:
        """Return how to start an environment; it uses the files until `release`."""
        with self._lock:
            assert self._launch is not None
            self._launch.content.users += 1
            return self._launch

    def release(self, launch: Launch) -> None:
        with self._lock:
            launch.content.users -= 1
            self._drop_unused(launch)

    def changed(self) -> list[str]:
        """Return the files that have changed since the last call, if the new ones can be used."""
        found = [name for watcher in self._watchers for name in watcher.changed()]
        with self._lock:
            previous = self._launch
            if not found or self._closed or previous is None:
                return []
            try:
                self._launch = self._unpack()
            except DeploymentError as error:
                self.warn(f"{listed(found)} changed, but cannot be used: {error}")
                return []
            self._drop_unused(previous)
        return found

    def close(self) -> None:
        """Delete the temporary folder."""
        with _signals_ignored(), self._lock:
            self._closed = True
            shutil.rmtree(self.folder, ignore_errors=True)

    def _unpack(self) -> Launch:
        packed = [*([] if self.task_root.is_dir() else [self.task_root]), *self.layers]
        sizes = {path: unpacked_size(path) for path in packed}
        if sum(sizes.values()) > LARGEST_BYTES:
            each = ", ".join(f"{path} {size / 2**20:.1f} MB" for path, size in sizes.items())
            raise DeploymentError(
                f"{sum(sizes.values()) / 2**20:.1f} MB unpacked ({each}) is more than Lambda's limit for the"
                f" function and its layers, {LARGEST_BYTES // 2**20} MB; leave something out"
            )
        content = Content(Path(tempfile.mkdtemp(dir=self.folder)), self.task_root)
        try:
            for folder in (content.folder / "task", content.opt):
                folder.mkdir()
            if not self.task_root.is_dir():
                content.names[self.task_root] = unpack(self.task_root, content.task)
            for layer in self.layers:
                content.names[layer] = unpack(layer, content.opt)
            assert self._prepare is not None
            return self._prepare(content)
        except BaseException:
            shutil.rmtree(content.folder, ignore_errors=True)
            raise

    def _drop_unused(self, launch: Launch) -> None:
        if launch is not self._launch and not launch.content.users:
            shutil.rmtree(launch.content.folder, ignore_errors=True)


class FileWatcher:
    """One file and its time of modification."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Return the file's name if it has been written or replaced since the last call."""
        previous, self._seen = self._seen, self._look()
        return [] if self._seen == previous else [self._path.name]

    def _look(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._path)
        except OSError:  # it is being replaced
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let signals that end the emulator wait, so that no folder is left behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore them while the emulator ends anyway; blocking them is not enough once there are threads."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a test's, perhaps: only the main thread handles signals
        return
    before = [signal.signal(number, signal.SIG_IGN) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in zip(_ENDING, before):
            signal.signal(number, handler or signal.SIG_DFL)
