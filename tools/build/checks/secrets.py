"""Recognise files that usually contain secrets, by their names in any case, and keys by their content."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase

from tools.build.checks.finding import WARNING, Finding, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.build.checks.upload import File, Upload

# Files with variables, passwords and tokens. On Lambda, variables belong in the function's configuration.
SECRETS = (
    *(".env", ".env.*", ".envrc", "*.env"),
    *(".aws", ".azure", ".docker", ".gnupg", ".kube", ".ssh"),
    *(".netrc", "_netrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".git-credentials", ".dockercfg"),
    *(".boto", ".s3cfg", ".my.cnf", ".pgpass", ".vault-token"),
    *("*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", ".terraformrc"),
)
KEYS = ("*.key", "*.p12", "*.pfx", "*.jks", "*.ppk", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519")
_LONGEST_KEY_BYTES = 20_000


def check(upload: Upload) -> Iterator[Finding]:
    for file in upload.files:
        if file.name not in upload.installed:  # files of a public package are not secret
            yield from within(file.archive, _file(file))


def _file(file: File) -> Iterator[Finding]:
    remedy = "Leave it out (make dist-function EXCLUDE=PATTERN) and store secrets in Secrets Manager."
    if any(_matches(part, SECRETS) for part in file.name.split("/")):
        yield Finding(WARNING, "secret", file.name, "is a file that usually contains secrets", remedy)
    elif _matches(posixpath.basename(file.name), KEYS) or is_key(file.name, file.head):
        yield Finding(WARNING, "secret", file.name, "may be a private key", remedy)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def is_key(name: str, read: Callable[[int], bytes]) -> bool:
    """Return whether the content is a private key, or that of a service account of Google Cloud.

    A key begins with its mark (RFC 7468, 2), so source code that mentions one is none. A .pem file may hold
    the key after certificates. ``read`` returns the beginning of the file, up to so many bytes.
    """
    name = name.lower()
    if name.endswith(".json"):
        data = read(_LONGEST_KEY_BYTES)
        return b'"service_account"' in data and b'"private_key"' in data
    if name.endswith(".pem"):
        return b"PRIVATE KEY-----" in read(_LONGEST_KEY_BYTES)
    return read(11) == b"-----BEGIN " and b"PRIVATE KEY-----" in read(80)
