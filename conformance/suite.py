"""Declare the cases of a suite; conftest.py turns each into a pytest item."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, ParamSpec, TypeVar
from unittest import SkipTest

from conformance.expectations import Mismatch

Observation = str  # a short description of the result
ATTRIBUTE = "conformance_cases"  # of a declared function

Place = TypeVar("Place")
Function = TypeVar("Function", bound=Callable[..., Observation])
Parameters = ParamSpec("Parameters")
Found = TypeVar("Found")


class MissingRequirement(SkipTest):
    """This machine lacks a requirement of the case, which the message names; pytest skips the case."""


@dataclass(frozen=True)
class Case:
    """One case: ``function`` is called with the suite's ``harness`` fixture.

    It raises Mismatch or MissingRequirement, or returns what it observed.
    """

    group: str
    title: str
    function: Callable[[Any], Observation]


class Suite(Generic[Place]):
    """The cases that a module generates instead of writing a function for each."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def add(self, group: str, title: str, function: Callable[[Place], Observation]) -> None:
        self.cases.append(Case(group, title, function))


def case(group: str, title: str) -> Callable[[Function], Function]:
    """Declare the decorated function, which takes the harness, as a case."""

    def add(function: Function) -> Function:
        declare(function, Case(group, title, function))
        return function

    return add


def try_again(function: Callable[Parameters, Found]) -> Callable[Parameters, Found]:
    """Call the function up to three times, until it raises no Mismatch.

    A busy machine may stop a process for longer than the time that Lambda or the emulator allows, for example
    0.5 s after SIGTERM.
    """

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Found:
        for _ in range(2):
            with contextlib.suppress(Mismatch):
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def declare(function: Callable[..., Observation], one: Case) -> None:
    """Attach a case to ``function``; pytest collects it from the module that defines the function."""
    vars(function).setdefault(ATTRIBUTE, []).append(one)


def forget_settings(*prefixes: str) -> None:
    """Remove the environment variables that configure this computer and start with one of ``prefixes``."""
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        del os.environ[name]


def installed_version(package: str) -> str:
    """Return the version of a distribution that this interpreter has, or "" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
