"""What Lambda's operating system brings, and what Lambda allows.

The system is Amazon Linux 2023, as on `provided.al2023` and on managed Pythons from 3.12 on. Limits are
those of AWS's developer guide, "Lambda quotas".
"""

from __future__ import annotations

ZIPPED_LIMIT = 52_428_800  # bytes, 50 MB: a zip that is uploaded directly; through S3 it may be larger
UNZIPPED_LIMIT = 262_144_000  # bytes, 250 MB: the function and its layers together

OPT = "/opt"  # where layers are unzipped, one over the other
TASK = "/var/task"  # where the function is
OWN_FOLDERS = ("/opt", "/var/task", "/var/lang", "/var/runtime")  # what a file in a zip may point to …
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/dev", "/tmp")  # … and these

# Newest versions of the symbols in the system's libraries: of glibc, and of GCC's (14.2 since 2025).
GLIBC = "2.34"
SYMBOL_VERSIONS = {"GLIBC": GLIBC, "GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"}

# Libraries without which no program starts on Linux; nothing else is promised.
LIBRARIES = frozenset(
    {
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
        "libc.so.6",
        "libdl.so.2",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libstdc++.so.6",
        "libutil.so.1",
    }
)
# Wheels for manylinux may need it too (PEP 600), and the system has it, for its package manager.
UNPROMISED_LIBRARIES = frozenset({"libz.so.1"})

# Where `#!` may point to on the OS-only runtime; below /opt and /var it is what the layers bring.
SCRIPT_INTERPRETERS = frozenset({"/usr/bin/env", "/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash"})

CERTIFICATES = "/etc/pki/tls/certs/ca-bundle.crt"


class Architecture:
    """A kind of machine, and what everybody calls it."""

    __slots__ = ("elf", "name", "wheel")

    def __init__(self, name: str, elf: int, wheel: str) -> None:
        self.name = name  # Lambda's word
        self.elf = elf  # e_machine
        self.wheel = wheel  # in the tags of wheels, as `uname -m` has it


ARCHITECTURES = {
    "x86_64": Architecture("x86_64", 62, "x86_64"),
    "arm64": Architecture("arm64", 183, "aarch64"),
}
# For messages: what a file may have been built for.
MACHINES = {3: "i386", 21: "ppc64", 22: "s390x", 40: "arm, 32 bits", 62: "x86_64", 183: "arm64", 243: "riscv"}
