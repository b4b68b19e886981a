"""Run the tools that read the examples, and compare what they would deploy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from lambda_emulator.functions.function import Function
from lambda_emulator.servers.function_url import RESPONSE_STREAM, FunctionUrl

from conformance.expectations import Mismatch, expect, shorten
from conformance.publish.account import Account
from conformance.suite import MissingRequirement

ROOT = Path(__file__).resolve().parent.parent.parent
NODE = ROOT / ".environments" / "node" / "node_modules" / ".bin"
PATIENCE_S = 300
WRAPPER = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}}


class Harness:
    """The folder of the examples, and the account that AWS CLI uses."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.account = account
        self._log = ""

    def run(self, *command: str) -> str:
        """Return the output of ``command``. Raises Mismatch if it fails, MissingRequirement without it."""
        path = os.pathsep.join([str(Path(sys.executable).parent), str(NODE), os.environ.get("PATH", "")])
        if shutil.which(command[0], path=path) is None:
            raise MissingRequirement(f"{command[0]} is not on this machine")
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={
                "PATH": path,
                "HOME": str(self.folder),
                "CI": "true",
                "SLS_TELEMETRY_DISABLED": "1",
                "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
                **self.account.environment(),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )
        self._log = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise Mismatch(f"{command[0]} ended with {done.returncode}: {shorten(self._log[-600:])}")
        return self._log

    def log(self) -> str:
        return self._log


def check_stack(resources: dict[str, Any], handler: str = "app.handler", *, own_layer: bool = True) -> str:
    """Compare the resources of a CloudFormation template with what every example describes."""
    (function,) = of_type(resources, "AWS::Lambda::Function")
    check_function(function, handler)
    expect("the layers of the function", len(function["Layers"]), 1)
    layers = [one["LayerName"] for one in of_type(resources, "AWS::Lambda::LayerVersion")]
    expect("the layers", layers, ["python-runtime"] if own_layer else [])
    (url,) = of_type(resources, "AWS::Lambda::Url")
    expect("the URL", (url["AuthType"], url["InvokeMode"]), ("NONE", "RESPONSE_STREAM"))
    check_permissions(of_type(resources, "AWS::Lambda::Permission"))
    return f"{len(resources)} resources"


def check_function(function: dict[str, Any], handler: str) -> None:
    """Compare the properties of a function, in CloudFormation's words."""
    names = ("Runtime", "Handler", "Architectures", "MemorySize", "Timeout")
    found = {name: function[name] for name in names}
    expect("the function", found, dict(zip(names, ("python3.13", handler, ["arm64"], 256, 30))))
    expect("its variables", function["Environment"], WRAPPER)


def check_permissions(permissions: list[dict[str, Any]]) -> None:
    """A public URL needs both since October 2025 (developer guide, urls-auth)."""
    actions = {one["Action"]: one for one in permissions}
    expect("permissions", sorted(actions), ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"])
    expect("for everybody", {one["Principal"] for one in permissions}, {"*"})
    expect("by the URL", actions["lambda:InvokeFunction"]["InvokedViaFunctionUrl"], True)
    expect("its type", actions["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"], "NONE")


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the properties of the resources of this kind."""
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def stream(folder: Path, handler: str = "app.handler") -> str:
    """Run the code that a tool would upload under the emulator; return what its URL streams."""
    with Function(handler, folder, name="streaming", timeout_s=60) as function:
        url = FunctionUrl(function, invoke_mode=RESPONSE_STREAM)
        try:
            with urllib.request.urlopen(url.url) as response:
                lines = response.read().decode().splitlines()
        finally:
            url.close()
    expect("the lines", lines, [f"line {number} of streaming" for number in range(1, 6)])
    return str(lines[-1])
