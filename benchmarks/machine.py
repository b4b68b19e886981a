"""What the figures depend on: the machine, the interpreter, the packages."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "awslambdaric",
    "aws-lambda-powertools",
    "apig-wsgi",
    "boto3",
    "fastapi",
    "flask",
    "mangum",
    "numpy",
    "pydantic",
    "uvicorn",
)


def interpreter() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def machine() -> dict[str, str | float]:
    """Return the CPU's model, the number of CPUs, the kernel and the load average."""
    return {
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "architecture": platform.machine(),
        "load": round(os.getloadavg()[0], 1),
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def packages() -> dict[str, str]:
    """Return the versions of the packages that are compared or imported, if they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
