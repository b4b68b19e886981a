"""The cases, a module for each question."""

from __future__ import annotations

from conformance.layers.cases import builds, failures, interpreters, other_machine, packages
from conformance.layers.workshop import CASES

MODULES = (builds, interpreters, packages, other_machine, failures)

ALL_CASES = [one for module in MODULES for one in CASES if one.try_it.__module__ == module.__name__]
