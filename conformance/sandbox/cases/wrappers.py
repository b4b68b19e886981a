"""A vendor's wrapper (AWS_LAMBDA_EXEC_WRAPPER) in deployments where Lambda does not call it."""

from __future__ import annotations

import os
import re

from lambda_emulator.functions.function import Function

from conformance.expectations import error, expect, expect_in, lines, only_item, value
from conformance.sandbox.deployments import FUNCTION_ZIP, IMAGE, MANAGED, OS_ONLY, Deployment
from conformance.sandbox.harness import Harness, case
from conformance.suite import Observation

GROUP = "Vendors' wrappers"
UNMANAGED = (OS_ONLY, IMAGE, FUNCTION_ZIP)
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/vendor"}

# Prints a message and changes nothing.
PLAIN = """#!/bin/sh
echo "wrapper $*"
exec "$@"
"""

# Replaces the function's handler by its own, which calls it, as tracing layers do.
REWRITING = """#!/bin/bash
export VENDOR_HANDLER="$_HANDLER"
export _HANDLER=vendor_handler.handler
export PYTHONPATH="/opt/vendor-modules${PYTHONPATH:+:$PYTHONPATH}"
exec "$@"
"""

VENDOR_HANDLER = """\
import importlib, os

module, _, name = os.environ["VENDOR_HANDLER"].rpartition(".")
original = getattr(importlib.import_module(module), name)

def handler(event, context):
    return {"wrapped": original(event, context)}
"""

# Inserts options for the interpreter before the script, the last argument: AWS's guide
# on modifying the runtime's environment shows with `-X importtime`.
INSERTING = """#!/bin/bash
script="${@: -1}"
set -- "${@:1:$#-1}" -X importtime -X dev "$script"
exec "$@"
"""

IN_PYTHON = """#!/usr/bin/env python3
import os, sys
os.environ["VENDOR"] = "was here"
os.execv(sys.argv[1], sys.argv[1:])
"""

APP = {
    "app.py": """\
import os, sys

print("loading in", os.getpid())

def handler(event, context):
    return {
        "vendor": os.environ.get("VENDOR"),
        "arguments": sys.argv,
        "flags": [sys.flags.dev_mode, sorted(sys._xoptions)],
        "ours": sorted(name for name in os.environ if name.startswith("LAMBDA_RUNTIME_")),
    }
"""
}


def start(harness: Harness, deployment: Deployment, wrapper: str) -> Function:
    return harness.start(deployment, "app.handler", task=APP, opt={"vendor": wrapper}, environment=WRAPPER)


@case(GROUP, "is called once, with the interpreter and the script", UNMANAGED)
def plain(harness: Harness, deployment: Deployment) -> Observation:
    with start(harness, deployment, PLAIN) as function:
        found = value(function.invoke())
        script = f"{deployment.bootstrap_at}/bootstrap"
        calls = re.findall(r"^wrapper (.*)$", function.log_text(), re.MULTILINE)
        expect("calls", len(calls), 1)
        interpreter, last = calls[0].split(" ", 1)
        expect("script", os.path.normpath(last), script)
        expect_in("interpreter", f"{deployment.interpreter_at}/bin/python3", interpreter)
        expect("loaded", function.log_text().count("loading in"), 1)
        expect("variables LAMBDA_RUNTIME_… that the function sees", found["ours"], ["LAMBDA_RUNTIME_DIR"])
    return str(calls[0])


@case(GROUP, "may put its own handler before the function's", UNMANAGED)
def rewriting(harness: Harness, deployment: Deployment) -> Observation:
    opt = {"vendor": REWRITING, "vendor-modules/vendor_handler.py": VENDOR_HANDLER}
    task = {"app.py": "def handler(event, context): return event\n"}
    with harness.start(deployment, "app.handler", task=task, opt=opt, environment=WRAPPER) as function:
        for number in range(2):
            found = value(function.invoke(str(number).encode()))
            expect("result", found, {"wrapped": number})
    return str(found)


@case(GROUP, "may put options for the interpreter before the script", UNMANAGED)
def inserting(harness: Harness, deployment: Deployment) -> Observation:
    with start(harness, deployment, INSERTING) as function:
        found = value(function.invoke())
        expect("flags", found["flags"], [True, ["dev", "importtime"]])
        measured = [line for line in function.log_text().splitlines() if line.startswith("import time:")]
        expect("the function's module is among them", any(line.endswith(" app") for line in measured), True)
    return f"-X dev, {len(measured)} lines of -X importtime"


@case(GROUP, "may be a Python program", UNMANAGED)
def in_python(harness: Harness, deployment: Deployment) -> Observation:
    with start(harness, deployment, IN_PYTHON) as function:
        found = value(function.invoke())
    expect("variable", found["vendor"], "was here")
    return str(found["vendor"])


@case(GROUP, "may be in the function's own folder", (OS_ONLY, IMAGE))
def in_task_root(harness: Harness, deployment: Deployment) -> Observation:
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/vendor"}
    with harness.start(
        deployment, "app.handler", task={**APP, "vendor": PLAIN}, environment=environment
    ) as function:
        value(function.invoke())
        expect("calls", function.log_text().count("wrapper "), 1)
    return "/var/task/vendor"


@case(GROUP, "two, one after the other, each called once", (OS_ONLY, IMAGE))
def chained(harness: Harness, deployment: Deployment) -> Observation:
    first = '#!/bin/sh\necho "wrapper one"\nexec /opt/second "$@"\n'
    second = '#!/bin/sh\necho "wrapper two"\nexec "$@"\n'
    opt = {"vendor": first, "second": second}
    with harness.start(deployment, "app.handler", task=APP, opt=opt, environment=WRAPPER) as function:
        value(function.invoke())
        calls = re.findall(r"^wrapper (.*)$", function.log_text(), re.MULTILINE)
        expect("calls", calls, ["one", "two"])
    return ", then ".join(calls)


@case(GROUP, "may remove its variable", (OS_ONLY, IMAGE))
def unset(harness: Harness, deployment: Deployment) -> Observation:
    wrapper = '#!/bin/sh\necho "wrapper"\nunset AWS_LAMBDA_EXEC_WRAPPER\nexec "$@"\n'
    with start(harness, deployment, wrapper) as function:
        found = value(function.invoke())
        expect("calls", function.log_text().count("wrapper"), 1)
        expect("variables LAMBDA_RUNTIME_… that the function sees", found["ours"], ["LAMBDA_RUNTIME_DIR"])
    return "called once"


@case(GROUP, "bootstrap itself as the wrapper does not loop", (OS_ONLY, IMAGE, FUNCTION_ZIP, MANAGED))
def ourselves(harness: Harness, deployment: Deployment) -> Observation:
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": f"{deployment.bootstrap_at}/bootstrap"}
    with harness.start(deployment, "app.handler", task=APP, environment=environment) as function:
        found = value(function.invoke())
        expect("loaded", function.log_text().count("loading in"), 1)
    return " ".join(found["arguments"])


@case(GROUP, "an empty variable means no wrapper", (OS_ONLY, IMAGE))
def empty(harness: Harness, deployment: Deployment) -> Observation:
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": ""}
    with harness.start(deployment, "app.handler", task=APP, environment=environment) as function:
        value(function.invoke())
        expect("loaded", function.log_text().count("loading in"), 1)
    return "loaded once"


@case(GROUP, "missing: an init error that names it", (OS_ONLY, IMAGE))
def missing(harness: Harness, deployment: Deployment) -> Observation:
    return refused(harness, deployment, {}, "No such file or directory")


@case(GROUP, "not executable: an init error that names it", (OS_ONLY, IMAGE))
def not_executable(harness: Harness, deployment: Deployment) -> Observation:
    return refused(harness, deployment, {"vendor": "exec true\n"}, "Permission denied")


@case(GROUP, "its interpreter is missing: an init error that names it", (OS_ONLY, IMAGE))
def no_interpreter(harness: Harness, deployment: Deployment) -> Observation:
    return refused(harness, deployment, {"vendor": "#!/bin/nowhere\n"}, "No such file or directory")


def refused(harness: Harness, deployment: Deployment, opt: dict[str, str], reason: str) -> Observation:
    with harness.start(deployment, "app.handler", task=APP, opt=opt, environment=WRAPPER) as function:
        payload = error(function.invoke())
        expect_in("errorMessage", "/opt/vendor", payload["errorMessage"])
        expect_in("errorMessage", reason, payload["errorMessage"])
        expect_in("errorMessage", "AWS_LAMBDA_EXEC_WRAPPER", payload["errorMessage"])
        expect("the log contains the reason as well", reason in function.log_text(), True)
        expect("exit status", function.exit_status, 1)
    return f"{payload['errorType']}: {payload['errorMessage']}"


@case(GROUP, "if it fails, its message is in the log, and the caller gets an error", (OS_ONLY,))
def failing(harness: Harness, deployment: Deployment) -> Observation:
    wrapper = "#!/bin/sh\necho 'vendor: no licence' >&2\nexit 7\n"
    with start(harness, deployment, wrapper) as function:
        result = function.invoke()
        payload = error(result)
        expect("errorType", payload["errorType"], "Runtime.ExitError")
        expect("log", "vendor: no licence" in function.log_text(), True)
        expect_in("errorMessage", "exit status 7", payload["errorMessage"])
    return str(payload["errorMessage"].partition("Error: ")[2])


@case(GROUP, "JSON logs and levels work with it", (OS_ONLY,))
def logs(harness: Harness, deployment: Deployment) -> Observation:
    task = {"app.py": "import logging\ndef handler(event, context): logging.info('packed')\n"}
    environment = {**WRAPPER, "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with harness.start(
        deployment, "app.handler", task=task, opt={"vendor": PLAIN}, environment=environment
    ) as function:
        result = function.invoke()
        value(result)
        text = "\n".join(lines(result))
        expect_in("log", '"message": "packed"', text)
    return '"message": "packed"'


@case(GROUP, "the descriptor for log frames works with it, and the function does not see it", (OS_ONLY,))
def frames(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import logging, os\n"
        "def handler(event, context):\n"
        "    logging.error('packed')\n"
        "    return os.environ.get('_LAMBDA_TELEMETRY_LOG_FD')\n"
    )
    with harness.start(
        deployment,
        "app.handler",
        task={"app.py": source},
        opt={"vendor": PLAIN},
        environment=WRAPPER,
        telemetry=True,
    ) as function:
        expect("variable", value(function.invoke()), None)
        frame = only_item("frames", function.frames)
        expect_in("message", "packed", frame.message.decode())
    return f"1 frame, type {frame.type:08X}"
