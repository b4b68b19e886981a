"""`make move`: a function on AWS's runtime is moved to ours, and back."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conformance.expectations import expect, expect_in
from conformance.publish.account import REGION
from conformance.publish.harness import Done, Harness
from conformance.suite import MissingRequirement, Observation, case

MOVE = "make move"
SECRET = 'it\'s $a "secret"'
SOURCE = """\
import os, sys

def handler(event, context):
    dependency = os.path.exists("/opt/python/dependency.py")
    return {"ours": "lambda_runtime" in sys.modules, "table": os.environ["TABLE"], "dependency": dependency}
"""
CREATE = """
mkdir -p layers/move/python && cd layers/move
cat > orders.py <<'END'
{source}
END
echo > python/dependency.py
"$PYTHON" -m zipfile -c orders.zip orders.py
"$PYTHON" -m zipfile -c dependency.zip python
aws lambda publish-layer-version --layer-name dependency --zip-file fileb://dependency.zip
role=$(aws iam create-role --role-name orders --query Role.Arn --output text \\
    --assume-role-policy-document '{{}}')
aws lambda create-function --function-name orders --handler orders.handler --role "$role" --timeout 30 \\
    --zip-file fileb://orders.zip --runtime python3.13 --memory-size 512 \\
    --layers arn:aws:lambda:{region}:123456789012:layer:dependency:1 --environment file://variables.json
aws lambda publish-version --function-name orders
aws lambda create-alias --function-name orders --name live --function-version 1
cd ../..
"""
LAYERS = f"arn:aws:lambda:{REGION}:123456789012:layer:"


@case(MOVE, "without APPLY=1 it shows what would change, without values of variables, and changes nothing")
def dry_run(harness: Harness) -> Observation:
    folder = harness.source / "layers" / "move"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "variables.json").write_text(json.dumps({"Variables": {"TABLE": SECRET, "STAGE": "prod"}}))
    harness.type(CREATE.format(source=SOURCE, region=REGION)).succeeded()
    harness.type("make dist >&2\nmake publish ZIPS=layers/lambda.zip").succeeded()
    before = configuration(harness)
    done = harness.type("make move FUNCTION=orders").succeeded()
    version = before["LastModified"]
    expect("its output", "secret" in done.output, False)
    runtime = newest(harness)
    expect(
        "its output",
        done.output.splitlines(),
        [
            "orders (python3.13)",
            f"  layers     keep     {LAYERS}dependency:1",
            f"             add      {runtime}",
            "  variables  add      AWS_LAMBDA_EXEC_WRAPPER=/opt/bootstrap",
            "             keep     STAGE, TABLE",
            "  aliases    keep     live, version 1",
            "Nothing has changed yet. To apply this: make move FUNCTION=orders APPLY=1",
        ],
    )
    expect("the configuration", configuration(harness), before)
    return f"{len(done.output.splitlines())} lines, last modified {version}"


@case(MOVE, "APPLY=1 keeps layers, variables, versions and aliases, and invokes the function once")
def applied(harness: Harness) -> Observation:
    needs_sandbox(harness)
    done = harness.type('make move FUNCTION=orders APPLY=1 EVENT=\'{"id": "it is $1"}\'').succeeded()
    response = {"ours": True, "table": SECRET, "dependency": True}
    expect_in("its output", f'Invoked with {{"id": "it is $1"}}: {json.dumps(response)}', done.output)
    expect_in("its output", "\norders is moved.\n", done.output)
    expect_in("its output", "To take this back: make move FUNCTION=orders", done.output)
    expect_in("its output", "Alias live still uses version 1", done.output)
    now = configuration(harness)
    expect("layers", [one["Arn"] for one in now["Layers"]], [f"{LAYERS}dependency:1", newest(harness)])
    variables = {"TABLE": SECRET, "STAGE": "prod", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}
    expect("variables", now["Environment"]["Variables"], variables)
    expect("the rest", (now["MemorySize"], now["Timeout"], now["Handler"]), (512, 30, "orders.handler"))
    version = configuration(harness, "--qualifier 1")
    expect("version 1", version["Environment"]["Variables"], {"TABLE": SECRET, "STAGE": "prod"})
    again = harness.type("make move FUNCTION=orders APPLY=1").succeeded()
    expect_in("the second time", "Nothing to change: orders runs on this runtime.", again.output)
    return done.output.splitlines()[-3]


@case(MOVE, "a new version of the layer replaces the previous one in its place")
def updated(harness: Harness) -> Observation:
    previous = newest(harness)
    harness.type("make publish ZIPS=layers/lambda.zip").succeeded()
    done = harness.type("make move FUNCTION=orders").succeeded()
    expect_in("its output", f"remove   {previous}", done.output)
    expect_in("its output", f"add      {newest(harness)}", done.output)
    return "removed and added"


@case(MOVE, "BACK=1 restores the layers and variables")
def taken_back(harness: Harness) -> Observation:
    needs_sandbox(harness)
    shown = harness.type("make move FUNCTION=orders BACK=1").succeeded()
    expect_in("its output", "To apply this: make move FUNCTION=orders BACK=1 APPLY=1", shown.output)
    harness.type("make move FUNCTION=orders BACK=1 APPLY=1")  # AWS's runtime is not in the sandbox
    now = configuration(harness)
    expect("layers", [one["Arn"] for one in now["Layers"]], [f"{LAYERS}dependency:1"])
    expect("variables", now["Environment"]["Variables"], {"TABLE": SECRET, "STAGE": "prod"})
    again = harness.type("make move FUNCTION=orders BACK=1").succeeded()
    expect_in("the second time", "Nothing to change: orders runs on AWS's runtime.", again.output)
    return "as before"


@case(MOVE, "a function that cannot start afterwards gets its previous configuration back")
def restored(harness: Harness) -> Observation:
    needs_sandbox(harness)
    harness.type("aws lambda update-function-configuration --function-name orders --handler orders.nothing")
    before = configuration(harness)
    done = harness.type("make move FUNCTION=orders APPLY=1")
    expect("the status", done.status, 2)
    expect_in("the error", "orders does not start with this runtime", done.errors)
    expect_in("the error", "Runtime.HandlerNotFound", done.errors)
    expect_in("the error", "Its previous configuration is restored.", done.errors)
    now = configuration(harness)
    for member in ("Layers", "Environment", "Handler"):
        expect(member, now[member], before[member])
    harness.type("aws lambda update-function-configuration --function-name orders --handler orders.handler")
    return done.errors.splitlines()[-2]


@case(MOVE, "what cannot be moved is refused before anything changes, each with what to do")
def refused(harness: Harness) -> Observation:
    update = "aws lambda update-function-configuration --function-name orders"
    five = " ".join([f"{LAYERS}dependency:1"] * 5)
    before = configuration(harness)
    cases: list[tuple[str, str, tuple[str, ...]]] = [
        ("", "make move FUNCTION=nobody", ("ResourceNotFoundException", "aws lambda list-functions")),
        (
            "",
            "make move FUNCTION=orders:live",
            ("is version 1, which cannot change", "point the alias to it"),
        ),
        ("", "make move FUNCTION=orders EVENT='{'", ("The event is not JSON", "Use for example EVENT=")),
        ("", "make move FUNCTION=orders LAYER=x", ("x is not the ARN", "Use for example arn:aws:lambda:")),
        ("", "make move FUNCTION=orders WRAPPER=bootstrap", ("not a path in a layer", "Use /opt/bootstrap")),
        ("", f"make move FUNCTION=orders LAYER={LAYERS}python-runtime:99", ("get-layer-version-by-arn",)),
        ("", "make move", ("FUNCTION is not set", "make move FUNCTION=orders")),
        (
            "",
            "env -u AWS_DEFAULT_REGION make move FUNCTION=orders",
            ("specify a region", "--region eu-west-1"),
        ),
        ("", "AWS_ENDPOINT_URL=http://127.0.0.1:9 make move FUNCTION=orders", ("Could not connect",)),
        (
            "",
            "make move FUNCTION=orders OPTIONS='--profile nobody'",
            ("(nobody) could not be found", "AWS_PROFILE"),
        ),
        (
            "",
            "PATH=/usr/bin:/bin make move FUNCTION=orders PYTHON=$PYTHON",
            ("no working `aws`", "Install AWS CLI"),
        ),
        (
            f"{update} --runtime python3.7",
            "make move FUNCTION=orders",
            ("orders is on python3.7; this runtime needs Python 3.8 or newer",),
        ),
        (
            f"{update} --runtime nodejs22.x",
            "make move FUNCTION=orders",
            ("orders is on nodejs22.x; only functions on a managed python3.x", "docs/deploy.md"),
        ),
        (
            f"{update} --runtime python3.13"
            " --environment 'Variables={AWS_LAMBDA_EXEC_WRAPPER=/opt/otel-handler}'",
            "make move FUNCTION=orders",
            ("already has AWS_LAMBDA_EXEC_WRAPPER=/opt/otel-handler", "Remove the other one first"),
        ),
        (
            f"{update} --environment 'Variables={{}}' --layers {five}",
            "make move FUNCTION=orders",
            ("has 5 layers, and Lambda allows 5", "WRAPPER=/var/task/lambda_runtime/bootstrap"),
        ),
    ]
    for prepare, command, words in cases:
        if prepare:
            harness.type(prepare).succeeded()
            before = configuration(harness)
        done = harness.type(command)
        expect(f"the status of {command}", done.status != 0, True)
        for one in words:
            expect_in(f"the error of {command}", one, done.errors)
        expect(f"lines of {command}", len(said(done)) <= 3, True)
        expect(f"the configuration after {command}", configuration(harness), before)
    return f"{len(cases)} of them"


ANSWERS: dict[str, tuple[int, dict[str, Any], tuple[str, ...]]] = {
    "ExpiredTokenException": (
        403,
        {"message": "The security token included in the request is expired"},
        ("(ExpiredTokenException)", "Sign in again, for example with `aws sso login`."),
    ),
    "AccessDeniedException": (
        403,
        {"Message": "User: x is not authorized to perform: lambda:GetFunctionConfiguration"},
        ("is not authorized to perform", "Ask for it, or use another profile."),
    ),
    "": (
        200,
        {"FunctionName": "orders", "Runtime": "python3.13", "LastUpdateStatus": "InProgress"},
        ("orders is being created or updated", "Try again in a minute."),
    ),
    " ": (
        200,
        {
            "FunctionName": "orders",
            "Runtime": "python3.13",
            "Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": "KMS access denied"}},
        },
        ("AWS does not show the variables of orders: KMS access denied.", "They would be lost."),
    ),
}


@case(
    MOVE, "expired credentials, a missing permission, an update in progress, hidden variables: said clearly"
)
def refused_by_aws(harness: Harness) -> Observation:
    # moto has none of these, so this server responds as AWS does.
    for error, (status, body, words) in ANSWERS.items():
        headers = {"x-amzn-ErrorType": error} if error.strip() else {}
        with Answering(status, body, headers) as url:
            done = harness.type(f"AWS_ENDPOINT_URL={url} make move FUNCTION=orders APPLY=1")
        expect("the status", done.status != 0, True)
        for one in words:
            expect_in("the error", one, done.errors)
        expect("lines", len(said(done)) <= 2, True)
    return f"{len(ANSWERS)} of them"


class Answering:
    """A server that gives the same response to every request."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def said(done: Done) -> list[str]:
    return [line for line in done.errors.splitlines() if line and not line.startswith("make: ")]


def configuration(harness: Harness, options: str = "", name: str = "orders") -> dict[str, Any]:
    command = f"aws lambda get-function-configuration --function-name {name} {options} --output json"
    found: dict[str, Any] = json.loads(harness.type(command).succeeded().output)
    return found


def newest(harness: Harness) -> str:
    command = "aws lambda list-layer-versions --layer-name python-runtime --output json"
    versions = json.loads(harness.type(command).succeeded().output)["LayerVersions"]
    return str(max(versions, key=lambda one: int(one["Version"]))["LayerVersionArn"])


def needs_sandbox(harness: Harness) -> None:
    if harness.no_sandbox:
        raise MissingRequirement(f"there is no sandbox for the function: {harness.no_sandbox}")
