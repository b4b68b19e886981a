"""Transform templates of AWS SAM with AWS's own translator, like CloudFormation."""

from __future__ import annotations

import json

from cfnlint.decode import cfn_yaml  # type: ignore[import-not-found,import-untyped,unused-ignore]
from samtranslator.translator.transform import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    transform as translate,
)

BASIC_EXECUTION = "AWSLambdaBasicExecutionRole"


class ManagedPolicies:
    """The policies that SAM attaches; its own loader would request all policies from IAM."""

    def load(self) -> dict[str, str]:
        return {BASIC_EXECUTION: f"arn:aws:iam::aws:policy/service-role/{BASIC_EXECUTION}"}


def transform(template: str) -> str:
    """Return the CloudFormation template (JSON) for a SAM template (YAML)."""
    plain = json.loads(json.dumps(cfn_yaml.loads(template)))
    return json.dumps(translate(plain, {}, ManagedPolicies()), indent=1)
