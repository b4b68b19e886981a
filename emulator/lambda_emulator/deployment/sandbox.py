"""Run a program in a root that resembles Lambda's: without Python, read-only, with its own /tmp.

bubblewrap (https://github.com/containers/bubblewrap) makes it of a folder with a few programs and libraries
of this machine. It needs no privileges, only user namespaces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambda_emulator.deployment.interpreter import Interpreter

USER_ID, GROUP_ID = "993", "990"  # Lambda's sandbox user
TMP_BYTES = 536_870_912  # Lambda's default for /tmp

# How many processes of bubblewrap surround the program: one outside, and process 1 inside.
OUTER_PROCESSES = 2

LAMBDA_LIBRARIES = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
INTERPRETER_AT = "/var/lang"  # as on managed runtimes

_DEVICES = ("null", "zero", "random", "urandom")
_MOUNT_POINTS = ("dev", "home", "opt", "proc", "run", "tmp", "var/lang", "var/runtime", "var/task")
# Variables that name a file of this machine, which appears in /run.
_FILES = (
    "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
# The programs of the OS-only runtime, as far as we know: bash, GNU's coreutils, grep and sed.
_PROGRAMS = """
    bash grep sed [ basename cat chmod cp cut date dd df dirname du echo env expr false head id ln ls md5sum
    mkdir mkfifo mktemp mv nproc od paste printf pwd readlink realpath rm rmdir seq sha256sum sleep sort split
    stat sync tail tee test timeout touch tr true truncate tsort tty uname uniq wc whoami yes
"""
# The libraries that wheels for Linux may expect on every system (PEP 600), as far as Lambda has them.
_LIBRARIES = """
    libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1 libresolv.so.2 libnss_files.so.2
    libnss_dns.so.2 libgcc_s.so.1 libstdc++.so.6
"""
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class SandboxUnavailable(Exception):
    """This machine cannot run a sandbox; the message says why."""


class Sandbox:
    """A root folder, and the command that starts a program in it."""

    def __init__(self, root: Path, interpreter: Interpreter | None) -> None:
        """Build the root in the new folder ``root``; raise SandboxUnavailable if it cannot work.

        ``interpreter``: one of this machine, which appears in /var/lang. None: a layer brings one.
        """
        self._root = root
        bwrap = shutil.which("bwrap")
        if not sys.platform.startswith("linux"):
            raise SandboxUnavailable("it needs Linux")
        if bwrap is None:
            raise SandboxUnavailable("bwrap is not installed (Debian's and Fedora's package: bubblewrap)")
        self._bwrap = bwrap
        # Since 0.7, in Debian 12 and Ubuntu 24.04
        self._limits_tmp = b"--size" in subprocess.run([bwrap, "--help"], capture_output=True).stdout
        self._interpreter = [] if interpreter is None else _interpreter_mounts(interpreter)
        _build_root(root, interpreter)
        self._probe()

    def _probe(self) -> None:
        tried = subprocess.run(self.command(["true"], [], {}), capture_output=True, text=True, check=False)
        if tried.returncode:
            reason = tried.stderr.strip() or f"exit status {tried.returncode}"
            raise SandboxUnavailable(f"bubblewrap does not work here: {reason}")

    def command(
        self, program: Sequence[str], mounts: Iterable[tuple[str, str]], environment: dict[str, str]
    ) -> list[str]:
        """Return the command for ``program``; move what it alone may see out of its ``environment``.

        ``mounts``: files and folders of this machine, and their places.
        """
        words = [self._bwrap, "--ro-bind", str(self._root), "/", *self._interpreter]
        for source, target in mounts:
            words += ["--ro-bind", source, target]
        words += ["--size", str(TMP_BYTES)] if self._limits_tmp else []
        words += ["--tmpfs", "/tmp", "--proc", "/proc", "--tmpfs", "/dev"]
        for device in _DEVICES:
            words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        for link, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
            words += ["--symlink", f"/proc/self/fd{target}", f"/dev/{link}"]
        words += ["--remount-ro", "/dev", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        words += ["--uid", USER_ID, "--gid", GROUP_ID, "--die-with-parent", "--new-session"]
        for name in _FILES:
            path = environment.get(name, os.devnull)
            if path != os.devnull and os.path.exists(path):
                environment[name] = f"/run/{name}"
                words += ["--ro-bind", path, environment[name]]
        for name in [name for name in environment if name.startswith("LD_")]:  # they would affect bwrap, too
            words += ["--setenv", name, environment.pop(name)]
        return [*words, "--chdir", "/var/task", "--", *program]


def _interpreter_mounts(interpreter: Interpreter) -> list[str]:
    """Return the words that put an interpreter of this machine into /var/lang, without its packages.

    CPython and PyPy find their standard library from the place of the program.
    """
    words = ["--tmpfs", INTERPRETER_AT]
    for path in [interpreter.base, *interpreter.standard_library]:
        words += ["--ro-bind", str(path), _place_in_lang(interpreter, path)]
    for path in interpreter.package_folders:
        place = _place_in_lang(interpreter, path)
        words += ["--tmpfs", place, "--remount-ro", place]
    name = os.path.basename(_place_in_lang(interpreter, interpreter.base))
    for link in {"python3", f"python{interpreter.version}"} - {name}:
        words += ["--symlink", name, f"{INTERPRETER_AT}/bin/{link}"]
    return [*words, "--remount-ro", INTERPRETER_AT]


def _place_in_lang(interpreter: Interpreter, path: Path) -> str:
    inside = os.path.relpath(path, interpreter.prefix)
    if inside.startswith(".."):
        raise SandboxUnavailable(f"{path} is not below {interpreter.prefix}, the interpreter's prefix")
    return f"{INTERPRETER_AT}/{inside}"


def _build_root(root: Path, interpreter: Interpreter | None) -> None:
    programs = [path for path in map(shutil.which, _PROGRAMS.split()) if path is not None]
    binaries = root / "usr" / "bin"
    binaries.mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / "usr" / name).mkdir(exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for point in _MOUNT_POINTS:
        (root / point).mkdir(parents=True)
    for name in _FILES:
        (root / "run" / name).touch()
    for path in programs:
        _copy(Path(path), binaries / os.path.basename(path))
    (binaries / "sh").symlink_to("bash")
    users = root / "etc"
    users.mkdir()
    (users / "passwd").write_text(f"sbx_user1051:x:{USER_ID}:{GROUP_ID}::/tmp:/bin/sh\n")
    (users / "group").write_text(f"sbx_user1051:x:{GROUP_ID}:\n")
    for name in ("hosts", "nsswitch.conf", "resolv.conf"):  # as the network is that of this machine
        if os.path.exists(f"/etc/{name}"):
            _copy(Path("/etc", name), users / name)
    _copy_certificates(root, interpreter)
    _copy_libraries(root, [*programs, *([] if interpreter is None else _compiled(interpreter))])


def _copy_certificates(root: Path, interpreter: Interpreter | None) -> None:
    """Copy this machine's certificates to Lambda's place, and to that of the interpreter's OpenSSL."""
    found = next((path for path in _CERTIFICATES if os.path.isfile(path)), None)
    places = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"]
    if interpreter is not None and interpreter.certificates.startswith(("/etc/", "/usr/")):
        places.append(interpreter.certificates)
    for place in places if found else []:
        _copy(Path(found or ""), root / place.lstrip("/"))


def _compiled(interpreter: Interpreter) -> list[str]:
    """Return the interpreter and those of its modules that need libraries, except for graphical programs."""
    found = [str(interpreter.base)]
    for folder in interpreter.standard_library:
        for path in sorted(folder.glob("lib-dynload/*.so")) + sorted(folder.glob("*.so")):
            needed = set(re.findall(rb"\0(lib[^\0/]+\.so[.0-9]*)(?=\0)", path.read_bytes()))
            if needed - set(_LIBRARIES.encode().split()) and not path.name.startswith("_tkinter"):
                found.append(str(path))
    return found


def _copy_libraries(root: Path, programs: Sequence[str]) -> None:
    """Copy the shared libraries of these programs to a folder that the dynamic loader searches."""
    listing = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    found = {name: Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", listing)}
    if "libc.so.6" not in found:
        raise SandboxUnavailable("this system does not use glibc, as Lambda does")
    folder = found["libc.so.6"].parent
    found.update((name, folder / name) for name in _LIBRARIES.split() if (folder / name).is_file())
    for name, path in found.items():
        _copy(path, root / str(folder).lstrip("/") / name)
    for loader in set(re.findall(r"^\s+(/\S+) \(0x", listing, re.MULTILINE)):
        _copy(Path(loader), root / loader.lstrip("/"))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(os.path.realpath(source), target)
        target.chmod(0o755)
