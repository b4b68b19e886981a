"""The cases; importing a module adds its own."""

from conformance.streaming.cases import aws_emulator, boto, function_url, limits, managed, shutdown
from conformance.streaming.laboratory import CASES

MODULES = (boto, function_url, aws_emulator, managed, shutdown, limits)
ALL_CASES = [case for module in MODULES for case in CASES if case.try_it.__module__ == module.__name__]
