"""Builds what one uploads to Lambda, checks it, and runs the tests on every Python."""
