"""The deployments of the runtime, each in a sandbox that resembles Lambda."""
