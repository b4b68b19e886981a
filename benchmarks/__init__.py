"""Compare this runtime with AWS's own, on the same interpreter, in one run."""
