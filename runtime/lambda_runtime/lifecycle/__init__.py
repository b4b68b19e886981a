"""What happens around the invocations: each module is loaded only when a function needs it."""
