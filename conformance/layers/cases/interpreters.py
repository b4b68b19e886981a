"""A packed interpreter in a root file system without any other Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import zipfile

from lambda_emulator.functions.function import Function

from conformance.expectations import Mismatch, expect, expect_in
from conformance.layers.harness import VERSION, Harness
from conformance.layers.system import CERTIFICATES
from conformance.sandbox.machine import ROOT
from conformance.suite import Observation, case

GROUP = "The packed interpreter"
EVENT = {"name": "Ada"}
RESPONSE = {"message": "Hello, Ada!"}
STARTS = 9

AROUND = """\
import os, sys

def handler(event, context):
    def refused(path):
        try:
            open(path, "w").close()
        except OSError as error:
            return error.strerror
    return {
        "executable": sys.executable, "prefix": sys.prefix,
        "user": os.getuid(), "shm": os.path.exists("/dev/shm"),
        "opt": refused("/opt/file"), "task": refused("/var/task/file"), "tmp": refused("/tmp/file"),
    }
"""

# Import every module in one process; print the names of those that fail.
IMPORT_ALL = """\
import contextlib, io, json, os, pkgutil, sys
failed, count = {}, 0
skipped = {"antigravity", "this"}  # a browser, a poem
with contextlib.redirect_stdout(io.StringIO()):
    library = os.path.dirname(os.__file__)
    folders = [library, library + "/lib-dynload"]
    names = {one.name for one in pkgutil.walk_packages(folders, onerror=lambda name: None)}
    for name in sorted(names | set(sys.builtin_module_names)):
        if name in skipped or name.endswith("__main__"):
            continue
        count += 1
        try:
            __import__(name)
        except BaseException as error:
            failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps([count, failed]))
"""

# Modules that are missing on Lambda: those of other systems, or for graphical programs.
FOREIGN = {
    *("_ios_support", "_msi", "_overlapped", "_scproxy", "_winapi", "_wmi", "msvcrt", "nt", "winreg"),
    *("_crypt", "_curses", "_dbm", "_gdbm", "_tkinter", "curses", "lib2to3", "nis", "readline", "tkinter"),
}

TLS = """\
import json, os, ssl
context = ssl.create_default_context()
print(json.dumps([context.cert_store_stats()["x509_ca"], os.environ.get("SSL_CERT_FILE")]))
"""

LIBRARIES = """\
import bz2, ctypes, hashlib, json, lzma, sqlite3, ssl, uuid, zlib
data = b"x" * 1000
assert zlib.decompress(zlib.compress(data)) == bz2.decompress(bz2.compress(data)) == data
assert lzma.decompress(lzma.compress(data)) == data
assert ctypes.CDLL(None).getpid() > 0
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert len(hashlib.new("sha3_256", data).digest()) == 32 and uuid.uuid4().version == 4
print(ssl.OPENSSL_VERSION, "SQLite", sqlite3.sqlite_version)
"""


@case(GROUP, "the root itself has no Python and no OpenSSL")
def bare(harness: Harness) -> Observation:
    empty = harness.new_folder()
    outcome = harness.inside(
        empty, ["sh", "-c", "command -v python3; find / -xdev -name 'libssl*' -o -name '*.py'"]
    )
    expect("found", outcome.output, "")
    libraries = harness.inside(empty, ["sh", "-c", "ls /lib*/*linux-gnu*/ | wc -l"]).output.strip()
    return f"busybox and {libraries} libraries"


@case(GROUP, "our emulator invokes hello.handler through it")
def ours(harness: Harness) -> Observation:
    task = harness.unzip(harness.function())
    expect("response", harness.invoke(harness.opt(), task, EVENT), RESPONSE)
    return json.dumps(RESPONSE)


@case(GROUP, "AWS's emulator invokes hello.handler through it")
def aws(harness: Harness) -> Observation:
    task = harness.unzip(harness.function())
    expect("response", harness.invoke_through_aws(harness.opt(), task, EVENT), RESPONSE)
    return json.dumps(RESPONSE)


@case(GROUP, "the runtime's layer as the function itself, with the example in it")
def as_function(harness: Harness) -> Observation:
    task, layers = harness.unzip(harness.layer()), harness.unzip(harness.interpreter())
    with harness.start(layers, task) as function:
        status = function.exit_status
    expect("without bootstrap in /opt it does not start", status not in (None, 0), True)
    words = harness.command(layers, task, ["/var/task/bootstrap"])
    environment = dict(function.configuration.environment)
    with Function("hello.handler", task, words, environment=environment, timeout_s=60) as another:
        expect("response", json.loads(another.invoke(json.dumps(EVENT).encode()).payload), RESPONSE)
    return json.dumps(RESPONSE)


@case(GROUP, "it finds itself below /opt, read-only, as user 993, without /dev/shm")
def around(harness: Harness) -> Observation:
    task = harness.task({"around.py": AROUND})
    found = harness.invoke(harness.opt(), task, {}, "around.handler")
    refusal = "Read-only file system"
    expected = {"executable": "/opt/bin/python3", "prefix": "/opt", "user": 993, "shm": False}
    expect("seen by the function", found, {**expected, "opt": refusal, "task": refusal, "tmp": None})
    return "/opt/bin/python3, prefix /opt"


@case(GROUP, "it starts without output, also by the name with its version")
def silent(harness: Harness) -> Observation:
    folder = harness.opt()
    link = folder / "bin" / f"python{VERSION}"
    expect("unzip makes a link", link.is_symlink() and os.readlink(link), "python3")
    for name in ("python3", f"python{VERSION}"):
        outcome = harness.inside(folder, [name, "-c", "import sys; print(sys.prefix)"])
        expect(name, (outcome.output, outcome.errors), ("/opt\n", ""))
    return f"python{VERSION} -> python3"


@case(GROUP, "it also works if links are not unzipped as links")
def without_links(harness: Harness) -> Observation:
    folder = harness.new_folder()
    for archive in (harness.layer(), harness.interpreter()):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    for name in ("bootstrap", "bin/python3"):
        (folder / name).chmod(0o755)
    expect("a link", (folder / "bin" / f"python{VERSION}").is_symlink(), False)
    expect("response", harness.invoke(folder, harness.unzip(harness.function()), EVENT), RESPONSE)
    return "python -m zipfile -e, and chmod"


@case(GROUP, "a start compiles nothing: all bytecode exists and is used")
def bytecode(harness: Harness) -> Observation:
    program = ["python3", "-v", "-c", "import asyncio, json, logging, sys; sys.path.append('/opt/runtime');"]
    program[-1] += "import lambda_runtime.main"
    lines = harness.inside(harness.opt(), program).errors.splitlines()
    objects = [line for line in lines if line.startswith("# code object from ")]
    used = [line for line in objects if ".pyc" in line]
    expect("compiled from source", [line for line in objects if ".pyc" not in line], [])
    if not used:
        raise Mismatch("no module has been loaded from bytecode")
    return f"{len(used)} modules from bytecode"


@case(GROUP, "every module in it can be imported")
def complete(harness: Harness) -> Observation:
    outcome = harness.inside(harness.opt(), ["python3", "-c", IMPORT_ALL])
    expect("exit status", outcome.status, 0)
    count, failed = json.loads(outcome.output)
    expect("modules that fail", {one: why for one, why in failed.items() if not _is_foreign(one, why)}, {})
    return f"{count - len(failed)} modules; not for Lambda: {', '.join(sorted(failed)) or 'none'}"


def _is_foreign(name: str, reason: str) -> bool:
    """Return whether a module fails because it is not for Lambda, judging by the error."""
    match = re.search(r"No module named '([^'.]+)", reason)
    if match is not None:
        return match.group(1) in FOREIGN
    return name.startswith("_pyrepl.") or re.search(r"win32|'(mbcs|oem)_encode'|ObjC", reason) is not None


@case(GROUP, "OpenSSL, SQLite, libffi and the compressions work")
def libraries(harness: Harness) -> Observation:
    outcome = harness.inside(harness.opt(), ["python3", "-c", LIBRARIES])
    expect("errors", outcome.errors, "")
    return outcome.output.strip()


@case(GROUP, "TLS trusts Amazon Linux's certificates, or those that the function names")
def certificates(harness: Harness) -> Observation:
    folder = harness.opt()
    outcome = harness.inside(folder, ["python3", "-c", TLS])
    expect("errors", outcome.errors, "")
    count, path = json.loads(outcome.output)
    expect("SSL_CERT_FILE", path, f"/{CERTIFICATES}")
    if count < 50:
        raise Mismatch(f"only {count} certificates are trusted")
    own = harness.inside(folder, ["python3", "-c", TLS], SSL_CERT_FILE="/tmp/none.pem")
    expect("SSL_CERT_FILE that is set", json.loads(own.output), [0, "/tmp/none.pem"])
    return f"{count} authorities"


@case(GROUP, "cold start: packed, packed without bytecode, and this machine's own")
def cold_start(harness: Harness) -> Observation:
    """Compare the medians of the init phases, which include the start of the sandbox."""
    task = harness.unzip(harness.function())
    without = harness.unzip(harness.layer(), harness.interpreter("uncompiled", BYTECODE="none"))
    for cache in list((without / "runtime").rglob("__pycache__")):
        shutil.rmtree(cache)
    kinds: dict[str, list[float]] = {"packed": [], "without bytecode": [], "own": [], "sandbox": []}
    folder = harness.opt()
    for _ in range(STARTS):
        kinds["packed"].append(init_ms(harness.start(folder, task)))
        kinds["without bytecode"].append(init_ms(harness.start(without, task)))
        command = (sys.executable, ROOT / "bootstrap")
        own = Function("hello.handler", task, command, timeout_s=60)
        kinds["own"].append(init_ms(own))
        kinds["sandbox"].append(sandbox_ms(harness))
    middle = {kind: statistics.median(times) for kind, times in kinds.items()}
    if middle["packed"] > middle["without bytecode"]:
        raise Mismatch(f"bytecode does not help: {middle}")
    return ", ".join(f"{kind} {duration:.0f} ms" for kind, duration in middle.items())


def init_ms(function: Function) -> float:
    with function:
        report = function.invoke(json.dumps(EVENT).encode()).report
    if report is None or report.init_ms is None:
        raise Mismatch("no init duration is reported")
    return report.init_ms


def sandbox_ms(harness: Harness) -> float:
    """Return the time that the sandbox alone takes, with a shell that does nothing."""
    words = harness.command(harness.folder, harness.folder, ["/bin/true"])
    began = time.monotonic()
    subprocess.run(words, check=True)
    return (time.monotonic() - began) * 1000


@case(GROUP, "without a Python in any layer, the reason is reported")
def no_interpreter(harness: Harness) -> Observation:
    with harness.start(harness.unzip(harness.layer()), harness.unzip(harness.function())) as function:
        result = function.invoke(b"{}")
    expect("error", result.function_error, "Unhandled")
    expect_in("log", "python3", function.log_text())
    return next(line for line in function.log_text().splitlines() if "python3" in line)
