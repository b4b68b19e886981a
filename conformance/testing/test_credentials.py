"""`--credentials` with the real botocore, and what boto3 finds in a function that has no credentials.

The home folder has keys, a `credential_process` and an SSO session, whose portal is a server of this test.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from conformance.testing.project import ROOT

FUNCTION = """\
import os
import boto3

def handler(event, context):
    session = boto3.Session()
    found = session.get_credentials()
    home = os.path.expanduser("~/.aws")
    return {
        "keys": found and list(found.get_frozen_credentials())[:3],
        "method": found and found.method,
        "region": session.region_name,
        "profiles": session.available_profiles,
        "home": os.path.exists(home),
    }
"""
START_URL = "https://example.awsapps.com/start"
CONFIG = """\
[default]
region = eu-west-1

[profile process]
region = eu-west-2
credential_process = {program}

[profile sso]
region = eu-west-3
sso_start_url = {start_url}
sso_region = eu-west-3
sso_account_id = 123456789012
sso_role_name = developer
"""
PROCESS = {"Version": 1, "AccessKeyId": "of-process", "SecretAccessKey": "s", "SessionToken": "t"}
NOTHING: dict[str, Any] = {"keys": None, "method": None, "region": "us-east-1", "profiles": [], "home": False}


class Portal(BaseHTTPRequestHandler):
    """The SSO portal: exchanges a token for the keys of a role."""

    def do_GET(self) -> None:
        assert self.headers["x-amz-sso_bearer_token"] == "token", self.headers
        keys = {"accessKeyId": "of-sso", "secretAccessKey": "s", "sessionToken": "t"}
        body = json.dumps({"roleCredentials": {**keys, "expiration": 4_000_000_000_000}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def portal() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Machine:
    """A developer's machine: a home folder with profiles, AWS CLI 1, and botocore."""

    def __init__(self, folder: Path, portal: str) -> None:
        self.folder = folder
        self.aws = folder / "home" / ".aws"
        self.aws.mkdir(parents=True)
        program = folder / "process"
        program.write_text(f"#!/bin/sh\necho '{json.dumps(PROCESS)}'\n")
        program.chmod(0o755)
        (self.aws / "config").write_text(CONFIG.format(program=program, start_url=START_URL))
        (self.aws / "credentials").write_text(
            "[default]\naws_access_key_id = of-file\naws_secret_access_key = s\n"
        )
        (folder / "home" / ".boto").write_text(
            "[Credentials]\naws_access_key_id = of-boto\naws_secret_access_key = s\n"
        )
        (folder / "app.py").write_text(FUNCTION)
        self.environment = {
            "HOME": str(folder / "home"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "emulator"),
            "AWS_ENDPOINT_URL_SSO": portal,
        }

    def sign_in(self, expires: str) -> None:
        """Keep a token as `aws sso login` does."""
        cache = self.aws / "sso" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        token = {"startUrl": START_URL, "region": "eu-west-3", "accessToken": "token", "expiresAt": expires}
        (cache / f"{hashlib.sha1(START_URL.encode()).hexdigest()}.json").write_text(json.dumps(token))

    def run(self, *words: str, **variables: str) -> tuple[int, Any]:
        """Invoke the function; return the exit status, and its response or what the emulator says."""
        options = ["--handler=app.handler", f"--task-root={self.folder}", "--timeout=30", "--memory=256"]
        done = subprocess.run(
            [sys.executable, "-m", "lambda_emulator", "run", *options, *words],
            capture_output=True,
            text=True,
            env={**self.environment, **variables},
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture
def machine(tmp_path: Path, portal: str) -> Machine:
    return Machine(tmp_path, portal)


def found(name: str, region: str, token: str | None = "t") -> dict[str, Any]:
    return {**NOTHING, "keys": [name, "s", token], "method": "env", "region": region}


def test_boto3_finds_nothing_of_this_machine_without_the_option(machine: Machine) -> None:
    machine.sign_in("2999-01-01T00:00:00Z")
    own = {"AWS_PROFILE": "process", "AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "s"}
    assert machine.run(**own) == (0, NOTHING)


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        (["--credentials"], {}, found("of-file", "eu-west-1", None)),
        (["--credentials"], {"AWS_PROFILE": "process"}, found("of-process", "eu-west-2")),
        (["--credentials=sso"], {"AWS_PROFILE": "process"}, found("of-sso", "eu-west-3")),
        (
            ["--credentials"],
            {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "s", "AWS_PROFILE": "process"},
            found("mine", "eu-west-2", None),
        ),
    ],
)
def test_boto3_finds_the_keys_alone(
    machine: Machine, words: list[str], variables: dict[str, str], expected: dict[str, Any]
) -> None:
    machine.sign_in("2999-01-01T00:00:00Z")
    assert machine.run(*words, **variables) == (0, expected)


@pytest.mark.parametrize("expires", ["", "2020-01-01T00:00:00Z"])
def test_an_sso_session_that_has_ended_is_reported(machine: Machine, expires: str) -> None:
    if expires:
        machine.sign_in(expires)
    status, text = machine.run("--credentials=sso")
    assert status == 2
    assert "which cannot export credentials; AWS CLI 2 can; then botocore of " in text
    assert text.endswith("Sign in with `aws sso login --profile sso`\n")
