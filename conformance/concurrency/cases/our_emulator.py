"""boto3 with 32 threads against our emulator, with 16 environments and with 16 slots in one environment."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-not-found,import-untyped,unused-ignore]
from botocore.exceptions import ClientError  # type: ignore[import-not-found,import-untyped,unused-ignore]

from conformance.concurrency.account import Account, check_replies
from conformance.concurrency.callers import CALLERS, WAIT_S, Reply, trace_of
from conformance.concurrency.cases.aws_emulator import events
from conformance.concurrency.environment import SLOTS, modes
from conformance.concurrency.harness import Harness
from conformance.expectations import Mismatch, expect
from conformance.suite import Observation, Suite

INVOCATIONS = 1000
REASONS = {
    "--concurrency": "ReservedFunctionConcurrentInvocationLimitExceeded",
    "--managed": "ConcurrentInvocationLimitExceeded",
}


class Boto3Callers:
    """Threads that share one client of boto3, without its own retries."""

    def __init__(self, url: str, sent: Iterator[Mapping[str, Any]]) -> None:
        self.throttled: Counter[str] = Counter()  # by reason
        self._sent = sent
        self._lock = threading.Lock()
        self._replies: list[Reply] = []
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=CALLERS)
        self._client = boto3.client(
            "lambda",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=config,
        )
        self._client.meta.events.register("before-sign.lambda.Invoke", self._add_trace)
        self._trace = threading.local()

    def run(self) -> list[Reply]:
        """Send all events, and return the replies in any order."""
        threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._replies

    def _add_trace(self, request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = self._trace.header

    def _call(self) -> None:
        while True:
            with self._lock:
                event = next(self._sent, None)
            if event is None:
                return
            reply = self._invoke(event)
            with self._lock:
                self._replies.append(reply)

    def _invoke(self, event: Mapping[str, Any]) -> Reply:
        trace = self._trace.header = trace_of(event["token"])
        pause = threading.Event()
        while True:
            try:
                response = self._client.invoke(FunctionName="function", Payload=json.dumps(event))
                body = response["Payload"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] != "TooManyRequestsException":
                    return Reply(event, trace, problem=str(error))
                with self._lock:
                    self.throttled[error.response["Reason"]] += 1
                pause.wait(WAIT_S)
                continue
            except Exception as error:  # urllib3 and botocore raise many kinds
                return Reply(event, trace, problem=repr(error))
            error_type = "Function.ValueError" if response.get("FunctionError") else ""
            expect("status", response["StatusCode"], 200)
            return Reply(event, trace, error_type, body)


def run(harness: Harness, mode: str, handler: str, option: str) -> Observation:
    with harness.our_emulator(handler, mode, option, str(SLOTS)) as server:
        callers = Boto3Callers(server.url, itertools.islice(events(1), INVOCATIONS))
        replies = callers.run()
    account = Account()
    request_ids = check_replies(account, replies)
    check_named(account, server.log, request_ids)
    account.check()
    expect("replies", len(replies), INVOCATIONS)
    reason = REASONS[option]
    if set(callers.throttled) - {reason}:
        raise Mismatch(f"reasons of 429: expected {reason}, found {dict(callers.throttled)}")
    return f"{len(replies)} right, 429 {callers.throttled.total()} times"


def check_named(account: Account, log: Path, request_ids: Mapping[str, str]) -> None:
    """Each record of `logging` has the id of its request. The emulator also writes lines."""
    found: Counter[tuple[str, str]] = Counter()
    for line in log.read_bytes().decode(errors="replace").split("\n"):
        if '"message": "logged ' in line:
            try:
                entry = json.loads(line[line.index("{") :])
                found[entry["message"].split(" ")[1], entry["requestId"]] += 1
            except ValueError:
                account.add("glued", line)
    for one in (Counter(request_ids.items()) - found) + (found - Counter(request_ids.items())):
        account.add("wrong in the log", one)


our_emulator: Suite[Harness] = Suite()
our_emulator.add(
    f"our emulator, boto3 with {CALLERS} threads",
    f"--concurrency {SLOTS}: everything belongs to its invocation, and others get 429",
    partial(run, mode="", handler="mixed.handler", option="--concurrency"),
)
for mode, handler in modes("mixed.handler", "mixed.awaited"):
    our_emulator.add(
        f"our emulator, boto3 with {CALLERS} threads",
        f"--managed {SLOTS}, {mode}: everything belongs to its invocation, and others get 429",
        partial(run, mode=mode, handler=handler, option="--managed"),
    )
