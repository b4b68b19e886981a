"""SnapStart: the sequence around a snapshot, on our runtime and on AWS's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lambda_emulator.functions.function import Function

from conformance.expectations import Mismatch, expect, value
from conformance.sandbox.deployments import AWS_MANAGED, IMAGE, MANAGED, OS_ONLY, Deployment
from conformance.sandbox.harness import Harness, case
from conformance.suite import Observation

GROUP = "SnapStart"
HOMES = (OS_ONLY, MANAGED, IMAGE)
API = "/2018-06-01/runtime"

HOOKS = """\
from snapshot_restore_py import register_after_restore, register_before_snapshot

done = []

@register_before_snapshot
def first_before():
    done.append("first before")

@register_before_snapshot
def second_before():
    done.append("second before")

@register_after_restore
def first_after():
    done.append("first after")

@register_after_restore
def second_after():
    done.append("second after")

register_before_snapshot(done.append, "with arguments")
register_after_restore(lambda **keywords: done.append(keywords), key="word")

def handler(event, context):
    return done
"""

OWN_REGISTRY = """\
before, after = [], []

def register_before_snapshot(func, *args, **kwargs):
    before.append((func, args, kwargs))
    return func

def register_after_restore(func, *args, **kwargs):
    after.append((func, args, kwargs))
    return func

def get_before_snapshot():
    return before

def get_after_restore():
    return after
"""

FAILING = """\
import sys
from snapshot_restore_py import register_after_restore, register_before_snapshot

def fail():
    print("the hook runs")
    {what}

{when}(fail)

def handler(event, context):
    return "reached"
"""


@dataclass(frozen=True)
class Facts:
    """A runtime's calls of the Runtime API until its first `next` or its end, and its exit status."""

    requests: tuple[tuple[str, str, str | None, str | None], ...]  # method, path, type in header, in body
    exit_status: int | None

    def words(self) -> Observation:
        calls = " > ".join(path + (f" {header}" if header else "") for _, path, header, _ in self.requests)
        return calls if self.exit_status is None else f"{calls} > exit {self.exit_status}"


def facts(function: Function) -> Facts:
    found = []
    for request in function.requests:
        body: dict[str, Any] = json.loads(request.body) if request.method == "POST" else {}
        header = request.header("Lambda-Runtime-Function-Error-Type")
        found.append((request.method, request.path[len(API) + 1 :], header, body.get("errorType")))
        if request.path.endswith("invocation/next"):
            break
    return Facts(tuple(found), function.exit_status)


def run(
    harness: Harness, deployment: Deployment, source: str, kind: str = "snap-start"
) -> tuple[Facts, Any, str]:
    """Run a function; return the facts, the payload of one invocation, and the log."""
    with harness.start(
        deployment, "app.handler", task={"app.py": source}, initialization_type=kind
    ) as function:
        payload = json.loads(function.invoke().payload)
        return facts(function), payload, function.log_text()


@case(GROUP, "hooks before, last registered first; restore/next; hooks after, in order", HOMES)
def sequence(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, _ = run(harness, deployment, HOOKS)
    expect("hooks before", payload[:3], ["with arguments", "second before", "first before"])
    expect("hooks after", payload[3:], ["first after", "second after", {"key": "word"}])
    calls = (("GET", "restore/next", None, None), ("GET", "invocation/next", None, None))
    expect("requests", seen, Facts(calls, None))
    return seen.words()


@case(GROUP, "without hooks the sequence is the same", HOMES)
def without_hooks(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, _ = run(harness, deployment, "def handler(event, context): return 'fine'\n")
    expect("result", payload, "fine")
    expect("requests", [path for _, path, _, _ in seen.requests], ["restore/next", "invocation/next"])
    return seen.words()


@case(GROUP, "on-demand runs no hooks and makes no call", HOMES)
def on_demand(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, _ = run(harness, deployment, HOOKS, "on-demand")
    expect("hooks", payload, [])
    expect("requests", [path for _, path, _, _ in seen.requests], ["invocation/next"])
    return seen.words()


@case(GROUP, "an error while loading is an ordinary init error", HOMES)
def load_error(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, _ = run(harness, deployment, "raise ValueError('no configuration')\n")
    expect("errorType", payload["errorType"], "ValueError")
    expect("exit status", seen.exit_status, 1)
    return seen.words()


def failing(what: str, when: str) -> str:
    return FAILING.format(what=what, when=f"register_{when}")


@case(GROUP, "a hook before raises: init/error, exit 64", HOMES)
def before_raises(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, log = run(harness, deployment, failing("raise ValueError('not now')", "before_snapshot"))
    call = ("POST", "init/error", "Runtime.BeforeSnapshotError", "ValueError")
    expect("requests", seen, Facts((call,), 64))
    expect("errorMessage", payload["errorMessage"], "not now")
    expect("log", "not now" in log, True)
    return seen.words()


@case(GROUP, "a hook before exits: init/error, exit 64", HOMES)
def before_exits(harness: Harness, deployment: Deployment) -> Observation:
    seen, _, _ = run(harness, deployment, failing("sys.exit(3)", "before_snapshot"))
    call = ("POST", "init/error", "Runtime.BeforeSnapshotError", "SystemExit")
    expect("requests", seen, Facts((call,), 64))
    return seen.words()


@case(GROUP, "a hook after raises: restore/error, exit 65", HOMES)
def after_raises(harness: Harness, deployment: Deployment) -> Observation:
    seen, payload, log = run(harness, deployment, failing("raise ValueError('not now')", "after_restore"))
    calls = (
        ("GET", "restore/next", None, None),
        ("POST", "restore/error", "Runtime.AfterRestoreError", "ValueError"),
    )
    expect("requests", seen, Facts(calls, 65))
    expect("errorMessage", payload["errorMessage"], "not now")
    expect("log", "not now" in log, True)
    return seen.words()


@case(GROUP, "a hook after exits: restore/error, exit 65", HOMES)
def after_exits(harness: Harness, deployment: Deployment) -> Observation:
    seen, _, _ = run(harness, deployment, failing("sys.exit(3)", "after_restore"))
    expect("exit status", seen.exit_status, 65)
    expect("last request", seen.requests[-1][1:3], ("restore/error", "Runtime.AfterRestoreError"))
    return seen.words()


@case(GROUP, "a hook after the failing one is not run", (OS_ONLY,))
def stops(harness: Harness, deployment: Deployment) -> Observation:
    source = failing("raise ValueError", "after_restore")
    source += "register_after_restore(lambda: print('one more hook'))\n"
    _, _, log = run(harness, deployment, source)
    expect("hooks", ("the hook runs" in log, "one more hook" in log), (True, False))
    return "the first error ends it"


@case(GROUP, "the function's own snapshot_restore_py takes precedence over ours", HOMES)
def own_registry(harness: Harness, deployment: Deployment) -> Observation:
    listing = "import snapshot_restore_py; return [snapshot_restore_py.__file__, *done]"
    app = HOOKS.replace("return done", listing)
    files = {"snapshot_restore_py/__init__.py": OWN_REGISTRY}
    for place in ("task", "opt"):
        task = {"app.py": app, **(files if place == "task" else {})}
        opt = {f"python/{name}": text for name, text in files.items()} if place == "opt" else {}
        with harness.start(
            deployment, "app.handler", task=task, opt=opt, initialization_type="snap-start"
        ) as function:
            file, *done = value(function.invoke())
        root = "/var/task" if place == "task" else "/opt/python"
        expect("registry", file, f"{root}/snapshot_restore_py/__init__.py")
        expect("hooks", len(done), 6)
    return "from the task root, and from a layer"


@case(GROUP, "no connection outlives the snapshot", HOMES)
def fresh_connection(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import os\n"
        "from snapshot_restore_py import register_after_restore\n"
        "def sockets():\n"
        "    links = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')\n"
        "             if os.path.lexists(f'/proc/self/fd/{fd}')]\n"
        "    return [link for link in links if link.startswith('socket:')]\n"
        "after = []\n"
        "register_after_restore(lambda: after.extend(sockets()))\n"
        "def handler(event, context): return [after, len(sockets())]\n"
    )
    _, payload, _ = run(harness, deployment, source)
    expect("sockets after the restore, and in the handler", payload, [[], 1])
    return "0 sockets after the restore, 1 in the handler"


@case(GROUP, "random numbers differ in each copy of the environment", HOMES)
def random_numbers(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import random\n"
        "random.seed(1)\n"
        "known = random.Random(1).random()\n"
        "def handler(event, context): return random.random() == known\n"
    )
    _, payload, _ = run(harness, deployment, source)
    expect("the number that the seed gives", payload, False)
    return "reseeded"


@case(GROUP, "the seed of a hook takes precedence", (OS_ONLY,))
def own_seed(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import random\n"
        "from snapshot_restore_py import register_after_restore\n"
        "register_after_restore(random.seed, 1)\n"
        "known = random.Random(1).random()\n"
        "def handler(event, context): return random.random() == known\n"
    )
    _, payload, _ = run(harness, deployment, source)
    expect("the number that the hook's seed gives", payload, True)
    return "reseeded before the hooks"


@case(GROUP, "the context has no log group and no log stream", HOMES)
def no_log_stream(harness: Harness, deployment: Deployment) -> Observation:
    source = "def handler(event, context): return [context.log_group_name, context.log_stream_name]\n"
    _, payload, _ = run(harness, deployment, source)
    expect("names", payload, [None, None])
    return "None, None"


@case(GROUP, "a hook may log, and sees no request id", (OS_ONLY,))
def logging(harness: Harness, deployment: Deployment) -> Observation:
    source = (
        "import logging\n"
        "from snapshot_restore_py import register_after_restore\n"
        "register_after_restore(logging.warning, 'restored')\n"
        "def handler(event, context): logging.warning('handling')\n"
    )
    _, _, log = run(harness, deployment, source)
    line = next(line for line in log.splitlines() if line.endswith("restored"))
    expect("request id", line.split("\t")[2], "")
    return line.replace("\t", " ")


@case(GROUP, "a vendor's wrapper and hooks together", (OS_ONLY,))
def wrapped(harness: Harness, deployment: Deployment) -> Observation:
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/vendor"}
    opt = {"vendor": '#!/bin/sh\necho "wrapper"\nexec "$@"\n'}
    with harness.start(
        deployment,
        "app.handler",
        task={"app.py": HOOKS},
        opt=opt,
        environment=environment,
        initialization_type="snap-start",
    ) as function:
        expect("hooks", len(value(function.invoke())), 6)
        expect("calls of the wrapper", function.log_text().count("wrapper"), 1)
    return "6 hooks, 1 call"


# Without `sys.exit` while loading: our runtime reports it, AWS's only exits.
COMPARED = {
    "hooks": HOOKS,
    "no hooks": "def handler(event, context): return 'fine'\n",
    "before raises": failing("raise ValueError('not now')", "before_snapshot"),
    "before raises without a message": failing("raise ValueError", "before_snapshot"),
    "before exits": failing("sys.exit(3)", "before_snapshot"),
    "after raises": failing("raise ValueError('not now')", "after_restore"),
    "after raises without a message": failing("raise ValueError", "after_restore"),
    "after exits": failing("sys.exit(3)", "after_restore"),
    "after interrupts": failing("raise KeyboardInterrupt", "after_restore"),
    "error while loading": "raise ValueError('no configuration')\n",
}


@case(GROUP, "requests, payloads and exit statuses are those of AWS's runtime", (MANAGED,), needs_aws=True)
def like_aws(harness: Harness, deployment: Deployment) -> Observation:
    differences = []
    for name, source in COMPARED.items():
        ours, our_payload, _ = run(harness, deployment, source)
        theirs, their_payload, _ = run(harness, AWS_MANAGED, source)
        found = (comparable(ours), comparable_payload(our_payload))
        expected = (comparable(theirs), comparable_payload(their_payload))
        if found != expected:
            differences.append(f"{name}: {found}, AWS's runtime: {expected}")
    if differences:
        raise Mismatch("; ".join(differences))
    return f"{len(COMPARED)} functions alike"


def comparable(seen: Facts) -> Facts:
    """Reduce the type: AWS's runtime sends a bare class name, which becomes Runtime.Unknown on Lambda."""
    requests = [
        (method, path, header and header.replace("Function.", "", 1), body)
        for method, path, header, body in seen.requests
    ]
    return Facts(tuple(requests), seen.exit_status)


def comparable_payload(payload: Any) -> Any:
    """Remove the runtimes' own frames; for `sys.exit`, our message is a sentence instead of a number."""
    if not isinstance(payload, dict):
        return payload
    entries = {"errorType": payload["errorType"], "errorMessage": payload["errorMessage"]}
    return "exit" if payload["errorType"] == "SystemExit" else entries


@case(GROUP, "AWS's own package snapshot_restore_py in the function", (OS_ONLY,), needs_aws=True)
def aws_registry(harness: Harness, deployment: Deployment) -> Observation:
    import snapshot_restore_py  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with open(snapshot_restore_py.__file__) as file:
        task = {"app.py": HOOKS, "snapshot_restore_py/__init__.py": file.read()}
    with harness.start(deployment, "app.handler", task=task, initialization_type="snap-start") as function:
        expect("hooks", len(value(function.invoke())), 6)
    return "6 hooks"
