"""Run a case on a server through a client, and report unexpected results."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.emulators.clients import Client
from conformance.emulators.deviations import deviating_fields, expected_of_aws_emulator
from conformance.emulators.responses import Response, differences, disagreements
from conformance.emulators.steps import Case, Step
from conformance.servers import AwsEmulator, OurEmulator, Server, Setup, tail


@dataclass(frozen=True)
class Runtime:
    """The program that runs the function."""

    bootstrap: Path
    is_aws: bool  # AWS's own runtime differs from ours in a few responses


@dataclass(frozen=True)
class Outcome:
    """The outcome of one case on one server through one client."""

    responses: tuple[Response, ...]
    problems: tuple[str, ...]
    server_log: str  # its last lines, for debugging


@dataclass(frozen=True)
class Trial:
    """One case through one client: on AWS's emulator, if possible, on ours, and their comparison."""

    aws: Outcome | None
    ours: Outcome
    disagreements: tuple[str, ...]


def try_case(case: Case, client: Client, runtime: Runtime, task_root: Path) -> Trial:
    for _ in range(case.attempts):
        ours = run(case, OurEmulator, client, runtime, task_root)
        if not ours.problems:
            break
    if case.not_on_aws_emulator:
        return Trial(None, ours, ())
    aws = run(case, AwsEmulator, client, runtime, task_root)
    return Trial(aws, ours, tuple(compare(case, aws, ours, runtime)))


def run(case: Case, server: type[Server], client: Client, runtime: Runtime, task_root: Path) -> Outcome:
    """Invoke on a new server; failures of the server or the client become part of the outcome."""
    setup = Setup(runtime.bootstrap, task_root, case.handler, case.timeout_s)
    responses: list[Response] = []
    problems: list[str] = []
    with tempfile.NamedTemporaryFile(prefix="conformance-") as log:
        try:
            with server(setup, Path(log.name)) as started:
                responses += invoke_all(case, started.url, client)
            problems += judge(case, responses, server, client, runtime)
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
        return Outcome(tuple(responses), tuple(problems), tail(Path(log.name)))


def invoke_all(case: Case, url: str, client: Client) -> list[Response]:
    workers = len(case.steps) if case.at_once else 1
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda step: client.invoke(url, step.call), case.steps))


def judge(
    case: Case, responses: list[Response], server: type[Server], client: Client, runtime: Runtime
) -> list[str]:
    problems = []
    for number, (step, response) in enumerate(zip(steps(case, runtime), responses), 1):
        expected = step.expected
        if server is AwsEmulator:
            expected = expected_of_aws_emulator(expected, step.deviations)
        found = differences(client.shows(expected), response)
        problems += [f"invocation {number}: {sentence}" for sentence in found]
    return problems


def steps(case: Case, runtime: Runtime) -> list[Step]:
    return [(runtime.is_aws and step.with_aws_runtime) or step for step in case.steps]


def compare(case: Case, aws: Outcome, ours: Outcome, runtime: Runtime) -> list[str]:
    """Return the differences between both servers that are not listed; both outcomes use the same client."""
    if not aws.responses or not ours.responses:
        return ["nothing to compare"]
    problems = []
    for number, (step, left, right) in enumerate(zip(steps(case, runtime), aws.responses, ours.responses), 1):
        uncompared = deviating_fields(step.expected, step.deviations)
        if left.payload is None and left.api_error:
            uncompared.add("payload")  # this client does not show the body of an HTTP error
        found = disagreements(left, right, uncompared)
        problems += [f"invocation {number}: {sentence}" for sentence in found]
    return problems
