"""Checks the runtime and the emulator against AWS's own parts: its emulator, its command line, its SDK."""
