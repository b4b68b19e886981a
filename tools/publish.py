"""Publish zips as layers with AWS CLI, and print the ARN of each new version.

    python3 tools/publish.py [ZIP…] [-- OPTIONS of AWS CLI, such as --region eu-central-1 --profile work]

The default is layers/lambda.zip and every interpreter, layers/python*-ARCHITECTURE.zip. A layer has the name
of its file, except that the runtime, which works on all architectures, is named python-runtime.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script has only its own folder on it

from tools.build.aws_cli import find_aws_cli
from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIME = "lambda"  # layers/lambda.zip
ARCHITECTURES = ("x86_64", "arm64")
# The runtimes for which the console offers the layers; Lambda itself ignores them. The API accepts at most
# 15.
OS_ONLY = ("provided.al2023",)
MANAGED = tuple(f"python3.{minor}" for minor in range(9, 15))
DIRECT_UPLOAD_LIMIT = (
    50 * 1024 * 1024
)  # bytes of a zip in the request itself (developer guide, "Lambda quotas")


class PublishingError(Exception):
    """A layer cannot be published; the message says what was found and what to do."""


class Layer:
    """A zip and its description for AWS, derived from the file's name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stem = path.stem
        is_runtime = stem == RUNTIME
        is_interpreter = re.match(r"python\d", stem) is not None
        self.name = "python-runtime" if is_runtime else re.sub("[^A-Za-z0-9_-]", "-", stem)
        self.architectures = [one for one in ARCHITECTURES if stem.endswith(one)] or list(ARCHITECTURES)
        self.runtimes = [*OS_ONLY, *MANAGED] if is_runtime else list(OS_ONLY) if is_interpreter else []

    def read(self) -> bytes:
        """Return the zip's bytes; raise PublishingError if AWS would reject them."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise PublishingError(
                f"{self.path} does not exist; `make dist` builds layers/lambda.zip"
            ) from None
        except OSError as error:
            raise PublishingError(
                f"{self.path} cannot be read: {error.strerror}. Check its permissions."
            ) from None
        if len(content) > DIRECT_UPLOAD_LIMIT:
            raise PublishingError(
                f"{self.path} has {len(content) / 2**20:.0f} MB; Lambda takes 50 MB in a request. "
                "Upload it to a bucket, and use aws lambda publish-layer-version --content S3Bucket=…,S3Key=…"
            )
        return content


def main(arguments: Sequence[str]) -> int:
    """Publish the layers in order; return 1 at the first failure."""
    words = list(arguments)
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("zip", nargs="*", type=Path)
    paths, options = parser.parse_args(words[:split]).zip, words[split + 1 :]
    try:
        refuse_queries(options)
        aws = find_aws_cli()
        layers = [Layer(path) for path in paths or built_layers()]
        for layer in layers:
            layer.read()  # so that nothing is published if one of them cannot be
        for layer in layers:
            print(publish(aws, layer, options), flush=True)
    except (PublishingError, ToolError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


def refuse_queries(options: Sequence[str]) -> None:
    """Raise PublishingError for --query, which would remove the ARN from the reply."""
    if any(option.partition("=")[0] == "--query" for option in options):
        raise PublishingError(
            "--query is not supported, because the reply must contain the ARN. Remove it from OPTIONS."
        )


def built_layers() -> list[Path]:
    """Return the runtime's zip and the interpreters' zips that have been built."""
    interpreters = sorted(path for one in ARCHITECTURES for path in Path("layers").glob(f"python*-{one}.zip"))
    return [Path("layers", f"{RUNTIME}.zip"), *interpreters]


def publish(aws: str, layer: Layer, options: Sequence[str]) -> str:
    """Publish a new version of ``layer`` and return its ARN; raise PublishingError on failure."""
    content = layer.read()
    summary = (
        f"{layer.path} ({len(content) / 1024:.0f} KB) as {layer.name} for {', '.join(layer.architectures)}"
    )
    print(summary, file=sys.stderr)
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
        raise PublishingError(f"AWS CLI did not publish {layer.path}; see its message above")
    arn, found = parse_reply(done.stdout, layer)
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if found != sha256:
        raise PublishingError(
            f"AWS received different bytes than {layer.path} contains: SHA-256 {found}, expected {sha256}"
        )
    return arn


def parse_reply(reply: bytes, layer: Layer) -> tuple[str, str]:
    """Return the ARN and the SHA-256 (base64) in AWS CLI's output; raise PublishingError if missing."""
    try:
        version = json.loads(reply.decode())
        return str(version["LayerVersionArn"]), str(version["Content"]["CodeSha256"])
    except (ValueError, LookupError, TypeError):
        text = reply.decode("utf-8", "replace")
        raise PublishingError(
            f"{layer.path} is published, but AWS CLI's output contains no ARN: {text!r}. "
            f"To see the ARN, use aws lambda list-layer-versions --layer-name {layer.name}"
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
