"""Fetch AWS's Lambda emulator, a program in the wheel of AWS SAM CLI.

Usage: python conformance/fetch_rie.py

AWS publishes aws-lambda-rie as source, inside its container images and inside this wheel; only the
wheel needs neither a compiler nor a container engine. The rest of SAM is not installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SAM_CLI = "aws-sam-cli==1.170.0"
MEMBER = "samcli/local/rapid/aws-lambda-rie-{architecture}"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SHA256 = {
    "x86_64": "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    "arm64": "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
}
ROOT = Path(__file__).resolve().parent.parent
DESTINATION = ROOT / ".environments" / "conformance" / "bin" / "aws-lambda-rie"


def main() -> None:
    architecture = this_architecture()
    if not is_fetched(DESTINATION, architecture):
        install(DESTINATION, read_from_wheel(architecture), architecture)


def this_architecture() -> str:
    """Return this machine's architecture in SAM's spelling; exit if it is not Linux on x86_64 or arm64."""
    architecture = ARCHITECTURES.get(platform.machine().lower())
    if platform.system() != "Linux" or architecture is None:
        found = f"{platform.system()} on {platform.machine()}"
        sys.exit(f"fetch_rie: AWS's emulator exists for Linux on x86_64 and arm64; this is {found}.")
    return architecture


def is_fetched(program: Path, architecture: str) -> bool:
    if not program.is_file() or not os.access(program, os.X_OK):
        return False
    return hashlib.sha256(program.read_bytes()).hexdigest() == SHA256[architecture]


def read_from_wheel(architecture: str) -> bytes:
    """Download the wheel with pip, which knows the machine's mirrors and certificates; return the program."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        # The wheel of 8 MB is read once, so it need not be in pip's cache.
        options = ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", folder]
        if subprocess.run([*pip, *options, SAM_CLI]).returncode != 0:
            sys.exit(f"fetch_rie: pip could not download {SAM_CLI}; see its messages above.")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER.format(architecture=architecture))


def install(destination: Path, program: bytes, architecture: str) -> None:
    """Check the program and install it atomically, so that no run finds an incomplete file."""
    found, expected = hashlib.sha256(program).hexdigest(), SHA256[architecture]
    if found != expected:
        sys.exit(f"fetch_rie: the {architecture} program in {SAM_CLI} has SHA-256 {found}, not {expected}.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_suffix(".partial")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.replace(destination)
    print(f"aws-lambda-rie: from {SAM_CLI}, {len(program):,} bytes")


if __name__ == "__main__":
    main()
