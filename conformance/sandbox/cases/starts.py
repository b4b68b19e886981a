"""The runtime starts in each deployment, in the same surroundings as on Lambda."""

from __future__ import annotations

import json
from typing import Any

from conformance.expectations import Mismatch, error, expect, expect_in, value
from conformance.sandbox.deployments import FUNCTION_ZIP, IMAGE, MANAGED, OS_ONLY, OURS, Deployment
from conformance.sandbox.harness import Harness, case
from conformance.sandbox.machine import INTERPRETER
from conformance.suite import Observation

GROUP = "Start"

FACTS = """\
import os, sys

def handler(event, context):
    return {
        "event": event,
        "user": os.getuid(),
        "group": os.getgid(),
        "folder": os.getcwd(),
        "shared_memory": os.path.exists("/dev/shm"),
        "writable": [path for path in ("/", "/opt", "/var/task", "/tmp") if os.access(path, os.W_OK)],
        "interpreter": sys.executable,
        "isolated": [sys.flags.isolated, sys.flags.ignore_environment, sys.flags.no_site],
        "memory": context.memory_limit_in_mb,
        "handler": os.environ.get("_HANDLER"),
    }
"""


@case(GROUP, "hello.handler responds", OURS)
def hello(harness: Harness, deployment: Deployment) -> Observation:
    task = {} if deployment is FUNCTION_ZIP else {"hello.py": "def handler(event, context): return 'hello'\n"}
    with harness.start(deployment, "hello.handler", task=task) as function:
        result = function.invoke(b'{"name": "Ada"}')
        value(result)
        expect("exit status", function.exit_status, None)
    return result.payload.decode()


@case(GROUP, "with the zip of make dist, it compiles no module of the runtime", (OS_ONLY, MANAGED, IMAGE))
def compiles_nothing(harness: Harness, deployment: Deployment) -> Observation:
    """Count with -v what a whole invocation loads from bytecode and from source."""
    source = "def handler(event, context): return 'hello'\n"
    environment = {"PYTHONVERBOSE": "1"}
    with harness.start(
        deployment, "app.handler", task={"app.py": source}, environment=environment
    ) as function:
        value(function.invoke())
        lines = function.log_text().splitlines()
    loaded = [line for line in lines if line.startswith("# code object from ")]
    ours = [line for line in loaded if "/opt/runtime/" in line]
    expect("compiled", [line for line in ours if ".pyc" not in line], [])
    if not ours:
        raise Mismatch("no module has been loaded from bytecode")
    return f"{len(ours)} modules from bytecode"


@case(GROUP, "as on Lambda: user, folders, only /tmp is writable, no shared memory", OURS)
def surroundings(harness: Harness, deployment: Deployment) -> Observation:
    with harness.start(deployment, "facts.handler", task={"facts.py": FACTS}) as function:
        found: dict[str, Any] = value(function.invoke(b'"event"'))
    expect("event", found["event"], "event")
    expect("user and group", [found["user"], found["group"]], [993, 990])
    expect("folder", found["folder"], "/var/task")
    expect("/dev/shm", found["shared_memory"], False)
    expect("writable", found["writable"], ["/tmp"])
    expect("interpreter's flags", found["isolated"], [0, 0, 0])
    folder, _, name = found["interpreter"].rpartition("/")
    expect("interpreter's folder", folder, f"{deployment.interpreter_at}/bin")
    expect("interpreter", name in ("python3", INTERPRETER), True)
    return str(found["interpreter"])


@case(GROUP, "invocation after invocation, each with its request id", OURS)
def sequence(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "seen = []\ndef handler(event, context):\n    seen.append(context.aws_request_id)\n    return seen\n"
    )
    with harness.start(deployment, "count.handler", task={"count.py": source}) as function:
        results = [function.invoke() for _ in range(3)]
        expect("request ids", value(results[-1]), [one.request_id for one in results])
        expect("restarts", function.restarts, 0)
    return f"{len(results)} invocations, 1 start"


@case(GROUP, "an init error is posted, and the process ends", OURS)
def init_error(harness: Harness, deployment: Deployment) -> Observation:
    with harness.start(deployment, "nowhere.handler") as function:
        payload = error(function.invoke())
        expect("errorType", payload["errorType"], "Runtime.ImportModuleError")
        expect("exit status", function.exit_status, 1)
        expect("posted", [one.path for one in function.requests][:1], ["/2018-06-01/runtime/init/error"])
    return str(payload["errorMessage"])


@case(GROUP, "CMD is used if _HANDLER is empty", (IMAGE,))
def command_and_variable(harness: Harness, deployment: Deployment) -> Observation:
    source = "def one(event, context): return 'one'\ndef two(event, context): return 'two'\n"
    with harness.start(
        deployment, "two.two", task={"two.py": source}, environment={"_HANDLER": ""}
    ) as function:
        expect("result", value(function.invoke()), "two")
    return "CMD's handler"


@case(GROUP, "the managed runtime's modules can be imported, but its script does not run", (MANAGED,))
def managed_modules(harness: Harness, deployment: Deployment) -> Observation:
    task = {"app.py": "import sdk\ndef handler(event, context): return sdk.where\n"}
    runtime = {"sdk.py": "where = __file__\n"}
    with harness.start(deployment, "app.handler", task=task, runtime=runtime) as function:
        found = value(function.invoke())
    expect("module", found, "/var/runtime/sdk.py")
    return str(found)


@case(GROUP, "a function may have its own runtime.py and lambda_function.py", OURS)
def names(harness: Harness, deployment: Deployment) -> Observation:
    task = {
        "lambda_function.py": "import runtime\ndef lambda_handler(event, context): return runtime.mine\n",
        "runtime.py": "mine = 'mine'\n",
    }
    if deployment is FUNCTION_ZIP:  # the runtime's folder is beside the function's files
        task = {"lambda_function.py": "def lambda_handler(event, context): return 'mine'\n"}
    with harness.start(deployment, "lambda_function.lambda_handler", task=task) as function:
        expect("result", value(function.invoke()), "mine")
    return "runtime.mine" if deployment is not FUNCTION_ZIP else "lambda_function"


@case(GROUP, "subprocesses find python3 on PATH", OURS)
def subprocesses(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import subprocess\n"
        "def handler(event, context):\n"
        "    return subprocess.check_output(['python3', '-c', 'import sys; print(sys.prefix)'], text=True)\n"
    )
    with harness.start(deployment, "app.handler", task={"app.py": source}) as function:
        found = value(function.invoke())
    expect("prefix", found.strip(), deployment.interpreter_at)
    return str(found.strip())


@case(GROUP, "a missing handler setting is one clear error", (IMAGE, OS_ONLY))
def no_handler(harness: Harness, deployment: Deployment) -> Observation:
    environment: dict[str, str | None] = {"_HANDLER": ""}
    with harness.start(deployment, "", environment=environment) as function:
        payload = error(function.invoke())
    expect("errorType", payload["errorType"], "Runtime.MalformedHandlerName")
    expect_in("errorMessage", "_HANDLER", json.dumps(payload))
    return str(payload["errorMessage"])
