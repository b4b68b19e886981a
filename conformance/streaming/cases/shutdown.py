"""The end of an environment: SIGTERM is sent only to functions that handle it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

from conformance.expectations import Mismatch, expect, expect_in
from conformance.servers import Server, find_marked
from conformance.streaming.harness import Harness
from conformance.streaming.managed import CONCURRENCY
from conformance.streaming.readers import invoke
from conformance.suite import Observation, case, try_again

GROUP = "Shutdown"
PATIENCE_S = 20
TIMEOUT_S = 5  # AWS's emulator counts the start of the process
SAID = re.compile(r"(hook|atexit) in (\d+)")


def said(text: str) -> list[tuple[str, int]]:
    """Return the function's messages at its end, with their process."""
    return [(what, int(process)) for what, process in SAID.findall(text)]


@try_again
def ends(server: Callable[[], Server]) -> Observation:
    with server() as started:
        process = invoke(started.url, 0).json()
    expect("its messages", said(started.log.read_text()), [("hook", process), ("atexit", process)])
    return "the hook, then atexit"


@case(GROUP, "AWS's emulator ends: the hook is called, then atexit functions")
def aws_ends(harness: Harness) -> Observation:
    return ends(lambda: harness.aws("sigterm_handler.sleep"))


@case(GROUP, "our emulator ends: the hook is called, then atexit functions")
def ours_ends(harness: Harness) -> Observation:
    return ends(lambda: harness.ours("sigterm_handler.sleep"))


@try_again
def times_out(server: Callable[[], Server]) -> Observation:
    with server() as started:
        first = invoke(started.url, 0).json()
        expect_in("the response", "timed out after 5.00 seconds", invoke(started.url, 30).body.decode())
        expect("its messages", said(started.log.read_text()), [("hook", first), ("atexit", first)])
        second = invoke(started.url, 0).json()
    expect("a new process", second != first, True)
    return "the hook, then atexit; then a new process"


@case(GROUP, "AWS's emulator: a timeout also calls the hook")
def aws_timeout(harness: Harness) -> Observation:
    return times_out(lambda: harness.aws("sigterm_handler.sleep", timeout_s=TIMEOUT_S))


@case(GROUP, "our emulator: a timeout also calls the hook")
def ours_timeout(harness: Harness) -> Observation:
    return times_out(lambda: harness.ours("sigterm_handler.sleep", "--concurrency", "1", timeout_s=TIMEOUT_S))


@case(GROUP, "AWS's emulator of managed instances ends: in each worker the hook, once, then atexit functions")
@try_again
def managed_ends(harness: Harness) -> Observation:
    with harness.aws_managed("sigterm_handler.sleep") as server:
        processes = {invoke(server.url, 0.05).json() for _ in range(8)}
        emulator = next(
            pid for pid, name in find_marked(server.mark).items() if name.startswith("/usr/local/")
        )
        os.kill(emulator, signal.SIGTERM)
        wait_for_end(server)
        text = server.log.read_text()
    if "will not be called" in text:
        raise Mismatch(next(line for line in text.splitlines() if "will not be called" in line))
    heard = said(text)
    expect("the messages", sorted({what for what, _ in heard}), ["atexit", "hook"])
    for process in processes | {process for _, process in heard}:
        expect(
            f"in process {process}", [what for what, where in heard if where == process], ["hook", "atexit"]
        )
    expect("workers", len({process for _, process in heard}), CONCURRENCY)
    return f"{CONCURRENCY} workers, each the hook, then atexit"


def wait_for_end(server: Server) -> None:
    assert server.process is not None
    deadline = time.monotonic() + PATIENCE_S
    while server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


@case(GROUP, "AWS's emulator: only a function with a hook registers an extension; others are killed")
def without_hook(harness: Harness) -> Observation:
    registered = "Internal agent custom-lambda-runtime-python"
    with harness.aws("sigterm_handler.sleep") as server:
        invoke(server.url, 0)
    expect_in("the log of one with a hook", registered, harness.log())
    harness.begin_case()
    with harness.aws("no_sigterm_handler.sleep") as server:
        invoke(server.url, 0)
    text = harness.log()
    expect("registered without a hook", registered in text, False)
    expect("its messages", said(text) or "atexit" in text, False)
    return "killed without a message"
