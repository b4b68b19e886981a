"""The cases; importing a module adds its own."""

from conformance.streaming.cases import aws_emulator, boto, function_url, limits, managed, shutdown
from conformance.streaming.laboratory import SUITE

SUITE.arrange([boto, function_url, aws_emulator, managed, shutdown, limits])
