"""A container engine in a folder of its own: podman as this machine allows it, also for Docker's commands.

What it needs on machines without an init system, with cgroups of both versions, or with few rights is in
podman's containers.conf, so that the commands themselves stay those that anybody types.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

CONTAINERS_CONF = """\
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# crun refuses cgroups of both versions at once; in a mount namespace of its own it need not see one of them.
PODMAN = """\
#!/bin/sh
export CONTAINERS_CONF='{folder}/containers.conf' BUILDAH_ISOLATION=chroot
unified=/sys/fs/cgroup/unified
if [ -d "$unified" ] && [ -z "$PODMAN_IS_APART" ] && [ "$(id -u)" = 0 ]; then
    export PODMAN_IS_APART=yes
    exec unshare --mount sh -c 'umount --lazy "$0"; exec "$@"' "$unified" "$0" "$@"
fi
exec podman --root '{folder}/storage' --runroot '{folder}/run' "$@"
"""
PATIENCE_S = 120
SERVICE_START_S = 10


class EngineError(Exception):
    """The engine refused, or cannot be had; the text is its last line."""


class Engine:
    """podman with its own images, between ``with`` and its end.

    Containers have no network but their own loopback, so that no port is taken twice. Raises EngineError if
    nothing can be run here.
    """

    def __init__(self) -> None:
        if shutil.which("podman") is None:
            raise EngineError("podman is not installed (Debian's packages: podman, crun)")
        if shutil.which("busybox") is None:
            raise EngineError("busybox is not installed (Debian's package: busybox-static)")
        self._folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self.podman = self._folder / "podman"  # a program to be called like podman or docker
        self.output = ""  # of the last call
        self._service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Engine:
        (self._folder / "containers.conf").write_text(CONTAINERS_CONF)
        self.podman.write_text(PODMAN.format(folder=self._folder))
        self.podman.chmod(0o755)
        try:
            self._try()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._service is not None:
            self._service.terminate()
            self._service.wait()
        self.end_containers()
        subprocess.run([self.podman, "rmi", "--all", "--force"], capture_output=True)
        mounted = self._folder / "storage" / "overlay"  # podman leaves it so for its next start
        if os.path.ismount(mounted) or _is_listed_as_mounted(mounted):
            subprocess.run(["umount", mounted], capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def import_tree(self, tree: Path, name: str, *changes: str) -> None:
        """Make an image of a folder. ``changes`` are lines of a Dockerfile, such as ``ENV A=b``."""
        options = [word for change in changes for word in ("--change", change)]
        tar = ["tar", "--owner=0", "--group=0", "--numeric-owner", "-C", str(tree), "-c", "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as archive:
            self.run("import", "--quiet", *options, "-", name, stdin=archive.stdout)

    def run(self, *words: str, stdin: IO[bytes] | None = None) -> str:
        """Call podman: what it printed. Raises EngineError if it failed."""
        done = subprocess.run(
            [str(self.podman), *words],
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        self.output = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != 0:
            raise EngineError(_last_line(done.stderr) or f"podman ended with status {done.returncode}")
        return done.stdout.decode(errors="replace")

    def end_containers(self) -> None:
        """End those that run, if any."""
        subprocess.run([self.podman, "rm", "--all", "--force", "--time", "0"], capture_output=True)

    def docker_environment(self) -> Mapping[str, str]:
        """The variables with which Docker's command line finds this engine; starts its service."""
        socket = self._folder / "docker.sock"
        if self._service is None:
            command: Sequence[str] = [
                str(self.podman),
                "system",
                "service",
                "--time",
                "0",
                f"unix://{socket}",
            ]
            log = (self._folder / "service.log").open("wb")
            self._service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            deadline = time.monotonic() + SERVICE_START_S
            while not socket.exists():
                if self._service.poll() is not None or time.monotonic() > deadline:
                    raise EngineError(_last_line((self._folder / "service.log").read_bytes()))
                time.sleep(0.05)
        return {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(self._folder)}

    def _try(self) -> None:
        """Run the smallest of images, because much may be missing that only shows then."""
        tree = self._folder / "tiny"
        (tree / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "busybox", tree / "bin" / "true")
        self.import_tree(tree, "localhost/tiny")
        self.run("run", "--rm", "localhost/tiny", "/bin/true")


def _is_listed_as_mounted(path: Path) -> bool:
    mounts = Path("/proc/self/mounts")  # a folder mounted onto itself is no mount point to os.path
    return mounts.exists() and f" {path} " in mounts.read_text()


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
