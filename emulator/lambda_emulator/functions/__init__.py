"""Functions as they run: configuration, environments, processes, invocations and their log."""
