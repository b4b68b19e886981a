"""AWS CLI: find it, call it, and explain its errors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
# What to do about an error. The codes are those of AWS's services, in brackets in the message of AWS CLI.
_REMEDIES = (
    (
        r"\((ExpiredToken|ExpiredTokenException|RequestExpired|InvalidClientTokenId"
        r"|UnrecognizedClientException|InvalidSignatureException)\)"
        "|Error loading SSO Token|SSO session .* has expired|Token has expired",
        "AWS does not accept the credentials. Sign in again, for example with `aws sso login`.",
    ),
    (
        "Unable to locate credentials|could not be found",
        "AWS CLI has no credentials. Set a profile, for example AWS_PROFILE=work, or use `aws configure`.",
    ),
    ("You must specify a region", "No region is set. Pass OPTIONS='--region eu-west-1', or set AWS_REGION."),
    (
        r"\(AccessDenied(Exception)?\)",
        "Your user or role lacks this permission. Ask for it, or use another profile.",
    ),
    (
        r"\((ResourceConflictException|TooManyRequestsException|Throttling\w*)\)",
        "AWS is busy with this function. Try again in a minute.",
    ),
)


class AwsError(ToolError):
    """AWS CLI failed."""

    def __init__(self, found: str, remedy: str, code: str = "") -> None:
        super().__init__(found, remedy)
        self.code = code  # of the service's error, such as ResourceNotFoundException; "" without one


class AwsCli:
    """AWS CLI, version 1 or 2, with options for each call, such as ``--region`` and ``--profile``."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.program = find_aws_cli()
        self._options = list(options)

    def call(self, *words: str) -> Any:
        """Return the JSON that ``aws lambda WORDS`` prints, None if nothing. Raises AwsError."""
        command = [self.program, "lambda", *words, *self._options, "--output", "json"]  # the last one counts
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            raise explain(done.stderr.decode("utf-8", "replace").strip(), words[0])
        return json.loads(done.stdout) if done.stdout.strip() else None


def explain(message: str, operation: str) -> AwsError:
    """Return the error for a message of AWS CLI, with what to do."""
    lines = [line for line in message.splitlines() if line.strip()]
    found = lines[-1] if lines else "AWS CLI ended without a message"
    code = re.search(r"An error occurred \((\w+)\)", found)
    remedies = [remedy for pattern, remedy in _REMEDIES if re.search(pattern, message)]
    return AwsError(f"aws lambda {operation}: {found}", [*remedies, ""][0], code[1] if code else "")


def find_aws_cli() -> str:
    """Return AWS CLI, version 1 or 2: this machine's, or the one that `make conformance` installs."""
    for program in ("aws", str(ROOT / ".environments" / "conformance" / "bin" / "aws")):
        found = shutil.which(program)
        if found is not None and _works(found):
            return found
    raise AwsError("no working `aws` is on PATH.", "Install AWS CLI, for example with pip install awscli.")


def _works(program: str) -> bool:
    """Whether it runs: a version manager's shim may belong to an interpreter without AWS CLI."""
    done = subprocess.run(
        [program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode == 0
