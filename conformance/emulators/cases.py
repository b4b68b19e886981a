"""The cases: each invocation through each client on both emulators, and a comparison of the two."""

from __future__ import annotations

from collections.abc import Callable

from conformance.emulators.clients import AwsCli, Boto3, Client
from conformance.emulators.harness import Harness
from conformance.emulators.steps import CASES, Case
from conformance.expectations import Mismatch
from conformance.suite import MissingRequirement, Observation, Suite

CLIENTS = (AwsCli(), Boto3())
SUITE: Suite[Harness] = Suite()


def on_aws_emulator(case: Case, client: Client) -> Callable[[Harness], Observation]:
    def try_it(harness: Harness) -> Observation:
        aws = harness.trial(case, client).aws
        if aws is None:
            raise MissingRequirement(f"AWS's emulator: {case.not_on_aws_emulator}")
        return expect_none(aws.problems)

    return try_it


def on_our_emulator(case: Case, client: Client) -> Callable[[Harness], Observation]:
    return lambda harness: expect_none(harness.trial(case, client).ours.problems)


def compared(case: Case, client: Client) -> Callable[[Harness], Observation]:
    def try_it(harness: Harness) -> Observation:
        trial = harness.trial(case, client)
        if trial.aws is None:
            raise MissingRequirement(f"AWS's emulator: {case.not_on_aws_emulator}")
        return expect_none(trial.disagreements)

    return try_it


def expect_none(problems: tuple[str, ...]) -> Observation:
    if problems:
        raise Mismatch("\n".join(problems))
    return "as expected"


for client in CLIENTS:
    for case in CASES:
        SUITE.add(client.name, f"{case.name}: AWS's emulator", on_aws_emulator(case, client))
        SUITE.add(client.name, f"{case.name}: our emulator", on_our_emulator(case, client))
        SUITE.add(client.name, f"{case.name}: compared", compared(case, client))
