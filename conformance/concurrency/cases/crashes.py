"""Processes that are killed in the middle of a stream, while others are serving."""

from __future__ import annotations

import re
import time
from functools import partial

from conformance.concurrency.callers import Callers
from conformance.concurrency.harness import Harness
from conformance.expectations import Mismatch, expect
from conformance.suite import Observation, Suite

COUNT = 300
DEATHS = 10
SLOTS_AFTERWARDS = 16
PAUSE_S = 0.02
REPLACED_WITHIN_S = 10
DEATH = re.compile(r"Worker \d+ was killed by signal 9 \(SIGKILL\) during request (\S+)\. A new")


def run(harness: Harness, mode: str) -> Observation:
    events = [
        {"token": f"{n:08x}", "pause_s": PAUSE_S, "dies": n % (COUNT // DEATHS) == COUNT // DEATHS - 1}
        for n in range(COUNT)
    ]
    with harness.environment("mixed.dying", mode) as server:
        replies = Callers(server.port, events).run()
        later = Callers(server.port, [{**events[0], "token": f"{n:08x}"} for n in range(64)]).run()
        until = time.monotonic() + REPLACED_WITHIN_S
        while len(server.processes()) <= SLOTS_AFTERWARDS and time.monotonic() < until:
            time.sleep(0.05)  # a worker that dies twice is replaced after a wait
        processes = len(server.processes())
    for reply in [*replies, *later]:
        whole = f"{reply.event['token']} ends".encode()
        if (reply.body == whole) == reply.event["dies"]:
            raise Mismatch(f"{reply.event}: {reply.problem} {reply.error_type} {reply.body[:200]!r}")
    named = DEATH.findall(server.log.read_text(errors="replace"))
    expect("deaths that are named, each with its request", (len(named), len(set(named))), (DEATHS, DEATHS))
    expect("processes", processes, SLOTS_AFTERWARDS + 1)
    return f"{DEATHS} died, {len(replies) + len(later) - DEATHS} right"


crashes: Suite[Harness] = Suite()
for mode in ("fork", "preload"):
    crashes.add(
        "AWS's emulator, workers that are killed",
        f"{mode}: others are right, each death is named with its request, and replaced",
        partial(run, mode=mode),
    )
