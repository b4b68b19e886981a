"""The two clients: AWS CLI and AWS's SDK for Python, each used as documented."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.exceptions import ClientError  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.emulators.responses import Expected, Response
from conformance.emulators.steps import Call

TIMEOUT_S = 20
REGION = "us-east-1"
# Any credentials work: neither server checks the signature.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


class ClientFailure(Exception):
    """A client could not handle the server's response."""


class Client(ABC):
    """A client; ``shows`` reduces an expected response to the parts that the client shows."""

    name = ""

    @abstractmethod
    def invoke(self, url: str, call: Call) -> Response:
        """Make one call and return the response."""

    def shows(self, expected: Expected) -> Expected:
        return expected


class AwsCli(Client):
    """`aws lambda invoke`, which prints values from the headers and writes the payload to a file."""

    name = f"aws-cli {version('awscli')}"

    def invoke(self, url: str, call: Call) -> Response:
        with tempfile.TemporaryDirectory() as folder:
            payload, output = Path(folder, "payload"), Path(folder, "output")
            payload.write_bytes(call.payload)
            done = subprocess.run(
                [*self.command(url, call, payload), str(output)],
                env=self.environment(folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
            )
            if done.returncode == 0:
                return response_of(json.loads(done.stdout), output.read_bytes())
            return self.api_error(done.stderr.decode(errors="replace"))

    def command(self, url: str, call: Call, payload: Path) -> list[str]:
        program = Path(sys.executable).parent / "aws"
        # fileb:// has the same meaning in versions 1 and 2; other forms of a payload differ.
        options = {
            "--function-name": call.function_name,
            "--payload": f"fileb://{payload}" if call.payload else None,
            "--invocation-type": call.invocation_type,
            "--log-type": call.log_type,
            "--client-context": encode(call.client_context),
            "--tenant-id": call.tenant_id,
            "--endpoint-url": url,
        }
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return [str(program), "lambda", "invoke", "--output", "json", *given]

    def environment(self, home: str) -> dict[str, str]:
        """The variables of a machine without AWS configuration; one attempt, so that no error is hidden."""
        settings = {"AWS_DEFAULT_REGION": REGION, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}
        own = {"HOME": home, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        return {**own, **settings, **CREDENTIALS}

    def api_error(self, text: str) -> Response:
        found = re.search(r"An error occurred \((\w+)\) when calling the Invoke operation", text)
        if found is None:
            raise ClientFailure(text.strip())
        return Response(api_error=found[1])

    def shows(self, expected: Expected) -> Expected:
        """Keep only the name and the message of an error."""
        return Expected(None, None, None, api_error=expected.api_error) if expected.api_error else expected


class Boto3(Client):
    """`client.invoke`, plus the body of an HTTP error, which boto3's exception does not contain."""

    name = f"boto3 {version('boto3')}"

    def __init__(self) -> None:
        # One session, because it reads AWS's service descriptions once; threads must use it one at a time.
        self.session = boto3.session.Session("none", "none", region_name=REGION)
        self.session_lock = threading.Lock()

    def invoke(self, url: str, call: Call) -> Response:
        client = self.client(url)
        http_error: dict[str, Any] = {}
        client.meta.events.register(
            "response-received.lambda.Invoke", lambda response_dict, **_: http_error.update(response_dict)
        )
        try:
            reply = client.invoke(**self.parameters(call))
        except ClientError as error:
            return Response(
                status=error.response["ResponseMetadata"]["HTTPStatusCode"],
                api_error=error.response["Error"]["Code"],
                payload=http_error["body"] if is_server_error(error) else None,
            )
        return response_of(reply, reply["Payload"].read())

    def client(self, url: str) -> Any:
        once = {"total_max_attempts": 1}
        config = Config(retries=once, proxies={}, connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S)
        with self.session_lock:
            return self.session.client("lambda", endpoint_url=url, config=config)

    def parameters(self, call: Call) -> dict[str, Any]:
        given = {
            "FunctionName": call.function_name,
            "Payload": call.payload or None,
            "InvocationType": call.invocation_type,
            "LogType": call.log_type,
            "ClientContext": encode(call.client_context),
            "TenantId": call.tenant_id,
        }
        return {name: value for name, value in given.items() if value is not None}


def is_server_error(error: ClientError) -> bool:
    """Return whether it is a 502 with the function's error, as AWS's emulator sends it."""
    return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500)


def response_of(reply: dict[str, Any], payload: bytes) -> Response:
    """Create a response from the members of the API reference: StatusCode, FunctionError and so on."""
    log = reply.get("LogResult")
    return Response(
        status=reply["StatusCode"],
        function_error=reply.get("FunctionError"),
        executed_version=reply.get("ExecutedVersion"),
        payload=payload,
        log=None if log is None else base64.b64decode(log).decode(),
    )


def encode(client_context: str | None) -> str | None:
    return None if client_context is None else base64.b64encode(client_context.encode()).decode()
