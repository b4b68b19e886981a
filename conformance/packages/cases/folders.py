"""The commands of docs/your-project.md: functions whose requirements name the package run without a layer.

The runtime is then in /var/task beside the function, and ``AWS_LAMBDA_EXEC_WRAPPER`` names its bootstrap.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

from lambda_emulator.functions.function import Function

from conformance.expectations import Mismatch, expect, expect_in
from conformance.explore.engine import EngineError
from conformance.packages.cases.images import base_image, invoke_twice
from conformance.packages.harness import ROOT, Harness
from conformance.sandbox.deployments import LAMBDA_LIBRARIES, MANAGED, OS_ONLY, Deployment
from conformance.sandbox.machine import INTERPRETER, PREFIX
from conformance.suite import MissingRequirement, Observation, case
from tools.build import uv
from tools.build.errors import ToolError
from tools.build.zips import Archive

GROUP = "docs/your-project.md"
BOOTSTRAP = "/var/task/lambda_runtime/bootstrap"
PAGE = (ROOT / "docs" / "your-project.md").read_text(encoding="utf-8")
FLAGS = re.MULTILINE | re.DOTALL
VERSION = INTERPRETER[len("python") :]
APP = """\
import sys

import lambda_runtime

def handler(event, context):
    yield lambda_runtime.__file__ + " "
    yield " ".join(sorted({path for path in sys.path if sys.path.count(path) > 1})) + "."
"""
RESPONSE = "/var/task/lambda_runtime/__init__.py ."
# Lambda executes the wrapper with the command that it would have executed.
WRAPPED = replace(
    MANAGED,
    program=(BOOTSTRAP, *MANAGED.program[1:]),
    environment={**MANAGED.environment, "AWS_LAMBDA_EXEC_WRAPPER": BOOTSTRAP},
)
# What AWS's base images for Python add and start.
AWS_BASE = """\
COPY lambda-entrypoint.sh /
COPY bootstrap /var/runtime/
WORKDIR /var/task
ENTRYPOINT ["/lambda-entrypoint.sh"]
"""
AWS_ENTRY_POINT = '#!/bin/sh\nexport _HANDLER="$1"\nexec /var/runtime/bootstrap\n'
AWS_BOOTSTRAP = """\
#!/bin/sh
[ -x "$AWS_LAMBDA_EXEC_WRAPPER" ] || { echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"; exit 126; }
exec "$AWS_LAMBDA_EXEC_WRAPPER" /usr/local/bin/python3 /var/runtime/bootstrap.py
"""


@case(GROUP, "pip and a zip: nothing is compiled at the start")
def pip(harness: Harness) -> Observation:
    return compiles_nothing(harness, zipped(harness, "pip and a zip"))


@case(GROUP, "uv and a zip: nothing is compiled at the start")
def uv_pip(harness: Harness) -> Observation:
    uv_program()
    return compiles_nothing(harness, zipped(harness, "uv and a zip"))


@case(GROUP, "sam build: nothing is compiled at the start")
def sam(harness: Harness) -> Observation:
    project = new_project(harness, "sam")
    (project / "template.yaml").write_text(block("AWS SAM", "yaml"))
    build, chmod, compile_all, deploy = block("AWS SAM", "sh").splitlines()
    expect_in("the last command", "sam deploy", deploy)
    type_in(harness, project, build)
    bootstrap = project / ".aws-sam" / "build" / "Hello" / "lambda_runtime" / "bootstrap"
    if is_executable(bootstrap):
        raise Mismatch("sam build keeps the permission now, so the page need not ask for chmod")
    type_in(harness, project, f"{chmod}\n{compile_all}")
    return compiles_nothing(harness, project / ".aws-sam" / "build" / "Hello")


@case(GROUP, "sam build with uv: bootstrap stays executable")
def sam_uv(harness: Harness) -> Observation:
    uv_program()
    project = new_project(harness, "sam-uv")
    kind = "    Type: AWS::Serverless::Function\n"
    template = block("AWS SAM", "yaml").replace(kind, kind + block("AWS SAM", "yaml", 1))
    (project / "template.yaml").write_text(template)
    type_in(harness, project, "sam build --beta-features")
    return run(harness, project / ".aws-sam" / "build" / "Hello", WRAPPED)


@case(GROUP, "on the OS-only runtime, with the bootstrap of the page")
def os_only(harness: Harness) -> Observation:
    folder = harness.folder / "os-only"
    shutil.copytree(zipped(harness, "pip and a zip"), folder)
    (folder / "bootstrap").write_text(block("OS-only runtimes", "sh"))
    (folder / "bootstrap").chmod(0o755)
    return run(harness, folder, replace(OS_ONLY, program=("/var/task/bootstrap",)))


@case(GROUP, "beside a layer, the variable selects the copy, also on the OS-only runtime")
def beside_a_layer(harness: Harness) -> Observation:
    folder = zipped(harness, "pip and a zip")
    run(harness, folder, MANAGED, "/opt/runtime/lambda_runtime/__init__.py .")
    run(harness, folder, OS_ONLY, "/opt/runtime/lambda_runtime/__init__.py .")
    return run(harness, folder, replace(OS_ONLY, environment={"AWS_LAMBDA_EXEC_WRAPPER": BOOTSTRAP}))


@case(GROUP, "installed into a layer of packages, it runs from there")
def layer_of_packages(harness: Harness) -> Observation:
    project, opt = new_project(harness, "layer"), harness.folder / "layer-of-packages"
    shutil.copytree(zipped(harness, "pip and a zip"), opt / "python")
    (opt / "python" / "app.py").unlink()
    program = ("/opt/python/lambda_runtime/bootstrap", *WRAPPED.program[1:])
    with start(harness, project / "src", replace(WRAPPED, program=program), opt) as function:
        response = function.invoke().payload.decode()
    expect("response", response, "/opt/python/lambda_runtime/__init__.py .")
    return response


@case(GROUP, "AWS's image with the variable, and another image with bootstrap as its entry point")
def images(harness: Harness) -> Observation:
    try:
        for number in range(2):
            observation = in_image(harness, number)
    except EngineError as error:
        raise Mismatch(str(error)) from None
    return observation


def in_image(harness: Harness, number: int) -> Observation:
    """Build and invoke the page's image, on a substitute for its base."""
    project, name = new_project(harness, f"image-{number}"), f"localhost/project/{number}"
    base = f"FROM {base_image(harness, 'debian')}\n"
    if number == 0:
        for path, script in (("lambda-entrypoint.sh", AWS_ENTRY_POINT), ("bootstrap", AWS_BOOTSTRAP)):
            (project / path).write_text(script)
            (project / path).chmod(0o755)
        base += AWS_BASE
    dockerfile = re.sub("^FROM .*\n", base, block("Container image", "dockerfile", number))
    (project / "Dockerfile").write_text(dockerfile)
    harness.engine.run("build", "--tag", name, "--file", str(project / "Dockerfile"), str(project))
    _, responses = invoke_twice(harness, name)
    expect("responses", [response.payload.decode() for response in responses], [RESPONSE] * 2)
    return f"init phase with the container {responses[0].report.init_ms or 0:.0f} ms"


def new_project(harness: Harness, name: str) -> Path:
    """Create a folder with the wheel and a function that requires it."""
    project = harness.folder / "projects" / name
    (project / "wheels").mkdir(parents=True)
    shutil.copy(harness.wheel, project / "wheels")
    (project / "src").mkdir()
    (project / "src" / "requirements.txt").write_text(re.findall(r"^```\n(.*?)^```$", PAGE, FLAGS)[0])
    (project / "src" / "app.py").write_text(APP)
    return project


def block(heading: str, language: str, number: int = 0) -> str:
    """Return a block of the page, for this version of Python."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", section, FLAGS)
    return blocks[number].replace("3.13", VERSION)


def zipped(harness: Harness, heading: str) -> Path:
    """Return a folder with the content of the zip that the page's commands build, once for each heading."""
    folder = harness.folder / "unzipped" / heading
    if not folder.exists():
        project = new_project(harness, heading)
        type_in(harness, project, block(heading, "sh"))
        with Archive(project / "function.zip") as archive:
            for name, member in archive.members.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(archive.read(name))
                (folder / name).chmod(stat.S_IMODE(member.mode))
    return folder


def type_in(harness: Harness, project: Path, commands: str) -> None:
    """Run commands in a shell, without network."""
    programs = [str(Path(sys.executable).parent), str(uv.FOLDER / "bin"), os.environ.get("PATH", os.defpath)]
    offline = {"SAM_CLI_TELEMETRY": "0", "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
    environment = {**offline, "PATH": os.pathsep.join(programs)}
    harness.run(["sh", "-e", "-c", commands], folder=project, environment=environment)


def is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXOTH)


def uv_program() -> str:
    try:
        return uv.program()
    except ToolError as error:
        raise MissingRequirement(error.found) from None


def run(harness: Harness, folder: Path, deployment: Deployment, expected: str = RESPONSE) -> Observation:
    """Invoke the function twice in the sandbox."""
    expect("bootstrap is executable", is_executable(folder / "lambda_runtime" / "bootstrap"), True)
    with start(harness, folder, deployment) as function:
        responses = [function.invoke().payload.decode() for _ in range(2)]
    expect("responses", responses, [expected, expected])
    return responses[0]


def compiles_nothing(harness: Harness, folder: Path) -> Observation:
    """Invoke the function on a managed runtime; count what is loaded from bytecode and from source."""
    run(harness, folder, WRAPPED)
    verbose = replace(WRAPPED, environment={**WRAPPED.environment, "PYTHONVERBOSE": "1"})
    with start(harness, folder, verbose) as function:
        function.invoke()
        lines = function.log_text().splitlines()
    ours = [line for line in lines if line.startswith("# code object from ") and "/var/task/" in line]
    expect("compiled at the start", [line for line in ours if ".pyc" not in line], [])
    if not ours:
        raise Mismatch("no module has been loaded from bytecode")
    return f"{len(ours)} modules from bytecode"


def start(harness: Harness, folder: Path, deployment: Deployment, layer: Path | None = None) -> Function:
    """A function in the sandbox with ``layer``, by default the runtime's, to be used with ``with``."""
    mounts = [(folder, "/var/task"), (layer or harness.machine.layer, "/opt")]
    if deployment.interpreter_at == "/opt":
        opt = harness.folder / "opt"
        if not opt.exists():
            shutil.copytree(harness.machine.layer, opt)
            for name in ("bin", "lib"):
                (opt / name).mkdir()
        mounts[1] = (opt, "/opt")
        mounts += [(PREFIX / name, f"/opt/{name}") for name in ("bin", "lib")]
    else:
        mounts.append((PREFIX, deployment.interpreter_at))
    variables: dict[str, str | None] = {
        "LAMBDA_TASK_ROOT": "/var/task",
        "LD_LIBRARY_PATH": LAMBDA_LIBRARIES,
        **deployment.environment,
    }
    return Function(
        "app.handler",
        folder,
        harness.machine.command(mounts, deployment.program),
        environment=variables,
        timeout_s=20,
        init_timeout_s=60,
    )
