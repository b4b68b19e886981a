"""A user's project from `pip install` to a function that has moved, in the commands of the documentation.

The cases build on each other: `-k journey` runs all of them.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

from conformance.expectations import expect, expect_in
from conformance.packages.cases.folders import VERSION, block
from conformance.publish.cases.moving import configuration, needs_sandbox
from conformance.publish.harness import ROOT, Harness
from conformance.suite import Observation, case

JOURNEY = "a project's journey"
WRAPPER = "/var/task/lambda_runtime/bootstrap"
FILES = {
    "src/requirements.txt": "--find-links ../wheels\ncustom-lambda-runtime-python\nfastapi\n",
    "src/orders.py": "def handler(event, context):\n    return {'total': sum(event['prices'])}\n",
    "src/shop.py": """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/items/{number}")
def item(number: int):
    return {"number": number, "square": number * number}
""",
    "tests/test_shop.py": """\
from lambda_emulator.testing import make_context

import orders


def test_sum():
    assert orders.handler({"prices": [1, 2]}, make_context()) == {"total": 3}


def test_orders(lambda_function):
    response = lambda_function("orders.handler").invoke({"prices": [1, 2]})
    assert response.payload == {"total": 3}


def test_shop(lambda_function):
    response = lambda_function("shop.app", timeout=30).request("GET", "/items/7")
    assert (response.status, response.json()) == (200, {"number": 7, "square": 49})
""",
    "pyproject.toml": """\
[tool.pytest.ini_options]
lambda_task_root = "src"
pythonpath = ["src"]
""",
}


def project(harness: Harness) -> Path:
    return harness.source.parent / "shop"


def type_in(harness: Harness, commands: str) -> str:
    """Run commands in the project's folder; pip takes the versions that we have locked."""
    folder = project(harness)
    constraints = f"export PIP_CONSTRAINT={shlex.quote(str(folder / 'constraints.txt'))}"
    return harness.type(f"{constraints}\ncd {shlex.quote(str(folder))}\n{commands}").succeeded().output


@case(JOURNEY, "the package is installed beside FastAPI, and the function runs on this machine")
def installed(harness: Harness) -> Observation:
    folder = project(harness)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    locked = (ROOT / "conformance" / "web" / "requirements.txt").read_text()
    (folder / "constraints.txt").write_text("\n".join(re.findall(r"^[\w.-]+==[^ ;]+", locked, re.MULTILINE)))
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder / "wheels")]
    harness.type(shlex.join([*build, str(harness.source)])).succeeded()
    create, install, run = block("On your machine", "sh").splitlines()
    expect_in("the last command", "lambda-emulator run --handler app.handler", run)
    type_in(harness, f"{create}\n{install}")
    run = run.replace("app.handler", "orders.handler").replace('{"name": "Ada"}', '{"prices": [1, 2.5]}')
    expect("the response", type_in(harness, run).strip(), '{"total": 3.5}')
    return '{"total": 3.5}'


@case(JOURNEY, "its tests pass: of the context, of a handler, of a FastAPI application")
def tested(harness: Harness) -> Observation:
    output = type_in(harness, ".venv/bin/pip install --quiet pytest\n.venv/bin/pytest -q")
    expect_in("what pytest printed", "3 passed", output)
    return "3 passed"


@case(JOURNEY, "the zip that the page builds runs in the emulator's sandbox")
def run_in_the_sandbox(harness: Harness) -> Observation:
    needs_sandbox(harness)
    type_in(harness, block("pip and a zip", "sh"))
    run = ".venv/bin/lambda-emulator run --task-root function.zip --sandbox always --timeout 20"
    output = type_in(harness, f"{run} --handler orders.handler --event '{{\"prices\": [4]}}'")
    expect("the response", output.strip(), '{"total": 4}')
    output = type_in(harness, f"{run} --handler shop.app --event 'GET /items/5'")
    expect_in("the response", '{"number":5,"square":25}', output)
    return output.strip().splitlines()[-1]


@case(JOURNEY, "the function of the zip is moved, without a layer")
def moved(harness: Harness) -> Observation:
    needs_sandbox(harness)
    role = "arn:aws:iam::123456789012:role/shop"
    type_in(
        harness,
        "aws iam create-role --role-name shop --assume-role-policy-document '{}' > /dev/null\n"
        f"aws lambda create-function --function-name shop --handler orders.handler --role {role}"
        f" --timeout 20 --zip-file fileb://function.zip --runtime python{VERSION}"
        " --environment 'Variables={TABLE=t}' > /dev/null",
    )
    event = json.dumps({"prices": [1, 2, 3]})
    done = harness.type(f"make move FUNCTION=shop WRAPPER={WRAPPER} APPLY=1 EVENT='{event}'").succeeded()
    expect_in("its output", f'Invoked with {event}: {{"total": 6}}', done.output)
    now = configuration(harness, name="shop")
    expect("layers", now.get("Layers") or [], [])
    variables = {"TABLE": "t", "AWS_LAMBDA_EXEC_WRAPPER": WRAPPER}
    expect("variables", now["Environment"]["Variables"], variables)
    back = harness.type("make move FUNCTION=shop BACK=1").succeeded()
    expect_in("back", f"variables  remove   AWS_LAMBDA_EXEC_WRAPPER={WRAPPER}", back.output)
    return '{"total": 6}'
