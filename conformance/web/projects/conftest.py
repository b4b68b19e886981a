"""The fixtures of the suite: projects in sandboxes that resemble Lambda."""

from conformance.sandbox.conftest import harness, sandbox_machine

__all__ = ["harness", "sandbox_machine"]
