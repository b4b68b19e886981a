"""The files of a sandbox: a root as small as Lambda's, an interpreter, the unzipped layer.

bubblewrap (https://github.com/containers/bubblewrap) makes a root file system of them, which a process
can only read, with its own /tmp and process ids, as user 993, and without /dev/shm.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance.suite import MissingRequirement

ROOT = Path(__file__).resolve().parent.parent.parent
USER_ID = "993"  # Lambda's sandbox user
GROUP_ID = "990"
INTERPRETER = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PREFIX = Path(sys.base_prefix)  # this interpreter, with its standard library
# AWS's runtime and its dependencies, if installed.
AWS_PACKAGES = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
# Libraries that wheels (manylinux, PEP 600) may expect, and that Lambda's root has.
WHEELS_NEED = ("libdl.so.2", "libgcc_s.so.1", "libpthread.so.0", "librt.so.1")
DEVICES = ("null", "zero", "random", "urandom")
MOUNT_POINTS = ("dev", "opt", "proc", "tmp", "usr/local", "var/lang", "var/runtime", "var/task")


def unavailable() -> str:
    """Return why this machine cannot run a sandbox, or ""."""
    for program, package in (("bwrap", "bubblewrap"), ("busybox", "busybox-static")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian's package: {package})"
    if not sys.platform.startswith("linux"):
        return "it needs Linux's namespaces"
    probe = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--", "true"],
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        return f"this system allows no unprivileged user namespaces: {probe.stderr.strip()}"
    return ""


def require_sandbox() -> None:
    """Raise MissingRequirement if this machine cannot run a sandbox."""
    reason = unavailable()
    if reason:
        raise MissingRequirement(f"no sandbox: {reason}")


class Machine:
    """The files that all sandboxes share, built once in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.layer = folder / "layer"  # the content of the zip, with its modes
        self._build_root()
        self._unzip_layer(folder / "lambda.zip")

    def command(self, mounts: Iterable[tuple[Path, str]], program: Sequence[str]) -> list[str]:
        """Return the command for ``program`` in the sandbox. ``mounts``: folders, and their places in it.

        Without --die-with-parent, for which the thread that started the sandbox is the parent: it may be one
        that serves a single connection of a client.
        """
        words = ["bwrap", "--ro-bind", str(self.root), "/"]
        for source, target in mounts:
            words += ["--ro-bind", str(source), target]
        words += ["--tmpfs", "/tmp", "--proc", "/proc", "--tmpfs", "/dev"]
        for device in DEVICES:
            words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        for link, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
            words += ["--symlink", f"/proc/self/fd{target}", f"/dev/{link}"]
        words += ["--remount-ro", "/dev", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        words += ["--uid", USER_ID, "--gid", GROUP_ID, "--chdir", "/var/task", "--"]
        return words + list(program)

    def _build_root(self) -> None:
        make_skeleton(self.root, _which("busybox"))
        bash = _which("bash")
        shutil.copy(bash, self.root / "usr" / "bin" / "bash")
        programs = [bash, PREFIX / "bin" / INTERPRETER, *_extension_modules()]
        client = origin("runtime_client")  # the compiled part of AWS's runtime
        self._copy_libraries(programs if client is None else [*programs, client])

    def _copy_libraries(self, programs: Sequence[Path]) -> None:
        """Copy the shared libraries of these programs to the loader's default folders."""
        listing = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True).stdout
        found = {Path(path) for path in re.findall(r"=> (/\S+)", listing)}
        folder = next(path.parent for path in found if path.name == "libc.so.6")
        found.update(folder / name for name in WHEELS_NEED)
        for library in found:
            _copy(library, self.root / folder.relative_to("/") / library.name)
        for loader in set(re.findall(r"^\s+(/\S+) \(0x", listing, re.MULTILINE)):
            _copy(Path(loader), self.root / loader.lstrip("/"))

    def _unzip_layer(self, archive: Path) -> None:
        """Build the layer with the project's tool, and unzip it with its modes, as Lambda does."""
        tool = ROOT / "tools" / "layer.py"
        subprocess.run([sys.executable, tool, "--output", archive], check=True, capture_output=True)
        with zipfile.ZipFile(archive) as layer:
            for entry in layer.infolist():
                path = Path(layer.extract(entry, self.layer))
                path.chmod(entry.external_attr >> 16)


def make_skeleton(root: Path, busybox: Path) -> None:
    """Create a root: its folders, its user, and ``busybox``, a static program, with all its names."""
    binaries = root / "usr" / "bin"
    binaries.mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / "usr" / name).mkdir(exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for point in MOUNT_POINTS:
        (root / point).mkdir(parents=True)
    shutil.copy(busybox, binaries / "busybox")
    names = subprocess.run([_which("busybox"), "--list"], capture_output=True, text=True).stdout.split()
    for name in names:
        if not (binaries / name).exists():
            (binaries / name).symlink_to("busybox")
    users = root / "etc"
    users.mkdir()
    (users / "passwd").write_text(f"sbx_user1051:x:{USER_ID}:{GROUP_ID}::/tmp:/bin/sh\n")
    (users / "group").write_text(f"sbx_user1051:x:{GROUP_ID}:\n")


def origin(package: str) -> Path | None:
    """Return the file that an import of ``package`` would execute, or None if it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _which(program: str) -> Path:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not on PATH")
    return Path(path)


def _extension_modules() -> list[Path]:
    """Return the standard library's compiled modules, without those for graphical programs."""
    folder = PREFIX / "lib" / INTERPRETER / "lib-dynload"
    return [path for path in sorted(folder.glob("*.so")) if not path.name.startswith("_tkinter")]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(os.path.realpath(source), target)
        target.chmod(0o755)
