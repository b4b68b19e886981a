"""The examples for infrastructure as code: each tool reads its own, and all describe the same function."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import hcl2  # type: ignore[import-not-found,import-untyped,unused-ignore]
from cfnlint.decode import cfn_yaml  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.expectations import expect, expect_in
from conformance.infrastructure.harness import (
    Harness,
    check_function,
    check_permissions,
    check_stack,
    stream,
)
from conformance.publish.transform import transform
from conformance.suite import Observation, case

SAM = "AWS SAM"
CDK = "AWS CDK"
SERVERLESS = "Serverless Framework"
CLOUDFORMATION = "CloudFormation"
TERRAFORM = "Terraform"
LAYER_ARN = "arn:aws:lambda:us-east-1:123456789012:layer:python-runtime:1"


@case(SAM, "sam validate --lint finds nothing")
def sam_validate(harness: Harness) -> Observation:
    output = harness.run("sam", "validate", "--lint", "--template-file", "sam.yaml")
    expect_in("its output", "is a valid SAM Template", output)
    return "a valid SAM Template"


@case(SAM, "sam build and sam package make a template with all parts, and a folder that streams")
def sam_package(harness: Harness) -> Observation:
    harness.run("sam", "build", "--template-file", "sam.yaml")
    built = harness.folder / ".aws-sam" / "build"
    stream(built / "Function")
    harness.run("aws", "s3", "mb", "s3://sam")
    harness.run("sam", "package", "--s3-bucket", "sam", "--output-template-file", "packaged-sam.yaml")
    template = (harness.folder / "packaged-sam.yaml").read_text()
    return check_stack(json.loads(transform(template))["Resources"])


@case(CDK, "cdk synth makes a template with all parts, and a folder that streams")
def cdk_synth(harness: Harness) -> Observation:
    harness.run("cdk", "synth", "--quiet")
    output = harness.folder / "cdk.out"
    template = json.loads((output / "Streaming.template.json").read_text())
    (code,) = (path for path in output.glob("asset.*") if path.is_dir())
    (layer,) = output.glob("asset.*.zip")
    expect("a bootstrap in the layer", "bootstrap" in zipfile.ZipFile(layer).namelist(), True)
    stream(code)
    return check_stack(template["Resources"])


@case(SERVERLESS, "serverless package makes a template with all parts, and a zip that streams")
def serverless_package(harness: Harness) -> Observation:
    harness.run("serverless", "package", "--param", f"layer={LAYER_ARN}")
    folder = harness.folder / ".serverless"
    template = json.loads((folder / "cloudformation-template-update-stack.json").read_text())
    with zipfile.ZipFile(folder / "streaming.zip") as archive:
        archive.extractall(folder / "unpacked")
    stream(folder / "unpacked", "function/app.handler")
    return check_stack(template["Resources"], "function/app.handler", own_layer=False)


@case(
    CLOUDFORMATION, "aws cloudformation package uploads code and layer; cfn-lint finds nothing in the result"
)
def cloudformation_package(harness: Harness) -> Observation:
    harness.run("aws", "s3", "mb", "s3://deployment")
    harness.run(
        *("aws", "cloudformation", "package", "--s3-bucket", "deployment"),
        *("--template-file", "cloudformation.yaml", "--output-template-file", "packaged.yaml"),
    )
    expect("findings", harness.run("cfn-lint", "packaged.yaml"), "")
    packaged = cfn_yaml.loads((harness.folder / "packaged.yaml").read_text())
    resources = json.loads(json.dumps(packaged))["Resources"]
    expect("the code", resources["Function"]["Properties"]["Code"]["S3Bucket"], "deployment")
    expect("the layer", resources["Runtime"]["Properties"]["Content"]["S3Bucket"], "deployment")
    return check_stack(resources)


@case(TERRAFORM, "terraform fmt changes nothing")
def terraform_fmt(harness: Harness) -> Observation:
    # `terraform validate` needs the provider of AWS, which is not in a package registry.
    harness.run("terraform", "fmt", "-check", "-diff", "main.tf")
    return "formatted"


@case(TERRAFORM, "the configuration has all parts")
def terraform_parts(harness: Harness) -> Observation:
    with (harness.folder / "main.tf").open() as file:
        read = plain(hcl2.load(file))
    resources: dict[str, list[dict[str, Any]]] = {}
    for one in read["resource"]:
        for kind, named in one.items():
            resources.setdefault(kind, []).extend(named.values())
    (function,) = resources["aws_lambda_function"]
    (environment,) = function["environment"]
    properties = {
        "".join(word.title() for word in name.split("_")): value for name, value in function.items()
    }
    check_function({**properties, "Environment": {"Variables": environment["variables"]}}, "app.handler")
    expect("its layers", function["layers"], ["${aws_lambda_layer_version.runtime.arn}"])
    (layer,) = resources["aws_lambda_layer_version"]
    expect("the layer", layer["layer_name"], "python-runtime")
    (url,) = resources["aws_lambda_function_url"]
    expect("the URL", (url["authorization_type"], url["invoke_mode"]), ("NONE", "RESPONSE_STREAM"))
    words = {
        "action": "Action",
        "principal": "Principal",
        "invoked_via_function_url": "InvokedViaFunctionUrl",
        "function_url_auth_type": "FunctionUrlAuthType",
    }
    permissions = resources["aws_lambda_permission"]
    check_permissions([{words.get(name, name): one[name] for name in one} for one in permissions])
    return f"{sum(map(len, resources.values()))} resources"


def plain(value: Any) -> Any:
    """Remove the quotes that hcl2 keeps around names and texts."""
    if isinstance(value, dict):
        return {plain(name): plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.strip('"') if isinstance(value, str) else value
