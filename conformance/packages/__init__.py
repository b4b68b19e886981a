"""Build the runtime as a Python package, install it, and run it in images."""
