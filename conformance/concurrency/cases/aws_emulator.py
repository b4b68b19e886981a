"""Thousands of invocations by 32 callers in each mode: everything belongs to its invocation, nothing leaks.

CONCURRENCY_INVOCATIONS sets their number in each mode; `make test-repeatedly` uses 10,000.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from conformance.concurrency.account import Account, check_log, check_replies
from conformance.concurrency.callers import Callers, Reply
from conformance.concurrency.environment import SLOTS, modes
from conformance.concurrency.harness import Harness
from conformance.expectations import Mismatch
from conformance.suite import Observation, Suite

INVOCATIONS = int(os.environ.get("CONCURRENCY_INVOCATIONS", "2000"))
WARM_UP = max(1000, INVOCATIONS // 2)  # after so many, memory and descriptors must be constant
# Until a process has run some hundred invocations, it copies pages that it shared before.
GROWTH_KIB, GROWTH_OF_PROCESS_KIB = 1024, 96
KINDS = ("return", "return", "raise", "stream", "after")
SIZES = (3, 300, 6000)  # characters: below and above what a pipe takes in one piece
CALLBACK = re.compile(rb"\bafter [0-9a-f]{14}\b")
PATIENCE_S = 20


def events(seed: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(seed)
    for number in itertools.count():
        yield {
            "token": f"{number:06x}{chance.getrandbits(32):08x}",
            "kind": KINDS[number % len(KINDS)],
            "pause_s": chance.choice((0, 0, 0.001, 0.02)),
            "size": chance.choice(SIZES),
        }


def run(harness: Harness, handler: str, mode: str, log_format: str, count: int) -> Observation:
    source = events(count)
    with harness.environment(handler, mode, log_format=log_format) as server:
        replies = Callers(server.port, itertools.islice(source, WARM_UP)).run()
        before = server.usage()
        replies += Callers(server.port, itertools.islice(source, count - WARM_UP)).run()
        after = server.usage()
        wait_for_callbacks(server.log, replies)
    account = Account()
    request_ids = check_replies(account, replies)
    check_log(account, server.log.read_bytes().decode(errors="replace"), replies, request_ids)
    if len(replies) != count:
        account.add("lost", f"{count - len(replies)} have no reply")
    account.check()
    growth_kib = after.memory_kib - before.memory_kib
    observed = (
        f"{count} right, {after.processes} processes, PSS {before.memory_kib} {growth_kib:+} KiB, "
        f"{before.descriptors} descriptors {after.descriptors - before.descriptors:+}"
    )
    if (before.processes, before.descriptors) != (after.processes, after.descriptors):
        raise Mismatch(f"processes or descriptors have changed: {before}, {after}")
    if growth_kib > GROWTH_KIB + GROWTH_OF_PROCESS_KIB * after.processes:
        raise Mismatch(f"memory grows: {observed}")
    return observed


def wait_for_callbacks(log: Path, replies: Iterable[Reply]) -> None:
    """Wait for the log of the callbacks, which run after the responses."""
    count = sum(reply.event["kind"] == "after" for reply in replies)
    deadline = time.monotonic() + PATIENCE_S
    while len(CALLBACK.findall(log.read_bytes())) < count and time.monotonic() < deadline:
        time.sleep(0.1)


def collect() -> Suite[Harness]:
    suite: Suite[Harness] = Suite()
    sync, asynchronous = "mixed.handler", "mixed.awaited"
    runs = [(mode, handler, "JSON") for mode, handler in modes(sync, asynchronous)]
    runs += [("thread", asynchronous, "JSON"), ("fork", sync, "Text"), ("async", asynchronous, "Text")]
    for mode, handler, log_format in runs:
        suite.add(
            f"AWS's emulator, {SLOTS} slots",
            f"{mode}, {handler}, {log_format} logs: everything belongs to its invocation, nothing leaks",
            partial(run, handler=handler, mode=mode, log_format=log_format, count=INVOCATIONS),
        )
    return suite


in_each_mode = collect()
