"""A container engine in a separate folder: podman, also for Docker's commands.

The settings for machines without an init system, with cgroups of both versions, or with few rights are in
podman's containers.conf, so that the commands are the same as elsewhere.
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
# crun refuses cgroups of both versions at once; a separate mount namespace hides one of them.
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
    """The engine failed or is not available; the message is its last line."""


class Engine:
    """podman with separate images, to be used with ``with``.

    Containers have only a loopback network of their own, so that ports do not conflict. Raises EngineError if
    containers cannot run on this machine.
    """

    def __init__(self) -> None:
        if shutil.which("podman") is None:
            raise EngineError("podman is not installed (Debian's packages: podman, crun)")
        if shutil.which("busybox") is None:
            raise EngineError("busybox is not installed (Debian's package: busybox-static)")
        self._folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self.podman = self._folder / "podman"  # a program that replaces podman or docker
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
        mounted = self._folder / "storage" / "overlay"  # podman keeps it for its next start
        if os.path.ismount(mounted) or _is_listed_as_mounted(mounted):
            subprocess.run(["umount", mounted], capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def import_tree(self, tree: Path, name: str, *changes: str) -> None:
        """Create an image from a folder. ``changes`` are lines of a Dockerfile, such as ``ENV A=b``."""
        options = [word for change in changes for word in ("--change", change)]
        tar = ["tar", "--owner=0", "--group=0", "--numeric-owner", "-C", str(tree), "-c", "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as archive:
            self.run("import", "--quiet", *options, "-", name, stdin=archive.stdout)

    def run(self, *words: str, stdin: IO[bytes] | None = None) -> str:
        """Run podman and return its output. Raises EngineError if it fails."""
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
        """End the running containers."""
        subprocess.run([self.podman, "rm", "--all", "--force", "--time", "0"], capture_output=True)

    def docker_environment(self) -> Mapping[str, str]:
        """Start the engine's service; return the variables with which Docker's command line finds it."""
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
        """Run a minimal image, because some missing requirements only show then."""
        tree = self._folder / "tiny"
        (tree / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "busybox", tree / "bin" / "true")
        self.import_tree(tree, "localhost/tiny")
        self.run("run", "--rm", "localhost/tiny", "/bin/true")


def _is_listed_as_mounted(path: Path) -> bool:
    mounts = Path("/proc/self/mounts")  # for os.path, a folder mounted onto itself is not a mount point
    return mounts.exists() and f" {path} " in mounts.read_text()


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
