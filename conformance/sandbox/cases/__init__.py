"""The cases, a module for each question."""

from __future__ import annotations

from conformance.sandbox.cases import search_paths, snapstart, starts, wrappers
from conformance.sandbox.laboratory import CASES

MODULES = (starts, wrappers, search_paths, snapstart)

ALL_CASES = [one for module in MODULES for one in CASES if one.try_it.__module__ == module.__name__]
