"""The account of a run: which responses, ids and log lines are not those of their invocation."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conformance.concurrency.callers import Reply
from conformance.expectations import Mismatch

# The lines of AWS's emulator.
PLATFORM = re.compile(r"(time=|START |END |REPORT |INIT_REPORT )")
TEXT_RECORD = re.compile(r"\[INFO\]\t[-0-9T:.]+Z\t(\S*)\t(.*)")
ERROR = re.compile(r"\[ERROR\] ValueError: (\S+) (\S+) ")
EXAMPLES = 5


@dataclass
class Account:
    """Counts what is wrong, with some examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, example: object) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= EXAMPLES:
            self.examples.append(f"{kind}: {str(example)[:400]}")

    def check(self) -> None:
        """Raise Mismatch if anything is wrong."""
        if self.counts:
            counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self.counts.items()))
            raise Mismatch("\n".join([counts, *self.examples]))


def read_reply(reply: Reply) -> dict[str, Any]:
    """What the handler `functions/mixed.py` saw. Raises ValueError or KeyError if it is not its response."""
    kind = reply.event["kind"]
    if kind == "raise":
        error = json.loads(reply.body)
        names = ("token", "request_id", "trace_before", "trace_after")
        seen: dict[str, Any] = dict(zip(names, error["errorMessage"].split(" ")))
        if error["requestId"] != seen["request_id"] or reply.error_type != "Function.ValueError":
            raise ValueError(f"{error} {reply.error_type}")
        return seen
    if reply.error_type:
        raise ValueError(reply.error_type)
    if kind == "stream":
        return dict(line.split("=", 1) for line in reply.body.decode().splitlines())
    found: dict[str, Any] = json.loads(reply.body)
    return found


def check_replies(account: Account, replies: Iterable[Reply]) -> dict[str, str]:
    """Compare each response with its event; return the request ids by token."""
    request_ids: dict[str, str] = {}
    for reply in replies:
        token = reply.event["token"]
        if reply.problem:
            account.add("lost", f"{token}: {reply.problem}")
            continue
        try:
            seen = read_reply(reply)
            found = (seen["token"], seen["trace_before"], seen["trace_after"])
            if found != (token, reply.trace, reply.trace):
                account.add("wrong", f"{token}: {found}")
            if "text" in seen and seen["text"] != "x" * reply.event["size"]:
                account.add("wrong", f"{token}: a text of {len(seen['text'])} characters")
            request_ids[token] = seen["request_id"]
        except (ValueError, KeyError) as error:
            account.add("lost", f"{token}: {error!r}, {reply.error_type} {reply.body[:200]!r}")
    if len(set(request_ids.values())) != len(request_ids):
        account.add("doubled", "a request id that two invocations have seen")
    return request_ids


def check_log(account: Account, text: str, replies: Iterable[Reply], request_ids: dict[str, str]) -> None:
    """Compare the log with the invocations: each line once, with the id of its request, and whole."""
    expected: Counter[tuple[str, str, str]] = Counter()
    for reply in replies:
        token, kind, size = (reply.event[name] for name in ("token", "kind", "size"))
        request_id = request_ids.get(token, "")
        expected["logged", token, request_id] += 1
        expected["printed", token, str(size)] += 1
        second = {"stream": "streamed", "after": "after", "raise": "raised"}.get(kind)
        if second:
            expected[second, token, request_id] += 1
    found: Counter[tuple[str, str, str]] = Counter()
    for line in text.split("\n"):
        if line and not PLATFORM.match(line):
            entry = read_line(line)
            if entry is None:
                account.add("glued", line)
            else:
                found[entry] += 1
    for entry, count in (expected - found).items():
        account.add("not logged", f"{entry}, {count} times")
    for entry, count in (found - expected).items():
        account.add("wrong in the log", f"{entry}, {count} times")


def read_line(line: str) -> tuple[str, str, str] | None:
    """What a line of the function says: a word, the token, the request id or a size. None if it is broken."""
    if line.startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            return None
        if "errorMessage" in entry:
            return "raised", entry["errorMessage"].split(" ")[0], entry["requestId"]
        word, _, token = entry["message"].partition(" ")
        return word, token, entry["requestId"]
    record = TEXT_RECORD.fullmatch(line)
    if record:
        word, _, token = record[2].partition(" ")
        return word, token, record[1]
    error = ERROR.match(line)
    if error:
        return "raised", error[1], error[2]
    printed = re.fullmatch(r"printed (\S+) (x*)", line)
    return ("printed", printed[1], str(len(printed[2]))) if printed else None
