"""The runtime as a Python package: built, installed, and run in images."""
