"""Publish zips as layers with AWS CLI, and print the ARNs of their new versions, one a line.

    python3 tools/publish.py [ZIP…] [-- OPTIONS of AWS CLI, such as --region eu-central-1 --profile work]

Without a zip: layers/lambda.zip and every interpreter, layers/python*-ARCHITECTURE.zip. The layer is called
like its file; the runtime, which is the same for all architectures, is called python-runtime.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = "lambda"  # layers/lambda.zip
ARCHITECTURES = ("x86_64", "arm64")
# For what the console offers the layers; Lambda itself does not care. PublishLayerVersion takes 15 at most.
OS_ONLY = ("provided.al2023",)
MANAGED = tuple(f"python3.{minor}" for minor in range(9, 15))
DIRECT_UPLOAD_LIMIT = (
    50 * 1024 * 1024
)  # bytes of a zip in the request itself (developer guide, "Lambda quotas")


class PublishingError(Exception):
    """It cannot go on; the text says what was found, and what to do."""


class Layer:
    """A zip, and what AWS is told about it; the facts are in the file's name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stem = path.stem
        is_runtime = stem == RUNTIME
        is_interpreter = re.match(r"python\d", stem) is not None
        self.name = "python-runtime" if is_runtime else re.sub("[^A-Za-z0-9_-]", "-", stem)
        self.architectures = [one for one in ARCHITECTURES if stem.endswith(one)] or list(ARCHITECTURES)
        self.runtimes = [*OS_ONLY, *MANAGED] if is_runtime else list(OS_ONLY) if is_interpreter else []

    def read(self) -> bytes:
        """The zip's bytes. Raises PublishingError if AWS would not take them."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise PublishingError(
                f"{self.path} does not exist; `make dist` builds layers/lambda.zip"
            ) from None
        except OSError as error:
            raise PublishingError(f"{self.path} cannot be read: {error.strerror}") from None
        if len(content) > DIRECT_UPLOAD_LIMIT:
            raise PublishingError(
                f"{self.path} has {len(content) / 2**20:.0f} MB; Lambda takes 50 MB in a request. Put it "
                "into a bucket, and use aws lambda publish-layer-version --content S3Bucket=…,S3Key=…"
            )
        return content


def main(arguments: Sequence[str]) -> int:
    """Publish one after the other; 1 as soon as one cannot be."""
    words = list(arguments)
    split = words.index("--") if "--" in words else len(words)
    paths, options = [Path(word) for word in words[:split]], words[split + 1 :]
    try:
        refuse_queries(options)
        aws = find_aws_cli()
        for path in paths or built_layers():
            print(publish(aws, Layer(path), options), flush=True)
    except PublishingError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


def refuse_queries(options: Sequence[str]) -> None:
    """Raises PublishingError for an option that would leave out what the reply is read for."""
    if any(option.partition("=")[0] == "--query" for option in options):
        raise PublishingError("--query is for another command: this one prints the ARNs, and nothing else")


def built_layers() -> list[Path]:
    """The runtime's zip, and those of the interpreters that have been built."""
    interpreters = sorted(path for one in ARCHITECTURES for path in Path("layers").glob(f"python*-{one}.zip"))
    return [Path("layers", f"{RUNTIME}.zip"), *interpreters]


def find_aws_cli() -> str:
    """AWS CLI, version 1 or 2: that of this machine, or the one that `make conformance` has installed."""
    for program in ("aws", str(ROOT / ".environments" / "conformance" / "bin" / "aws")):
        found = shutil.which(program)
        if found is not None and works(found):
            return found
    raise PublishingError("there is no program `aws` on PATH that works; pip install awscli brings AWS CLI")


def works(program: str) -> bool:
    """A version manager may have put it there for an interpreter that does not have it."""
    done = subprocess.run(
        [program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode == 0


def publish(aws: str, layer: Layer, options: Sequence[str]) -> str:
    """Publish a new version of ``layer``: its ARN. Raises PublishingError if AWS does not have it then."""
    content = layer.read()
    told = f"{layer.path} ({len(content) / 1024:.0f} KB) as {layer.name} for {', '.join(layer.architectures)}"
    print(told, file=sys.stderr)
    command = [
        *(aws, "lambda", "publish-layer-version", "--layer-name", layer.name),
        *("--zip-file", f"fileb://{layer.path}"),
        *("--compatible-architectures", *layer.architectures),
        *(("--compatible-runtimes", *layer.runtimes) if layer.runtimes else ()),
        *(("--license-info", "Apache-2.0") if layer.path.stem == RUNTIME else ()),
        *options,
        *("--output", "json"),  # the last one counts
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise PublishingError(f"AWS CLI did not publish {layer.path}; what it says is above")
    arn, found = understood(done.stdout, layer)
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if found != sha256:
        raise PublishingError(f"AWS has other bytes than {layer.path}: SHA-256 {found}")
    return arn


def understood(reply: bytes, layer: Layer) -> tuple[str, str]:
    """The ARN and the SHA-256 (base64) in what AWS CLI has printed; raises PublishingError."""
    try:
        version = json.loads(reply.decode())
        return str(version["LayerVersionArn"]), str(version["Content"]["CodeSha256"])
    except (ValueError, LookupError, TypeError):
        said = reply.decode("utf-8", "replace")
        raise PublishingError(
            f"{layer.path} is published, but the reply is not understood: {said!r}. "
            f"Its ARN is in what `aws lambda list-layer-versions --layer-name {layer.name}` prints"
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
