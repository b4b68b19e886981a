"""The recipes in examples/images/, built on substitutes for their base images and run like on Lambda.

Nothing is pulled: a base is created from this machine's files. ``--base debian=IMAGE`` or ``--base
alpine=FOLDER`` selects another base, for example the recipe's own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from lambda_emulator.functions.function import Function, Result

from conformance.expectations import Mismatch, expect, value
from conformance.explore import trees
from conformance.explore.engine import EngineError
from conformance.packages.harness import Harness
from conformance.sandbox.machine import INTERPRETER
from conformance.servers import ROOT, free_port
from conformance.suite import MissingRequirement, Observation, Suite
from tools.build import pythons

AWS_EMULATOR = ROOT / ".environments" / "conformance" / "bin" / "aws-lambda-rie"
FETCHED = (ROOT / ".pythons").resolve()  # by tools/debian_pythons.sh
LOCALE = Path("/usr/lib/locale/C.utf8")  # of Debian's C library
RECIPES = ("debian", "alpine", "pypy")
HELLO = {"message": "Hello, Ada!"}
EVENT = b'{"name": "Ada"}'
# The emulator's variables that Lambda also sets for an image, without the task root on this machine.
PASSED_ON = (
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_REGION",
    "TZ",
    "LANG",
)
LIKE_LAMBDA = ("--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp", "--user", "993:990")
# The packages that build the runtime, also for older interpreters; pip selects those that fit.
BUILD_SYSTEM = ("hatchling>=1.27", "tomli")
PYTHONS = ("3.9", f"3.{sys.version_info[1]}", "3.13")
START_S = 10


def image(harness: Harness, recipe: str) -> str:
    """Build the recipe once; return the name of the image."""
    name = f"localhost/function/{recipe}"
    engine = harness.engine
    if name not in harness.images:
        base = base_image(harness, recipe)
        began = time.monotonic()
        dockerfile = harness.source / "examples" / "images" / f"{recipe}.Dockerfile"
        engine.run(
            *("build", "--tag", name, "--build-arg", f"BASE={base}", "--file", str(dockerfile)),
            str(harness.source),
        )
        harness.images[name] = time.monotonic() - began
    return name


def base_image(harness: Harness, recipe: str) -> str:
    """Return the name of the recipe's base, after creating it once if it is a substitute."""
    name, given = f"localhost/base/{recipe}", harness.bases.get(recipe, "")
    if given and not Path(given).is_dir():
        return given
    if name in harness.images:
        return name
    tree = Path(tempfile.mkdtemp(dir=harness.folder, prefix=f"{recipe}-"), "root")
    if given:
        subprocess.run(["cp", "--archive", given, tree], check=True)  # keeps devices
        environment = "PATH=/usr/local/bin:/usr/bin:/bin"
    elif recipe == "debian":
        environment = debian_stand_in(tree)
    elif recipe == "pypy":
        environment = pypy_stand_in(tree)
    else:
        raise MissingRequirement(
            "this machine has no substitute for Alpine; use --base alpine=python:3.13-alpine"
        )
    (tree / "wheels").mkdir()
    for wheel in build_system(harness).iterdir():
        shutil.copy(wheel, tree / "wheels")
    (tree / "etc" / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    harness.engine.import_tree(tree, name, f"ENV {environment}")
    harness.images[name] = 0
    return name


def debian_stand_in(tree: Path) -> str:
    """Create a base from this machine's C library and interpreter, small programs and pip."""
    shutil.move(trees.os_only(tree.with_name("machine")), tree)
    local = tree / "usr" / "local"
    trees.add_python(local)
    add_pip(local / "lib" / INTERPRETER / "site-packages", local / "bin" / "pip", "python3")
    return "PATH=/usr/local/bin:/usr/bin:/bin"


def pypy_stand_in(tree: Path) -> str:
    """Create the same with this machine's newest PyPy instead of CPython."""
    found = [program for kind, _, program in pythons.find_all() if kind == "pypy"]
    if not found:
        raise MissingRequirement("PyPy is not installed (Debian's package: pypy3)")
    ask = "import os, sysconfig; print(os.path.dirname(os.__file__), sysconfig.get_path('purelib'))"
    paths = subprocess.check_output([found[-1], "-c", ask], text=True).split()
    library, site_packages = (Path(path).resolve() for path in paths)
    shutil.move(trees.os_only(tree.with_name("machine")), tree)
    program = Path(found[-1]).resolve()
    if FETCHED in program.parents:  # it includes its C library and all others
        library = FETCHED / program.relative_to(FETCHED).parts[0]
    else:
        trees.add_program(tree, program, str(program).lstrip("/"))
    (tree / "usr" / "bin" / "pypy3").symlink_to(program)
    shutil.copytree(LOCALE, tree / LOCALE.relative_to("/"))
    unused = shutil.ignore_patterns("EXTERNALLY-MANAGED", "test", "idlelib", "tkinter")
    shutil.copytree(library, tree / library.relative_to("/"), symlinks=True, ignore=unused)
    add_pip(tree / site_packages.relative_to("/"), tree / "usr" / "bin" / "pip", "pypy3")
    return "PATH=/usr/local/bin:/usr/bin:/bin"


def add_pip(site_packages: Path, script: Path, python: str) -> None:
    """Unpack the pip that is bundled with this interpreter, and create a command for it."""
    import ensurepip

    (wheel,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    script.write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n')
    script.chmod(0o755)


def build_system(harness: Harness) -> Path:
    """Download hatchling and its dependencies. Raises MissingRequirement if that fails."""
    folder = harness.folder / "build-system"
    if not folder.exists():
        for version in sorted(set(PYTHONS)):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
            options = ["--python-version", version, "--dest", str(folder)]
            done = subprocess.run([*command, *options, *BUILD_SYSTEM], capture_output=True, text=True)
            if done.returncode != 0:
                raise MissingRequirement(
                    f"pip cannot download hatchling: {done.stderr.strip().splitlines()[-1]}"
                )
    return folder


def with_our_emulator(harness: Harness, recipe: str) -> Observation:
    """Start the unchanged image, with our emulator as its Runtime API."""
    name = image(harness, recipe)
    function, (first, second) = invoke_twice(harness, name)
    expect("its responses", [value(first), value(second)], [HELLO, HELLO])
    if "function greets Ada" not in function.log_text():
        raise Mismatch(f"the log lacks the function's output: {function.log_text()}")
    init_ms = first.report.init_ms or 0
    return f"built in {harness.images[name]:.0f} s; container and init phase {init_ms:.0f} ms"


def invoke_twice(harness: Harness, name: str) -> tuple[Function, list[Result]]:
    """Start an image with our emulator as its Runtime API; return the ended function and the results."""
    variables = [word for variable in PASSED_ON for word in ("--env", variable)]
    with tempfile.TemporaryDirectory() as folder:
        function = Function(
            "named.in_cmd",
            folder,
            command=[harness.engine.podman, "run", *LIKE_LAMBDA, *variables, name],
            other_users=True,
            timeout_s=20,
            init_timeout_s=60,
        )
        try:
            with function:
                return function, [function.invoke(EVENT), function.invoke(EVENT)]
        finally:
            harness.engine.end_containers()


def with_aws_emulator(harness: Harness, recipe: str) -> Observation:
    """Start the image with AWS's emulator as its entry point, as AWS's developer guide shows it."""
    if not AWS_EMULATOR.exists():
        raise MissingRequirement("AWS's emulator is missing; `make conformance` fetches it")
    name = image(harness, recipe)
    engine = harness.engine
    (configuration,) = json.loads(engine.run("image", "inspect", name))
    command = [*configuration["Config"]["Entrypoint"], *configuration["Config"]["Cmd"]]
    port, runtime_api = free_port(), free_port()
    container = [
        *(str(engine.podman), "run", *LIKE_LAMBDA, "--volume", f"{AWS_EMULATOR}:/aws-lambda-rie:ro"),
        *("--entrypoint", "/aws-lambda-rie", name),
        f"--runtime-interface-emulator-address=127.0.0.1:{port}",
        f"--runtime-api-address=127.0.0.1:{runtime_api}",
        *command,
    ]
    process = subprocess.Popen(
        container, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        response = post(f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations")
    finally:
        engine.end_containers()
        process.kill()
        output, _ = process.communicate()
    if json.loads(response) != HELLO:
        raise Mismatch(f"it responded with {response!r}; {output.decode(errors='replace')[-600:]}")
    return response.decode()


def post(url: str) -> bytes:
    """Post the event as soon as the server listens."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while True:
        try:
            with direct.open(url, EVENT, timeout=30) as reply:
                body: bytes = reply.read()
                return body
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise Mismatch(f"AWS's emulator does not respond: {error}") from None
            time.sleep(0.05)


SUITE: Suite[Harness] = Suite()


def add_cases() -> None:
    for recipe in RECIPES:

        def ours(harness: Harness, recipe: str = recipe) -> Observation:
            return guarded(with_our_emulator, harness, recipe)

        def aws(harness: Harness, recipe: str = recipe) -> Observation:
            return guarded(with_aws_emulator, harness, recipe)

        group = f"examples/images/{recipe}.Dockerfile"
        SUITE.add(group, "built, it responds through our emulator", ours)
        SUITE.add(group, "with AWS's emulator as its entry point, it responds", aws)


def guarded(try_it: Callable[[Harness, str], Observation], harness: Harness, recipe: str) -> Observation:
    """Turn an error of the engine into a Mismatch."""
    try:
        return try_it(harness, recipe)
    except EngineError as error:
        raise Mismatch(str(error)) from None


add_cases()
