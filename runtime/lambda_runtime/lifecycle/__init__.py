"""Start, shutdown and other steps around the invocations. Each module is loaded only if it is needed."""
