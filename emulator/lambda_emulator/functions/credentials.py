"""Get AWS credentials for the function where AWS's tools find them, and renew them before they expire.

Profiles, SSO sessions, roles and programs (``credential_process``) are left to AWS CLI or botocore. The
function receives only the keys, as on Lambda.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import threading
import time
from datetime import datetime, timezone
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# AWS CLI and botocore renew what they cache at least 10 minutes before it expires. So what they return now
# is valid for longer than this, unless it cannot be renewed.
RENEW_BEFORE_S = 300.0
# After a failure, or if there are no newer ones, how long to wait before asking again.
RETRY_S = 5.0
# A program that needs the network, or a second factor from the terminal.
PROGRAM_TIMEOUT_S = 60.0

NOT_INSTALLED = 3  # the exit status of the following program
_BOTOCORE = f"""
import sys
sys.path[:] = [folder for folder in sys.path if folder]  # not the current folder
try:
    import botocore.session
except ImportError:
    sys.exit({NOT_INSTALLED})
import json
credentials = botocore.session.Session(profile=sys.argv[1] or None).get_credentials()
if credentials is None:
    sys.exit("no credentials found")
keys = credentials.get_frozen_credentials()
expires = getattr(credentials, "_expiry_time", None)  # botocore has no public name for it
print(json.dumps({{
    "Version": 1,
    "AccessKeyId": keys.access_key,
    "SecretAccessKey": keys.secret_key,
    "SessionToken": keys.token,
    "Expiration": expires and expires.isoformat(),
}}))
"""
# What to do after a message of AWS CLI or botocore; {} is the option that names the profile.
_REMEDIES = (
    ("could not be found", "List your profiles with `aws configure list-profiles`"),
    ("(?i)sso|token|expired", "Sign in with `aws sso login{}`"),
    ("no credentials found", "Set them up with `aws configure{0}` or `aws configure sso{0}`"),
)


class CredentialsUnavailable(Exception):
    """There are no valid credentials; the message says what was tried and what to do."""


class _Failed(Exception):
    """One way to get credentials has failed; the message says why."""


class Keys(NamedTuple):
    """What the function receives."""

    access_key_id: str
    secret_access_key: str
    session_token: str  # empty for the keys of a user
    expires: float  # Unix time; infinity if unknown

    def variables(self) -> dict[str, str]:
        found = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return {**found, "AWS_SESSION_TOKEN": self.session_token} if self.session_token else found


class CredentialSource:
    """The keys of a profile, or of what this machine's environment selects if ``profile`` is empty."""

    def __init__(self, profile: str, interpreters: Sequence[str]) -> None:
        """``interpreters``: where to look for botocore."""
        self.profile = profile
        self._interpreters = interpreters
        self._keys: Keys | None = None
        self._problem: CredentialsUnavailable | None = None  # that of the last attempt
        self._retry_at = 0.0  # by the monotonic clock
        self._lock = threading.Lock()

    def keys(self) -> Keys:
        """Return valid keys, new ones if those that are known expire soon; raise CredentialsUnavailable."""
        with self._lock:
            if self._keys is not None and self._keys.expires > time.time() + RENEW_BEFORE_S:
                return self._keys
            if time.monotonic() >= self._retry_at:
                self._renew()
            if self._keys is not None and self._keys.expires > time.time():
                return self._keys
            raise self._problem or CredentialsUnavailable("the AWS credentials have expired. Sign in again")

    @property
    def warning(self) -> str:
        """Why keys that expire soon could not be renewed; empty if there is no problem."""
        if self._problem is None or self._keys is None:
            return ""
        return f"The AWS credentials expire at {_clock(self._keys.expires)}: {self._problem}."

    def _renew(self) -> None:
        try:
            self._keys, self._problem = self._find(), None
        except CredentialsUnavailable as problem:
            self._problem = problem
        self._retry_at = time.monotonic() + RETRY_S

    def _find(self) -> Keys:
        """Ask in the order of the SDKs: variables win, unless the person has named a profile."""
        if not self.profile and os.environ.get("AWS_ACCESS_KEY_ID"):
            return _from_environment()
        problems = []
        for ask in (self._ask_aws_cli, self._ask_botocore):
            try:
                return ask()
            except _Failed as problem:
                problems.append(str(problem))
        raise CredentialsUnavailable(self._explain(problems))

    def _ask_aws_cli(self) -> Keys:
        program = shutil.which("aws")
        if program is None:
            raise _Failed("program `aws` (AWS CLI 2) is not on PATH")
        what = "`aws configure export-credentials`"
        words = [program, "configure", "export-credentials", "--format", "process"]
        done = _run([*words, "--profile", self.profile] if self.profile else words, what)
        if "Invalid choice" in done.stderr:
            version = _run([program, "--version"], f"{program} --version")
            name = re.search(r"aws-cli/(\S+)", version.stdout + version.stderr)
            raise _Failed(
                f"{program} is AWS CLI {name[1] if name else '1'}, which cannot export credentials;"
                " AWS CLI 2 can"
            )
        return _read(done, what)

    def _ask_botocore(self) -> Keys:
        missing = []
        for interpreter in dict.fromkeys(self._interpreters):
            what = f"botocore of {interpreter}"
            done = _run([interpreter, "-c", _BOTOCORE, self.profile], what)
            if done.returncode != NOT_INSTALLED:
                return _read(done, what)
            missing.append(interpreter)
        raise _Failed(f"botocore is not installed for {', '.join(missing)}")

    def _explain(self, problems: Sequence[str]) -> str:
        profile = self.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
        whose = f" of profile {profile!r}" if profile else ""
        option = f" --profile {profile}" if profile else ""
        remedy = next(
            (remedy for one in problems for pattern, remedy in _REMEDIES if re.search(pattern, one)),
            "Install AWS CLI 2, or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        ).format(option)
        return f"found no valid AWS credentials{whose}. Tried: {'; then '.join(problems)}. {remedy}"


def _from_environment() -> Keys:
    """Return the keys in the variables. A program that wrote them may have noted when they expire."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")
    access_key_id, secret, token, expires = (os.environ.get(name, "") for name in names)
    if not secret:
        raise CredentialsUnavailable(
            "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not. Set both, or unset the first to use"
            " a profile"
        )
    try:
        keys = Keys(access_key_id, secret, token, _unix_time(expires))
    except ValueError:
        keys = Keys(access_key_id, secret, token, math.inf)
    if keys.expires <= time.time():
        raise CredentialsUnavailable(
            f"the keys in AWS_ACCESS_KEY_ID have expired at {_clock(keys.expires)}"
            " (AWS_CREDENTIAL_EXPIRATION). Set new ones and restart the emulator, or unset them to use a"
            " profile"
        )
    return keys


def _run(words: Sequence[str], what: str) -> subprocess.CompletedProcess[str]:
    """Run a program with this machine's environment, which says where the credentials are."""
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        raise _Failed(f"{what} does not run: {(error.strerror or '').lower()}") from None
    except subprocess.TimeoutExpired:
        raise _Failed(f"{what} did not end within {PROGRAM_TIMEOUT_S:.0f} seconds") from None


def _read(done: subprocess.CompletedProcess[str], what: str) -> Keys:
    """Read the format of ``credential_process``, in which AWS CLI writes too."""
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _Failed(f"{what}: {lines[-1].rstrip('.')[:300] if lines else f'exit status {done.returncode}'}")
    try:
        found = json.loads(done.stdout)
        expires = _unix_time(found.get("Expiration") or "")
        return Keys(found["AccessKeyId"], found["SecretAccessKey"], found.get("SessionToken") or "", expires)
    except (ValueError, KeyError, AttributeError, TypeError):  # its output is secret, so it is not shown
        raise _Failed(f"{what} did not print credentials as JSON") from None


def _unix_time(text: str) -> float:
    """Return the time in ISO 8601 text, infinity if it is empty; raise ValueError for other text."""
    if not text:
        return math.inf
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)).timestamp()


def _clock(unix_time: float) -> str:
    return time.strftime("%H:%M", time.localtime(unix_time))
