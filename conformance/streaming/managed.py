"""AWS's emulator as on managed instances: several invocations at once, in a separate root.

In this mode it takes the runtime from /opt/bootstrap and the function from /var/task, and runs them as user
993. So it is started in a sandbox that has these folders, by root.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from conformance.sandbox.deployments import LAMBDA_LIBRARIES, LAMBDA_PATH
from conformance.sandbox.machine import PREFIX, Machine
from conformance.servers import AWS_EMULATOR, AwsEmulator, Setup

FOLDER = "/usr/local"  # the emulator's path in the sandbox
CONCURRENCY = 2


class AwsManagedEmulator(AwsEmulator):
    """aws-lambda-rie with AWS_LAMBDA_MAX_CONCURRENCY. It may listen before the function is initialized."""

    name = "AWS's emulator of managed instances"

    def __init__(self, setup: Setup, log: Path, machine: Machine) -> None:
        super().__init__(setup, log)
        self._root = machine.root
        self._opt = log.parent / "opt"
        shutil.copytree(machine.layer, self._opt)
        for name in ("bin", "lib"):  # the interpreter's path in a layer
            (self._opt / name).mkdir()

    def command(self) -> list[str]:
        program, *arguments = super().command()
        folders = [
            (self._root, "/"),
            (self._opt, "/opt"),
            (PREFIX / "bin", "/opt/bin"),
            (PREFIX / "lib", "/opt/lib"),
            (self.setup.task_root, "/var/task"),
            (AWS_EMULATOR.parent, FOLDER),
        ]
        words = ["bwrap"]
        for source, target in folders:
            words += ["--ro-bind", str(source), target]
        words += ["--perms", "1777", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
        words += ["--chdir", "/var/task", "--cap-add", "ALL"]
        words += ["--unshare-pid", "--unshare-ipc", "--die-with-parent", "--"]
        return [*words, f"{FOLDER}/{Path(program).name}", *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "AWS_LAMBDA_MAX_CONCURRENCY": str(CONCURRENCY),
            "LAMBDA_TASK_ROOT": "/var/task",
            "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
            # bwrap itself is found on the path of ours.
            "PATH": f"{LAMBDA_PATH}:{super().environment()['PATH']}",
        }
