"""Vendors' tools, unmodified, in each mode: which request and which trace they see while others run."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

from conformance.concurrency.account import Account
from conformance.concurrency.callers import Callers, Reply
from conformance.concurrency.environment import ManagedEnvironment, modes
from conformance.concurrency.harness import Harness
from conformance.expectations import Mismatch, expect
from conformance.suite import Observation, Suite
from conformance.vendors.receivers import PATIENCE_S, XRayDaemon

INVOCATIONS = 320
PAUSE_S = 0.01
SO_RCVBUFFORCE = 33  # Linux: asm-generic/socket.h; no datagram may be lost while the callers are busy
MODES = modes("handler", "awaited")

# Of the modes in which several invocations share a process.
SHARED = ("thread", "async")

tools: Suite[Harness] = Suite()


def invoke(server: ManagedEnvironment, count: int = INVOCATIONS) -> list[Reply]:
    return Callers(server.port, ({"token": f"{n:08x}", "pause_s": PAUSE_S} for n in range(count))).run()


def log_of(server: ManagedEnvironment) -> list[str]:
    return server.log.read_bytes().decode(errors="replace").split("\n")


def start(harness: Harness, tool: str, handler: str, mode: str, **variables: str) -> ManagedEnvironment:
    return harness.environment(
        f"tools.{handler}" if "." not in handler else handler,
        mode,
        packages="vendors",
        variables={"TOOL": tool, **variables},
    )


def variant(name: str, handler: str) -> str:
    """Another handler of the same kind as ``handler``."""
    return f"{name}_awaited" if handler == "awaited" else name


def root(reply: Reply) -> str:
    """The trace id in the header of an invocation."""
    return reply.trace.split(";")[0].partition("=")[2]


def seen(reply: Reply) -> dict[str, Any]:
    """The handler's result. Raises Mismatch for an error."""
    if reply.problem or reply.error_type:
        raise Mismatch(f"{reply.problem or reply.error_type}: {reply.body[:600]!r}")
    found: dict[str, Any] = json.loads(reply.body)
    return found


def count_wrong(replies: list[Reply], expected: Any) -> Account:
    """Compare what each invocation saw, before and after its pause, with ``expected(reply)``."""
    account = Account()
    for reply in replies:
        found = seen(reply)
        for when in ("before", "after"):
            if found[when] != expected(reply):
                account.add(f"wrong {when} the pause", f"{found[when]}, expected {expected(reply)}")
    expect("replies", len(replies), INVOCATIONS)
    return account


def try_botocore(harness: Harness, mode: str, handler: str) -> Observation:
    with start(harness, "botocore", handler, mode) as server:
        replies = invoke(server)
    count_wrong(replies, lambda reply: reply.trace).check()
    return f"{2 * len(replies)} headers, 0 wrong"


def try_opentelemetry(harness: Harness, mode: str, handler: str) -> Observation:
    with start(harness, "opentelemetry", handler, mode) as server:
        replies = invoke(server)
    count_wrong(replies, lambda reply: f"Root={root(reply)}").check()
    return f"{2 * len(replies)} trace ids, 0 wrong"


class Daemon(XRayDaemon):
    """X-Ray's daemon, which receives while the function runs."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self._count = count
        self._received: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._receive)
        self._until = float("inf")  # by the monotonic clock
        self._thread.start()

    def __enter__(self) -> Daemon:
        return self

    def wait(self) -> list[dict[str, Any]]:
        """Return the segments, when all have arrived or after some seconds."""
        self._until = time.monotonic() + PATIENCE_S
        self._thread.join()
        return self._received

    def _receive(self) -> None:
        while len(self._received) < self._count and time.monotonic() < self._until:
            self._received += self.segments(1)


def run_xray(harness: Harness, mode: str, handler: str, count: int) -> Account:
    """Compare the trace ids that the function sees, and those of the segments that arrive."""
    with Daemon(count) as daemon:
        with start(harness, "xray", handler, mode, AWS_XRAY_DAEMON_ADDRESS=daemon.address) as server:
            replies = invoke(server)
        segments = daemon.wait()
    account = count_wrong(replies, root)
    traces = {seen(reply)["request_id"]: root(reply) for reply in replies}
    for segment in segments:
        request_id = segment.get("metadata", {}).get("default", {}).get("request")
        if traces.get(request_id) != segment["trace_id"]:
            account.add("segments of another trace", segment)
    if len(segments) != count:
        account.add("segments that are missing", f"{count - len(segments)} of {count}")
    return account


def try_xray(harness: Harness, mode: str, handler: str) -> Observation:
    run_xray(harness, mode, handler, 2 * INVOCATIONS).check()
    return f"{2 * INVOCATIONS} subsegments, 0 wrong"


def try_xray_around(harness: Harness, mode: str, handler: str) -> Observation:
    account = run_xray(harness, mode, variant("around", handler), INVOCATIONS)
    if mode != "async":
        account.check()
        return f"{INVOCATIONS} subsegments, 0 wrong"
    # Known: in Lambda, the SDK keeps the open subsegment in a variable of the thread, which tasks share.
    if not account.counts:
        raise Mismatch("aws-xray-sdk is right now; update docs/concurrency.md and this case")
    return f"known: {dict(account.counts)}"


def try_powertools(harness: Harness, mode: str, handler: str) -> Observation:
    """The trace ids of Logger and Tracer are right; function_request_id is a global of Logger."""
    with Daemon(2 * INVOCATIONS) as daemon:
        with start(harness, "powertools", handler, mode, AWS_XRAY_DAEMON_ADDRESS=daemon.address) as server:
            replies = invoke(server)
        segments = daemon.wait()
    account = count_wrong(replies, root)
    traces = {reply.event["token"]: root(reply) for reply in replies}
    for segment in segments:
        if traces.get(segment["annotations"]["token"]) != segment["trace_id"]:
            account.add("segments of another trace", segment)
    requests = {reply.event["token"]: seen(reply)["request_id"] for reply in replies}
    wrong = 0
    lines = [json.loads(line) for line in log_of(server) if '"packed"' in line]
    for entry in lines:
        if entry["xray_trace_id"] != traces[entry["token"]]:
            account.add("trace ids in the log", entry)
        wrong += entry["function_request_id"] != requests[entry["token"]]
    account.check()
    expect("lines", len(lines), 2 * INVOCATIONS)
    expect("segments", len(segments), 2 * INVOCATIONS)
    if (wrong > 0) != (mode in SHARED):
        raise Mismatch(f"{wrong} of {len(lines)} lines have the function_request_id of another invocation")
    known = f", known: {wrong} wrong function_request_id of {len(lines)}" if wrong else ""
    return f"{len(lines)} lines, {len(segments)} subsegments, 0 wrong trace ids{known}"


def try_powertools_own_keys(harness: Harness, mode: str, handler: str) -> Observation:
    """The remedy that its manual names: keys of the context."""
    with Daemon(2 * INVOCATIONS) as daemon:
        name, address = variant("safe", handler), daemon.address
        with start(harness, "powertools", name, mode, AWS_XRAY_DAEMON_ADDRESS=address) as server:
            replies = invoke(server)
        daemon.wait()
    requests = {reply.event["token"]: seen(reply)["request_id"] for reply in replies}
    lines = [json.loads(line) for line in log_of(server) if '"packed"' in line]
    expect("wrong", [one for one in lines if one["request"] != requests[one["token"]]][:3], [])
    expect("lines", len(lines), 2 * INVOCATIONS)
    return f"{len(lines)} lines, 0 wrong"


def try_sentry(harness: Harness, mode: str, handler: str) -> Observation:
    with start(harness, "sentry", handler, mode) as server:
        replies = invoke(server)
    account = Account()
    requests = {}
    for reply in replies:
        expect("error", reply.error_type, "Function.ValueError")
        requests[reply.event["token"]] = json.loads(reply.body)["requestId"]
    said: Counter[str] = Counter()
    for line in log_of(server):
        if line.startswith("SENTRY "):
            entry = json.loads(line.partition(" ")[2])
            said[entry["said"]] += 1
            if (entry["request"], entry["tag"]) != (requests[entry["said"]], entry["said"]):
                account.add("wrong", entry)
    for token in requests:
        if said[token] != 3:  # two messages and the exception
            account.add("lost or doubled", f"{said[token]} of {token}")
    account.check()
    return f"{said.total()} events, 0 wrong"


def try_datadog(harness: Harness, mode: str, handler: str) -> Observation:
    """Its wrapper keeps the response in an attribute, its tracer sets SIGALRM: one invocation at a time."""
    settings = {
        "DD_LAMBDA_HANDLER": f"tools.{handler}",
        "DD_FLUSH_TO_LOG": "true",
        "DD_SERVICE": "shop",
        "DD_LOCAL_TEST": "true",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }
    with start(harness, "datadog", "datadog_lambda.handler.handler", mode, **settings) as server:
        replies = invoke(server)
    logged: dict[str, list[dict[str, Any]]] = {reply.event["token"]: [] for reply in replies}
    for line in log_of(server):
        if '"packed ' in line:
            entry = json.loads(line)
            logged[entry["message"].partition(" ")[2]].append(entry)
    account = Account()
    for reply in replies:
        problem = datadog_problem(reply, logged[reply.event["token"]])
        if problem:
            account.add(problem, reply.body)
    if mode not in SHARED:
        account.check()
        return f"{len(replies)} invocations, 0 wrong"
    if not account.counts:
        raise Mismatch("datadog-lambda is right now; update docs/concurrency.md and this case")
    return f"known: {dict(account.counts)} of {len(replies)}"


def datadog_problem(reply: Reply, entries: list[dict[str, Any]]) -> str:
    """What is wrong with a response or with the lines that its invocation has logged."""
    if reply.error_type:
        return "errors"
    found = json.loads(reply.body)
    if not isinstance(found, dict):
        return "no response"
    if {entry["requestId"] for entry in entries} != {found["request_id"]}:
        return "responses of another invocation"
    traces = {entry["dd.trace_id"] for entry in entries}
    if len(entries) != 2 or len(traces) != 1 or not as_hexadecimal(*traces).endswith(str(found["before"])):
        return "trace ids"
    return "" if found["before"] == found["after"] else "trace ids"


def as_hexadecimal(number: str) -> str:
    """A trace id of 64 bits is logged in decimal, one of 128 bits in hexadecimal."""
    return number if len(number) == 32 else format(int(number), "x")


TRIES = (
    ("botocore", "the trace header of each request is the invocation's", try_botocore),
    ("aws-xray-sdk", "a subsegment belongs to the invocation's trace", try_xray),
    ("aws-xray-sdk", "a subsegment that stays open during a pause", try_xray_around),
    ("OpenTelemetry", "a span's parent is the invocation's", try_opentelemetry),
    ("Powertools", "Logger and Tracer see the invocation's trace", try_powertools),
    ("Powertools", "keys of Logger that are appended for one context", try_powertools_own_keys),
    ("sentry-sdk", "messages and exceptions have the ids and tags of their invocation", try_sentry),
    ("datadog-lambda", "the log's ids are those of the invocation's trace", try_datadog),
)
for package, title, function in TRIES:
    for mode, handler in MODES:
        tools.add(package, f"{mode}: {title}", partial(function, mode=mode, handler=handler))
