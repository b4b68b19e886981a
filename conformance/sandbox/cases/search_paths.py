"""Where functions find modules: the task root, then layers, as on a managed runtime."""

from __future__ import annotations

import json

from conformance.expectations import expect, value
from conformance.sandbox.deployments import AWS_MANAGED, FUNCTION_ZIP, MANAGED, OURS, Deployment
from conformance.sandbox.harness import Harness, case
from conformance.sandbox.machine import INTERPRETER
from conformance.suite import Observation

GROUP = "Search path"
SITE = f"python/lib/{INTERPRETER}/site-packages"

WHERE = """\
import importlib, sys

def handler(names, context):
    found = {}
    for name in names:
        try:
            found[name] = importlib.import_module(name).__file__
        except ImportError as error:
            found[name] = str(error)
    return found

def path(event, context):
    return sys.path
"""


def locate(
    harness: Harness, deployment: Deployment, opt: dict[str, str], task: dict[str, str], names: list[str]
) -> dict[str, str]:
    """Return the file of each module."""
    with harness.start(deployment, "where.handler", task={"where.py": WHERE, **task}, opt=opt) as function:
        found: dict[str, str] = value(function.invoke(json.dumps(names).encode()))
    return found


@case(GROUP, "modules of layers are found, in both of their folders", OURS)
def layers(harness: Harness, deployment: Deployment) -> Observation:
    opt = {f"{SITE}/one.py": "", "python/two.py": ""}
    found = locate(harness, deployment, opt, {}, ["one", "two"])
    expect("modules", found, {"one": f"/opt/{SITE}/one.py", "two": "/opt/python/two.py"})
    return ", ".join(found.values())


@case(GROUP, "the task root comes first, then site-packages, then /opt/python", OURS)
def order(harness: Harness, deployment: Deployment) -> Observation:
    opt = {
        f"{SITE}/everywhere.py": "",
        "python/everywhere.py": "",
        f"{SITE}/twice.py": "",
        "python/twice.py": "",
    }
    found = locate(harness, deployment, opt, {"everywhere.py": ""}, ["everywhere", "twice"])
    expect("modules", found, {"everywhere": "/var/task/everywhere.py", "twice": f"/opt/{SITE}/twice.py"})
    return "task root, site-packages, /opt/python"


@case(GROUP, "layers come before the standard library and PYTHONPATH", OURS)
def before_the_standard_library(harness: Harness, deployment: Deployment) -> Observation:
    opt = {"python/colorsys.py": ""}  # a standard module that a layer replaces
    found = locate(harness, deployment, opt, {}, ["colorsys"])
    expect("module", found["colorsys"], "/opt/python/colorsys.py")
    return found["colorsys"]


@case(GROUP, ".pth files of layers are read", OURS)
def path_files(harness: Harness, deployment: Deployment) -> Observation:
    opt = {
        f"{SITE}/editable.pth": "/opt/vendor/one\n",
        "python/more.pth": "../vendor/two\nimport sys; sys.pth_was_read = True\n",
        "vendor/one/first.py": "",
        "vendor/two/second.py": "",
    }
    found = locate(harness, deployment, opt, {}, ["first", "second"])
    expect("modules", found, {"first": "/opt/vendor/one/first.py", "second": "/opt/vendor/two/second.py"})
    return ", ".join(found.values())


@case(GROUP, "a namespace package may be spread over task root and layers", OURS)
def namespaces(harness: Harness, deployment: Deployment) -> Observation:
    opt = {f"{SITE}/spread/two.py": "", "python/spread/three.py": ""}
    names = ["spread.one", "spread.two", "spread.three"]
    found = locate(harness, deployment, opt, {"spread/one.py": ""}, names)
    folders = ("/var/task", f"/opt/{SITE}", "/opt/python")
    expected = {name: f"{folder}/{name.replace('.', '/')}.py" for name, folder in zip(names, folders)}
    expect("modules", found, expected)
    return "spread over three folders"


@case(GROUP, "sys.path as a whole", OURS)
def whole(harness: Harness, deployment: Deployment) -> Observation:
    opt = {f"{SITE}/one.py": "", "python/two.py": ""}
    with harness.start(deployment, "where.path", task={"where.py": WHERE}, opt=opt) as function:
        path = value(function.invoke())
    runtime = f"{deployment.bootstrap_at}/runtime"
    expect("beginning", path[:3], ["/var/task", f"/opt/{SITE}", "/opt/python"])
    expect("end", path[-1], runtime)
    expect("repeated", sorted({one for one in path if path.count(one) > 1}), [])
    expect("relative", [one for one in path if not one.startswith("/")], [])
    expect("bootstrap's folder", [one for one in path if one == "/opt"], [])
    if deployment is MANAGED:
        expect("PYTHONPATH after the layers", path[3], "/var/runtime")
    if deployment is not FUNCTION_ZIP:
        expect("task root", path.count("/var/task"), 1)
    return " ".join(path[3:])


@case(GROUP, "folders of a layer may be missing", OURS)
def no_layers(harness: Harness, deployment: Deployment) -> Observation:
    found = locate(harness, deployment, {}, {"mine.py": ""}, ["mine", "json"])
    expect("module", found["mine"], "/var/task/mine.py")
    return found["json"]


@case(GROUP, "imports are found where AWS's runtime finds them", (MANAGED,), needs_aws=True)
def like_aws(harness: Harness, deployment: Deployment) -> Observation:
    """AWS's interpreter adds the layers' folders by its configuration; here, PYTHONPATH does."""
    opt = {f"{SITE}/one.py": "", f"{SITE}/twice.py": "", "python/twice.py": "", "python/shared.py": ""}
    task = {"where.py": WHERE, "shared.py": ""}
    event = json.dumps(["one", "twice", "shared", "json", "absent"]).encode()
    with harness.start(deployment, "where.handler", task=task, opt=opt) as function:
        ours = value(function.invoke(event))
    path = {"PYTHONPATH": f"/opt/{SITE}:/opt/python:/var/runtime"}
    with harness.start(AWS_MANAGED, "where.handler", task=task, opt=opt, environment=path) as function:
        theirs = value(function.invoke(event))
    expect("modules", ours, theirs)
    return f"{len(ours)} imports alike"
