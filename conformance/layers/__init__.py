"""The layers that the tools build, in a sandbox that has no Python but theirs."""
