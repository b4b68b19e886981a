"""Facts about Lambda: the libraries of its operating system, its folders and its limits.

The system is Amazon Linux 2023, as on `provided.al2023` and on managed Pythons since 3.12. The limits are in
AWS's developer guide, "Lambda quotas".
"""

from __future__ import annotations

ZIPPED_LIMIT = 52_428_800  # bytes, 50 MB: a zip that is uploaded directly; larger ones go through S3
UNZIPPED_LIMIT = 262_144_000  # bytes, 250 MB: the function and its layers together

# The versions of the managed runtimes.
MANAGED_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

OPT = "/opt"  # where layers are unzipped, one over the other
TASK = "/var/task"  # where the function is
OWN_FOLDERS = (
    "/opt",
    "/var/task",
    "/var/lang",
    "/var/runtime",
)  # folders that a file in a zip may refer to …
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/dev", "/tmp")  # … and these

# The newest symbol versions of the system's libraries, glibc and GCC (14.2 since 2025).
GLIBC = "2.34"
SYMBOL_VERSIONS = {"GLIBC": GLIBC, "GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"}

# The libraries that every program needs; AWS guarantees no others.
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
# A library that manylinux wheels may need too (PEP 600). The system has it, for its package manager.
UNPROMISED_LIBRARIES = frozenset({"libz.so.1"})

# The interpreters that `#!` may name on the OS-only runtime; those below /opt and /var come from layers.
SCRIPT_INTERPRETERS = frozenset({"/usr/bin/env", "/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash"})

CERTIFICATES = "/etc/pki/tls/certs/ca-bundle.crt"


class Architecture:
    """A machine architecture and its names."""

    __slots__ = ("elf", "name", "wheel")

    def __init__(self, name: str, elf: int, wheel: str) -> None:
        self.name = name  # in Lambda's API
        self.elf = elf  # e_machine
        self.wheel = wheel  # in the tags of wheels and in `uname -m`


ARCHITECTURES = {
    "x86_64": Architecture("x86_64", 62, "x86_64"),
    "arm64": Architecture("arm64", 183, "aarch64"),
}
# Names of machines in ELF files, for messages.
MACHINES = {3: "i386", 21: "ppc64", 22: "s390x", 40: "arm, 32 bits", 62: "x86_64", 183: "arm64", 243: "riscv"}
