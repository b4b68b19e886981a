"""The cases, a module for each question."""

from __future__ import annotations

from conformance.sandbox.cases import search_paths, snapstart, starts, wrappers
from conformance.sandbox.laboratory import SUITE

SUITE.arrange([starts, wrappers, search_paths, snapstart])
