"""The layers that the tools build, in a sandbox without any other Python."""
