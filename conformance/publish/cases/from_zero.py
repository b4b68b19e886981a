"""From a zip to a function: publishing, the README's commands, the template."""

from __future__ import annotations

import re
import zipfile
from typing import Any

from conformance.expectations import Mismatch, expect, expect_in
from conformance.publish import account as accounts
from conformance.publish.harness import ROOT, Harness
from conformance.publish.readme import Block, read_blocks
from conformance.suite import Case, MissingRequirement, Observation, Suite, case

ARN = r"arn:aws:lambda:eu-west-3:123456789012:layer:[A-Za-z0-9_-]+:1"
ELSEWHERE = "OPTIONS='--region eu-west-3'"  # so that the README's commands start in a region without layers
INTERPRETERS = ("python3.13-x86_64", "python3.13-arm64")
PUBLISH = "make publish"
FROM_ZERO = "README.md, from zero"
TEMPLATE = "examples/template.yaml"
HOMES = ("Stream", "Managed", "Image")


@case(PUBLISH, "one ARN on stdout for each zip, the interpreters of both architectures among them")
def publish_all(harness: Harness) -> Observation:
    for name in INTERPRETERS:
        accounts.stand_in_for_an_interpreter(harness.source / "layers" / f"{name}.zip")
    done = harness.type(f"make dist >&2\nmake publish {ELSEWHERE}").succeeded()
    arns = done.output.splitlines()
    if len(arns) != 3 or not all(re.fullmatch(ARN, arn) for arn in arns):
        raise Mismatch(f"expected three ARNs, found {done.output!r}")
    held = [harness.account.layer(arn) for arn in arns]
    expect("names", [one.name for one in held], ["python-runtime", "python3-13-arm64", "python3-13-x86_64"])
    architectures = [one.compatible_architectures for one in held]
    expect("architectures", architectures, [["x86_64", "arm64"], ["arm64"], ["x86_64"]])
    zips = ["lambda", *reversed(INTERPRETERS)]
    for layer, name in zip(held, zips):
        content = (harness.source / "layers" / f"{name}.zip").read_bytes()
        expect(f"the bytes of {name}.zip", layer.code_bytes == content, True)
    expect_in("the runtimes", "provided.al2023", held[0].compatible_runtimes)
    return arns[0]


@case(PUBLISH, "the second time gives the second version")
def publish_again(harness: Harness) -> Observation:
    done = harness.type(f"make publish ZIPS=layers/lambda.zip {ELSEWHERE}").succeeded()
    expect("the ARN", done.output.strip(), "arn:aws:lambda:eu-west-3:123456789012:layer:python-runtime:2")
    return done.output.strip()


@case(PUBLISH, "the ARN is printed with every output format")
def publish_as_text(harness: Harness) -> Observation:
    words = f"{ELSEWHERE[:-1]} --output text'"
    done = harness.type(f"make publish ZIPS=layers/lambda.zip {words}").succeeded()
    expect("the ARN", done.output.strip(), "arn:aws:lambda:eu-west-3:123456789012:layer:python-runtime:3")
    return done.output.strip()


@case(PUBLISH, "a zip that cannot be published leads to one clear error and no ARN")
def publish_in_vain(harness: Harness) -> Observation:
    large = harness.source / "layers" / "large.zip"
    with zipfile.ZipFile(large, "w") as archive:
        archive.writestr("python/large", bytes(51 * 2**20))
    expected = {
        "layers/nowhere.zip": "layers/nowhere.zip does not exist; `make dist` builds layers/lambda.zip",
        "layers/large.zip": "Lambda takes 50 MB in a request",
        "layers": "layers cannot be read: Is a directory",
    }
    for path, words in expected.items():
        done = harness.type(f"make publish ZIPS={path}")
        expect(f"ARNs for {path}", done.output, "")
        expect_in(f"the error for {path}", words, done.errors)
    large.unlink()
    nobody = "AWS_ENDPOINT_URL=http://127.0.0.1:9"  # nothing listens there
    done = harness.type(f"{nobody} make publish ZIPS=layers/lambda.zip")
    expect("ARNs without AWS", done.output, "")
    expect_in("the error without AWS", "publish: AWS CLI did not publish layers/lambda.zip", done.errors)
    return f"{len(expected) + 1} of them"


def paste(block: Block) -> Case:
    """Declare a block of commands as a case; they are unchanged except for the wait for IAM."""

    def try_it(harness: Harness) -> Observation:
        if harness.no_sandbox and any(word in block.commands for word in ("invoke", "curl", "delete")):
            raise MissingRequirement(f"there is no sandbox for the function: {harness.no_sandbox}")
        if "layers/python3.13-arm64.zip" in block.commands:
            accounts.stand_in_for_an_interpreter(harness.source / "layers" / "python3.13-arm64.zip")
        commands = re.sub("^sleep [0-9]+$", "true", block.commands, flags=re.MULTILINE)
        done = harness.type(commands).succeeded()
        if "lambda invoke" in block.commands:
            expect_in("what AWS CLI printed", '{"message": "Hello, Ada!"}', done.output)
            expect_in("what AWS CLI printed", '"StatusCode": 200', done.output)
            return '{"message": "Hello, Ada!"}'
        if "curl" in block.commands:
            return streamed(done.output)
        return f"{len(re.findall('^[^# ]', commands, re.MULTILINE))} commands"

    return Case(FROM_ZERO, block.title, try_it)


def streamed(output: str) -> Observation:
    """Return curl's output, which follows the last response of AWS CLI, an object of several lines."""
    page = output.rpartition("\n}\n")[2]
    events = page.split("\n\n")[:-1]
    if len(events) < 2 or not all("data:" in event for event in events):
        raise Mismatch(f"expected server-sent events, found {page!r}")
    return f"{len(events)} events, the last: {' '.join(events[-1].split())}"


SUITE: Suite[Harness] = Suite()
SUITE.cases.extend(paste(block) for block in read_blocks(ROOT))


@case(TEMPLATE, "cfn-lint finds nothing")
def cfn_lint(harness: Harness) -> Observation:
    done = harness.type(f"cfn-lint {TEMPLATE}").succeeded()
    expect("its output", done.output + done.errors, "")
    return "no findings"


@case(TEMPLATE, "sam validate --lint finds nothing")
def sam_validate(harness: Harness) -> Observation:
    done = harness.type(f"sam validate --lint --template {TEMPLATE}").succeeded()
    expect_in("its output", "is a valid SAM Template", done.output)
    return "a valid SAM Template"


@case(TEMPLATE, "make deploy brings it to CloudFormation: three deployments, and a URL that streams")
def deploy(harness: Harness) -> Observation:
    accounts.stand_in_for_an_interpreter(harness.source / "layers" / "python3.13-arm64.zip")
    harness.type(
        "make dist\naws s3 mb s3://deployment\nmake deploy BUCKET=deployment OPTIONS=--no-progressbar"
    ).succeeded()
    resources = harness.account.transformed["Resources"]
    functions = {name: of_type(resources, "Function")[f"{name}Function"] for name in HOMES}
    stream, managed, image = functions.values()
    expect("the OS-only runtime", (stream["Runtime"], len(stream["Layers"])), ("provided.al2023", 2))
    wrapper = managed["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
    expect("the managed runtime", (managed["Runtime"], wrapper), ("python3.13", "/opt/bootstrap"))
    expect("the image", image["PackageType"], "Image")
    (url,) = of_type(resources, "Url").values()
    expect("the URL's mode", url["InvokeMode"], "RESPONSE_STREAM")
    actions = sorted(permission["Action"] for permission in of_type(resources, "Permission").values())
    expect("who opens the URL", actions, ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"])
    dockerfile = resources["ImageFunction"].get("Metadata", {}).get("Dockerfile", "")
    expect("the Dockerfile is there", (harness.source / dockerfile).is_file(), True)
    return ", ".join(functions)


def of_type(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the AWS::Lambda:: resources of this kind."""
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == f"AWS::Lambda::{kind}"
    }


@case(TEMPLATE, "the deployed function can be invoked")
def invoke_deployed(harness: Harness) -> Observation:
    if harness.no_sandbox:
        raise MissingRequirement(f"there is no sandbox for the function: {harness.no_sandbox}")
    name = harness.type(
        "aws cloudformation describe-stack-resources --stack-name python-runtime-examples --output text"
        " --query \"StackResources[?LogicalResourceId=='ManagedFunction'].PhysicalResourceId\""
    ).output.strip()
    # moto creates the function without its layers, and the layers under other names.
    runtime = harness.type(
        "aws lambda list-layers --output text"
        " --query \"Layers[?contains(LayerName, 'Runtime')].LatestMatchingVersion.LayerVersionArn\""
    ).output.strip()
    done = harness.type(
        f"aws lambda update-function-configuration --function-name {name} --layers {runtime} >&2\n"
        f"aws lambda invoke --function-name {name} /dev/stdout"
    ).succeeded()
    expect_in("what AWS CLI printed", '{"message": "Hello, world!"}', done.output)
    return f"{name}, {runtime.rpartition(':layer:')[2]}"
