"""Check the zips for files that usually contain secrets, mostly by their names."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatch

from tools.build.checks.finding import WARNING, Finding, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload

# Files with variables, passwords and tokens. On Lambda, variables belong in the function's configuration.
SECRETS = (
    *(".env", ".env.*", ".envrc"),
    *(".aws", ".azure", ".docker", ".gnupg", ".kube", ".ssh"),
    *(".netrc", "_netrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".git-credentials", ".dockercfg"),
    *(".boto", ".s3cfg", ".my.cnf", ".pgpass", ".vault-token"),
    *("*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", ".terraformrc"),
)
KEYS = ("*.key", "*.p12", "*.pfx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519")
CERTIFICATES = "*.pem"  # or keys


def check(upload: Upload) -> Iterator[Finding]:
    for file in upload.files:
        if file.name not in upload.installed:  # files of a public package are not secret
            yield from within(file.archive, _file(file))


def _file(file: File) -> Iterator[Finding]:
    remedy = "Leave it out (make dist-function EXCLUDE=PATTERN) and store secrets in Secrets Manager."
    if any(fnmatch(part, pattern) for part in file.name.split("/") for pattern in SECRETS):
        yield Finding(WARNING, "secret", file.name, "is a file that usually contains secrets", remedy)
    elif _may_be_a_key(file):
        yield Finding(WARNING, "secret", file.name, "may be a private key", remedy)


def _may_be_a_key(file: File) -> bool:
    """Judge by the name, and by the content of a .pem file, which may be a public certificate."""
    name = posixpath.basename(file.name)
    if fnmatch(name, CERTIFICATES):
        return b"PRIVATE KEY" in file.read()
    return any(fnmatch(name, pattern) for pattern in KEYS)
