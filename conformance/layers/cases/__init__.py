"""The cases, a module for each question."""

from __future__ import annotations

from conformance.layers.cases import builds, failures, interpreters, other_machine, packages
from conformance.layers.workshop import SUITE

SUITE.arrange([builds, interpreters, packages, other_machine, failures])
