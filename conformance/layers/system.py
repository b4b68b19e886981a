"""Root file systems as bare as Lambda's OS-only runtime, for both architectures.

The programs of the other architecture run through qemu, which Linux calls for them: binfmt_misc, mounted in
a user namespace (Linux 6.7 and newer), so that nothing on this computer changes. They come from Debian, as
qemu does if it is not installed: apt looks into this computer's sources for that other architecture, with
lists and caches of its own.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance.sandbox.machine import ROOT, Machine, make_skeleton
from conformance.suite import MissingRequirement
from tools.build.lambda_os import LIBRARIES

CERTIFICATES = "etc/pki/tls/certs/ca-bundle.crt"  # their place on Amazon Linux 2023
CACHE = ROOT / ".environments" / "layers"


class Kind:
    """An architecture and its names in Lambda, Linux, Debian and qemu."""

    def __init__(self, name: str, machine: str, debian: str, qemu: str, elf_machine: int) -> None:
        self.name = name  # in Lambda's API
        self.machine = machine  # uname -m
        self.debian = debian
        self.qemu = qemu
        # The first bytes of a program and a mask for them, in the format of binfmt_misc.
        header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes([elf_machine, 0])
        mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
        self.registration = f":{qemu}:M::{_escaped(header)}:{_escaped(mask)}"


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


KINDS = {
    "x86_64": Kind("x86_64", "x86_64", "amd64", "qemu-x86_64", 62),
    "aarch64": Kind("arm64", "aarch64", "arm64", "qemu-aarch64", 183),
}
OWN = KINDS.get(platform.machine(), KINDS["x86_64"])
OTHER = next(kind for kind in KINDS.values() if kind is not OWN)


class BareSystem(Machine):
    """A root with busybox and the libraries that Lambda guarantees, without Python."""

    def __init__(
        self, root: Path, busybox: Path, libraries: Sequence[Path], before: Sequence[str] = ()
    ) -> None:
        """``libraries`` are files that keep their path below their root; ``before`` precedes commands."""
        self.root = root
        self._before = list(before)
        make_skeleton(root, busybox)
        for library in libraries:
            place = root / library.relative_to(_root_of(library))
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(os.path.realpath(library), place)
                place.chmod(0o755)
        self._add_certificates()

    def command(self, mounts: Iterable[tuple[Path, str]], program: Sequence[str]) -> list[str]:
        words = [*self._before, *super().command(mounts, program)]
        return [shutil.which(words[0]) or words[0], *words[1:]]

    def _add_certificates(self) -> None:
        own = Path("/etc/ssl/certs/ca-certificates.crt")
        if own.exists():
            place = self.root / CERTIFICATES
            place.parent.mkdir(parents=True)
            shutil.copyfile(own, place)


def _root_of(library: Path) -> Path:
    """Return the root of a library that is in its ``lib`` or ``usr/lib``."""
    parts = library.parts
    place = len(parts) - 1 - parts[::-1].index("lib64" if "lib64" in parts else "lib")
    if parts[place - 1] == "usr":
        place -= 1
    return Path(*parts[:place])


def own_system(folder: Path) -> BareSystem:
    """Return the root for this machine, with its own libraries."""
    busybox = shutil.which("busybox")
    assert busybox is not None  # the sandbox works
    return BareSystem(folder, Path(busybox), own_libraries())


def own_libraries() -> list[Path]:
    """Return this machine's copies of the libraries that Lambda guarantees."""
    listing = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout
    loader = re.findall(r"^\s+(/\S+) \(0x", listing, re.MULTILINE)
    folder = library_folder()
    return [Path(loader[0]), *(folder / name for name in sorted(LIBRARIES) if (folder / name).exists())]


def library_folder() -> Path:
    """Return the folder of this machine's libraries."""
    listing = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout
    found = re.search(r"=> (/\S+)/libc\.so\.6", listing)
    if found is None:
        raise MissingRequirement("ldd does not show where this machine's libc is")
    return Path(found.group(1))


def other_system(folder: Path) -> BareSystem:
    """Return the root for the other architecture; raise MissingRequirement if its programs cannot run."""
    tree = other_tree()
    emulator = _qemu()
    mount = folder.parent / "binfmt_misc"
    mount.mkdir(exist_ok=True)
    script = (
        f"mount -t binfmt_misc binfmt_misc '{mount}' && "
        f"printf %s '{OTHER.registration}:{emulator}:F' >'{mount}/register' && exec \"$@\""
    )
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    busybox = next(path for path in tree.glob("*/busybox") if path.is_file())
    names = [path for path in tree.rglob("*") if path.name in LIBRARIES and "gconv" not in path.parts]
    probe = subprocess.run([*before, str(busybox), "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        raise MissingRequirement(f"no binfmt_misc in a user namespace: {probe.stderr.strip()}")
    return BareSystem(folder, busybox, names, before)


def _qemu() -> Path:
    """Return qemu for programs of the other architecture, installed or fetched."""
    name = f"{OTHER.qemu}-static"
    installed = shutil.which(name)
    if installed is not None:
        return Path(installed)
    program = CACHE / name
    if not program.exists():
        folder = CACHE / "qemu"
        _fetch(folder, OWN, ["qemu-user-static"], dependencies=False)
        (folder / "usr" / "bin" / name).rename(program)
        shutil.rmtree(folder)  # qemu for thirty other machines
    return program


def other_tree() -> Path:
    """Return a folder with Debian's Python for the other architecture; may raise MissingRequirement."""
    folder = CACHE / OTHER.debian
    if not (folder / "ready").exists():
        _fetch(folder, OTHER, ["python3", "busybox-static", "libstdc++6"], dependencies=True)
        (folder / "ready").touch()
    return folder


def _fetch(folder: Path, kind: Kind, packages: Sequence[str], *, dependencies: bool) -> None:
    """Unpack Debian packages into ``folder``, without installing anything; raises MissingRequirement."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise MissingRequirement(
            f"{' '.join(packages)} for {kind.name} come from Debian, but this system has no apt-get"
        )
    state = CACHE / f"apt-{kind.debian}"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": kind.debian,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    words = ["apt-get", "--quiet", "--quiet", "--option", f"APT::Architectures={kind.debian}"]
    words += [word for name, value in settings.items() for word in ("--option", f"{name}={value}")]
    expected = ["install", "--yes", "--no-install-recommends", "--download-only", *packages]
    archives = state / "cache" / "archives"
    for arguments in (["update"], expected if dependencies else ["download", *packages]):
        outcome = subprocess.run([*words, *arguments], cwd=archives, capture_output=True, text=True)
        if outcome.returncode != 0:
            reason = (outcome.stderr.strip().splitlines() or ["without a message"])[-1]
            raise MissingRequirement(f"apt-get cannot fetch {' '.join(packages)} for {kind.name}: {reason}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)
    shutil.rmtree(state)
