"""Run uv, which downloads Pythons and packages for other machines; install it if it is missing.

uv (https://docs.astral.sh/uv/) verifies its downloads of Python against built-in hashes. It is installed
once, into .environments/packaging; if that fails, a uv on PATH is used.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.build.errors import ToolError, raise_if_disk_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = ROOT / "tools" / "packaging-requirements.txt"
FOLDER = ROOT / ".environments" / "packaging"
PYTHONS = FOLDER / "pythons"  # downloaded as compilers
READY = FOLDER / "ready"

LINES_SHOWN = 12

# Short explanations of uv's and pip's long messages: words in them, what was found, the remedy. The first
# match counts, because a pip without network also reports that it found no matching package.
MEANINGS = (
    (
        re.compile(
            "dns error|tcp connect|client error|error sending request|timed out|network was disabled"  # uv
            "|after connection broken by|Max retries exceeded|Failed to establish a new connection"  # pip
            "|Could not resolve host|Failed to connect",  # git
            re.IGNORECASE,
        ),
        "The download failed, because the server cannot be reached",
        "Check the network and its proxy, and try again.",
    ),
    (
        re.compile(
            "Distribution not found at|failed to read from file .* No such file"  # uv
            "|looks like a (path|filename)|not a valid editable requirement"  # pip
            "|Could not open requirements",
        ),
        "A file or folder in the requirements does not exist",
        "Use paths relative to the folder of REQUIREMENTS, even in the files that it includes.",
    ),
    (
        re.compile("No download found for request"),
        "This Python cannot be downloaded: it is not available",
        "Use another PYTHON_VERSION, or an existing Python with FROM=FOLDER or FROM=ARCHIVE.",
    ),
    (
        re.compile("was not found in the package registry|there is no version of"),
        "A package does not exist",
        "Correct its name and version in the requirements.",
    ),
    (
        re.compile(
            "no (usable )?wheels|building from source is disabled|Building source distributions .*is disabled"
            "|No matching distribution",
            re.IGNORECASE,
        ),
        "A package has no wheel that works on Lambda",
        "Use a version that has one, or another PYTHON_VERSION or ARCH. For pure Python, build a wheel:\n"
        "    pip wheel --no-deps PACKAGE --wheel-dir wheels\n"
        "and replace the package's line in the requirements by this one:\n"
        "    PACKAGE @ {wheels}/….whl",
    ),
)


def program() -> str:
    """Return uv's path, after installing it if necessary; raise ToolError on failure."""
    own = FOLDER / "bin" / "uv"
    if READY.exists() and READY.stat().st_mtime >= REQUIREMENTS.stat().st_mtime and own.exists():
        return str(own)
    failure = _install()
    if not failure:
        return str(own)
    found = shutil.which("uv")
    if found is None:
        remedy = "Check the network, or install uv and put it on PATH: https://docs.astral.sh/uv/"
        raise ToolError(f"uv is not on this machine and cannot be installed ({failure}).", remedy)
    return found


def _install() -> str:
    """Install uv into a virtual environment; return "", or why it failed."""
    print(f"Installing {REQUIREMENTS.name} into .environments/{FOLDER.name} (once)", file=sys.stderr)
    python = str(FOLDER / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--only-binary", ":all:"]
    for words in ([sys.executable, "-m", "venv", "--clear", str(FOLDER)], [*pip, "-r", str(REQUIREMENTS)]):
        try:
            subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
        except OSError as error:
            return str(error)
        except subprocess.CalledProcessError as error:
            return _last_line(error.output)
    READY.touch()
    return ""


def install_python(version: PythonVersion, architecture: Architecture, folder: Path) -> None:
    """Download CPython for Linux on ``architecture`` (python-build-standalone) or raise ToolError."""
    threads = "+freethreaded" if version.free_threaded else ""
    request = f"cpython-{version.full}{threads}-linux-{architecture.wheel}-gnu"
    _run(["python", "install", request, "--no-bin", "--install-dir", str(folder)])


def install_compiler(version: PythonVersion) -> list[str]:
    """Download a Python for this machine as a compiler; return its candidates; raise ToolError on failure."""
    _run(["python", "install", f"cpython-{version.number}", "--no-bin", "--install-dir", str(PYTHONS)])
    return [str(path) for path in sorted(PYTHONS.glob(f"*/bin/python{version.number}"))]


def install_packages(
    requirements: Path, version: PythonVersion, architecture: Architecture, glibc: str, folder: Path
) -> None:
    """Install wheels for Lambda, and only wheels, into ``folder``; raise ToolError on failure."""
    platform = f"{architecture.wheel}-manylinux_{glibc.replace('.', '_')}"
    words = [
        "pip",
        "install",
        "--no-config",  # a uv.toml beside the requirements could allow builds
        "--quiet",
        "--requirement",
        str(requirements.absolute()),
        "--target",
        str(folder),
    ]
    words += ["--python", sys.executable, "--python-version", version.full, "--python-platform", platform]
    words += ["--only-binary", ":all:", "--link-mode", "copy"]
    _run(words, folder=requirements.parent)


def _run(arguments: Sequence[str], folder: Path | None = None) -> None:
    """Run uv in ``folder``, to which relative paths refer; raise ToolError on failure."""
    process = subprocess.run(
        [program(), *arguments],
        cwd=folder,
        # Trust the system's certificates, like pip: for example that of a company's proxy.
        env={"UV_SYSTEM_CERTS": "1", **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if process.returncode != 0:
        raise explained(process.stdout.decode("utf-8", "replace"), "uv")


def explained(output: str, tool: str, because: ToolError | None = None) -> ToolError:
    """Explain the output of a failed uv or pip; ``because``: why the preferred tool was not used."""
    raise_if_disk_full(output)
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    found, remedy = f"{tool} has failed", ""
    quoted = [line for line in lines if not line.startswith("WARNING")]
    for pattern, meaning, advice in MEANINGS:
        if pattern.search(output):
            found, remedy = meaning, advice.format(wheels=(Path.cwd() / "wheels").as_uri())
            quoted = quoted or [line for line in lines if pattern.search(line)]
            break
    quotation = "".join(f"\n    {line}" for line in quoted[:LINES_SHOWN])
    reason = f"\n{because.found}" if because is not None else ""
    return ToolError(f"{found}. Output of {tool}:{quotation}{reason}", remedy)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no output"
