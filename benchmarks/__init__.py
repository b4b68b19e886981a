"""Measures this runtime beside AWS's own, on the same interpreter, in one run."""
