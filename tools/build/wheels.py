"""Decide from the names of wheels and extension modules where they work.

cp313-cp313-manylinux_2_17_x86_64       Python, ABI, platform: tags of a wheel (PEP 425, PEP 600)
_ssl.cpython-313-x86_64-linux-gnu.so    the same of an extension module (PEP 3149)
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.build.lambda_os import Architecture
    from tools.build.versions import PythonVersion

# The glibc versions of the older platform names (PEP 513, 571, 599).
OLD_PLATFORMS = {"manylinux1": "2_5", "manylinux2010": "2_12", "manylinux2014": "2_17"}
# The glibc versions that wheels are built for, newest first.
GLIBC_OF_WHEELS = ("2_39", "2_35", "2_34", "2_31", "2_28", "2_27", "2_24", "2_17", "2_12", "2_5")


def wheel_problem(
    tags: Sequence[str], python: PythonVersion | None, architecture: Architecture | None, glibc: str
) -> str:
    """Return why none of a wheel's tags fits, or "" if one does. None matches everything."""
    if not tags:
        return ""
    reasons = [_tag_problem(tag, python, architecture, glibc) for tag in tags]
    return "" if "" in reasons else reasons[0]


def _tag_problem(
    tag: str, python: PythonVersion | None, architecture: Architecture | None, glibc: str
) -> str:
    parts = tag.split("-")
    if len(parts) != 3:
        return f"has the tag {tag!r}, which is not valid for a wheel"
    interpreter, abi, platform = parts
    return _python_problem(interpreter, abi, python) or _platform_problem(platform, architecture, glibc)


def _python_problem(interpreter: str, abi: str, python: PythonVersion | None) -> str:
    if python is None:
        return ""
    match = re.match(r"(py|cp)3(\d*)$", interpreter)
    if match is None:
        return f"is for {interpreter}, not for CPython {python.name}"
    kind, minor = match.group(1), int(match.group(2) or 0)
    if abi == "none":
        fits = minor <= python.minor if kind == "py" else minor == python.minor
    elif abi == "abi3":
        fits = minor <= python.minor and not python.free_threaded
    else:
        fits = abi == python.abi
    return "" if fits else f"is for {interpreter}-{abi}, not for {python.abi}"


def _platform_problem(platform: str, architecture: Architecture | None, glibc: str) -> str:
    if platform == "any":
        return ""
    match = re.match(r"(manylinux\d+|manylinux_\d+_\d+|linux)_(\w+)$", platform)
    if match is None:
        return f"is for {platform}, not for Lambda's Linux"
    system, machine = match.groups()
    if architecture is not None and machine != architecture.wheel:
        return f"is for {machine}, not for {architecture.wheel}"
    version = OLD_PLATFORMS.get(system, system.partition("_")[2])
    if version and _numbers(version) > _numbers(glibc):
        return f"needs glibc {version.replace('_', '.')}, but Lambda has {glibc}"
    return ""


def platforms(machine: str, glibc: str) -> list[str]:
    """Return the platforms whose wheels work with that glibc, for pip, which needs the whole list."""
    fitting = [version for version in GLIBC_OF_WHEELS if _numbers(version) <= _numbers(glibc)]
    older = [name for name, version in OLD_PLATFORMS.items() if _numbers(version) <= _numbers(glibc)]
    return [f"manylinux_{version}_{machine}" for version in fitting] + [f"{name}_{machine}" for name in older]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def extension_problem(name: str, python: PythonVersion | None, architecture: Architecture | None) -> str:
    """Return why an extension module cannot be imported, judging by its file name, or ""."""
    base = name.rpartition("/")[2]
    if base.endswith((".pyd", ".dll")):
        return "is for Windows"
    if base.endswith(".dylib") or re.search(r"\.cpython-\d+t?-darwin\.so$", base):
        return "is for macOS"
    match = re.search(r"\.(cpython-\d+t?|pypy\d+-pp\d+)-(?:([a-z0-9_]+)-linux-(\w+))?\w*\.so$", base)
    if match is None:
        return ""  # plain or .abi3.so: the name does not exclude any Python
    interpreter, machine, libc = match.groups()
    if libc is not None and libc.startswith("musl"):
        return "is for musl (Alpine), but Lambda has glibc"
    if machine is not None and architecture is not None and machine != architecture.wheel:
        return f"is for {machine}, not for {architecture.wheel}"
    if python is not None and interpreter != f"cpython-{python.abi[2:]}":
        return f"is for {interpreter}, not for cpython-{python.abi[2:]}"
    return ""
