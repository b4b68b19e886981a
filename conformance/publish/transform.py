"""Does what CloudFormation does with templates of AWS SAM: transforms them, by AWS's own translator."""

from __future__ import annotations

import json

from cfnlint.decode import cfn_yaml  # type: ignore[import-not-found,import-untyped,unused-ignore]
from samtranslator.translator.transform import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    transform as translate,
)

BASIC_EXECUTION = "AWSLambdaBasicExecutionRole"


class ManagedPolicies:
    """The policies that SAM attaches; its own loader would ask IAM for all there are."""

    def load(self) -> dict[str, str]:
        return {BASIC_EXECUTION: f"arn:aws:iam::aws:policy/service-role/{BASIC_EXECUTION}"}


def transform(template: str) -> str:
    """The CloudFormation template (JSON) that a SAM template (YAML) stands for."""
    plain = json.loads(json.dumps(cfn_yaml.loads(template)))
    return json.dumps(translate(plain, {}, ManagedPolicies()), indent=1)
